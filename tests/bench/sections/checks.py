"""What the checks of an account cost: small files with and without them, in turns so short that the machine does not
change between two that are compared."""

import contextlib
import math
import os
import pathlib
import shutil
import statistics
import time

import servers
from clients import Client, Prompt, Raw

TURNS_A_ROUND, FILES = 10, 250
FILES_AWAY, PAUSE = 100, 0.0002

# Rules, a quota, patterns, and sizes: all that the server checks without asking a hook.
CHECKED = {
    "permissions": {"/": ["*"], "/ro": ["list", "download"], "/in/deep": ["*"]},
    "quota_size": 10**12,
    "quota_files": 10**9,
    "filters": {"file_patterns": [{"path": "/ro", "denied_patterns": ["*.exe"]}], "max_upload_file_size": 10**11},
}
POLICY = '[config]\ndenied_names = ["~$*"]\nmax_bytes = 0\n'


def component(instances):
    """A component that is asked before and told after every action."""
    return {"account": CHECKED, "plugins": {"upload-policy": f'[limits]\ninstances = "{instances}"\n{POLICY}'}}


TOLD_NOTHING = '[hook.post-action]\nhook = [{ hook = "plugin:upload-policy", actions = ["ssh_cmd"] }]\n'

# `again` has none either: what it costs is how far the others' numbers can be trusted.
KINDS = {
    "none": {},
    "again": {},
    "checked": {"account": CHECKED},
    "asked": {**component("session"), "common": TOLD_NOTHING},
    "session": component("session"),
    "fresh": component("fresh"),
}


def measure(bench):
    client = Client(bench.key, bench.work)
    running = [servers.tidegate(bench.work, name, bench.key, **kind) for name, kind in KINDS.items()]
    cores = os.sched_getaffinity(0)
    try:
        return compare([Sessions(bench.work, client, server) for server in running], bench.rounds * TURNS_A_ROUND)
    finally:
        os.sched_setaffinity(0, cores)
        for server in running:
            server.stop()


class Sessions:
    """With one server: a client that waits for each answer, and OpenSSH's."""

    def __init__(self, work, client, server):
        self.server, self.raw, self.prompt = server, Raw(client, server), Prompt(client, server)
        self.files, self.back = work / f"{server.name}-files", work / f"{server.name}-back"
        self.files.mkdir()
        for number in range(FILES):
            (self.files / str(number)).write_bytes(bytes(4096))

    def step_by_step(self, files):
        """Name → what does it. Each uses what the one before left."""
        return {
            "make": lambda: [self.raw.make(f"made/{number}".encode(), number, bytes(4096)) for number in range(files)],
            "read": lambda: [self.raw.read(f"made/{number}".encode(), number) for number in range(files)],
            "remove": lambda: [self.raw.remove(f"made/{number}".encode(), number) for number in range(files)],
        }

    def by_sftp(self):
        return {
            "put": lambda: self.prompt.do(f"put -r {self.files} put"),
            "get": lambda: self.prompt.do(f"get -r put {self.back}"),
        }

    def turn(self):
        """Workload → seconds, and CPU seconds of the server, for each file."""
        apart, together = Cores(self, apart=True), Cores(self, apart=False)
        taken = {}
        for place, suffix in ((apart, ""), (together, ", on the same cores")):
            place.take()
            taken |= self.timed({**self.step_by_step(FILES), **self.by_sftp()}, FILES, suffix)
        apart.take()
        self.raw.pause = PAUSE
        taken |= self.timed(self.step_by_step(FILES_AWAY), FILES_AWAY, ", 0.2 ms away")
        self.raw.pause = 0
        together.take()
        return taken

    def timed(self, work, files, suffix):
        (self.server.home / "made").mkdir()
        taken = {}
        for name, act in work.items():
            computed, started = computing(self.server), time.monotonic()
            act()
            # Both are read before anything else is done.
            taken[name + suffix] = (time.monotonic() - started) / files, (computing(self.server) - computed) / files
        for left in (self.server.home / "made", self.server.home / "put", self.back):
            shutil.rmtree(left, ignore_errors=True)
        return taken


class Cores:
    """Where a server and its clients run. Apart, each side has one core, as if it had a machine of its own; otherwise the
    kernel puts them where it likes, and a thread of the server in the way of a client."""

    ALL = os.sched_getaffinity(0)

    def __init__(self, sessions, apart):
        clients = [os.getpid(), sessions.raw.process.pid, sessions.prompt.process.pid]
        clients += servers.children(sessions.prompt.process.pid)
        ours, theirs = ({min(self.ALL)}, {max(self.ALL)}) if apart else (self.ALL, self.ALL)
        self.places = {sessions.server.process.pid: ours, **{client: theirs for client in clients}}

    def take(self):
        for process, cores in self.places.items():
            for task in pathlib.Path(f"/proc/{process}/task").iterdir():
                # Threads end.
                with contextlib.suppress(ProcessLookupError):
                    os.sched_setaffinity(int(task.name), cores)


def computing(server):
    """CPU seconds of the threads that there are, to the microsecond."""
    tasks = pathlib.Path(f"/proc/{server.process.pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def compare(sessions, turns):
    """Workload → server → µs for each file, and the cost beside `none` with an interval that has the true median in 95 of
    100 cases."""
    samples = []
    for turn in range(turns + 1):
        first = turn % len(sessions)
        taken = {session.server.name: session.turn() for session in sessions[first:] + sessions[:first]}
        if turn > 0:
            samples.append(taken)
    results = {}
    for workload in samples[0]["none"]:
        results[workload] = {}
        for name in KINDS:
            seconds, cpu = zip(*(taken[name][workload] for taken in samples))
            costs = sorted(taken[name][workload][0] / taken["none"][workload][0] - 1 for taken in samples)
            middle, spread = len(costs) / 2, math.sqrt(len(costs))
            low, high = costs[max(0, int(middle - spread))], costs[min(len(costs) - 1, int(middle + spread))]
            result = {"us": statistics.median(seconds) * 1e6, "cpu_us": statistics.median(cpu) * 1e6}
            results[workload][name] = {**result, "cost": statistics.median(costs), "low": low, "high": high}
        shown = ", ".join(f"{name} {result['us']:.0f} µs ({result['cost']:+.1%})" for name, result in results[workload].items())
        print(f"{workload}: {shown}", flush=True)
    return results
