"""Logins a second, one at a time and sixteen: by key, by password, and with each kind of hook that answers for the account."""

import json
import subprocess
import sys

import servers
from clients import Client
from rounds import Workload

ONE, MANY, AT_ONCE = 100, 400, 16
HOOKS = ("wasm hook", "program hook", "http hook")


def measure(bench):
    client = Client(bench.key, bench.work)
    public = bench.key.with_suffix(".pub").read_text().strip()
    account = {"username": "bench", "status": 1, "permissions": {"/": ["*"]}, "public_keys": [public]}
    running = [
        servers.tidegate(bench.work, key=bench.key, account={"password": servers.cheap_hash()}),
        servers.openssh(bench.work, bench.key),
        servers.proftpd(bench.work, bench.key),
        *with_hooks(bench, account),
    ]

    def logins(server, count, parallel, password=None):
        cipher = "aes128-ctr" if server.name == "proftpd" else "aes128-gcm@openssh.com"
        load = ("logins", "--count", count, "--parallel", parallel)
        return client.light(server, *load, cipher=cipher, password=password)

    # There is no cheap hash for a user of the system that OpenSSH's server would take.
    of_files = ("tidegate", "proftpd")
    by_key = ("tidegate", "openssh", "proftpd", *HOOKS)
    workloads = []
    for count, parallel, how in ((ONE, 1, "one at a time"), (MANY, AT_ONCE, f"{AT_ONCE} at a time")):
        workloads += [
            Workload(
                f"logins by key, {how}", lambda s, c=count, p=parallel: logins(s, c, p), count, "logins/s", only=by_key
            ),
            Workload(
                f"logins by password, {how}", lambda s, c=count, p=parallel: logins(s, c, p, servers.PASSWORD), count, "logins/s",
                only=of_files if parallel == 1 else (*of_files, *HOOKS),
            ),
        ]
    try:
        return bench.measure(running, workloads)
    finally:
        running[-1].web.terminate()


def with_hooks(bench, account):
    """Servers without stored accounts: a component, a program, or a web server knows the one account."""
    homes = {name: bench.work / f"{name} hook-home" for name in ("wasm", "program", "http")}
    answer = {name: json.dumps({**account, "home_dir": str(home)}) for name, home in homes.items()}
    make = servers.tidegate
    # The component's password is compared and not stored; the others' is stored once, and known at the next login.
    user = {**account, "home_dir": str(homes["wasm"]), "password": servers.cheap_hash()}
    users = "[[config.users]]\n" + toml(user)
    # The files are in memory, where a hook may have no homes by itself.
    homes_are = f'[data_provider]\nhomes = ["{bench.work}"]\n'
    stores_none = '[hook.external-auth]\nhook = "plugin:json-users"\nstore_passwords = false\n'
    wasm = make(bench.work, "wasm hook", account=False, common=homes_are + stores_none, plugins={"json-users": '[limits]\ninstances = "warm"\n' + users})
    script = bench.work / "hook.sh"
    script.write_text(f"#!/bin/sh\necho '{answer['program']}'\n")
    script.chmod(0o755)
    program = make(bench.work, "program hook", account=False, common=homes_are + f'external_auth_hook = "{script}"')
    port = servers.free_port()
    web = subprocess.Popen([sys.executable, servers.ROOT / "tests/bench/web_hook.py", str(port), answer["http"]])
    url = f"http://127.0.0.1:{port}/"
    http = make(bench.work, "http hook", account=False, common=homes_are + f'external_auth_hook = "{url}"')
    http.web = web
    return [wasm, program, http]


def toml(table):
    """Keys of one table; JSON's strings, numbers and lists are TOML's."""
    inline = lambda value: "{ " + ", ".join(f"{json.dumps(k)} = {json.dumps(v)}" for k, v in value.items()) + " }"
    return "".join(f"{name} = {inline(value) if isinstance(value, dict) else json.dumps(value)}\n" for name, value in table.items())
