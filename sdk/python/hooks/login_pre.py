"""Denies names that no account here has, before any credential is checked.

Hook point: login-pre. Build: ./build.sh in a project of `tidegate plugin new`.
"""

import re

from tidegate_hook import Allow, Deny, LoginAttempt


def login_pre(attempt: LoginAttempt) -> Allow | Deny:
    return Allow() if re.fullmatch("[a-z0-9]+", attempt.username()) else Deny("not a name of ours")
