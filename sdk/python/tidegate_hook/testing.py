"""For tests: sets up what the server would offer, and makes what it would hand over."""

from typing import Any

from . import fakes
from .contract.imports import types
from .contract.results import Ok
from .fakes import log_lines  # noqa: F401 so that tests can look at what was logged


def reset(*, config: dict[str, Any] | None = None, secrets: dict[str, str] | None = None) -> None:
    """Forgets everything, and then offers this configuration and these secrets."""
    for table, offered in ((fakes.config_table, config), (fakes.secret_values, secrets), (fakes.keys, None)):
        table.clear()
        table.update(offered or {})
    fakes.log_lines.clear()


def handle(**answers: Any) -> Any:
    """A handle as the server hands it over: `handle(username="eve").username()` is "eve"."""
    return type("Handle", (), {name: _getter(answer) for name, answer in answers.items()})()


def _getter(answer: Any) -> Any:
    return staticmethod(answer if callable(answer) else lambda: answer)


def login_attempt(*, username: str, password: str | None = None, **others: Any) -> Any:
    """An attempt to log in. The password is at the same time the only hash that matches it."""
    defaults = {
        "method": types.LoginMethod_Password(),
        "completed_methods": [],
        "number": 1,
        "stored_account": None,
        "connection": connection(),
        "password_matches": lambda hash: hash == password,
    }
    return handle(**{**defaults, "username": username, "password": password, **others})


def connection(**others: Any) -> Any:
    defaults = {
        "id": "SSH_1",
        "protocol": types.Protocol_Sftp(),
        "remote_ip": "192.0.2.1",
        "remote_port": 50000,
        "local_address": "192.0.2.2:2022",
        "client_software": "SSH-2.0-test",
        "opened_at": 0,
    }
    return handle(**{**defaults, **others})


def session(*, username: str, **others: Any) -> Any:
    defaults = {
        "id": "1",
        "connection": connection(),
        "method": types.LoginMethod_Password(),
        "opened_at": 0,
        "bytes_received": 0,
        "bytes_sent": 0,
        "impersonator": None,
        "login_link": None,
    }
    return handle(**{**defaults, "username": username, **others})


def account(**others: Any) -> Any:
    defaults = {"groups": [], "permissions": [], "enabled": True, "home_directory": "/srv/nobody"}
    return handle(**{**defaults, "username": "nobody", **others})


def file_action(**others: Any) -> Any:
    defaults = {
        "kind": types.ActionKind_Upload(),
        "virtual_path": "/file",
        "status": types.ActionStatus_Ok(),
        "session": session(username="nobody"),
        "size": 0,
    }
    return handle(**{**defaults, **others})


def conversation(*answers: list[str], always: str | None = None, password: str | None = None) -> Any:
    """Answers each round with the next list; without any, the client has gone away.

    `always` answers every other question.
    """
    rounds = list(answers)

    def ask(instruction: str, prompts: list[Any]) -> list[str]:
        if rounds:
            return rounds.pop(0)
        if always is None:
            raise ConnectionError("the client has gone away")
        return [always for _ in prompts]

    return handle(ask=ask, verify_password=lambda answer: answer == password, verify_one_time_code=lambda answer: False)


def made_up(name: str, *, username: str, password: str | None = None) -> tuple[Any, ...]:
    """What the server would call the hook of that name with, about this user."""
    attempt = login_attempt(username=username, password=password)
    user = session(username=username, account=account(username=username))
    url = handle(name="key", username=username, is_login_url=False, expires_at=None)
    change = handle(name=username, change=types.ChangeKind.UPDATE, actor=None)
    ban = handle(network="192.0.2.1", login_failed=8, user_not_found=0, at=0, until=1800)
    events: dict[str, tuple[Any, ...]] = {
        "external_auth": (attempt,),
        "connect": (connection(),),
        "login_pre": (attempt,),
        "pre_login": (attempt, None),
        "check_password": (attempt,),
        "keyboard_interactive": (attempt, conversation(always=password, password=password)),
        "session_create": (user,),
        "pre_action": (file_action(status=None),),
        "password_reset_pre": (handle(username=username, remote_ip="192.0.2.1"),),
        "startup": ("0.1.0",),
        "post_login": (connection(), attempt, Ok(user)),
        "session_destroy": (user, "logout", 1000),
        "disconnect": (connection(), user, 1000),
        "post_action": (file_action(),),
        "object_changes": (change,),
        "credential_changed": (url,),
        "one_click_login_post": ("token", username, "elsewhere"),
        "address_banned": (ban,),
    }
    return events[name]


def verdict_of(hook: Any, *handles: Any) -> str:
    """The name of the verdict; `told` for hooks that have none, `failed` if the hook raised."""
    try:
        verdict = hook(*handles)
    except Exception:
        return "failed"
    return "told" if verdict is None else type(verdict).__name__.lower()
