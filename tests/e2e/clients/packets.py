"""SFTP packets over a channel of paramiko."""
import struct


def exactly(source, length):
    data = b""
    while len(data) < length:
        more = source.recv(length - len(data))
        assert more, f"the channel ended after {len(data)} of {length} bytes"
        data += more
    return data


def packet(source):
    return exactly(source, struct.unpack(">I", exactly(source, 4))[0])


def framed(body):
    return struct.pack(">I", len(body)) + body


def send(target, body):
    target.sendall(framed(body))
