"""A session with asyncssh: byte names, extensions, several channels, re-keying."""
import asyncio
import os
import sys
import tempfile

import asyncssh


async def main():
    async with asyncssh.connect(
        "127.0.0.1", int(sys.argv[1]), username="alice", password="pw", known_hosts=None, client_keys=None, agent_path=None,
        config=[], rekey_bytes=4 << 20,
    ) as connection:
        async with connection.start_sftp_client(path_encoding=None) as sftp:
            odd = b"\xff\xfe name\n\x01"
            content = os.urandom(20_000_003)
            with tempfile.NamedTemporaryFile() as local:
                local.write(content)
                local.flush()
                await sftp.put(local.name.encode(), odd)
                await sftp.get(odd, local.name.encode() + b".back")
                with open(local.name + ".back", "rb") as back:
                    assert back.read() == content
                os.unlink(local.name + ".back")
            assert odd in await sftp.listdir(b".")
            assert (await sftp.stat(odd)).size == len(content)
            await sftp.link(odd, b"hard")
            assert (await sftp.stat(b"hard")).size == len(content)
            await sftp.posix_rename(b"hard", b"renamed")
            space = await sftp.statvfs(b"/")
            assert space.blocks > 0 and space.namemax > 0
            async with sftp.open(b"renamed", "rb+") as file:
                await file.fsync()
                await file.statvfs()
                await file.utime(times=(1, 2))
            assert (await sftp.stat(b"renamed")).mtime == 2
            await sftp.symlink(b"renamed", b"link")
            assert await sftp.readlink(b"link") == b"renamed"
            # What is appended is sent with an offset of 0.
            async with sftp.open(b"appended", "wb") as file:
                await file.write(b"one")
            async with sftp.open(b"appended", "ab") as file:
                await file.write(b"two")
            async with sftp.open(b"appended", "rb") as file:
                assert await file.read() == b"onetwo"
            await sftp.setstat(b"link", asyncssh.SFTPAttrs(atime=5, mtime=6), follow_symlinks=False)
            assert (await sftp.lstat(b"link")).mtime == 6 and (await sftp.stat(b"renamed")).mtime == 2
            await sftp.remote_copy(odd, b"copy")
            assert (await sftp.stat(b"copy")).size == len(content)
            limits = sftp.limits
            assert limits.max_read_len == limits.max_write_len == 261120, limits
        clients = [await connection.start_sftp_client(path_encoding=None) for _ in range(5)]
        await asyncio.gather(*(client.listdir(b".") for client in clients))
        for _ in range(100):  # more than may be open at once
            assert (await connection.run("pwd", check=True)).stdout == "/\n"
        for command in ["shell", "sh -c id", ""]:
            try:
                await connection.run(command or None, check=True)
                raise SystemExit(f"{command!r} was run")
            except (asyncssh.ProcessError, asyncssh.ChannelOpenError, asyncssh.Error):
                pass
        try:
            await connection.open_connection("127.0.0.1", 22)
            raise SystemExit("a connection was forwarded")
        except asyncssh.ChannelOpenError:
            pass
    print("all is well")


asyncio.run(main())
