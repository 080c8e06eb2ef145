"""paramiko with a key that is refused, then a password: the server lets it go. With its other transport it gets in."""
import sys

import paramiko

# Of the client, in seconds; the server's is far less.
PATIENCE = 300

port, key = int(sys.argv[1]), paramiko.Ed25519Key.from_private_key_file(sys.argv[2])


def connect(**options):
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    client.connect("127.0.0.1", port, "alice", "pw", pkey=key, allow_agent=False, look_for_keys=False,
                   auth_timeout=PATIENCE, **options)
    return client


try:
    connect()
    print("one connection: none was needed")
except paramiko.SSHException as error:
    # Without the server it would have given up by itself.
    assert "timeout" not in str(error).lower(), error
    print("ended with", error)
client = connect(transport_factory=paramiko.ServiceRequestingTransport)
print("one connection:", client.open_sftp().normalize("."))
client.close()
