"""Leaves channels of a connection unread, as clients do whose user pauses a transfer, while others go on; reads them after."""
import hashlib
import struct
import sys

import paramiko

from packets import FXF_READ, FXP_DATA, FXP_OPEN, FXP_READ, begin, exactly, packet, send

PORT, FILE = int(sys.argv[1]), sys.argv[2]
READ, REQUESTS, READ_AT_FIRST = 32768, 400, 20

transport = paramiko.Transport(("127.0.0.1", PORT))
transport.connect(username="alice", password="pw")
with open(FILE, "rb") as file:
    content = file.read()


def channel():
    opened = transport.open_session(timeout=10)
    opened.settimeout(10)
    return opened


def start_scp():
    scp = channel()
    scp.exec_command("scp -f /big")
    scp.sendall(b"\0")
    while exactly(scp, 1) != b"\n":
        pass
    scp.sendall(b"\0")
    return scp


def start_reads():
    sftp = channel()
    begin(sftp)
    send(sftp, FXP_OPEN + struct.pack(">II", 1, 4) + b"/big" + struct.pack(">II", FXF_READ, 0))
    handle = packet(sftp)[5:]
    for number in range(REQUESTS):
        send(sftp, FXP_READ + struct.pack(">I", number) + handle + struct.pack(">QI", number * READ, READ))
    check(sftp, content, range(READ_AT_FIRST))
    return sftp


def check(sftp, content, numbers):
    for number in numbers:
        reply = packet(sftp)
        assert reply[:5] == FXP_DATA + struct.pack(">I", number)
        assert reply[9:] == content[number * READ:(number + 1) * READ]


unread = [start_scp(), start_reads(), start_reads()]
for _ in range(3):
    command = channel()
    command.exec_command("sha256sum /big")
    said = command.makefile().read().decode()
    assert said.startswith(hashlib.sha256(content).hexdigest()), said
    with paramiko.SFTPClient.from_transport(transport) as sftp:
        sftp.get_channel().settimeout(10)
        assert "big" in sftp.listdir("/")
        with sftp.open("/big") as file:
            assert file.read(100_000) == content[:100_000]

# Nothing of what waited is lost or mixed up.
scp, *readers = unread
assert exactly(scp, len(content)) == content
for sftp in readers:
    check(sftp, content, range(READ_AT_FIRST, REQUESTS))
transport.close()
