"""Lets a password end in a hyphen and a code of six digits, which it takes off before the server compares.

Needs the grant `credentials`.
Hook point: check-password. Build: ./build.sh in a project of `tidegate plugin new`.
"""

import re

from tidegate_hook import Defer, LoginAttempt, Verify


def check_password(attempt: LoginAttempt) -> Defer | Verify:
    match = re.fullmatch("(.*)-[0-9]{6}", attempt.password())
    return Verify(match[1]) if match else Defer()
