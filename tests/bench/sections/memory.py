"""Memory of sessions that are open and idle."""

import subprocess

import servers
from clients import Client

FEW, MANY = 500, 5000


def measure(bench):
    client = Client(bench.key, bench.work)
    running = [
        servers.tidegate(bench.work, key=bench.key),
        servers.openssh(bench.work, bench.key),
        servers.proftpd(bench.work, bench.key),
    ]
    results = {}
    try:
        # Others have a process for each session: 5,000 of them would tell the same and take the machine's memory.
        for sessions, taking in ((FEW, running), (MANY, running[:1])):
            name = f"memory of {sessions} idle sessions"
            results[name] = {server.name: idle(client, server, sessions) for server in taking}
            print(f"done: {name}", flush=True)
    finally:
        for server in running:
            server.stop()
    return results


def idle(client, server, sessions):
    cipher = "aes128-ctr" if server.name == "proftpd" else "aes128-gcm@openssh.com"
    before = server.memory()
    command = client.light_command(server, "idle", "--sessions", sessions, cipher=cipher)
    load = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    if not load.stdout.readline():
        raise SystemExit(f"{server.name} did not hold {sessions} sessions")
    each = (server.memory() - before) / sessions
    load.stdin.close()
    load.wait()
    server.settle()
    return {"kib": each, "unit": "KiB"}
