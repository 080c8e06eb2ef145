"""What the interfaces for administrators take: reads beside a web server's, beside transfers, pages of many accounts, and what
connections from a banned address and the look at an address cost."""

import http.client
import json
import re
import socket
import statistics
import subprocess
import threading
import time

import servers
from admin_client import Administrator, new_key
from clients import Client
from report import missed
from rounds import Workload, run
from sections.checks import computing

CONNECTIONS, SECONDS = 32, 3
# Requests a second of a busy interface: what some dozens of people or scripts at work ask for.
BUSY = 200
ACCOUNTS, PAGE = 100_000, 500
BANNED, REFUSED = 5_000, 50
BANNED_ADDRESS = "127.0.0.9"

# Of nginx's rate; what a transfer loses; of the CPU time of a refused handshake; MiB; milliseconds; nanoseconds.
OF_NGINX, LOST, OF_REFUSED, MEBIBYTES, PAGE_MS, LOOK_NS = 0.3, 0.05, 0.02, 10, 20, 1000

# Addresses that are refused on purpose must not be banned, and their refusals are not delayed.
SETTINGS = '[common.defender]\nexempt = ["127.0.0.1"]\n[common.defender.login_delay]\npassword_failed = 0\n'


def measure(bench, accounts=ACCOUNTS):
    port, settled = servers.free_port(), {}
    common = {"account": {"password": servers.cheap_hash()}, "common": SETTINGS}
    without = servers.tidegate(bench.work, "without", bench.key, **common)
    ours = servers.tidegate(bench.work, key=bench.key, http_port=port, **common)
    state = bench.work / "tidegate-state"
    ours.url, ours.headers = f"http://127.0.0.1:{port}/api/v2/users/bench", {"X-SFTPGO-API-KEY": new_key(state)}
    answer = get(ours)
    web = nginx(bench.work, answer)
    try:
        reads = beside_nginx(bench, ours, web)
        settled["memory"] = memory(bench, without, ours)
        settled["transfers"] = beside(bench, ours, web)
        settled["banned"] = banned(bench, ours)
        settled["looks"] = looks(bench)
        settled["page"] = page(bench, ours, accounts)
    finally:
        for server in (without, ours, web):
            server.stop()
    return {"reads": reads, **settled, "markdown": "\n".join(table(reads, settled, len(answer), accounts))}


def get(server):
    connection = http.client.HTTPConnection(*server.url.split("/")[2].split(":"))
    connection.request("GET", "/" + server.url.split("/", 3)[3], headers=server.headers)
    return connection.getresponse().read()


def nginx(work, answer):
    """nginx with a file of the same size. It writes a line for each request, as Debian's does, and as Tidegate does."""
    directory, port = work / "nginx", servers.free_port()
    (directory / "files").mkdir(parents=True)
    (directory / "files/user").write_bytes(answer)
    directory.chmod(0o755)
    (directory / "nginx.conf").write_text(
        f"user root;\nworker_processes auto;\ndaemon off;\npid {directory}/pid;\nerror_log {directory}/error.log;\n"
        f"events {{ worker_connections 1024; }}\n"
        f"http {{\n  access_log {directory}/access.log;\n  sendfile on;\n  tcp_nopush on;\n  keepalive_requests 1000000000;\n"
        f"  default_type application/json;\n  server {{ listen 127.0.0.1:{port}; root {directory}/files; }}\n}}\n"
    )
    server = servers.Server("nginx", None, work, "", ["/usr/sbin/nginx", "-p", directory, "-c", directory / "nginx.conf"], port)
    server.url, server.headers = f"http://127.0.0.1:{port}/user", {}
    return server


def wrk(server, seconds):
    headers = [part for name, value in server.headers.items() for part in ("-H", f"{name}: {value}")]
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", *headers, server.url]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise SystemExit(f"requests to {server.name} failed: {said}")
    requests, took = re.search(r"(\d+) requests in ([\d.]+)s", said).groups()
    return int(requests), float(took)


def beside_nginx(bench, ours, web):
    """The rate is that of one request; the CPU time that of a whole turn."""
    def reads(server):
        before = processor(server)
        requests, took = wrk(server, SECONDS)
        return {"seconds": took / requests, "us": (processor(server) - before) * 1e6 / requests}

    return run([Workload("GET user", reads, 1, "requests/s")], [ours, web], bench.rounds)["GET user"]


def processor(server):
    """CPU seconds of a server with all its processes, those that run included."""
    total = 0
    for process in [server.process.pid, *servers.children(server.process.pid)]:
        with open(f"/proc/{process}/stat") as file:
            total += sum(int(field) for field in file.read().rsplit(")", 1)[1].split()[11:13])
    return total / servers.TICKS


def memory(bench, without, ours):
    """KiB of a server that has served the interfaces, and of one that has none of them, after as many logins."""
    client = Client(bench.key, bench.work)
    for server in (without, ours):
        client.light(server, "logins", "--count", 200, "--parallel", 16)
    for path in ("/openapi/v1.json", "/openapi/v2.json", "/openapi/tidegate.json", "/web/admin/login", "/metrics"):
        fetch = http.client.HTTPConnection(*ours.url.split("/")[2].split(":"))
        fetch.request("GET", path, headers=ours.headers)
        fetch.getresponse().read()
    return {"without": without.memory(), "with": ours.memory()}


class Asking(threading.Thread):
    """So many requests a second over one connection after the other of several, until it is told to stop."""

    def __init__(self, server, rate):
        super().__init__()
        self.server, self.rate, self.ended, self.count = server, rate, threading.Event(), 0

    def run(self):
        host, path = self.server.url.split("/")[2].split(":"), "/" + self.server.url.split("/", 3)[3]
        open_ = [http.client.HTTPConnection(*host) for _ in range(CONNECTIONS)]
        started = time.monotonic()
        while not self.ended.is_set():
            connection = open_[self.count % CONNECTIONS]
            connection.request("GET", path, headers=self.server.headers)
            connection.getresponse().read()
            self.count += 1
            self.ended.wait(max(0, started + self.count / self.rate - time.monotonic()))


def beside(bench, ours, web):
    """How much less a transfer gets beside requests than alone: requests to its own server, and as many to a web server, which
    shows what the program that asks takes by itself. Each turn has all three, in an order that turns."""
    client, size, lost = Client(bench.key, bench.work), bench.mebibytes << 20, {}
    (ours.home / "big").write_bytes(b"\x5a" * size)
    for way, path in (("down", "big"), ("up", "up")):
        transfer = lambda: client.light(ours, way, "--path", path, "--bytes", size)["seconds"]
        transfer()
        ratios = {ours.name: [], web.name: []}
        order = [None, ours, web]
        for _ in range(3 * bench.rounds):
            order.append(order.pop(0))
            taken = {}
            for asked in order:
                asking = Asking(asked, BUSY) if asked else None
                if asking:
                    asking.start()
                taken[asked and asked.name] = transfer()
                if asking:
                    asking.ended.set()
                    asking.join()
            for name, values in ratios.items():
                values.append(1 - taken[None] / taken[name])
        lost[way] = {name: middle(values) for name, values in ratios.items()}
        print(f"{way} beside requests: {lost[way]}", flush=True)
    return lost


def middle(values):
    """The median, and between what half of the values are."""
    values = sorted(values)
    quarter = len(values) // 4
    return {"lost": statistics.median(values), "low": values[quarter], "high": values[-1 - quarter]}


def banned(bench, ours):
    """Microseconds of the server's CPU for a connection from a banned address, and for one whose login is refused."""
    state = bench.work / "tidegate-state"
    subprocess.run([servers.BINARY, "ban", "add", BANNED_ADDRESS, "-c", state], check=True, stdout=subprocess.DEVNULL)
    client = Client(bench.key, bench.work)
    command = client.light_command(ours, "logins", "--count", 1, password="wrong")

    def refused():
        for _ in range(REFUSED):
            if subprocess.run(command, capture_output=True).returncode == 0:
                raise SystemExit("a wrong password was taken")

    def turned_away():
        for _ in range(BANNED):
            with socket.create_connection(("127.0.0.1", ours.port), source_address=(BANNED_ADDRESS, 0)) as connection:
                try:
                    if connection.recv(1):
                        raise SystemExit("a banned address got an answer")
                except ConnectionResetError:
                    pass

    cost = {}
    for name, act, count in (("refused", refused, REFUSED), ("banned", turned_away, BANNED)):
        taken = []
        for _ in range(bench.rounds):
            before = computing(ours)
            act()
            taken.append((computing(ours) - before) * 1e6 / count)
        cost[name] = statistics.median(taken)
        print(f"{name}: {cost[name]:.1f} µs", flush=True)
    return cost


def looks(bench):
    """Nanoseconds of the look at the address of a connection, with as many addresses as the table has room for."""
    command = [servers.ROOT / "target/release/guard", "--rounds", str(bench.rounds)]
    taken = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    print("looks: " + ", ".join(f"{name}: {cost:.0f} ns" for name, cost in taken.items()), flush=True)
    return taken


def page(bench, ours, accounts):
    """Milliseconds for a page out of many accounts, as a client waits for it."""
    administrator, state = Administrator(bench.work / "tidegate-state"), bench.work / "tidegate-state"
    user = {"status": 1, "home_dir": str(ours.home), "permissions": {"/": ["*"]}, "password": servers.cheap_hash()}
    file = bench.work / "accounts.json"
    file.write_text(json.dumps({"users": [{"username": f"user{number:08}", **user} for number in range(accounts)]}))
    subprocess.run([servers.BINARY, "load", "-c", state, file], check=True, stdout=subprocess.DEVNULL)
    taken = {}
    for name, path in (
        ("100 accounts, the first page", "/api/v2/users"),
        ("100 accounts, in the middle", f"/api/v2/users?after=user{accounts // 2:08}"),
        (f"{PAGE} accounts, in the middle", f"/api/v2/users?limit={PAGE}&after=user{accounts // 2:08}"),
        ("those with a prefix", f"/api/v2/users?prefix=user{accounts // 1000:06}"),
    ):
        times = []
        for _ in range(20 * bench.rounds):
            started = time.perf_counter()
            administrator.text("GET", path)
            times.append((time.perf_counter() - started) * 1000)
        times.sort()
        taken[name] = {"ms": statistics.median(times), "worst": times[int(len(times) * 0.99)]}
        print(f"{name}: {taken[name]['ms']:.1f} ms", flush=True)
    return taken


def table(reads, settled, size, accounts):
    ours, theirs = reads["tidegate"], reads["nginx"]
    rate = lambda result: f"{result['rate']:,.0f} requests/s ({result['low']:,.0f}–{result['high']:,.0f}), {result['us']:.0f} µs of CPU for each"
    memory, transfers, cost = settled["memory"], settled["transfers"], settled["banned"]
    ratio, share, more = ours["rate"] / theirs["rate"], cost["banned"] / cost["refused"], (memory["with"] - memory["without"]) / 1024
    lines = ["### Administration", "", "| what | measured | beside | goal |", "| --- | --- | --- | --- |"]
    lines.append(
        f"| `GET` of an account by key, {size} bytes, {CONNECTIONS} connections | {rate(ours)} | nginx, a file of this size: {rate(theirs)} "
        f"| {missed('of nginx', ratio, OF_NGINX, least=True)} ({ratio:.2f}) |"
    )
    less = lambda result: f"{-result['lost']:+.1%} (half of the turns: {-result['high']:+.1%} to {-result['low']:+.1%})"
    for way, result in transfers.items():
        beside_ours, beside_web = result["tidegate"], result["nginx"]
        lines.append(
            f"| a transfer {way} beside {BUSY} such requests a second, with what alone gets | {less(beside_ours)} "
            f"| as many requests to nginx: {less(beside_web)} | {missed('lost more', beside_ours['lost'] - beside_web['lost'], LOST)} |"
        )
    lines += [
        f"| a connection from a banned address | {cost['banned']:.1f} µs of CPU | a login with a wrong password: {cost['refused']:,.0f} µs "
        f"| {missed('of it', share, OF_REFUSED)} ({share:.1%}) |",
        f"| memory after requests and 200 logins | {memory['with'] / 1024:.1f} MiB | a server without HTTP, after as many logins: "
        f"{memory['without'] / 1024:.1f} MiB | {missed('MiB more', more, MEBIBYTES)} |",
    ]
    for name, cost in settled["looks"].items():
        lines.append(f"| the look at an address that is {name}, 100,000 in the table | {cost:.0f} ns |  | {missed('ns', cost, LOOK_NS)} |")
    for name, result in settled["page"].items():
        lines.append(
            f"| a page of {accounts:,} accounts: {name} | {result['ms']:.1f} ms (99 of 100: {result['worst']:.1f}) |  "
            f"| {missed('ms', result['ms'], PAGE_MS)} |"
        )
    return lines
