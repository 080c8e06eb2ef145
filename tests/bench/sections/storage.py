"""Files in object storage: through Tidegate, through rclone's server, and with rclone directly on the store, behind a link of
5 ms and 60 MB/s and without it. The store is s3s-fs, whose objects are files."""

import copy
import json
import os
import subprocess
import threading
import time

import servers
from clients import Client
from context import SMALL, fresh
from rounds import Workload
from store_proxy import StoreProxy

DELAY, RATE = 0.005, 60_000_000
KEY, SECRET, BUCKET = "key", "secret", "files"
# What rclone has under way at once where it is a store's own client.
TRANSFERS = 16
UPLOADS = 50
# How many go on beside a session on the disk.
BESIDE = 4
LOCAL = "local"
# Settings of the machine's owner for other stores are not rclone's here.
CLEAN = ("env", *(f"-u{name}" for name in os.environ if name.startswith(("AWS_", "RCLONE_")) or name.lower().endswith("_proxy")))


class Store(servers.Server):
    """s3s-fs; `home` is the bucket."""

    def __init__(self, work):
        root, port = work / "store", servers.free_port()
        (root / BUCKET).mkdir(parents=True)
        command = ["s3s-fs", "--host", "127.0.0.1", "--port", str(port), "--access-key", KEY, "--secret-key", SECRET, root]
        super().__init__("store", "", root / BUCKET, "", command, port)


class Direct:
    """rclone as a client of the store: there is no server in between."""

    name, files = "direct", ""

    def __init__(self, home):
        self.home, self.new = home, None

    def settle(self):
        pass

    def cpu(self):
        return 0.0

    def stop(self):
        pass


def remote(port):
    """The bucket, for rclone."""
    options = {
        "provider": "Other", "access_key_id": KEY, "secret_access_key": SECRET, "endpoint": f"'http://127.0.0.1:{port}'", "region": "us-east-1",
        "force_path_style": "true", "upload_concurrency": TRANSFERS, "chunk_size": "8M", "no_check_bucket": "true",
    }
    return ":s3," + ",".join(f"{name}={value}" for name, value in options.items()) + f":{BUCKET}"


def rclone(*arguments):
    command = [*CLEAN, "rclone", "--config", "/dev/null", "--s3-no-head", "--ignore-times", "--transfers", TRANSFERS, "--checkers", TRANSFERS]
    command += ["--multi-thread-streams", TRANSFERS, "--multi-thread-cutoff", "64M"]
    subprocess.run([str(part) for part in (*command, *arguments)], check=True, stdout=subprocess.DEVNULL)


def through_tidegate(bench, name, store, proxy):
    place = {"bucket": BUCKET, "region": "us-east-1", "endpoint": f"http://127.0.0.1:{proxy.port}", "access_key": KEY, "access_secret": SECRET}
    account = {"filesystem": {"provider": 1, "s3config": place}}

    def add_local_account(state):
        home, document = bench.work / f"{name}-local", bench.work / f"{name}-local.json"
        home.mkdir()
        keys = [bench.key.with_suffix(".pub").read_text().strip()]
        document.write_text(json.dumps(
            {"username": LOCAL, "status": 1, "home_dir": str(home), "permissions": {"/": ["*"]}, "public_keys": keys}
        ))
        subprocess.run([servers.BINARY, "user", "add", "-c", state, "--from-json", document], check=True, stdout=subprocess.DEVNULL)

    server = servers.tidegate(bench.work, name, key=bench.key, account=account, prepare=add_local_account)
    server.name, server.home = "tidegate", store.home
    return server


def through_rclone(bench, name, store, proxy):
    port, keys = servers.free_port(), bench.work / f"{name}-keys"
    keys.write_text(bench.key.with_suffix(".pub").read_text())
    command = ["rclone", "serve", "sftp", remote(proxy.port), "--addr", f"127.0.0.1:{port}", "--authorized-keys", keys, "--config", "/dev/null"]
    # Without a cache of what is read it begins a request anew for each read that is not in order.
    command += ["--vfs-cache-mode", "full", "--vfs-write-back", "0s", "--cache-dir", bench.work / f"{name}-cache"]
    return servers.Server("rclone", "bench", store.home, "", command, port, inside=CLEAN)


def measure(bench):
    store, results = Store(bench.work), {}
    try:
        for words, link in (("behind 5 ms and 60 MB/s", (DELAY, RATE)), ("without a link", (0, 0))):
            results |= measure_behind(bench, store, words, *link)
    finally:
        store.stop()
    return results


def measure_behind(bench, store, words, delay, rate):
    proxy, number = StoreProxy(store.port, delay, rate), "far" if delay else "near"
    client, back, small = Client(bench.key, bench.work), bench.work / "back", bench.work / "small"
    tidegate, direct = through_tidegate(bench, f"tidegate-{number}", store, proxy), Direct(store.home)
    running = [tidegate, direct, through_rclone(bench, f"rclone-{number}", store, proxy)]
    file = bench.file("big")
    if not small.exists():
        bench.small_files()
    # By a request, since the store would hash a file that it does not know again for each part that is read.
    rclone("copyto", file, f"{remote(proxy.port)}/big")
    part = bench.file("part", max(1, bench.mebibytes // 64))

    def counted(act):
        """With the requests that the store got."""
        def act_and_count(server):
            before = proxy.requests.total()
            said = act(server) or {}
            return {"requests": proxy.requests.total() - before, **said}
        return act_and_count

    def up(server):
        if server is direct:
            return rclone("copyto", file, f"{remote(proxy.port)}/{server.new}")
        return client.sftp(server, f"put {file} {server.new}\n")

    def down(server):
        if server is direct:
            return rclone("copyto", f"{remote(proxy.port)}/big", fresh(back))
        return client.sftp(server, f"get big {fresh(back)}\n")

    def many(server):
        if server is direct:
            # Under a name each, as the others: the store has no directories.
            return rclone("copy", small, f"{remote(proxy.port)}/{server.new}")
        names = sorted(small.iterdir())
        batches = ["".join(f"put {name} {server.new}{name.name}\n" for name in names[first::TRANSFERS]) for first in range(TRANSFERS)]
        client.wait([client.start_sftp(server, batch, number=first) for first, batch in enumerate(batches)])

    def together(line):
        """Fifty clients, each with its line; the most memory that the server had meanwhile."""
        def act(server):
            peak, is_over = [0], threading.Event()

            def watch():
                while not is_over.wait(0.1):
                    peak[0] = max(peak[0], server.memory())

            watching = threading.Thread(target=watch)
            watching.start()
            begun = time.monotonic()
            client.wait([client.start_sftp(server, line(server, each), number=each) for each in range(UPLOADS)])
            seconds = time.monotonic() - begun
            is_over.set()
            watching.join()
            return {"seconds": seconds, "peak_mib": peak[0] / 1024}
        return act

    def local(uploads):
        """A file to the account on the disk, beside uploads into the store that do not end before."""
        def act(server):
            disk = copy.copy(server)
            disk.user = LOCAL
            others = [client.start_sftp(server, f"put {file} {server.new}{each}\n", number=each + 1) for each in range(uploads)]
            begun = time.monotonic()
            client.sftp(disk, f"put {file} file\n")
            seconds = time.monotonic() - begun
            for other in others:
                other.terminate()
                other.wait()
            return {"seconds": seconds}
        return act

    size = bench.mebibytes
    workloads = [
        Workload(f"up, {words}", counted(up), size),
        Workload(f"down, {words}", counted(down), size),
        Workload(f"{SMALL} x 4 KiB by {TRANSFERS}, {words}", counted(many), SMALL, "files/s", only=("tidegate", "direct")),
    ]
    if delay:
        amount, ours = UPLOADS * max(1, bench.mebibytes // 64), ("tidegate",)
        put = together(lambda server, each: f"put {part} {server.new}{each}\n")
        get = together(lambda server, each: f"get part {bench.work / f'back{each}'}\n")
        rclone("copyto", part, f"{remote(proxy.port)}/part")
        workloads += [
            Workload(f"{UPLOADS} uploads at once, {words}", counted(put), amount, only=ours),
            Workload(f"{UPLOADS} downloads at once, {words}", counted(get), amount, only=ours),
            Workload("up to a disk, alone", counted(local(0)), size, only=ours),
            Workload(f"up to a disk, beside {BESIDE} uploads, {words}", counted(local(BESIDE)), size, only=ours),
        ]
    try:
        return bench.measure(running, workloads)
    finally:
        for name in ("big", "part"):
            (store.home / name).unlink(missing_ok=True)
