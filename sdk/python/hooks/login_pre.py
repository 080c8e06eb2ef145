"""Refuses names that no account of ours has, before any credential is looked at."""

import re

from tidegate_hook import Allow, Deny, LoginAttempt


def login_pre(attempt: LoginAttempt) -> Allow | Deny:
    return Allow() if re.fullmatch("[a-z0-9]+", attempt.username()) else Deny("not a name of ours")
