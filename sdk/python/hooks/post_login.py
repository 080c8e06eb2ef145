"""Counts failed logins by address, for an hour.

Hook point: post-login. Build: ./build.sh in a project of `tidegate plugin new`.
"""

from tidegate_hook import Connection, Err, LoginAttempt, Ok, Session, kv


def post_login(connection: Connection, attempt: LoginAttempt | None, outcome: Ok[Session] | Err[str]) -> None:
    if isinstance(outcome, Err):
        kv.increment(f"failed/{connection.remote_ip()}", 1, 3600)
