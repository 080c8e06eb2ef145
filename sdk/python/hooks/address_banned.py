"""Logs what is banned, why, and for how long.

Hook point: address-banned. Build: ./build.sh in a project of `tidegate plugin new`.
"""

from tidegate_hook import AddressBan, log


def address_banned(ban: AddressBan) -> None:
    minutes = (ban.until() - ban.at()) // 60
    logins = ban.login_failed() + ban.user_not_found()
    log.warn(f"{ban.network()} is banned for {minutes} minutes after {logins} denied logins")
