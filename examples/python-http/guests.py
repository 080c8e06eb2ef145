#!/usr/bin/env python3
"""Lets guests in: user names that begin with "guest-" share the password GUEST_PASSWORD and see GUEST_DIRECTORY.

All other names are refused, so register it with users = ["guest-*"]. PORT says where it listens, on loopback.
Hook point: external-auth, as a web service. Build: none.
"""

import hmac
import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["content-length"])))
        username, password = question["username"], question.get("password", "")
        known = username.startswith("guest-") and hmac.compare_digest(password, os.environ["GUEST_PASSWORD"])
        account = {
            "username": username,
            "status": 1,
            "home_dir": os.environ["GUEST_DIRECTORY"],
            "permissions": {"/": ["list", "download"]},
        }
        body = json.dumps(account if known else {"username": ""}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "0"))), Handler)
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
