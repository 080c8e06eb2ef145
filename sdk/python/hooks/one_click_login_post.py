"""Logs which user was logged in by one click, without the token.

Hook point: one-click-login-post. Build: ./build.sh in a project of `tidegate plugin new`.
"""

from tidegate_hook import log


def one_click_login_post(token: str, username: str, name: str) -> None:
    log.info(f"{username} was logged in at {name}")
