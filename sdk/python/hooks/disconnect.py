"""Logs connections that ended without a login.

Hook point: disconnect. Build: ./build.sh in a project of `tidegate plugin new`.
"""

from tidegate_hook import Connection, Session, log


def disconnect(connection: Connection, session: Session | None, duration_milliseconds: int) -> None:
    if session is None:
        log.warn(f"{connection.remote_ip()} left after {duration_milliseconds} ms without a login")
