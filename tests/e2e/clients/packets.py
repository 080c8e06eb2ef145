"""SFTP packets over a channel of paramiko."""
import struct

# Types as a packet's first byte, under the names of draft-ietf-secsh-filexfer-02.
FXP_INIT, FXP_VERSION, FXP_OPEN, FXP_READ, FXP_STAT = (bytes([number]) for number in (1, 2, 3, 5, 17))
FXP_DATA, FXP_ATTRS = (bytes([number]) for number in (103, 105))
FXF_READ = 1


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


def begin(channel):
    """The subsystem, and its version."""
    channel.invoke_subsystem("sftp")
    send(channel, FXP_INIT + struct.pack(">I", 3))
    assert packet(channel)[:1] == FXP_VERSION
