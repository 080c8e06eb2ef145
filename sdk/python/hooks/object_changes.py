"""Logs each change of an object, with its actor.

Hook point: object-changes. Build: ./build.sh in a project of `tidegate plugin new`.
"""

from tidegate_hook import ObjectChange, log


def object_changes(change: ObjectChange) -> None:
    log.info(f"{change.actor() or 'the system'}: {change.change().name.lower()} {change.name()}")
