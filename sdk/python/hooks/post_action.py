"""Remembers the last upload of each user."""

from tidegate_hook import FileAction, kv, types


def post_action(action: FileAction) -> None:
    done = isinstance(action.status(), types.ActionStatus_Ok)
    if done and isinstance(action.kind(), types.ActionKind_Upload):
        kv.set(f"last/{action.session().username()}", action.virtual_path().encode(), None)
