"""Structured lines for the server's log: `log.info("a visit", user=username)`."""

import importlib

from . import _IMPORTS

_server = importlib.import_module(f"{_IMPORTS}.log")


def trace(message: str, **fields: object) -> None:
    _write("TRACE", message, fields)


def debug(message: str, **fields: object) -> None:
    _write("DEBUG", message, fields)


def info(message: str, **fields: object) -> None:
    _write("INFO", message, fields)


def warn(message: str, **fields: object) -> None:
    _write("WARN", message, fields)


def error(message: str, **fields: object) -> None:
    _write("ERROR", message, fields)


def _write(level: str, message: str, fields: dict[str, object]) -> None:
    _server.log(_server.Level[level], message, [(name, str(value)) for name, value in fields.items()])
