"""Measuring in turns: every server in every round, none always first, the first round not counted; medians."""

import dataclasses
import pathlib
import shutil
import statistics
import time
from typing import Callable


@dataclasses.dataclass
class Workload:
    name: str
    """`act(server)` does the work; what it returns may say `seconds` of its own, and other numbers."""
    act: Callable
    """Units of work, for the rate."""
    amount: float
    unit: str = "MiB/s"
    """Names of the servers that take part; none: all of them."""
    only: tuple = ()
    """Before each turn, not measured."""
    prepare: Callable = None


# Their file layers take minutes; once is enough to compare.
ONCE = ("rclone",)


def remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def run(workloads, servers, rounds):
    """Name of the workload → name of the server → {"rate", "low", "high", "cpu_s", ...}."""
    results = {}
    for number, workload in enumerate(workloads):
        taking = [server for server in servers if not workload.only or server.name in workload.only]
        samples = {server.name: [] for server in taking}
        for turn in range(rounds + 1):
            for server in taking[turn % len(taking):] + taking[: turn % len(taking)]:
                if server.name in ONCE and turn != 1:
                    continue
                # A name that no server has seen: some remember what was removed behind their back.
                server.new = f"new{number}-{turn}-"
                sample = measure(workload, server)
                if turn > 0:
                    samples[server.name].append(sample)
                for new in pathlib.Path(server.home).glob(f"{server.new}*"):
                    remove(new)
        results[workload.name] = {name: {"unit": workload.unit, "amount": workload.amount, **summary(taken)} for name, taken in samples.items()}
        shown = ", ".join(f"{name} {result['rate']:.0f} ({result['cpu_s']:.2f} s)" for name, result in results[workload.name].items())
        print(f"{workload.name}: {shown}", flush=True)
    return results


def measure(workload, server):
    if workload.prepare:
        workload.prepare(server)
    server.settle()
    cpu, started = server.cpu(), time.monotonic()
    said = workload.act(server) or {}
    seconds = said.pop("seconds", time.monotonic() - started)
    server.settle()
    return {"rate": workload.amount / seconds, "cpu_s": server.cpu() - cpu, **said}


def summary(taken):
    rates = [sample["rate"] for sample in taken]
    medians = {key: statistics.median(sample[key] for sample in taken) for key in taken[0]}
    return {**medians, "low": min(rates), "high": max(rates)}
