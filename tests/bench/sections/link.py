"""A long fat link, 50 ms there and back and a gigabit a second, between two network namespaces."""

import contextlib
import os
import pathlib
import subprocess
import sys

import servers
from clients import Client
from rounds import Workload

DELAY_MS, MEGABITS = 25, 1000
BUFFER = 64 << 20
NEAR, FAR = "10.77.0.1", "10.77.0.2"


@contextlib.contextmanager
def between():
    """The commands that run others at the near end and at the far one."""
    number = os.getpid()
    near, far = f"tgn{number}", f"tgf{number}"
    run = lambda *command: subprocess.run(command, check=True)
    link = None
    try:
        for space in (near, far):
            run("ip", "netns", "add", space)
        command = [servers.ROOT / "target/release/link", near, far, "--delay-ms", str(DELAY_MS), "--megabits", str(MEGABITS)]
        link = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if not link.stdout.readline():
            raise SystemExit("the link could not be made: it takes root and /dev/net/tun")
        for space, address in ((near, NEAR), (far, FAR)):
            run("ip", "link", "set", space, "netns", space)
            inside = ("ip", "netns", "exec", space, "ip")
            run(*inside, "addr", "add", f"{address}/24", "dev", space)
            run(*inside, "link", "set", space, "up")
            run(*inside, "link", "set", "lo", "up")
            # The kernel's default would keep one connection from filling such a link.
            for name in ("rmem", "wmem"):
                limits = pathlib.Path(f"/proc/sys/net/ipv4/tcp_{name}")
                run("ip", "netns", "exec", space, "sh", "-c", f"echo '4096 131072 {BUFFER}' > {limits}")
        yield ("ip", "netns", "exec", near), ("ip", "netns", "exec", far)
    finally:
        if link:
            link.stdin.close()
            link.wait()
        for space in (near, far):
            subprocess.run(["ip", "netns", "del", space], check=False)


RECEIVE = """
import socket, sys, time
listener = socket.create_server((sys.argv[1], 5001))
print("ready", flush=True)
connection, started, size = listener.accept()[0], time.monotonic(), 0
while data := connection.recv(1 << 20):
    size += len(data)
print(size / (time.monotonic() - started) / (1 << 20))
"""
SEND = """
import socket, sys
with socket.create_connection((sys.argv[1], 5001)) as connection:
    for _ in range(int(sys.argv[2])):
        connection.sendall(bytes(1 << 20))
"""


def plain(near, far, mebibytes):
    """MiB/s of as much by TCP alone, its slow start included: what the link can carry."""
    receiver = subprocess.Popen([*far, sys.executable, "-c", RECEIVE, FAR], stdout=subprocess.PIPE, text=True)
    receiver.stdout.readline()
    subprocess.run([*near, sys.executable, "-c", SEND, FAR, str(mebibytes)], check=True)
    return float(receiver.communicate()[0])


def measure(bench):
    size = min(bench.mebibytes, 256)
    file = bench.file("long", size)
    with between() as (near, far):
        carries = plain(near, far, size)
        print(f"plain TCP: {carries:.0f}", flush=True)
        place = {"host": FAR, "inside": far}
        client = Client(bench.key, bench.work, near)
        running = [make(bench.work, key=bench.key, **place) for make in (servers.tidegate, servers.openssh, servers.proftpd)]
        for server in running:
            (server.home / "long").write_bytes(file.read_bytes())
        load = lambda s, way, name: client.light(
            s, way, "--path", f"{s.files}{name}", "--bytes", size << 20, "--block", 255 << 10,
            cipher="aes128-ctr" if s.name == "proftpd" else "aes128-gcm@openssh.com",
        )
        results = bench.measure(running, [
            Workload("long fat link up", lambda s: client.sftp(s, f"put {file} {s.files}{s.new}\n"), size),
            Workload("long fat link down", lambda s: client.sftp(s, f"get {s.files}long {bench.work}/got\n"), size),
            Workload("long fat link up, light client", lambda s: load(s, "up", s.new), size, only=("tidegate", "openssh")),
        ])
    for by_server in results.values():
        for result in by_server.values():
            result["share_of_link"] = result["rate"] / carries
    return results
