"""Results as a Markdown table and as a plot, and how far they are from the goals."""

TITLES = {
    "big": "One big file, in memory",
    "ciphers": "One big file, by cipher",
    "small": "Small files, lists and metadata",
    "programs": "scp and rsync",
    "others": "Other clients",
    "logins": "Logins",
    "memory": "Memory",
    "link": "A long fat link (50 ms, 1 Gbit/s)",
    "disk": "On a disk",
}

# Workload → least rate and most server CPU, with OpenSSH's server as 1.
GOALS = {
    "up, AES-128-GCM": (1.7, 0.40),
    "down, AES-128-GCM": (1.5, 0.40),
    "up, light client": (2.0, None),
    "down, light client": (2.0, None),
    "up, client's defaults": (2.5, None),
    "down, client's defaults": (2.0, None),
    "4 in parallel up": (2.0, None),
    "4 in parallel down": (1.7, None),
    "up, chacha20-poly1305": (2.0, None),
    "down, chacha20-poly1305": (1.5, None),
    "up, aes128-ctr + hmac-sha2-256-etm": (1.3, None),
    "down, aes128-ctr + hmac-sha2-256-etm": (1.3, None),
    "put 2000 x 4 KiB": (2.3, None),
    "get 2000 x 4 KiB": (2.8, None),
    "list 20000 entries": (1 / 0.35, None),
    "stat, 32 deep": (2.5, None),
    "delete 2000 files": (1.0, None),
    "scp -O up": (1.0, None),
    "scp -O down": (1.0, None),
    "rsync up": (1.0, None),
    "rsync down": (1.0, None),
    "logins by key, 16 at a time": (15.0, None),
    "long fat link up": (1.0, None),
    "long fat link down": (1.0, None),
    **{f"{client} {way}": (1.0, None) for client in ("lftp", "curl", "rclone", "asyncssh", "paramiko") for way in ("up", "down")},
}


def ratio(by_server, key, ours="tidegate"):
    """Ours to OpenSSH's; none if either was not measured."""
    mine, theirs = by_server.get(ours, {}).get(key), by_server.get("openssh", {}).get(key)
    return mine / theirs if mine is not None and theirs else None


# Seconds of the server's CPU for a login, and how much slower logins may be with a component in the way.
LOGIN_CPU_MS, HOOK_COST = 0.30, 0.05
# The least logins a second by a password that a hook vouches for.
HOOK_LOGINS = 500
IDLE_KIB = 35
STAT_P50 = 0.55


def missed(name, value, limit, least=False):
    """What is said of one goal."""
    reached = value >= limit if least else value <= limit
    distance = 1 - value / limit if least else value / limit - 1
    return f"{name} {'≥' if least else '≤'} {limit:.2f}: " + ("met" if reached else f"missed by {distance:.0%} ({value:.2f})")


def verdict(workload, by_server):
    """Each part of a goal that is missed, with by how much."""
    rate_goal, cpu_goal = GOALS.get(workload, (None, None))
    rate, cpu, said = ratio(by_server, "rate"), ratio(by_server, "cpu_s"), []
    if rate_goal and rate is not None:
        said.append(missed("rate", rate, rate_goal, least=True))
    if cpu_goal and cpu is not None:
        said.append(missed("CPU", cpu, cpu_goal))
    ours = by_server.get("tidegate", {})
    if workload.startswith("memory"):
        said.append(missed("KiB", ours["kib"], IDLE_KIB))
    if workload == "stat, one at a time":
        said.append(missed("p50", ratio(by_server, "median_us"), STAT_P50))
    if "16 at a time" in workload:
        logins = ours["amount"]
        said.append(missed("CPU ms a login", ours["cpu_s"] * 1000 / logins, LOGIN_CPU_MS))
        if "by password" in workload:
            hooks = [name for name in by_server if name.endswith(" hook")]
            said += [missed(f"{name}'s logins/s", by_server[name]["rate"], HOOK_LOGINS, least=True) for name in hooks]
        elif hooked := by_server.get("wasm hook"):
            said.append(missed("with a component", ours["rate"] / hooked["rate"] - 1, HOOK_COST))
    return "; ".join(said)


def checks(workloads):
    """What permissions, quota, audit and hooks cost: time beside the same without any."""
    kinds = {"again": "the same again", "checked": "rules and quota", "asked": "a component asked before"}
    kinds |= {"session": "and told after", "fresh": "new for each call"}
    lines = [
        "### What the checks of an account cost", "",
        "Time for each file, with nothing to check (µs), and how much longer it takes (the goal is 5 % for all together); in brackets",
        "where the median is in 95 of 100 cases, and the server's CPU time (µs). `the same again` has nothing to check either.",
        "`make`, `read` and `remove` have a request for each step; `put` and `get` are those of OpenSSH's client. Server and client each",
        "have one core, unless it says otherwise; 0.2 ms away, a request comes that much after the answer to the one before.", "",
        "| workload | nothing | " + " | ".join(kinds.values()) + " |", "| --- " * (len(kinds) + 2) + "|",
    ]
    for workload, by_server in workloads.items():
        none = by_server["none"]
        cells = [f"{none['us']:.0f} ({none['cpu_us']:.0f})"]
        for kind in kinds:
            result = by_server[kind]
            cells.append(f"{result['cost']:+.1%} ({result['low']:+.1%} to {result['high']:+.1%}; {result['cpu_us']:.0f})")
        lines.append(f"| {workload} | " + " | ".join(cells) + " |")
    return lines


# Least rate of ours beside another's, by a part of the workload's name.
STORAGE_GOALS = (("direct", "down, behind", 0.8), ("direct", "up, behind", 0.8), ("direct", "4 KiB", 0.7), ("rclone", "without a link", 1.0))
# MiB of the server while 50 uploads, or downloads, go on: the budget, and what it has beside it.
STORAGE_MEMORY = {"uploads": 512 + 64, "downloads": 256 + 64}
# Least rate of a transfer to a disk beside transfers to the store, with the one that is alone as 1.
STORAGE_BESIDE = 0.95


def storage(workloads):
    """Through Tidegate, through rclone's server, and with rclone directly on the store."""
    lines = [
        "### Files in object storage", "",
        "`direct` is rclone with 16 transfers on the store itself, `rclone` its SFTP server; in brackets what Tidegate's rate is of theirs.", "",
        "| workload | tidegate | direct | rclone | requests | CPU ms | goal |", "| --- " * 7 + "|",
    ]
    number = lambda value: f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
    for workload, by_server in workloads.items():
        ours, said = by_server["tidegate"], []
        cells = [f"{number(ours['rate'])} ({number(ours['low'])}–{number(ours['high'])})"]
        for other in ("direct", "rclone"):
            theirs = by_server.get(other)
            cells.append(f"{number(theirs['rate'])} ({ours['rate'] / theirs['rate']:.2f})" if theirs else "")
            goals = [goal for name, part, goal in STORAGE_GOALS if name == other and part in workload and theirs]
            said += [missed(f"beside {other}", ours["rate"] / theirs["rate"], goal, least=True) for goal in goals]
        if "peak_mib" in ours:
            most = next(most for way, most in STORAGE_MEMORY.items() if way in workload)
            said.append(missed("MiB", ours["peak_mib"], most))
            cells[0] += f"; {ours['peak_mib']:.0f} MiB of memory"
        if "to a disk, beside" in workload:
            alone = workloads["up to a disk, alone"]["tidegate"]
            said.append(missed("of alone", ours["rate"] / alone["rate"], STORAGE_BESIDE, least=True))
        requests = ", ".join(f"{name} {result['requests']:.0f}" for name, result in by_server.items())
        cpu = f"{ours['cpu_s'] * 1000 / ours['amount']:.2f} a {'file' if ours['unit'] == 'files/s' else 'MiB'}"
        lines.append(f"| {workload} ({ours['unit']}) | " + " | ".join([*cells, requests, cpu, "; ".join(said)]) + " |")
    return lines


def markdown(results):
    lines = []
    for section, title in TITLES.items():
        if section in results:
            lines += [f"### {title}", "", *(table(results[section])), ""]
        if section == "small" and "checks" in results:
            lines += [*checks(results["checks"]), ""]
    if "storage" in results:
        lines += [*storage(results["storage"]), ""]
    if "hooks" in results:
        lines += [results["hooks"]["markdown"], ""]
    return "\n".join(lines)


# Sections that have a part of their own in RESULTS.md, so that each can be measured alone.
APART = ("stores", "databases", "administration")


def write(results, plot, directory):
    """Between the marks of RESULTS.md; what else is there is left as it is."""
    file = directory / "RESULTS.md"
    text = file.read_text()
    for section in APART:
        if section in results:
            text = between(text, f"{section}, ", results[section]["markdown"])
    if any(section not in APART for section in results):
        text = between(text, "", markdown(results))
        (directory / "plot.svg").write_bytes(plot.read_bytes())
    file.write_text(text)


def between(text, section, made):
    begin, end = f"<!-- {section}made by tests/bench/run -->\n", "<!-- end -->\n"
    before, rest = text.split(begin)
    return before + begin + made.rstrip() + "\n" + end + rest.split(end, 1)[1]


def table(workloads):
    names = []
    for by_server in workloads.values():
        names += [name for name in by_server if name not in names]
    heads = ["workload", *names, "ratio", "server CPU, ratio", "goal"]
    lines = ["| " + " | ".join(heads) + " |", "| --- " * len(heads) + "|"]
    for workload, by_server in workloads.items():
        cells = [cell(by_server.get(name)) for name in names]
        ratios = [ratio(by_server, "rate") or ratio(by_server, "kib"), ratio(by_server, "cpu_s")]
        shown = ["" if value is None else f"{value:.2f}" for value in ratios]
        unit = next(iter(by_server.values()))["unit"]
        lines.append("| " + " | ".join([f"{workload} ({unit})", *cells, *shown, verdict(workload, by_server)]) + " |")
    return lines


def cell(result):
    """The median, with the lowest and the highest, and server CPU seconds."""
    if result is None:
        return ""
    if "kib" in result:
        return f"{result['kib']:.1f}"
    number = lambda value: f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
    extra = f"; p50 {result['median_us']:.0f} µs" if "median_us" in result else ""
    extra += f"; {result['share_of_link']:.0%} of the link" if "share_of_link" in result else ""
    return f"{number(result['rate'])} ({number(result['low'])}–{number(result['high'])}; {result['cpu_s']:.2f} s{extra})"


def plot(results, path):
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as pyplot

    rows = [
        (workload, by_server)
        for section in TITLES if section in results and section not in ("memory", "disk")
        for workload, by_server in results[section].items() if ratio(by_server, "rate") is not None
    ]
    if not rows:
        return
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(14, 0.32 * len(rows) + 1.5), sharey=True)
    for axes, key, label in ((left, "rate", "rate (more is better)"), (right, "cpu_s", "server CPU (less is better)")):
        for offset, name in ((-0.2, "tidegate"), (0.2, "proftpd")):
            values = [ratio(by_server, key, name) or 0 for _, by_server in rows]
            axes.barh([row + offset for row in range(len(rows))], values, 0.36, label=name)
        axes.axvline(1, color="grey", linewidth=0.8)
        axes.set_xscale("log", base=2)
        axes.set_xlim(0.125, 64 if key == "rate" else 8)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlabel(f"{label}, OpenSSH = 1")
    goals = [GOALS.get(workload, (None, None))[0] for workload, _ in rows]
    marked = [(goal, row) for row, goal in enumerate(goals) if goal]
    left.scatter([goal for goal, _ in marked], [row for _, row in marked], marker="|", s=140, color="black", label="goal", zorder=3)
    left.set_yticks(range(len(rows)), [workload for workload, _ in rows])
    left.invert_yaxis()
    left.legend()
    figure.tight_layout()
    figure.savefig(path)
