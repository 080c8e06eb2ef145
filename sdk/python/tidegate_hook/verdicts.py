"""What hooks answer with. Which hook knows which verdict stands in `tidegate_hook.contract.exports`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .contract.imports.types import AccountDraft


@dataclass(frozen=True)
class Defer:
    """Not mine: ask the next one."""


@dataclass(frozen=True)
class Accept:
    """Lets the user in; with a draft, as the account that it describes."""

    draft: AccountDraft | None = None


@dataclass(frozen=True)
class Reject:
    """Refuses a login. The reason is for the audit trail; the client never sees it."""

    reason: str


@dataclass(frozen=True)
class Allow:
    pass


@dataclass(frozen=True)
class Deny:
    """Refuses anything but a login. The client sees its message where the protocol has room for one."""

    reason: str
    client_message: str | None = None


@dataclass(frozen=True)
class Unchanged:
    """Leaves the account as it is."""


@dataclass(frozen=True)
class Replace:
    """The account is to be as the draft describes it."""

    draft: AccountDraft


@dataclass(frozen=True)
class Verify:
    """Compares another password than the one that was sent with the stored hash."""

    password: str


@dataclass(frozen=True)
class VerifyStored:
    """Lets the server check the stored account's password, against this one if it is given."""

    password: str | None = None


class HookFailure(Exception):
    """No verdict was possible; the operator's policy for the hook decides what happens then."""

    def __init__(self, message: str, *, transient: bool = False):
        super().__init__(message)
        self.transient = transient
