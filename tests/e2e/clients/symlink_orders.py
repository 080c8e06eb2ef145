"""Which clients send which name of a SYMLINK first, as clients of that identification do with a server that is not OpenSSH."""
import sys

import paramiko
from paramiko.sftp import CMD_SYMLINK


def session(identification):
    transport = paramiko.Transport(("127.0.0.1", int(sys.argv[1])))
    transport.local_version = "SSH-2.0-" + identification
    transport.connect(username="alice", password="pw")
    return transport, paramiko.SFTPClient.from_transport(transport)


def made(sftp, first, second):
    try:
        sftp._request(CMD_SYMLINK, first, second)
        return True
    except OSError:
        return False


TARGET_FIRST = ["OpenSSH_9.2p1", "paramiko_3.4.0", "libssh2_1.11.0", "JSCH_0.2.17", "Ruby/Net::SSH_7.2.0 x86_64-linux", "Go"]
LINK_FIRST = ["AsyncSSH_2.14.2", "libssh_0.10.6", "phpseclib_3.0 (openssl)", "Twisted_22.4.0", "ssh2js1.15.0", "WinSCP_release_6.3"]
for identification, link_first in [(name, False) for name in TARGET_FIRST] + [(name, True) for name in LINK_FIRST]:
    transport, sftp = session(identification)
    # Neither exists: the identification alone says it.
    assert made(sftp, "one", "two"), identification
    link, text = ("one", "two") if link_first else ("two", "one")
    assert sftp.readlink(link) == text, identification
    # What exists does not make these clients mean another thing.
    assert not made(sftp, *(("one", "new") if link_first else ("new", "two"))), identification
    sftp.remove(link)
    transport.close()

transport, sftp = session("SomethingElse_1.0")
with sftp.open("there", "w") as file:
    file.write(b"x")
assert made(sftp, "there", "link-a") and sftp.readlink("link-a") == "there"
assert made(sftp, "link-b", "there") and sftp.readlink("link-b") == "there"
assert made(sftp, "nowhere", "link-c") and sftp.readlink("link-c") == "nowhere"
assert not made(sftp, "there", "link-a")
transport.close()
print("all is well")
