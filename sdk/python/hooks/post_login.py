"""Counts failed logins by address, for an hour."""

from tidegate_hook import Connection, Err, LoginAttempt, Ok, Session, kv


def post_login(connection: Connection, attempt: LoginAttempt | None, outcome: Ok[Session] | Err[str]) -> None:
    if isinstance(outcome, Err):
        kv.increment(f"failed/{connection.remote_ip()}", 1, 3600)
