"""Nothing expires here: tests that need that take a key away themselves."""

from . import keys


def get(key: str) -> bytes | None:
    return keys.get(key)


def set(key: str, value: bytes, ttl_seconds: int | None) -> None:
    keys[key] = value


def delete(key: str) -> None:
    keys.pop(key, None)


def list_keys(prefix: str, cursor: str | None, limit: int) -> list[str]:
    found = (key for key in sorted(keys) if key.startswith(prefix) and (cursor is None or key > cursor))
    return list(found)[:limit]


def increment(key: str, delta: int, ttl_seconds: int | None) -> int:
    count = int(keys.get(key, b"0")) + delta
    keys[key] = str(count).encode()
    return count


def compare_and_set(key: str, expected: bytes | None, new: bytes, ttl_seconds: int | None) -> bool:
    same = keys.get(key) == expected
    if same:
        keys[key] = new
    return same
