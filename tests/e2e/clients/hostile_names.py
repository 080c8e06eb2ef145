"""A client that calls itself and its files what a page could take for markup. First it is refused under such a name.

    hostile_names.py PORT NAME

It then stays, with its files open, until its standard input ends.
"""
import socket
import sys

import paramiko

name = sys.argv[2]


def connect():
    transport = paramiko.ServiceRequestingTransport(socket.create_connection(("127.0.0.1", int(sys.argv[1]))))
    transport.local_version = "SSH-2.0-<b>client</b>"
    transport.start_client(timeout=20)
    return transport


refused = connect()
try:
    refused.auth_password(name, "pw")
except (paramiko.SSHException, EOFError):
    print("refused")
refused.close()

session = connect()
session.auth_password("files", "pw")
sftp = paramiko.SFTPClient.from_transport(session)
files = [sftp.open(path, "wb") for path in ["one\ntwo " + name.replace("/", ""), "x" * 250]]
for file in files:
    file.write(b"data")
    file.flush()
print("ready", flush=True)
sys.stdin.read()
