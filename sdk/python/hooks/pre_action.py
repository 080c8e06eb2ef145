"""Refuses uploads of programs."""

from tidegate_hook import Allow, Deny, FileAction, types


def pre_action(action: FileAction) -> Allow | Deny:
    upload = isinstance(action.kind(), types.ActionKind_Upload)
    if upload and action.virtual_path().lower().endswith((".exe", ".bat", ".com")):
        return Deny("a program", "programs are not taken here")
    return Allow()
