"""Logs who changed which account."""

from tidegate_hook import ObjectChange, log


def object_changes(change: ObjectChange) -> None:
    log.info(f"{change.actor() or 'the system'}: {change.change().name.lower()} {change.name()}")
