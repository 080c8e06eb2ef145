#!/usr/bin/env python3
"""Decides logins by an LDAP directory.

LDAP_URL, LDAP_BASE and PORT come from the environment. It listens on loopback: a client that reaches it can guess passwords.
Hook point: external-auth, as a web service for the plugin http-auth. Build: none; needs ldap3 (pip install ldap3).
"""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from ldap3 import Connection, Server
from ldap3.core.exceptions import LDAPException
from ldap3.utils.dn import escape_rdn

MAX_QUESTION = 64 << 10


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        try:
            length = int(self.headers.get("content-length", 0))
            if length > MAX_QUESTION:
                return self.answer(413, {})
            question = json.loads(self.rfile.read(length))
            status, claims = ask(question.get("username"), question.get("password"))
        except (ValueError, AttributeError):
            return self.answer(400, {})
        except LDAPException as error:
            self.log_error("%r", error)
            return self.answer(503, {})
        self.answer(status, claims)

    def answer(self, status: int, claims: dict) -> None:
        body = json.dumps(claims).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def ask(username: object, password: object) -> tuple[int, dict]:
    """200 and what is known of the user, 403, or 404 for what only others can decide."""
    if not isinstance(username, str) or not username:
        return 403, {}
    if not isinstance(password, str):
        return 404, {}
    # An empty password would be an anonymous bind, which succeeds (RFC 4513, 5.1.2).
    if not password:
        return 403, {}
    user = f"uid={escape_rdn(username)},{os.environ['LDAP_BASE']}"
    connection = Connection(Server(os.environ["LDAP_URL"], connect_timeout=5), user, password, receive_timeout=5)
    if not connection.bind():
        return 403, {}
    connection.search(user, "(objectClass=*)", "BASE", attributes=["*"])
    found = connection.entries[0].entry_attributes_as_dict if connection.entries else {}
    return 200, {name: values[0] for name, values in found.items() if values and isinstance(values[0], str | int)}


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "0"))), Handler)
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
