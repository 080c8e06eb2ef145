"""The types of the contract, with a draft that notes what was set: `set_home_directory(path)` as `home_directory`."""

import json
from typing import Any

from ..contract.imports.types import *  # noqa: F403
from ..contract.imports.types import Account


class AccountDraft:
    def __init__(self, username: str):
        self.username = username
        self.settings: dict[str, Any] = {}

    @classmethod
    def of(cls, account: Account) -> "AccountDraft":
        return cls(account.username())

    @classmethod
    def from_json(cls, document: str) -> "AccountDraft":
        settings = json.loads(document)
        draft = cls(settings.pop("username"))
        draft.settings.update(settings)
        return draft

    def set_permissions(self, virtual_path: str, permissions: list[str]) -> None:
        self.settings.setdefault("permissions", {})[virtual_path] = permissions

    def mount_folder(self, virtual_path: str, folder: str) -> None:
        self.settings.setdefault("folders", {})[virtual_path] = folder

    def to_json(self) -> str:
        return json.dumps({"username": self.username, **self.settings})

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("set_"):
            raise AttributeError(name)

        def note(*values: Any) -> None:
            self.settings[name.removeprefix("set_")] = values[0] if len(values) == 1 else values

        return note
