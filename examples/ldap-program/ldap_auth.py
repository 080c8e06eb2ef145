#!/usr/bin/env python3
"""Decides logins by an LDAP directory.

The server passes what it knows in the environment (A11); the answer is an account as JSON, one without a user name to
refuse. LDAP_URL, LDAP_BASE and HOME_BASE come from the environment of the server, or of the hook (`env`).
Hook point: external-auth, as a program. Build: none; needs ldap3 (pip install ldap3).
"""

import json
import os
import sys

from ldap3 import Connection, Server
from ldap3.core.exceptions import LDAPException
from ldap3.utils.dn import escape_rdn


def main() -> None:
    username = os.environ.get("SFTPGO_AUTHD_USERNAME", "")
    password = os.environ.get("SFTPGO_AUTHD_PASSWORD", "")
    print(json.dumps(account(username, password)))


def account(username: str, password: str) -> dict:
    refused = {"username": ""}
    # An empty password would be an anonymous bind, which succeeds (RFC 4513, 5.1.2).
    if not username or not password or "/" in username or username in (".", ".."):
        return refused
    user = f"uid={escape_rdn(username)},{os.environ['LDAP_BASE']}"
    connection = Connection(Server(os.environ["LDAP_URL"], connect_timeout=5), user, password, receive_timeout=5)
    if not connection.bind():
        return refused
    connection.search(user, "(objectClass=*)", "BASE", attributes=["mail"])
    mail = connection.entries[0].mail.value if connection.entries else None
    home = os.path.join(os.environ["HOME_BASE"], username)
    return {
        "status": 1,
        "username": username,
        "home_dir": home,
        "permissions": {"/": ["*"]},
        **({"email": mail} if mail else {}),
    }


if __name__ == "__main__":
    try:
        main()
    except (KeyError, LDAPException) as error:
        # No verdict: the server refuses and logs this line.
        sys.exit(f"the directory could not be asked: {error!r}")
