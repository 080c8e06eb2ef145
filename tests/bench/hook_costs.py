"""What hooks cost those who do not wait for them: logins with a component in the way, and a transfer beside
notifications that wait in a queue."""

import json
import pathlib
import statistics
import subprocess
import tempfile
import time

import measure

LOGINS = 20
QUEUED = 10_000


def costs(rounds, mebibytes):
    with tempfile.TemporaryDirectory(dir=measure.memory()) as name:
        work = pathlib.Path(name)
        key = work / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        return {
            "login with a component / without any hook": logins(work, key, rounds),
            f"download with {QUEUED} notifications queued / without": queue(work, key, rounds, mebibytes),
        }


def logins(work, key, rounds):
    """The same account: stored, or given by a component at each login."""
    public = key.with_suffix(".pub").read_text().strip()
    homes = [work / "plain-home", work / "component-home"]
    for home in homes:
        home.mkdir()
    plain = measure.tidegate(work / "plain", public, homes[0])
    users = json.dumps({"username": "bench", "home_dir": str(homes[1]), "permissions": {"/": ["*"]}, "public_keys": [public]})
    component = measure.tidegate(
        work / "component", public, homes[1],
        plugins={"json-users": f"[[config.users]]\n{toml(json.loads(users))}"},
    )
    client = measure.Client(key, work)
    return compare(rounds * 3, [("without", plain), ("with", component)], lambda server: [client.login(server) for _ in range(LOGINS)])


def toml(table):
    """Keys of one table; JSON's strings and lists are TOML's."""
    inline = lambda value: "{ " + ", ".join(f"{json.dumps(k)} = {json.dumps(v)}" for k, v in value.items()) + " }"
    return "".join(f"{name} = {inline(value) if isinstance(value, dict) else json.dumps(value)}\n" for name, value in table.items())


def queue(work, key, rounds, mebibytes):
    """Two servers with the same slow observer; one has its queue full of what nobody has told yet."""
    public = key.with_suffix(".pub").read_text().strip()
    slow = work / "slow.sh"
    slow.write_text("#!/bin/sh\nexec sleep 3600\n")
    slow.chmod(0o755)
    # Nothing of the script's deadline passes during the measurement.
    settings = f'[common.actions]\nexecute_on = ["mkdir", "rmdir"]\nhook = "{slow}"\n[command]\ntimeout = 300\n'
    servers = []
    for name in ("empty", "queued"):
        home = work / f"{name}-home"
        home.mkdir()
        with open(home / "big", "wb") as file:
            for _ in range(mebibytes):
                file.write(b"\x5a" * (1 << 20))
        servers.append((name, measure.tidegate(work / name, public, home, settings)))
    client = measure.Client(key, work)
    client.sftp(servers[1][1], "mkdir d\nrmdir d\n" * (QUEUED // 2))
    download = lambda server: client.sftp(server, f"get big {work}/got\n", measure.GCM)
    return compare(rounds, [("without", servers[0][1]), ("with", servers[1][1])], download)


def compare(rounds, servers, run):
    """Medians of seconds and of the server's CPU seconds; the order alternates, the first round counts for nobody."""
    samples = {name: [] for name, _ in servers}
    try:
        for number in range(rounds + 1):
            for name, server in servers if number % 2 else reversed(servers):
                cpu, started = server.cpu(), time.monotonic()
                run(server)
                sample = (time.monotonic() - started, server.cpu() - cpu)
                if number > 0:
                    samples[name].append(sample)
    finally:
        for _, server in servers:
            server.process.kill()
            server.process.wait()
    median = lambda name, what: statistics.median(sample[what] for sample in samples[name])
    return {
        "time_ratio": median("with", 0) / median("without", 0),
        "seconds": median("with", 0),
        "server_cpu_s": median("with", 1),
        "server_cpu_s_without": median("without", 1),
    }
