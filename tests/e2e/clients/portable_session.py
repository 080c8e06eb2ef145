"""Reads from a portable server, and may not write to it."""
import sys

import paramiko

transport = paramiko.Transport(("127.0.0.1", int(sys.argv[1])))
transport.connect(username="user", password=sys.argv[2])
sftp = paramiko.SFTPClient.from_transport(transport)
content = sftp.open("file").read()
try:
    sftp.open("other", "w")
    written = "written"
except PermissionError:
    written = "not written"
print(f"read {content}, {written}")
transport.close()
