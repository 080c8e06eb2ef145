"""What a portable server lets clients run by default, and how many tries one connection has."""
import socket
import sys

import paramiko

port, password = int(sys.argv[1]), sys.argv[2]


def connected():
    # The plain Transport asks for the service again before every try, which russh leaves unanswered.
    transport = paramiko.ServiceRequestingTransport(socket.create_connection(("127.0.0.1", port)))
    transport.start_client(timeout=60)
    return transport


def runs(transport, command):
    channel = transport.open_session()
    try:
        channel.exec_command(command)
        return channel.recv_exit_status() == 0
    except paramiko.SSHException:
        return False


transport = connected()
transport.auth_password("user", password)
commands = [f"{name}sum /file" for name in ("md5", "sha1", "sha256", "sha384", "sha512")] + ["cd", "pwd"]
enabled = [command.split()[0] for command in commands if runs(transport, command)]
transport.close()
transport, tries = connected(), 0
# Refused keys cost no time, as refused passwords do.
while transport.is_active() and tries < 30:
    try:
        transport.auth_publickey("user", paramiko.ECDSAKey.generate())
    except paramiko.AuthenticationException:
        tries += 1
    except (paramiko.SSHException, EOFError):
        break
transport.close()
print(f"{' '.join(enabled)}; disconnected after {tries}")
