"""The servers that are compared: Tidegate, OpenSSH's, ProFTPD's mod_sftp and rclone's, each alone on a port of its own."""

import base64
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = ROOT / "target/release/tidegate"
TICKS = os.sysconf("SC_CLK_TCK")


LISTENING = "0A"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def children(process):
    """Of a process and of its descendants: their numbers."""
    try:
        tasks = list(pathlib.Path(f"/proc/{process}/task").iterdir())
        direct = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []
    return direct + [below for child in direct for below in children(child)]


class Server:
    """A running server, with the files of `home` below `files` as a client sees them."""

    def __init__(self, name, user, home, files, command, port, host="127.0.0.1", inside=()):
        """`inside`: a command that runs others in a network namespace, where `host` is."""
        self.name, self.user, self.home, self.files, self.port, self.host = name, user, home, files, port, host
        self.new = None
        # How many accounts `user` stands for, if it has `{}` in it.
        self.accounts = 1
        self.log = tempfile.TemporaryFile()
        # In front of the command, because a command of `ip netns exec` is the process itself.
        self.process = subprocess.Popen([*inside, *command], stdout=self.log, stderr=self.log)
        self.wait(inside)

    def wait(self, inside):
        until = time.monotonic() + 60
        while time.monotonic() < until and self.process.poll() is None:
            with open(f"/proc/{self.process.pid}/net/tcp") as table:
                sockets = [line.split() for line in table]
            if any(fields[1].endswith(f":{self.port:04X}") and fields[3] == LISTENING for fields in sockets):
                return
            time.sleep(0.01)
        self.log.seek(0)
        raise SystemExit(f"{self.name} does not listen on {self.port}: {self.log.read().decode(errors='replace')}")

    def settle(self):
        """Waits until processes of sessions that are over have been counted."""
        until = time.monotonic() + 2
        while self.name in ("openssh", "proftpd") and children(self.process.pid) and time.monotonic() < until:
            time.sleep(0.01)

    def cpu(self):
        """Seconds of the process and of those of its children that have ended."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return sum(int(field) for field in fields[11:15]) / TICKS

    def memory(self):
        """KiB of all its processes; what they share is divided among them."""
        total = 0
        for process in [self.process.pid, *children(self.process.pid)]:
            try:
                lines = pathlib.Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
            except OSError:
                continue
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return total

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def echo(work):
    port = free_port()
    return Server("echo", "nobody", work, "", [ROOT / "target/release/echo", "--port", str(port), "serve"], port)


def tidegate(work, name="tidegate", key=None, settings="", plugins=None, account=None, common="", http_port=0, prepare=None, **place):
    """`settings`: lines of [sftpd]; `common`: whole tables; `plugins`: settings of the components to use, by name.
    `account`: what the stored account has beside its key; False: none is stored. `prepare`: called with the directory of the
    configuration before the server starts. `http_port`: 0: no HTTP."""
    state, home, port = work / f"{name}-state", work / f"{name}-home", free_port()
    state.mkdir()
    home.mkdir(exist_ok=True)
    address = place.get("host", "127.0.0.1")
    (state / "tidegate.toml").write_text(
        f'[common]\nmax_per_host_connections = 0\n[httpd]\nbind_port = {http_port}\n{common}\n'
        f'[sftpd]\nbind_port = {port}\nbind_address = "{address}"\nkeys = [{{ private_key = "id_ed25519" }}]\n{settings}\n'
    )
    (state / "plugins").mkdir(mode=0o700)
    for plugin, text in (plugins or {}).items():
        shutil.copy(ROOT / f"tests/.cache/guests/{plugin}.wasm", state / "plugins")
        (state / f"plugins/{plugin}.toml").write_text(text)
    if account is not False:
        document = work / f"{name}.json"
        public = [key.with_suffix(".pub").read_text().strip()] if key else []
        everything = {"username": "bench", "status": 1, "home_dir": str(home), "permissions": {"/": ["*"]}, "public_keys": public}
        document.write_text(json.dumps({**everything, **(account or {})}))
        subprocess.run([BINARY, "user", "add", "-c", state, "--from-json", document], check=True, stdout=subprocess.DEVNULL)
    if prepare:
        prepare(state)
    return Server(name, "bench", home, "", [BINARY, "serve", "-c", state], port, **place)


def openssh(work, key, **place):
    state, home, port = work / "sshd", work / "openssh-home", free_port()
    state.mkdir(mode=0o700)
    home.mkdir()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", state / "host"], check=True)
    (state / "keys").write_text(key.with_suffix(".pub").read_text())
    (state / "config").write_text(
        f"Port {port}\nListenAddress {place.get('host', '127.0.0.1')}\nHostKey {state}/host\nAuthorizedKeysFile {state}/keys\n"
        f"Subsystem sftp internal-sftp\nPidFile none\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nMaxStartups 1000\n"
    )
    os.makedirs("/run/sshd", exist_ok=True)
    user = os.environ.get("USER") or "root"
    return Server("openssh", user, home, f"{home}/", ["/usr/sbin/sshd", "-D", "-f", state / "config"], port, **place)


def proftpd(work, key, **place):
    state, home, port = work / "proftpd", work / "proftpd-home", free_port()
    state.mkdir()
    home.mkdir()
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-m", "PEM", "-N", "", "-f", state / "host"], check=True)
    exported = subprocess.run(["ssh-keygen", "-e", "-f", key.with_suffix(".pub")], check=True, capture_output=True).stdout
    (state / "keys").write_bytes(exported)
    salted = subprocess.run(["openssl", "passwd", "-5", "-salt", "rounds", PASSWORD], check=True, capture_output=True, text=True)
    (state / "users").write_text(f"bench:{salted.stdout.strip()}:{os.getuid()}:{os.getgid()}::{home}:/bin/sh\n")
    (state / "users").chmod(0o600)
    (state / "config").write_text(
        f"LoadModule mod_sftp.c\nServerName bench\nServerType standalone\nPort {port}\n"
        f"DefaultAddress {place.get('host', '127.0.0.1')}\nUseIPv6 off\nUser root\nGroup root\nRootLogin on\nRequireValidShell off\n"
        f"AuthOrder mod_auth_file.c\nAuthUserFile {state}/users\nPidFile {state}/pid\nScoreboardFile {state}/scoreboard\n"
        f"WtmpLog off\nTransferLog none\nSystemLog {state}/log\nAllowOverwrite on\nAllowStoreRestart on\nMaxInstances none\nUseReverseDNS off\n"
        f"SFTPEngine on\nSFTPHostKey {state}/host\nSFTPAuthorizedUserKeys file:{state}/keys\nSFTPMaxChannels 64\n"
    )
    return Server("proftpd", "bench", home, f"{home}/", ["/usr/sbin/proftpd", "-n", "-q", "-c", state / "config"], port, **place)


def rclone(work, key, **place):
    home, port, keys = work / "rclone-home", free_port(), work / "rclone-keys"
    home.mkdir()
    keys.write_text(key.with_suffix(".pub").read_text())
    address = f"{place.get('host', '127.0.0.1')}:{port}"
    command = ["rclone", "serve", "sftp", home, "--addr", address, "--authorized-keys", keys, "--config", "/dev/null"]
    return Server("rclone", "bench", home, "", [*command, "--vfs-cache-mode", "writes", "--vfs-write-back", "0s"], port, **place)


PASSWORD = "correct horse"


def cheap_hash():
    """Of the password, with the fewest rounds: logins are measured, not the hash."""
    import hashlib

    salt = "benchmark"
    digest = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), salt.encode(), 1)
    return f"$pbkdf2-sha256$1${salt}${base64.b64encode(digest).decode()}"
