"""Denies sessions to partners' accounts while "maintenance" is set in the settings.

Hook point: session-create. Build: ./build.sh in a project of `tidegate plugin new`.
"""

from tidegate_hook import Allow, Deny, Session, config


def session_create(session: Session) -> Allow | Deny:
    partner = "partners" in session.account().groups()
    return Deny("maintenance") if partner and config.get("maintenance") == "true" else Allow()
