"""Logs whom a click has logged in, and never the token."""

from tidegate_hook import log


def one_click_login_post(token: str, username: str, name: str) -> None:
    log.info(f"{username} was logged in at {name}")
