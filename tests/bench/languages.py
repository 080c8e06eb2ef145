"""One small hook in five languages: what a call costs, fresh and warm, against a script that does as little."""

import json
import os
import pathlib
import subprocess
import tempfile

LANGUAGES = ("rust", "c", "go", "js", "python")


def calls(root):
    binary = root / "target/release/tidegate"
    results = {}
    with tempfile.TemporaryDirectory() as name:
        work = pathlib.Path(name)
        environment = {**os.environ, "TIDEGATE": str(binary), "CARGO_TARGET_DIR": str(root / "plugins/target")}
        for language in LANGUAGES:
            new = [binary, "plugin", "new", "bench", "--lang", language, "--hook", "external-auth", "--directory", work / language]
            (work / language).mkdir()
            subprocess.run(new, check=True, stdout=subprocess.DEVNULL)
            project = work / language / "bench"
            subprocess.run(["./build.sh"], cwd=project, env=environment, check=True, stdout=subprocess.DEVNULL)
            measured = [root / "target/release/language-calls", project / "bench.wasm"]
            printed = subprocess.run(measured, check=True, capture_output=True, text=True)
            results[language] = json.loads(printed.stdout.strip().splitlines()[-1])
            print(f"done: {language}", flush=True)
    return results


def table(results, shell_us):
    """`shell_us`: the median of a /bin/sh hook in the same run."""
    lines = [
        "| language | size KiB | compile ms | first call µs | fresh µs (p99) | × /bin/sh | warm µs (p99) | × /bin/sh | memory KiB |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for language, call in results.items():
        lines.append(
            f"| {language} | {call['size'] / 1024:.0f} | {call['compile_ms']:.0f} | {call['first_us']:.0f} "
            f"| {call['fresh_median_us']:.0f} ({call['fresh_p99_us']:.0f}) | {shell_us / call['fresh_median_us']:.1f} "
            f"| {call['warm_median_us']:.0f} ({call['warm_p99_us']:.0f}) | {shell_us / call['warm_median_us']:.1f} "
            f"| {call['memory'] / 1024:.0f} |"
        )
    return "\n".join(lines)


def plot(results, shell_us, path):
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as pyplot

    figure, axes = pyplot.subplots(figsize=(8, 3.5))
    names = list(results)
    for offset, kind in ((0.2, "fresh"), (-0.2, "warm")):
        axes.barh([row + offset for row in range(len(names))], [results[name][f"{kind}_median_us"] for name in names], 0.35, label=kind)
    axes.axvline(shell_us, color="grey", linewidth=0.8, label="/bin/sh")
    axes.set_yticks(range(len(names)), names)
    axes.set_xscale("log")
    axes.set_xlabel("one call of external-auth, µs (median)")
    axes.legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(path)
