"""Logins, lists and changes with the accounts in each of the databases, for small and large numbers of accounts."""

import contextlib
import json
import os
import subprocess
import time

import servers
from admin_client import Administrator
from clients import Client
from report import missed
from rounds import Workload

LOGINS, AT_ONCE, PAGES, PAGE, CHANGES = 400, 16, 50, 50, 100
FEW, MANY, LOT = 100, 100_000, 1_000_000
# Accounts that one document may have.
PART = 100_000

# Name → store as the tests' `with-store` calls it, with the memory and the cleaning of a server as it is installed, where the
# tests have less. None: it has no server and no file.
KINDS = {
    "sqlite": "sqlite", "memory": None, "redb": "bolt",
    "postgresql": "postgresql,shared_buffers=128MB,autovacuum=on", "mariadb": "mariadb,--innodb-buffer-pool-size=128M",
}
NUMBERS = {kind: (FEW, MANY, LOT) if kind in ("sqlite", "postgresql") else (FEW, MANY) for kind in KINDS}

# Of SQLite's rate of logins; what is allowed to be lost with more accounts; with most accounts, seconds until a server is there
# and MiB more than with few; KiB for each account that is in memory.
OF_SQLITE = {"memory": 0.9, "redb": 0.9, "postgresql": 0.6, "mariadb": 0.6}
LOST, START_SECONDS, MORE_MIB, ACCOUNT_KIB = 0.10, 2, 5, 2


def measure(bench, numbers=NUMBERS):
    key, running = bench.key, []
    with contextlib.ExitStack() as stack:
        for kind, counts in numbers.items():
            lines = stack.enter_context(provider(kind))
            for count in counts:
                running.append(start(bench.work, key, kind, count, lines))
        facts = {server.name: {"start_seconds": server.start_seconds, "kib": server.memory()} for server in running}
        results = bench.measure(running, workloads(Client(key, bench.work)))
    return {"rates": results, "facts": facts, "markdown": "\n".join(table(results, facts, numbers))}


@contextlib.contextmanager
def provider(kind):
    """Lines of the section `data_provider`, with `{unique}` for a name; the server that they name runs meanwhile."""
    if KINDS[kind] is None:
        yield 'driver = "memory"\nname = "accounts0.json"'
        return
    command = [servers.ROOT / "target/release/with-store", KINDS[kind], "sh", "-c", 'echo "$TESTS_DATA_PROVIDER"; echo .; exec cat']
    # Its files are in memory, as those of all others.
    environment = {**os.environ, "TMPDIR": "/dev/shm"}
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        lines = list(iter(process.stdout.readline, ".\n"))
        yield "".join(lines)
    finally:
        process.stdin.close()
        process.wait()


def start(work, key, kind, count, lines):
    """A server with so many accounts, which log in one after the other."""
    name = f"{kind} {count:,}"
    public = key.with_suffix(".pub").read_text().strip()
    home = work / f"{name}-home"
    common = {"status": 1, "home_dir": str(home), "permissions": {"/": ["*"]}, "public_keys": [public], "password": servers.cheap_hash()}

    def prepare(state):
        for part, first in enumerate(range(0, count, PART)):
            users = [{"username": f"user{number:08}", **common} for number in range(first, min(first + PART, count))]
            file = state / f"accounts{part}.json"
            file.write_text(json.dumps({"users": users}))
            if KINDS[kind]:
                subprocess.run([servers.BINARY, "load", "-c", state, file], check=True, stdout=subprocess.DEVNULL)
                file.unlink()
        print(f"{name}: loaded", flush=True)
        prepared.append(time.monotonic())

    prepared = []
    section = f"[data_provider]\n{lines.replace('{unique}', f'bench{count}')}"
    server = servers.tidegate(work, name, account=False, common=section, prepare=prepare)
    server.start_seconds = time.monotonic() - prepared[0]
    server.user, server.accounts = "user{}", count
    server.administrator = Administrator(work / f"{name}-state")
    return server


def workloads(client):
    def pages(server):
        after = "user00000040"
        for _ in range(PAGES):
            page = server.administrator.ask("GET", f"/api/v2/users?limit={PAGE}&after={after}")
            after = page[-1]["username"] if len(page) == PAGE else "user00000040"

    def changes(server):
        user = server.administrator.ask("GET", "/api/v2/users/user00000007")
        for number in range(CHANGES):
            server.administrator.ask("PUT", "/api/v2/users/user00000007", {**user, "max_sessions": 1_000 + number % 2})

    load = ("logins", "--count", LOGINS, "--parallel", AT_ONCE)
    return [
        Workload("logins by key", lambda server: client.light(server, *load), LOGINS, "logins/s"),
        Workload("logins by password", lambda server: client.light(server, *load, password=servers.PASSWORD), LOGINS, "logins/s"),
        Workload("pages", pages, PAGES, "pages/s"),
        Workload("changes", changes, CHANGES, "changes/s"),
    ]


def table(results, facts, numbers):
    """Rates beside those of SQLite with few accounts, and of the same database with few."""
    heads = ["database", "accounts", *results, "of SQLite", "of few", "start s", "MiB", "goal"]
    lines = [
        "### Accounts in each database", "",
        f"{AT_ONCE} logins at a time, pages of {PAGE} accounts and changes of one over the control socket; in brackets the server's CPU time",
        "for each (ms), without the database server's. *of SQLite* and *of few*: the rates of logins by key and by password, beside SQLite with as many accounts and",
        f"beside the same database with {FEW}.", "",
        "| " + " | ".join(heads) + " |", "| --- " * len(heads) + "|",
    ]
    logins = ("logins by key", "logins by password")
    for kind, counts in numbers.items():
        for count in counts:
            name = f"{kind} {count:,}"
            beside = lambda other: [results[workload][name]["rate"] / results[workload][other]["rate"] for workload in logins]
            of_sqlite, of_few = beside(f"sqlite {count:,}"), beside(f"{kind} {FEW:,}")
            fact, few, said = facts[name], facts[f"{kind} {FEW:,}"], []
            if limit := OF_SQLITE.get(kind):
                said.append(missed("of SQLite", min(of_sqlite), limit, least=True))
            if count > FEW:
                said.append(missed("of few", min(of_few), 1 - LOST, least=True))
            if count == LOT:
                said.append(missed("start", fact["start_seconds"], START_SECONDS))
                said.append(missed("MiB more", (fact["kib"] - few["kib"]) / 1024, MORE_MIB))
            if kind == "memory" and count > FEW:
                said.append(missed("KiB an account", (fact["kib"] - few["kib"]) / (count - FEW), ACCOUNT_KIB))
            cells = [cell(by_server[name]) for by_server in results.values()]
            both = lambda pair: " and ".join(f"{value:.2f}" for value in pair)
            more = [both(of_sqlite), both(of_few), f"{fact['start_seconds']:.2f}", f"{fact['kib'] / 1024:.0f}", "; ".join(said)]
            lines.append("| " + " | ".join([kind, f"{count:,}", *cells, *more]) + " |")
    return lines


def cell(result):
    return f"{result['rate']:,.0f} ({result['low']:,.0f}–{result['high']:,.0f}; {result['cpu_s'] * 1000 / result['amount']:.2f})"
