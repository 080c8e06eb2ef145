"""Writes a line to the log when the server starts.

Hook point: startup. Build: ./build.sh in a project of `tidegate plugin new`.
"""

from tidegate_hook import log


def startup(server_version: str) -> None:
    log.info(f"hello, server {server_version}")
