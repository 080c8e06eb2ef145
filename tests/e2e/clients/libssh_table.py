"""What table_of_clients.rs expects of every client, with libssh."""
import os
import socket
import sys

from ssh import options
from ssh.session import Session

port, local = int(sys.argv[1]), sys.argv[2]
session = Session()
session.options_set(options.HOST, "127.0.0.1")
session.options_set_port(port)
session.options_set(options.USER, "alice")
session.options_set(options.PROCESS_CONFIG, "0") if hasattr(options, "PROCESS_CONFIG") else None
session.connect()
session.userauth_password("alice", "pw")
sftp = session.sftp_new()
sftp.init()


def read(name):
    with open(f"{local}/{name}", "rb") as file:
        return file.read()


def write(name, flags, data, at=0):
    with sftp.open(name, flags, 0o644) as file:
        if at:
            file.seek64(at)
        for start in range(0, len(data), 30_000):
            file.write(data[start:start + 30_000])


new = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
write("put", new, read("first"))
with sftp.open("put", os.O_RDONLY, 0) as file, open(f"{local}/got", "wb") as got:
    while True:
        size, data = file.read()
        if size <= 0:
            break
        got.write(data[:size])
write("over", new, read("first"))
write("over", new, read("second"))
size = sftp.stat("half").size
write("half", os.O_WRONLY, read("first")[size:], size)
sftp.symlink("put", "link")
with sftp.opendir("/") as directory, open(f"{local}/listing", "w") as listing:
    listing.write("\n".join(entry.name.decode() for entry in directory))
