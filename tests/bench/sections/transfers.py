"""One big file: with OpenSSH's client and a light one, with every cipher, and as scp and rsync send it."""

import shutil

import servers
from clients import GCM, Client
from context import fresh
from rounds import Workload


def big(bench):
    """One big file, with OpenSSH's client and with a light one."""
    client, size, file = Client(bench.key, bench.work), bench.mebibytes, bench.file()
    make = (servers.tidegate, servers.openssh, servers.proftpd, servers.rclone)
    running = [make_one(bench.work, key=bench.key) for make_one in make]
    for server in running:
        shutil.copy(file, server.home / "big")
    got = bench.work / "got"

    def light(direction, server):
        cipher = GCM[1].split(",")[1 if server.name == "proftpd" else 0]
        path = server.files + (server.new if direction == "up" else "big")
        return client.light(server, direction, "--path", path, "--bytes", size << 20, cipher=cipher)

    def several(server, batch):
        client.wait([client.start_sftp(server, batch(number), GCM, number) for number in range(4)])

    quarter = bench.file("quarter", size // 4)
    for server in running:
        shutil.copy(quarter, server.home / "quarter")

    def four_up(server):
        several(server, lambda number: f"put {quarter} {server.files}{server.new}{number}\n")

    def four_down(server):
        several(server, lambda number: f"get {server.files}quarter {got}{number}\n")

    return bench.measure(running, [
        Workload("up, AES-128-GCM", lambda s: client.sftp(s, f"put {file} {s.files}{s.new}\n", GCM), size),
        Workload("down, AES-128-GCM", lambda s: client.sftp(s, f"get {s.files}big {got}\n", GCM), size),
        Workload("up, light client", lambda s: light("up", s), size),
        Workload("down, light client", lambda s: light("down", s), size),
        Workload("up, client's defaults", lambda s: client.sftp(s, f"put {file} {s.files}{s.new}\n"), size),
        Workload("down, client's defaults", lambda s: client.sftp(s, f"get {s.files}big {got}\n"), size),
        Workload("4 in parallel up", four_up, size // 4 * 4),
        Workload("4 in parallel down", four_down, size // 4 * 4),
        Workload("replace", lambda s: client.sftp(s, f"put {file} {s.files}big\n", GCM), size, only=("tidegate", "openssh")),
    ])


def ciphers(bench):
    """One big file with each cipher, configured where it is not a default."""
    client, size, file = Client(bench.key, bench.work), bench.mebibytes, bench.file()
    names = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes128-ctr")
    settings = f"ciphers = [{', '.join(map(repr, names))}]\n".replace("'", '"')
    running = [servers.tidegate(bench.work, key=bench.key, settings=settings), servers.openssh(bench.work, bench.key)]
    for server in running:
        shutil.copy(file, server.home / "big")
    workloads = []
    for cipher in names:
        options = ("-c", cipher, "-oMACs=hmac-sha2-256-etm@openssh.com")
        name = cipher.split("@")[0] + (" + hmac-sha2-256-etm" if "ctr" in cipher else "")
        workloads += [
            Workload(f"up, {name}", lambda s, o=options: client.sftp(s, f"put {file} {s.files}{s.new}\n", o), size),
            Workload(f"down, {name}", lambda s, o=options: client.sftp(s, f"get {s.files}big {bench.work}/got\n", o), size),
        ]
    return bench.measure(running, workloads)


def programs(bench):
    """scp's own protocol, and rsync."""
    client, size, file = Client(bench.key, bench.work), bench.mebibytes, bench.file()
    running = [
        servers.tidegate(bench.work, key=bench.key, settings='enabled_ssh_commands = ["*"]\n'), servers.openssh(bench.work, bench.key)
    ]
    for server in running:
        shutil.copy(file, server.home / "big")
    at = lambda server, path: f"{client.address(server)}:{server.files}{path}"
    got = bench.work / "got"
    return bench.measure(running, [
        Workload("scp -O up", lambda s: client.scp(s, file, at(s, s.new)), size),
        Workload("scp -O down", lambda s: client.scp(s, at(s, "big"), got), size),
        Workload("rsync up", lambda s: client.shell(s, "rsync", "-W", file, at(s, s.new)), size),
        Workload("rsync down", lambda s: client.shell(s, "rsync", "-W", at(s, "big"), fresh(got)), size),
    ])
