from ..contract.imports.types import AccessError_NotGranted
from ..contract.results import Err
from . import secret_values


def get(name: str) -> str:
    if name not in secret_values:
        raise Err(AccessError_NotGranted(f"secrets.{name}"))
    return secret_values[name]
