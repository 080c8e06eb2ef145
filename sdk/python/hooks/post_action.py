"""Remembers the last upload of each user.

Hook point: post-action. Build: ./build.sh in a project of `tidegate plugin new`.
"""

from tidegate_hook import FileAction, kv, types


def post_action(action: FileAction) -> None:
    done = isinstance(action.status(), types.ActionStatus_Ok)
    if done and isinstance(action.kind(), types.ActionKind_Upload):
        kv.set(f"last/{action.session().username()}", action.virtual_path().encode(), None)
