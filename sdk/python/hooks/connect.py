"""Turns a network of scanners away, before the handshake."""

from tidegate_hook import Allow, Connection, Deny


def connect(connection: Connection) -> Allow | Deny:
    return Deny("a network of scanners") if connection.remote_ip().startswith("203.0.113.") else Allow()
