"""Denies uploads of programs.

Hook point: pre-action. Build: ./build.sh in a project of `tidegate plugin new`.
"""

from tidegate_hook import Allow, Deny, FileAction, types


def pre_action(action: FileAction) -> Allow | Deny:
    upload = isinstance(action.kind(), types.ActionKind_Upload)
    if upload and action.virtual_path().lower().endswith((".exe", ".bat", ".com")):
        return Deny("a program", "programs are not taken here")
    return Allow()
