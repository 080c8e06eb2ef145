"""Guesses passwords on one connection until the server ends it.

The plain Transport asks for the service again before every try, which russh leaves unanswered.
"""
import socket
import sys

import paramiko

transport = paramiko.ServiceRequestingTransport(socket.create_connection(("127.0.0.1", int(sys.argv[1]))))
transport.start_client(timeout=20)
tries = 0
while transport.is_active() and tries < 20:
    try:
        transport.auth_password("alice", f"guess {tries}")
    except paramiko.AuthenticationException:
        tries += 1
    except (paramiko.SSHException, EOFError):
        break
print(f"disconnected after {tries}")
