"""Asks for the password, and then for the name of the town.

Hook point: keyboard-interactive. Build: ./build.sh in a project of `tidegate plugin new`.
"""

from tidegate_hook import Accept, Conversation, LoginAttempt, Prompt, Reject


def keyboard_interactive(attempt: LoginAttempt, conversation: Conversation) -> Accept | Reject:
    (password,) = conversation.ask("", [Prompt("Password: ", False)])
    if not conversation.verify_password(password):
        return Reject("not the password")
    (town,) = conversation.ask("", [Prompt("Town: ", True)])
    return Accept() if town == "Tidegate" else Reject("not the town")
