import json

from . import config_table


def get(key: str) -> str | None:
    value: object = config_table
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)


def to_json() -> str:
    return json.dumps(config_table)
