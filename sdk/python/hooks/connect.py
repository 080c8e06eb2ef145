"""Denies connections from a network of scanners, before the handshake.

Hook point: connect. Build: ./build.sh in a project of `tidegate plugin new`.
"""

from tidegate_hook import Allow, Connection, Deny


def connect(connection: Connection) -> Allow | Deny:
    return Deny("a network of scanners") if connection.remote_ip().startswith("203.0.113.") else Allow()
