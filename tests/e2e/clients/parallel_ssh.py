"""What table_of_clients.rs expects of every client, with parallel-ssh: files by scp, the rest by SFTP."""
import sys

from pssh.clients.native import SSHClient
from ssh2.sftp import LIBSSH2_FXF_CREAT, LIBSSH2_FXF_WRITE

port, local = int(sys.argv[1]), sys.argv[2]
client = SSHClient("127.0.0.1", user="alice", password="pw", port=port, allow_agent=False, identity_auth=False, num_retries=1)
client.scp_send(f"{local}/first", "put")
client.scp_recv("put", f"{local}/got")
client.scp_send(f"{local}/first", "over")
client.scp_send(f"{local}/second", "over")
sftp = client._make_sftp()
size = client.eagain(sftp.stat, "half").filesize
with open(f"{local}/first", "rb") as file:
    file.seek(size)
    rest = file.read()
half = client.eagain(sftp.open, "half", LIBSSH2_FXF_WRITE, 0o644)
half.seek64(size)
client.eagain_write(half.write, rest)
client.eagain(half.close)
client.eagain(sftp.symlink, "put", "link")
directory = client.eagain(sftp.opendir, "/")
with open(f"{local}/listing", "w") as listing:
    for size, name, attributes in directory.readdir():
        if size > 0:
            listing.write(name.decode() + "\n")
