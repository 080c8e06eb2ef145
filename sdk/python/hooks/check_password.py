"""Passwords may have a six-digit code at their end, which is taken off before the server compares.

Needs the grant `credentials`.
"""

import re

from tidegate_hook import Defer, LoginAttempt, Verify


def check_password(attempt: LoginAttempt) -> Defer | Verify:
    match = re.fullmatch("(.*)-[0-9]{6}", attempt.password())
    return Verify(match[1]) if match else Defer()
