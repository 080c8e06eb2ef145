"""Denies requests for a new password of an administrator.

Hook point: password-reset-pre. Build: ./build.sh in a project of `tidegate plugin new`.
"""

from tidegate_hook import Allow, Deny, WebRequest


def password_reset_pre(request: WebRequest) -> Allow | Deny:
    return Deny("an administrator") if request.username().startswith("admin") else Allow()
