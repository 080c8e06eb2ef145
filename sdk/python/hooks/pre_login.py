"""Gives everybody who comes from the office more bandwidth, just before the login."""

from tidegate_hook import Account, AccountDraft, LoginAttempt, Replace, Unchanged


def pre_login(attempt: LoginAttempt, account: Account | None) -> Replace | Unchanged:
    if account is None:
        return Unchanged()
    draft = AccountDraft.of(account)
    limit = 0 if attempt.connection().remote_ip().startswith("192.0.2.") else 512
    draft.set_bandwidth(limit, limit)
    return Replace(draft)
