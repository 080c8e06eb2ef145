"""Nobody resets the password of an administrator over the web."""

from tidegate_hook import Allow, Deny, WebRequest


def password_reset_pre(request: WebRequest) -> Allow | Deny:
    return Deny("an administrator") if request.username().startswith("admin") else Allow()
