"""What table_of_clients.rs expects of every client, with asyncssh."""
import asyncio
import sys

import asyncssh


async def main(port, local):
    options = {"known_hosts": None, "client_keys": None, "agent_path": None, "config": []}
    async with asyncssh.connect("127.0.0.1", port, username="alice", password="pw", **options) as connection:
        async with connection.start_sftp_client() as sftp:
            await sftp.put(f"{local}/first", "put")
            await sftp.get("put", f"{local}/got")
            await sftp.put(f"{local}/first", "over")
            await sftp.put(f"{local}/second", "over")
            # It has no resume of its own; with "a" it leaves the place to the server.
            size = (await sftp.stat("half")).size
            with open(f"{local}/first", "rb") as file:
                file.seek(size)
                async with sftp.open("half", "ab") as half:
                    await half.write(file.read())
            await sftp.symlink("put", "link")
            names = await sftp.listdir("/")
    with open(f"{local}/listing", "w") as listing:
        listing.write("\n".join(names))


asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
