"""Logs how much each session moved.

Hook point: session-destroy. Build: ./build.sh in a project of `tidegate plugin new`.
"""

from tidegate_hook import Session, log


def session_destroy(session: Session, reason: str, duration_milliseconds: int) -> None:
    moved = session.bytes_received() + session.bytes_sent()
    log.info(f"{session.username()}: {moved} bytes in {duration_milliseconds // 1000} s ({reason})")
