"""Stands between the server and a hook, in every component, and nowhere else."""

import importlib
import traceback
from collections.abc import Callable
from typing import Any

from componentize_py_types import Err
from wit_world.imports import types

from .contract.hooks import HOOKS
from .verdicts import Deny, HookFailure, Reject


def guard(name: str, hook: Callable[..., Any]) -> type:
    """The class that componentize-py looks for: the interface with its one function."""
    interface, function, variant = HOOKS[name]
    verdicts = importlib.import_module(f"wit_world.exports.{interface.replace('-', '_')}") if variant else None

    def call(self: object, *handles: Any) -> Any:
        try:
            verdict = hook(*handles)
            return _lower(verdict, verdicts, variant) if variant else None
        except HookFailure as failure:
            raise Err(types.Failure(str(failure), failure.transient)) from None
        except Err as refusal:
            raise Err(types.Failure(f"the server refused: {_text(refusal.value)}", False)) from None
        except BaseException as error:  # also SystemExit, which would end the instance without a word
            place = traceback.extract_tb(error.__traceback__)[-1]
            message = f"{type(error).__name__}: {error} at {place.name} ({place.filename}:{place.lineno})"
            raise Err(types.Failure(message, False)) from None

    return type(name, (), {function.replace("-", "_"): call})


def _lower(verdict: Any, verdicts: Any, variant: str) -> Any:
    case = getattr(verdicts, f"{variant}_{type(verdict).__name__}", None)
    if case is None:
        raise HookFailure(f"{verdict!r} is no verdict of this hook")
    if isinstance(verdict, Reject):
        return case(types.Denial(verdict.reason, None))
    if isinstance(verdict, Deny):
        return case(types.Denial(verdict.reason, verdict.client_message))
    # Some hooks know a verdict with a value that others know without: `Accept` of a password has no draft.
    values = vars(verdict).values() if getattr(case, "__dataclass_fields__", {}) else ()
    return case(*values)


def _text(refusal: Any) -> str:
    """`AccessError_NotGranted("credentials")` as "NotGranted: credentials"; most refusals are text already."""
    if isinstance(refusal, str):
        return refusal
    return ": ".join([type(refusal).__name__.rpartition("_")[2], *map(str, vars(refusal).values())])
