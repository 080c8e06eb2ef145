"""Requests to the interfaces for administrators: over the control socket, where none needs credentials, or by an API key."""

import http.client
import json
import socket
import subprocess

import servers


class OverSocket(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self.path))


class Administrator:
    """One connection, which stays."""

    def __init__(self, state):
        self.connection = OverSocket(state / "tidegate.sock")

    def ask(self, method, path, document=None):
        return json.loads(self.text(method, path, document))

    def text(self, method, path, document=None):
        body = None if document is None else json.dumps(document)
        self.connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        response = self.connection.getresponse()
        text = response.read()
        if response.status >= 300:
            raise SystemExit(f"{method} {path}: {response.status} {text[:300]!r}")
        return text


def new_key(state):
    command = [servers.BINARY, "apikey", "add", "-c", state, "--name", "bench", "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["key"]
