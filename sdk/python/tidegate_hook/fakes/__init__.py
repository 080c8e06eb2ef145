"""Stands in for the server when a hook runs in an ordinary Python. `tidegate_hook.testing` fills it and looks into it."""

config_table: dict[str, object] = {}
secret_values: dict[str, str] = {}
keys: dict[str, bytes] = {}
log_lines: list[tuple[str, str, dict[str, str]]] = []
