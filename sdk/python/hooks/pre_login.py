"""Limits the bandwidth of clients that do not come from the office, just before the login.

Hook point: pre-login. Build: ./build.sh in a project of `tidegate plugin new`.
"""

from tidegate_hook import Account, AccountDraft, LoginAttempt, Replace, Unchanged


def pre_login(attempt: LoginAttempt, account: Account | None) -> Replace | Unchanged:
    if account is None:
        return Unchanged()
    draft = AccountDraft.of(account)
    limit = 0 if attempt.connection().remote_ip().startswith("192.0.2.") else 512
    draft.set_bandwidth_kb(limit, limit)
    return Replace(draft)
