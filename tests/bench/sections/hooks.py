"""Calls of hooks through each adapter, a small hook in five languages, and a transfer beside notifications that wait."""

import json
import subprocess

import languages
import report
import servers
from clients import GCM, Client
from rounds import Workload

QUEUED = 10_000


def measure(bench):
    called = calls()
    by_language = languages.calls(servers.ROOT)
    queued = queue(bench)
    shell_us = called["external-auth"]["program (/bin/sh)"]["median_us"]
    languages.plot(by_language, shell_us, servers.ROOT / "tests/bench/out/languages.svg")
    tables = [
        "### Calls of hooks", "", *table(called), "", "### A small hook, by language", "", languages.table(by_language, shell_us), "",
        f"### A download beside {QUEUED:,} notifications that wait", "", *report.table(queued),
    ]
    return {"calls": called, "languages": by_language, "queue": queued, "markdown": "\n".join(tables)}


def calls():
    component = servers.ROOT / "tests/.cache/guests/contract.wasm"
    printed = subprocess.run([servers.ROOT / "target/release/hook-calls", component], check=True, capture_output=True, text=True)
    print("done: hook calls", flush=True)
    return json.loads(printed.stdout.strip().splitlines()[-1])


def queue(bench):
    """Two servers with the same slow observer; one has its queue full of events that no hook has got yet."""
    slow = bench.work / "slow.sh"
    slow.write_text("#!/bin/sh\nexec sleep 3600\n")
    slow.chmod(0o755)
    # Nothing of the script's deadline passes during the measurement.
    common = f'[common.actions]\nexecute_on = ["mkdir", "rmdir"]\nhook = "{slow}"\n[command]\ntimeout = 300\n'
    running = [servers.tidegate(bench.work, name, bench.key, common=common) for name in ("empty", "queued")]
    client, size = Client(bench.key, bench.work), bench.mebibytes
    for server in running:
        (server.home / "big").write_bytes(b"\x5a" * (size << 20))
    client.sftp(running[1], "mkdir d\nrmdir d\n" * (QUEUED // 2))
    return bench.measure(running, [
        Workload("down, AES-128-GCM, beside a queue", lambda s: client.sftp(s, f"get big {bench.work}/got\n", GCM), size)
    ])


def table(points):
    lines = [
        "| hook point | adapter | median µs | p99 µs | times faster than /bin/sh | 64 at once: calls/s | times /bin/sh |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for point, adapters in points.items():
        shell = next(iter(adapters.values()))
        for adapter, call in adapters.items():
            lines.append(
                f"| {point} | {adapter} | {call['median_us']:.0f} | {call['p99_us']:.0f} "
                f"| {shell['median_us'] / call['median_us']:.1f} | {call['parallel_per_second']:.0f} "
                f"| {call['parallel_per_second'] / shell['parallel_per_second']:.1f} |"
            )
    return lines
