"""Files against OpenSSH's server: small files, listings, deletion, stat, scp and rsync; and what the checks of an account
cost. `--rounds N`, `--mebibytes N`. Prints a Markdown table and writes files.json into tests/bench/out."""

import argparse
import json
import os
import pathlib
import statistics
import struct
import subprocess
import tempfile
import time

import measure

ROOT = measure.ROOT
LISTED = 20_000
SMALL = 2_000
STATS = 5_000

# Rules, a quota, patterns, and a component that is asked before and told after every action.
CHECKED = {
    "permissions": {"/": ["*"], "/ro": ["list", "download"], "/in/deep": ["*"]},
    "quota_size": 10**12,
    "quota_files": 10**9,
    "filters": {"file_patterns": [{"path": "/ro", "denied_patterns": ["*.exe"]}], "max_upload_file_size": 10**11},
}


POLICY = """
[config]
denied_names = ["~$*"]
max_bytes = 0
"""


class Raw:
    """SFTP packets through OpenSSH's client, without a library's own time."""

    def __init__(self, client, server):
        command = ["ssh", *client.options(server), "-s", f"{server.user}@127.0.0.1", "sftp"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.send(b"\x01" + struct.pack(">I", 3))
        self.receive()

    def send(self, packet):
        self.process.stdin.write(struct.pack(">I", len(packet)) + packet)
        self.process.stdin.flush()

    def receive(self):
        return self.process.stdout.read(struct.unpack(">I", self.process.stdout.read(4))[0])

    def stat(self, path, number):
        self.send(b"\x11" + struct.pack(">II", number, len(path)) + path)
        assert self.receive()[0] == 105

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def checked(work, public, home):
    """Tidegate, with an account that has everything to be checked."""
    server = measure.tidegate(work / "checked-state", public, home, plugins={"upload-policy": POLICY})
    document = work / "checked.json"
    document.write_text(json.dumps({"username": "bench", **CHECKED}))
    binary = ROOT / "target/release/tidegate"
    subprocess.run(
        [binary, "user", "update", "-c", work / "checked-state", "--from-json", document], check=True, stdout=subprocess.DEVNULL
    )
    server.name = "checked"
    return server


def servers(work, key):
    public = key.with_suffix(".pub").read_text().strip()
    homes = {name: work / name for name in ("tidegate", "checked", "openssh")}
    for home in homes.values():
        home.mkdir()
    yield measure.tidegate(work / "state", public, homes["tidegate"], 'enabled_ssh_commands = ["*"]\n')
    yield checked(work, public, homes["checked"])
    yield measure.openssh(work, public, homes["openssh"])


def workloads(client, running, work, mebibytes):
    big, small, back = work / "big", work / "small", work / "back"
    block = os.urandom(1 << 20)
    with open(big, "wb") as file:
        for _ in range(mebibytes):
            file.write(block)
    small.mkdir()
    for number in range(SMALL):
        (small / f"{number:04}").write_bytes(os.urandom(4096))
    for server in running:
        subprocess.run(["cp", big, server.home / "big"], check=True)
        subprocess.run(["cp", "-r", small, server.home / "small"], check=True)
        (server.home / "listed").mkdir()
        for number in range(LISTED):
            (server.home / f"listed/{number:05}").touch()

    def fresh(path):
        measure.remove(path)
        return path

    def shell(server, *command):
        environment = {**os.environ, "RSYNC_RSH": " ".join(map(str, ["ssh", *client.options(server)]))}
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)

    def scp(server, *paths):
        shell(server, "scp", "-O", "-q", *client.options(server), *paths)

    def stats(server):
        raw = Raw(client, server)
        path = f"{server.files}big".encode()
        for number in range(STATS):
            raw.stat(path, number)
        raw.close()

    def delete(server):
        raw = Raw(client, server)
        for number in range(SMALL):
            path = f"{server.files}{server.new}/{number:04}".encode()
            raw.send(b"\x0d" + struct.pack(">II", number, len(path)) + path)
            assert raw.receive()[5:9] == b"\0\0\0\0"
        raw.close()

    def at(server, path):
        return f"{server.user}@127.0.0.1:{server.files}{path}"

    both = ("tidegate", "openssh")
    return {
        f"put {SMALL} x 4 KiB (files/s)": (lambda s: client.sftp(s, f"put -r {small} {s.files}{s.new}\n"), SMALL, None),
        f"get {SMALL} x 4 KiB (files/s)": (lambda s: client.sftp(s, f"get -r {s.files}small {fresh(back)}\n"), SMALL, None),
        f"list {LISTED} entries (entries/s)": (lambda s: client.sftp(s, f"ls -f {s.files}listed\n"), LISTED, None),
        f"delete {SMALL} files (files/s)": (delete, SMALL, lambda s: subprocess.run(["cp", "-r", small, s.home / s.new], check=True)),
        f"stat, one after the other (stats/s)": (stats, STATS, None),
        f"scp -O up, {mebibytes} MiB (MiB/s)": (lambda s: scp(s, big, at(s, s.new)), mebibytes, both),
        f"scp -O down, {mebibytes} MiB (MiB/s)": (lambda s: scp(s, at(s, "big"), work / "got"), mebibytes, both),
        f"rsync up, {mebibytes} MiB (MiB/s)": (lambda s: shell(s, "rsync", "-W", big, at(s, s.new)), mebibytes, both),
        f"rsync down, {mebibytes} MiB (MiB/s)": (lambda s: shell(s, "rsync", "-W", at(s, "big"), fresh(work / "got")), mebibytes, both),
    }


def run(rounds, mebibytes):
    results = {}
    with tempfile.TemporaryDirectory(dir=measure.memory()) as name:
        work = pathlib.Path(name)
        key = work / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        running = list(servers(work, key))
        try:
            table = workloads(measure.Client(key, work), running, work, mebibytes)
            for number, (workload, (act, amount, more)) in enumerate(table.items()):
                prepare = more if callable(more) else None
                taking = [server for server in running if not isinstance(more, tuple) or server.name in more]
                samples = {server.name: [] for server in taking}
                # The first round warms up, and counts for nobody; nobody is always first.
                for turn in range(rounds + 1):
                    for server in taking[turn % len(taking):] + taking[: turn % len(taking)]:
                        server.new = f"new{number}-{turn}"
                        if prepare:
                            prepare(server)
                        cpu, started = server.cpu(), time.monotonic()
                        act(server)
                        elapsed = time.monotonic() - started
                        time.sleep(0.1)  # for sshd to reap the session's process
                        if turn > 0:
                            samples[server.name].append((amount / elapsed, server.cpu() - cpu))
                        measure.remove(server.home / server.new)
                results[workload] = {
                    name: {"rate": statistics.median(rate for rate, _ in taken), "cpu_s": statistics.median(cpu for _, cpu in taken)}
                    for name, taken in samples.items()
                }
                print(f"done: {workload}", flush=True)
        finally:
            for server in running:
                server.stop()
    return results


def markdown(results):
    lines = [
        "| workload | Tidegate | OpenSSH | ratio | server CPU, ratio | with all checks, time |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for workload, by_server in results.items():
        ours, theirs, checks = by_server["tidegate"], by_server["openssh"], by_server.get("checked")
        cpu = f"{ours['cpu_s'] / theirs['cpu_s']:.2f}" if theirs["cpu_s"] else "–"
        cost = f"{ours['rate'] / checks['rate']:.3f}" if checks else "–"
        lines.append(
            f"| {workload} | {ours['rate']:.0f} | {theirs['rate']:.0f} | {ours['rate'] / theirs['rate']:.2f} | {cpu} | {cost} |"
        )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mebibytes", type=int, default=1024)
    arguments = parser.parse_args()
    results = run(arguments.rounds, arguments.mebibytes)
    measure.OUT.mkdir(exist_ok=True)
    (measure.OUT / "files.json").write_text(json.dumps(results, indent=1))
    print(markdown(results))


main()
