"""Keeps accounts of partners out while "maintenance" is set in the settings."""

from tidegate_hook import Allow, Deny, Session, config


def session_create(session: Session) -> Allow | Deny:
    partner = "partners" in session.account().groups()
    return Deny("maintenance") if partner and config.get("maintenance") == "true" else Allow()
