"""Hooks for the Tidegate SFTP server.

`config`, `kv`, `log`, `secrets`, `types`, `AccountDraft`, `Ok` and `Err` are the server's own inside a component,
and fakes everywhere else; their types are in `__init__.pyi`. They are looked up when they are needed, because a
component imports only what its hook uses.
"""

from __future__ import annotations

import importlib
from typing import Any

from .verdicts import (
    Accept,
    Allow,
    Defer,
    Deny,
    HookFailure,
    Reject,
    Replace,
    Unchanged,
    Verify,
    VerifyStored,
)

try:
    from componentize_py_types import Err, Ok

    _IMPORTS = "wit_world.imports"
except ImportError:
    from .contract.results import Err, Ok

    _IMPORTS = "tidegate_hook.fakes"


def __getattr__(name: str) -> Any:
    if name == "log":
        return importlib.import_module("tidegate_hook.logging")
    if name in ("config", "kv", "secrets", "types", "conversations"):
        return importlib.import_module(f"{_IMPORTS}.{name}")
    # Everything else that the server has are classes in two of its interfaces.
    interface = "conversations" if name in ("Conversation", "Prompt") else "types"
    try:
        return getattr(importlib.import_module(f"{_IMPORTS}.{interface}"), name)
    except (ImportError, AttributeError):
        raise AttributeError(f"module 'tidegate_hook' has no attribute {name!r}") from None
