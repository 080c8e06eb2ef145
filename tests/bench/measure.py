"""The measurements behind tests/bench/run. `--rounds N`, `--mebibytes N`."""

import argparse
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / "tests/bench/out"
GCM = ("-c", "aes128-gcm@openssh.com")
TICKS = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port):
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"nothing listens on {port}")


class Server:
    """A server on a port, with the files of `home` below `files` as the client sees them."""

    def __init__(self, name, user, home, files, command, port):
        self.name, self.user, self.home, self.files, self.port = name, user, home, files, port
        self.new = None
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)
        wait_for(port)

    def cpu(self):
        """Seconds of the process and of those of its children that have ended."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return sum(int(field) for field in fields[11:15]) / TICKS

    def stop(self):
        self.process.terminate()
        self.process.wait()


def servers(work, key):
    public = (key.with_suffix(".pub")).read_text().strip()
    homes = {name: work / name for name in ("tidegate", "openssh", "rclone")}
    for home in homes.values():
        home.mkdir()
    yield tidegate(work / "state", public, homes["tidegate"])
    yield openssh(work, public, homes["openssh"])
    yield rclone(work, public, homes["rclone"])


def tidegate(state, public, home, settings="", plugins=None):
    """`plugins`: settings of the components to use, by name."""
    port = free_port()
    state.mkdir()
    (state / "tidegate.toml").write_text(
        "[httpd]\nbind_port = 0\n"
        f'[sftpd]\nbind_port = {port}\nbind_address = "127.0.0.1"\nkeys = [{{ private_key = "id_ed25519" }}]\n{settings}'
    )
    (state / "plugins").mkdir(mode=0o700)
    for name, text in (plugins or {}).items():
        shutil.copy(ROOT / f"tests/.cache/guests/{name}.wasm", state / "plugins")
        (state / f"plugins/{name}.toml").write_text(text)
    binary = ROOT / "target/release/tidegate"
    subprocess.run(
        [binary, "user", "add", "-c", state, "--username", "bench", "--home-dir", home, "--public-key", public],
        check=True, stdout=subprocess.DEVNULL,
    )
    return Server("tidegate", "bench", home, "", [binary, "serve", "-c", state], port)


def openssh(work, public, home):
    state, port = work / "sshd", free_port()
    state.mkdir(mode=0o700)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", state / "host"], check=True)
    (state / "keys").write_text(public + "\n")
    (state / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {state}/host\nAuthorizedKeysFile {state}/keys\n"
        f"Subsystem sftp internal-sftp\nPidFile none\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nMaxStartups 200\n"
    )
    os.makedirs("/run/sshd", exist_ok=True)
    user = os.environ.get("USER") or "root"
    return Server("openssh", user, home, f"{home}/", ["/usr/sbin/sshd", "-D", "-f", state / "config"], port)


def rclone(work, public, home):
    port = free_port()
    keys = work / "rclone-keys"
    keys.write_text(public + "\n")
    command = ["rclone", "serve", "sftp", home, "--addr", f"127.0.0.1:{port}", "--authorized-keys", keys, "--config", "/dev/null"]
    return Server("rclone", "bench", home, "", [*command, "--vfs-cache-mode", "writes", "--vfs-write-back", "0s"], port)


class Client:
    def __init__(self, key, work):
        self.key, self.work = key, work

    def options(self, server):
        return [
            "-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null", "-oLogLevel=ERROR", "-F/dev/null", "-oIdentityAgent=none",
            "-oIdentitiesOnly=yes", f"-i{self.key}", f"-oPort={server.port}",
        ]

    def sftp(self, server, batch, options=()):
        file = self.work / "batch"
        file.write_text(batch)
        subprocess.run(
            ["sftp", *self.options(server), *options, "-b", file, f"{server.user}@127.0.0.1"], check=True, stdout=subprocess.DEVNULL
        )

    def login(self, server):
        subprocess.run(
            ["sftp", *self.options(server), "-b", "/dev/null", f"{server.user}@127.0.0.1"], check=True, stdout=subprocess.DEVNULL
        )


def workloads(client, running, work, mebibytes):
    big, small, back = work / "big", work / "small", work / "back"
    with open(big, "wb") as file:
        block = os.urandom(1 << 20)
        for _ in range(mebibytes):
            file.write(block)
    small.mkdir()
    for number in range(2000):
        (small / f"{number:04}").write_bytes(os.urandom(4096))

    def fresh(path):
        remove(path)
        return path

    for server in running:
        shutil.copy(big, server.home / "big")
        shutil.copytree(small, server.home / "small")
    return {
        f"upload {mebibytes} MiB, AES-128-GCM (MiB/s)": (lambda s: client.sftp(s, f"put {big} {s.files}{s.new}\n", GCM), mebibytes),
        f"download {mebibytes} MiB, AES-128-GCM (MiB/s)": (lambda s: client.sftp(s, f"get {s.files}big {work}/got\n", GCM), mebibytes),
        # The client prefers chacha20-poly1305, then AES-CTR; each server has what it has.
        f"upload {mebibytes} MiB, client's choice (MiB/s)": (lambda s: client.sftp(s, f"put {big} {s.files}{s.new}\n"), mebibytes),
        f"download {mebibytes} MiB, client's choice (MiB/s)": (lambda s: client.sftp(s, f"get {s.files}big {work}/got\n"), mebibytes),
        f"replace {mebibytes} MiB, AES-128-GCM (MiB/s)": (lambda s: client.sftp(s, f"put {big} {s.files}big\n", GCM), mebibytes),
        "upload 2000 x 4 KiB (files/s)": (lambda s: client.sftp(s, f"put -r {small} {s.files}{s.new}\n"), 2000),
        "download 2000 x 4 KiB (files/s)": (lambda s: client.sftp(s, f"get -r {s.files}small {fresh(back)}\n"), 2000),
        "logins by key, one at a time (logins/s)": (lambda s: [client.login(s) for _ in range(20)], 20),
    }


def remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def memory():
    return "/dev/shm" if os.path.isdir("/dev/shm") else None


def measure(rounds, mebibytes):
    with tempfile.TemporaryDirectory(dir=memory()) as name:
        work = pathlib.Path(name)
        key = work / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        running = list(servers(work, key))
        results = {}
        try:
            for number, (workload, (run, amount)) in enumerate(workloads(Client(key, work), running, work, mebibytes).items()):
                samples = {server.name: [] for server in running}
                # The first round warms memory up, and counts for nobody.
                for round_number in range(rounds + 1):
                    # Nobody is always first.
                    order = running[round_number % len(running):] + running[: round_number % len(running)]
                    for server in order:
                        # Its file layer takes minutes for small files; once is enough to compare.
                        if server.name == "rclone" and round_number != 1:
                            continue
                        # rclone remembers names that were removed behind its back.
                        server.new = f"new{number}-{round_number}"
                        cpu, started = server.cpu(), time.monotonic()
                        run(server)
                        elapsed = time.monotonic() - started
                        time.sleep(0.1)  # for sshd to reap the session's process
                        if round_number > 0:
                            samples[server.name].append((amount / elapsed, server.cpu() - cpu))
                        remove(server.home / server.new)
                results[workload] = {
                    name: {
                        "rate": statistics.median(rate for rate, _ in taken),
                        "spread": max(rate for rate, _ in taken) - min(rate for rate, _ in taken),
                        "server_cpu_s": statistics.median(cpu for _, cpu in taken),
                    }
                    for name, taken in samples.items()
                }
                print(f"done: {workload}", flush=True)
        finally:
            for server in running:
                server.stop()
    return results


def hook_calls():
    component = ROOT / "tests/.cache/guests/contract.wasm"
    printed = subprocess.run([ROOT / "target/release/hook-calls", component], check=True, capture_output=True, text=True)
    return json.loads(printed.stdout.strip().splitlines()[-1])


def table(results, hooks, costs):
    lines = ["| workload | Tidegate | OpenSSH | rclone | ratio to OpenSSH | server CPU, ratio |", "| --- | --- | --- | --- | --- | --- |"]
    for workload, by_server in results.items():
        ours, theirs, other = (by_server[name] for name in ("tidegate", "openssh", "rclone"))
        cpu = ours["server_cpu_s"] / theirs["server_cpu_s"] if theirs["server_cpu_s"] else float("nan")
        lines.append(
            f"| {workload} | {ours['rate']:.0f} ± {ours['spread'] / 2:.0f} | {theirs['rate']:.0f} | {other['rate']:.0f} "
            f"| {ours['rate'] / theirs['rate']:.2f} | {cpu:.2f} |"
        )
    lines += [
        "",
        "| hook point | adapter | median µs | p99 µs | times faster than /bin/sh | 64 at once: calls/s | times /bin/sh |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for point, adapters in hooks.items():
        shell = next(iter(adapters.values()))
        for adapter, call in adapters.items():
            lines.append(
                f"| {point} | {adapter} | {call['median_us']:.0f} | {call['p99_us']:.0f} "
                f"| {shell['median_us'] / call['median_us']:.1f} | {call['parallel_per_second']:.0f} "
                f"| {call['parallel_per_second'] / shell['parallel_per_second']:.1f} |"
            )
    lines += ["", "| hooks in the way | time, ratio | server CPU s | without |", "| --- | --- | --- | --- |"]
    for name, cost in costs.items():
        lines.append(f"| {name} | {cost['time_ratio']:.3f} | {cost['server_cpu_s']:.2f} | {cost['server_cpu_s_without']:.2f} |")
    return "\n".join(lines)


def plot(results, hooks):
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(15, 5), gridspec_kw={"width_ratios": [3, 2]})
    names = list(results)
    for offset, server in enumerate(("tidegate", "openssh", "rclone")):
        ratios = [results[name][server]["rate"] / results[name]["openssh"]["rate"] for name in names]
        left.barh([row + (1 - offset) * 0.27 for row in range(len(names))], ratios, 0.25, label=server)
    left.set_yticks(range(len(names)), names)
    left.invert_yaxis()
    left.axvline(1, color="grey", linewidth=0.8)
    left.set_xlabel("rate, OpenSSH = 1")
    left.legend()
    adapters = list(next(iter(hooks.values())))
    for offset, adapter in enumerate(adapters):
        medians = [point[adapter]["median_us"] for point in hooks.values()]
        right.barh([row + (offset - 1.5) * 0.2 for row in range(len(hooks))], medians, 0.18, label=adapter)
    right.set_yticks(range(len(hooks)), list(hooks))
    right.invert_yaxis()
    right.set_xscale("log")
    right.set_xlabel("one call, µs (median)")
    right.legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(OUT / "plot.svg")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mebibytes", type=int, default=1024)
    parser.add_argument("--hooks-only", action="store_true")
    arguments = parser.parse_args()
    hooks = hook_calls()
    by_language = languages.calls(ROOT)
    in_the_way = hook_costs.costs(arguments.rounds, arguments.mebibytes)
    results = {} if arguments.hooks_only else measure(arguments.rounds, arguments.mebibytes)
    everything = {"transfers": results, "hooks": hooks, "hook_costs": in_the_way, "languages": by_language}
    (OUT / "results.json").write_text(json.dumps(everything, indent=2))
    if results:
        plot(results, hooks)
    print(table(results, hooks, in_the_way))
    shell_us = hooks["external-auth"]["program (/bin/sh)"]["median_us"]
    print("\n" + languages.table(by_language, shell_us))
    languages.plot(by_language, shell_us, OUT / "languages.svg")


if __name__ == "__main__":
    import hook_costs
    import languages

    main()
