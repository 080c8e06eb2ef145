"""Logs login URLs that never expire.

Hook point: credential-changed. Build: ./build.sh in a project of `tidegate plugin new`.
"""

from tidegate_hook import CredentialChange, log


def credential_changed(change: CredentialChange) -> None:
    if change.is_login_url() and change.expires_at() is None:
        log.warn(f"the login URL {change.name()} of {change.username()} never expires")
