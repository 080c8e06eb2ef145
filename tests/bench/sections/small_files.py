"""Small files, lists and metadata."""

import shutil

import servers
from clients import Client, Raw
from context import SMALL, fresh
from rounds import Workload

LISTED = 20_000
STATS = 5_000
MADE = 5_000


def small(bench):
    """`echo` sends back what it gets, without SSH: what a round trip costs here at least."""
    client, files = Client(bench.key, bench.work), bench.small_files()
    running = [
        servers.tidegate(bench.work, key=bench.key),
        servers.openssh(bench.work, bench.key),
        servers.proftpd(bench.work, bench.key),
    ]
    echo = servers.echo(bench.work)
    for server in running:
        shutil.copytree(files, server.home / "small")
        (server.home / "listed").mkdir()
        for number in range(LISTED):
            (server.home / f"listed/{number:05}").touch()
    back = bench.work / "back"

    def delete(server):
        raw = Raw(client, server)
        for number in range(SMALL):
            raw.remove(f"{server.files}{server.new}/{number:04}".encode(), number)
        raw.close()

    def make(server):
        raw, directory = Raw(client, server), f"{server.files}{server.new}".encode()
        raw.make_directory(directory)
        for number in range(MADE):
            raw.make(directory + f"/{number}".encode(), number, b"x" * 4096)
        raw.close()

    def read(server):
        raw = Raw(client, server)
        for number in range(MADE):
            raw.read(f"{server.files}small/{number % SMALL:04}".encode(), number)
        raw.close()

    def stats(server, depth):
        if server is echo:
            return client.echo(server, STATS)
        cipher = "aes128-ctr" if server.name == "proftpd" else "aes128-gcm@openssh.com"
        return client.light(server, "stat", "--path", f"{server.files}small/0001", "--count", STATS, "--depth", depth, cipher=cipher)

    # ProFTPD takes no directory that is not there.
    takes_all = tuple(server.name for server in running)
    takes_new = ("tidegate", "openssh")
    put = lambda server: client.sftp(server, f"put -r {files} {server.files}{server.new}\n")
    return bench.measure([*running, echo], [
        Workload(f"put {SMALL} x 4 KiB", put, SMALL, "files/s", only=takes_new),
        Workload(f"get {SMALL} x 4 KiB", lambda s: client.sftp(s, f"get -r {s.files}small {fresh(back)}\n"), SMALL, "files/s", only=takes_all),
        Workload(f"list {LISTED} entries", lambda s: client.sftp(s, f"ls -f {s.files}listed\n"), LISTED, "entries/s", only=takes_all),
        Workload(
            # Made by the server itself, which counts them.
            f"delete {SMALL} files", delete, SMALL, "files/s", only=takes_new, prepare=put
        ),
        Workload(f"make {MADE} files, step by step", make, MADE, "files/s", only=takes_new),
        Workload(f"read {MADE} files, step by step", read, MADE, "files/s", only=takes_new),
        Workload("stat, one at a time", lambda s: stats(s, 1), STATS, "stats/s"),
        Workload("stat, 32 deep", lambda s: stats(s, 32), STATS, "stats/s", only=takes_all),
    ])
