"""A session with paramiko, operation by operation."""
import io
import os
import stat
import sys

import paramiko

client = paramiko.SSHClient()
client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
client.connect("127.0.0.1", int(sys.argv[1]), "alice", "pw", allow_agent=False, look_for_keys=False)
sftp = client.open_sftp()
content = os.urandom(5_000_011)
sftp.mkdir("d")
sftp.putfo(io.BytesIO(content), "d/file", confirm=True)
received = io.BytesIO()
sftp.getfo("d/file", received)
assert received.getvalue() == content
sftp.chmod("d/file", 0o640)
sftp.utime("d/file", (1_000_000_000, 1_100_000_000))
info = sftp.stat("d/file")
assert stat.S_IMODE(info.st_mode) == 0o640 and info.st_mtime == 1_100_000_000 and info.st_size == len(content)
sftp.truncate("d/file", 10)
assert sftp.stat("d/file").st_size == 10
with sftp.open("d/file", "a") as file:
    file.write(b"appended")
with sftp.open("d/file", "r") as file:
    assert file.read() == content[:10] + b"appended"
    assert file.stat().st_size == 18
    file.seek(3)
    assert file.read(4) == content[3:7]
with sftp.open("d/file", "r+") as file:
    file.seek(2)
    file.write(b"XY")
with sftp.open("d/file", "r") as file:
    assert file.read(6) == content[:2] + b"XY" + content[4:6]
sftp.symlink("file", "d/link")
assert sftp.readlink("d/link") == "file"
assert stat.S_ISLNK(sftp.lstat("d/link").st_mode) and stat.S_ISREG(sftp.stat("d/link").st_mode)
try:
    sftp.rename("d/link", "d/file")
    raise SystemExit("a rename replaced a file")
except OSError:
    pass
sftp.posix_rename("d/link", "d/other")
assert sorted(sftp.listdir("d")) == ["file", "other"]
assert sftp.normalize("d/../d/./other") == "/d/file"
assert sftp.normalize("d/../d/./new") == "/d/new"
for missing in ["none", "d/none", "d/file/x"]:
    try:
        sftp.stat(missing)
        raise SystemExit(f"{missing} exists")
    except OSError:
        pass
try:
    sftp.rmdir("d")
    raise SystemExit("a directory with files was removed")
except OSError:
    pass
for name in ["file", "other"]:
    sftp.remove(f"d/{name}")
sftp.rmdir("d")
second = client.open_sftp()
assert second.listdir() == [] and sftp.listdir() == []
for number in range(300):
    sftp.putfo(io.BytesIO(b""), f"entry {number:04}")
assert len(sftp.listdir()) == 300
client.close()
print("all is well")
