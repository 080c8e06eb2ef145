"""Lets guests in: user names that begin with "guest-" share one password, whose hash is in the plugin's settings.

All other names are left to the next hook.
Hook point: external-auth. Build: ./build.sh in a project of `tidegate plugin new`.
"""

from tidegate_hook import Accept, AccountDraft, Defer, HookFailure, LoginAttempt, Reject, config, types


def external_auth(attempt: LoginAttempt) -> Accept | Defer | Reject:
    username = attempt.username()
    if not username.startswith("guest-"):
        return Defer()
    password_hash, directory = config.get("password_hash"), config.get("directory")
    if not password_hash or not directory:
        # A failure, not a verdict: the server refuses and logs the message.
        raise HookFailure("config.password_hash and config.directory are needed")
    # The server compares, so the plugin needs neither the password nor a grant.
    if not isinstance(attempt.method(), types.LoginMethod_Password) or not attempt.password_matches(password_hash):
        return Reject("not the guests' password")
    draft = AccountDraft(username)
    draft.set_home_directory(directory)
    draft.set_permissions("/", ["list", "download"])
    return Accept(draft)
