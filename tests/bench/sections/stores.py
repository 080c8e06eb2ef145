"""What the stores of accounts do in a second by themselves, without logins around them."""

import json
import os
import statistics
import subprocess

import servers
from report import missed

FEW, MANY, LOT = 100, 100_000, 1_000_000
STORES = ("sqlite", "memory", "redb", "postgresql", "mariadb")
# Beside SQLite's rate of logins.
GOALS = {"memory": 1.2, "redb": 1.0}
WORK = {"login": "logins", "page": "pages", "change": "changes", "runs": "records of hook calls"}
# Of the rate with few accounts.
KEPT = 0.9


def measure(bench, numbers=((FEW, STORES), (MANY, STORES), (LOT, ("sqlite", "postgresql"))), seconds=1.0):
    results = {}
    for count, stores in numbers:
        command = [
            servers.ROOT / "target/release/stores", "--accounts", str(count), "--stores", ",".join(stores),
            "--rounds", str(bench.rounds), "--seconds", str(seconds),
        ]
        # The databases' files are in memory, as all others.
        environment = {**os.environ, "TMPDIR": "/dev/shm"}
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
        results |= json.loads(said)
        print(f"done: {count:,} accounts", flush=True)
    return {"rates": results, "markdown": "\n".join(table(results))}


def table(results):
    few = min(results, key=int)
    measured = {work: title for work, title in WORK.items() if work in results[few]}
    heads = ["store", "accounts", *measured.values(), "goal for logins"]
    lines = [
        "### The stores of accounts", "",
        "A second, with four tasks at once; in brackets the rate beside SQLite's with as many accounts. A login finds an account and notes",
        "its time, a page has 50 accounts, a change has an audit record, records of hook calls come by 64.", "",
        "| " + " | ".join(heads) + " |", "| --- " * len(heads) + "|",
    ]
    median = lambda count, work, store: statistics.median(results[count][work][store])
    for store in STORES:
        for count in results:
            if store not in results[count]["login"]:
                continue
            cells = []
            for work in measured:
                rate = median(count, work, store)
                beside = f" ({rate / median(count, work, 'sqlite'):.2f})" if store != "sqlite" else ""
                cells.append(f"{rate:,.0f}{beside}")
            said, logins = [], median(count, "login", store)
            if goal := GOALS.get(store):
                said.append(missed("of SQLite", logins / median(count, "login", "sqlite"), goal, least=True))
            if count != few:
                said.append(missed("of few", logins / median(few, "login", store), KEPT, least=True))
            lines.append("| " + " | ".join([store, f"{int(count):,}", *cells, "; ".join(said)]) + " |")
    return lines
