#!/usr/bin/env python3
"""Speaks /api/v1 as the older server's sample client did, with nothing but the standard library (A18-15)."""

import argparse
import base64
import json
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request


class Api:
    def __init__(self, options):
        self.base = options.base_url.rstrip("/") + "/api/v1"
        self.headers = {"Content-Type": "application/json"}
        if options.auth_type == "basic":
            pair = f"{options.auth_user}:{options.auth_password}".encode()
            self.headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()
        self.context = ssl._create_unverified_context() if options.insecure else None

    def ask(self, method, path, query=None, body=None):
        url = self.base + path
        if query:
            url += "?" + urllib.parse.urlencode(query)
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data=data, headers=self.headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30, context=self.context) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


def user_of(options):
    """The document with every field, as the sample client sent it."""
    permissions = {"/": options.permissions}
    for entry in options.subdirs_permissions:
        directory, words = entry.split(":", 1)
        permissions[directory] = words.split(",")
    user = {
        "id": options.user_id if hasattr(options, "user_id") else 0,
        "username": options.username,
        "uid": options.uid,
        "gid": options.gid,
        "max_sessions": options.max_sessions,
        "quota_size": options.quota_size,
        "quota_files": options.quota_files,
        "upload_bandwidth": options.upload_bandwidth,
        "download_bandwidth": options.download_bandwidth,
        "status": options.status,
        "expiration_date": 0,
        "permissions": permissions,
        "filters": {"allowed_ip": options.allowed_ip, "denied_ip": options.denied_ip},
        "filesystem": {"provider": 0},
    }
    if options.password:
        user["password"] = options.password
    if options.public_keys:
        user["public_keys"] = options.public_keys
    if options.home_dir:
        user["home_dir"] = options.home_dir
    return user


def user_options(parser):
    parser.add_argument("username")
    parser.add_argument("-P", "--password")
    parser.add_argument("-K", "--public-keys", nargs="*", default=[])
    parser.add_argument("-H", "--home-dir", default="")
    for name in ("uid", "gid", "max-sessions", "quota-size", "quota-files", "upload-bandwidth", "download-bandwidth"):
        parser.add_argument(f"--{name}", type=int, default=0)
    parser.add_argument("--status", type=int, default=1)
    parser.add_argument("-G", "--permissions", nargs="+", default=["*"])
    parser.add_argument("-L", "--subdirs-permissions", nargs="*", default=[])
    parser.add_argument("-Y", "--allowed-ip", nargs="*", default=[])
    parser.add_argument("-N", "--denied-ip", nargs="*", default=[])


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("-d", "--debug", action="store_true")
    parser.add_argument("-b", "--base-url", default="http://127.0.0.1:8080")
    parser.add_argument("-a", "--auth-type", choices=["basic"])
    parser.add_argument("-u", "--auth-user", default="")
    parser.add_argument("-p", "--auth-password", default="")
    parser.add_argument("-i", "--insecure", action="store_true")
    commands = parser.add_subparsers(dest="command", required=True)
    user_options(commands.add_parser("add-user"))
    update = commands.add_parser("update-user")
    update.add_argument("user_id", type=int)
    user_options(update)
    for name in ("delete-user", "get-user-by-id"):
        commands.add_parser(name).add_argument("user_id", type=int)
    users = commands.add_parser("get-users")
    users.add_argument("-L", "--limit", type=int, default=100)
    users.add_argument("-O", "--offset", type=int, default=0)
    users.add_argument("-U", "--username", default="")
    users.add_argument("-S", "--order", choices=["ASC", "DESC"], default="ASC")
    commands.add_parser("get-connections")
    commands.add_parser("close-connection").add_argument("connection")
    commands.add_parser("get-quota-scans")
    commands.add_parser("start-quota-scan").add_argument("username")
    commands.add_parser("get-version")
    commands.add_parser("get-provider-status")
    commands.add_parser("dumpdata").add_argument("output_file")
    load = commands.add_parser("loaddata")
    load.add_argument("input_file")
    load.add_argument("-Q", "--scan-quota", type=int, choices=[0, 1, 2], default=0)
    return parser.parse_args()


def run(api, options):
    match options.command:
        case "add-user":
            return api.ask("POST", "/user", body=user_of(options))
        case "update-user":
            return api.ask("PUT", f"/user/{options.user_id}", body=user_of(options))
        case "delete-user":
            return api.ask("DELETE", f"/user/{options.user_id}")
        case "get-user-by-id":
            return api.ask("GET", f"/user/{options.user_id}")
        case "get-users":
            query = {"limit": options.limit, "offset": options.offset, "order": options.order}
            return api.ask("GET", "/user", query=query | {"username": options.username})
        case "get-connections":
            return api.ask("GET", "/connection")
        case "close-connection":
            return api.ask("DELETE", "/connection/" + urllib.parse.quote(options.connection, safe=""))
        case "get-quota-scans":
            return api.ask("GET", "/quota_scan")
        case "start-quota-scan":
            return api.ask("POST", "/quota_scan", body={"username": options.username})
        case "get-version":
            return api.ask("GET", "/version")
        case "get-provider-status":
            return api.ask("GET", "/providerstatus")
        case "dumpdata":
            return api.ask("GET", "/dumpdata", query={"output_file": options.output_file})
        case "loaddata":
            query = {"input_file": options.input_file, "scan_quota": options.scan_quota}
            return api.ask("GET", "/loaddata", query=query)


def main():
    options = arguments()
    status, answer = run(Api(options), options)
    print(json.dumps({"status": status, "answer": answer}))
    return 0 if status < 400 else 1


if __name__ == "__main__":
    sys.exit(main())
