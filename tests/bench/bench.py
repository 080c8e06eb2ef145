"""The benchmark: see README.md beside it."""

import argparse
import json
import pathlib
import subprocess
import tempfile

import report
import servers
from context import Bench
from sections import (
    administration,
    checks,
    databases,
    hooks,
    link,
    logins,
    memory,
    others,
    small_files,
    storage,
    stores,
    transfers,
)

OUT = servers.ROOT / "tests/bench/out"

SECTIONS = {
    "big": transfers.big,
    "ciphers": transfers.ciphers,
    "small": small_files.small,
    "checks": checks.measure,
    "programs": transfers.programs,
    "others": others.others,
    "logins": logins.measure,
    "memory": memory.measure,
    "link": link.measure,
    "hooks": hooks.measure,
    "storage": storage.measure,
    "stores": stores.measure,
    "databases": databases.measure,
    "administration": administration.measure,
}
# Where writing back is what takes the time.
DISK = ("big", "small")


def run(sections, directory, arguments):
    results = {}
    for name in sections:
        with tempfile.TemporaryDirectory(dir=directory, prefix="tidegate-bench-") as work:
            work = pathlib.Path(work)
            key = work / "key"
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
            print(f"== {name}", flush=True)
            results[name] = SECTIONS[name](Bench(work, key, arguments.rounds, arguments.mebibytes))
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mebibytes", type=int, default=1024)
    parser.add_argument("--sections", default=",".join([*SECTIONS, "disk"]), help="names, with commas between")
    parser.add_argument("--keep", action="store_true", help="keep earlier results of the sections that do not run")
    parser.add_argument("--write", action="store_true", help="put tables and plot into RESULTS.md")
    parser.add_argument("--disk", type=pathlib.Path, default=servers.ROOT / "tests/.cache", help="a directory on a disk")
    arguments = parser.parse_args()
    chosen = arguments.sections.split(",")
    if unknown := [name for name in chosen if name not in SECTIONS and name != "disk"]:
        parser.error(f"there is no section {unknown[0]}; choose from {', '.join([*SECTIONS, 'disk'])}")
    OUT.mkdir(exist_ok=True)
    file = OUT / "results.json"
    results = json.loads(file.read_text()) if arguments.keep and file.exists() else {}
    for name in chosen:
        if name == "disk":
            measured = run(DISK, arguments.disk, arguments)
            results["disk"] = {workload: by_server for section in measured.values() for workload, by_server in section.items()}
        else:
            results |= run([name], "/dev/shm", arguments)
        # After each section, because the whole takes an hour.
        file.write_text(json.dumps(results, indent=1))
    text = "\n".join([report.markdown(results), *(results[section]["markdown"] + "\n" for section in report.APART if section in results)])
    (OUT / "table.md").write_text(text)
    report.plot(results, OUT / "plot.svg")
    if arguments.write:
        report.write(results, OUT / "plot.svg", servers.ROOT / "tests/bench")
    print(text)


if __name__ == "__main__":
    main()
