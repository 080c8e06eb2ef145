from ..contract.imports.log import Level
from . import log_lines


def log(level: Level, message: str, fields: list[tuple[str, str]]) -> None:
    log_lines.append((level.name.lower(), message, dict(fields)))
