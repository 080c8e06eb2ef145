"""Other people's clients."""

import shutil
import subprocess
import sys

import servers
from clients import Client
from context import fresh
from rounds import Workload


def others(bench):
    """Other people's clients, which choose blocks, depth and algorithms themselves."""
    size = min(bench.mebibytes, 256)
    file, got = bench.file("middle", size), bench.work / "got"
    # libssh2 before 1.11 knows no MAC over the ciphertext.
    macs = 'macs = ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-256"]\n'
    running = [servers.tidegate(bench.work, key=bench.key, settings=macs), servers.openssh(bench.work, bench.key)]
    for server in running:
        shutil.copy(file, server.home / "middle")

    def run(*command):
        subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)

    def lftp(server, command):
        options = " ".join(Client(bench.key, bench.work).options(server))
        settings = f"set sftp:auto-confirm yes; set sftp:connect-program 'ssh -a -x {options}'; set cmd:fail-exit yes"
        run("lftp", "-c", f"{settings}; open sftp://{server.user}:@{server.host}:{server.port}; {command}")

    def curl(server, path, *arguments):
        place = f"sftp://{server.host}:{server.port}/{path.removeprefix('/')}"
        run("curl", "-sSk", "-u", f"{server.user}:", "--key", bench.key, "--pubkey", f"{bench.key}.pub", *arguments, place)

    def rclone(server, path, up):
        remote = f":sftp,host={server.host},port={server.port},user={server.user},key_file={bench.key},shell_type=none:{path}"
        files = (file, remote) if up else (remote, got)
        run("rclone", "--config", "/dev/null", "--sftp-disable-hashcheck", "copyto", "--ignore-times", *files)

    def python(library, server, direction, remote):
        local = file if direction == "up" else got
        script = servers.ROOT / "tests/bench/libraries.py"
        run(sys.executable, script, library, direction, server.host, server.port, server.user, bench.key, local, remote)

    absolute = lambda server, path: f"{server.files}{path}"
    both = []
    for name, act in {
        "lftp": lambda s, up: lftp(s, f"put {file} -o {absolute(s, s.new)}" if up else f"get -c {absolute(s, 'middle')} -o {fresh(got)}"),
        "curl": lambda s, up: curl(s, absolute(s, s.new if up else "middle"), *(["-T", file] if up else ["-o", got])),
        "rclone": lambda s, up: rclone(s, absolute(s, s.new if up else "middle"), up),
        "asyncssh": lambda s, up: python("asyncssh", s, "up" if up else "down", absolute(s, s.new if up else "middle")),
        "paramiko": lambda s, up: python("paramiko", s, "up" if up else "down", absolute(s, s.new if up else "middle")),
    }.items():
        both += [Workload(f"{name} up", lambda s, a=act: a(s, True), size), Workload(f"{name} down", lambda s, a=act: a(s, False), size)]
    return bench.measure(running, both)
