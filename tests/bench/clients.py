"""The clients that the servers are measured with."""

import json
import os
import struct
import subprocess
import time

from servers import ROOT

# Types of packets and flags of OPEN, under the names of draft-ietf-secsh-filexfer-02.
INIT, OPEN, CLOSE, READ, WRITE, REMOVE, MKDIR = (bytes([number]) for number in (1, 3, 4, 5, 6, 13, 14))
FXF_READ, FXF_WRITE, FXF_CREAT, FXF_TRUNC = 0x01, 0x02, 0x08, 0x10
FX_OK = struct.pack(">I", 0)

LOAD = ROOT / "target/release/ssh-load"
# ProFTPD has no AES-GCM; it gets the next fastest.
GCM = ("-c", "aes128-gcm@openssh.com,aes128-ctr")


class Client:
    """OpenSSH's, and the light one of this tree."""

    def __init__(self, key, work, inside=()):
        """`inside`: a command that runs others in a network namespace."""
        self.key, self.work, self.inside = key, work, inside

    def options(self, server):
        return [
            "-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null", "-oLogLevel=ERROR", "-F/dev/null", "-oIdentityAgent=none",
            "-oIdentitiesOnly=yes", f"-i{self.key}", f"-oPort={server.port}",
        ]

    def address(self, server):
        return f"{server.user}@{server.host}"

    def sftp(self, server, batch, options=()):
        self.wait([self.start_sftp(server, batch, options)])

    def start_sftp(self, server, batch, options=(), number=0):
        file = self.work / f"batch{number}"
        file.write_text(batch)
        command = [*self.inside, "sftp", *self.options(server), *options, "-b", file, self.address(server)]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def wait(self, processes):
        if any([process.wait() for process in processes]):
            raise SystemExit("a client failed")

    def shell(self, server, *command):
        """With rsync's `-e` set."""
        environment = {**os.environ, "RSYNC_RSH": " ".join(map(str, ["ssh", *self.options(server)]))}
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)

    def scp(self, server, *paths):
        self.shell(server, "scp", "-O", "-q", *self.options(server), *paths)

    def light(self, server, *load, cipher="aes128-gcm@openssh.com", password=None):
        """What the light client printed: at least {"seconds": s}."""
        return json.loads(subprocess.run(
            self.light_command(server, *load, cipher=cipher, password=password), check=True, capture_output=True, text=True
        ).stdout)

    def echo(self, server, count):
        command = [LOAD.with_name("echo"), "--port", str(server.port), "ask", "--count", str(count)]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    def light_command(self, server, *load, cipher="aes128-gcm@openssh.com", password=None):
        proof = ["--password", password] if password else ["--key", self.key]
        target = ["--host", server.host, "--port", str(server.port), "--user", server.user, *proof, "--cipher", cipher]
        if server.accounts > 1:
            target += ["--accounts", str(server.accounts)]
        return [*self.inside, LOAD, *target, *map(str, load)]


class Prompt:
    """OpenSSH's sftp, which stays and is told what to do."""

    def __init__(self, client, server):
        command = ["sftp", *client.options(server), "-q", "-b", "-", client.address(server)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def do(self, command):
        """Returns when it is done: the next command's answer has come."""
        self.process.stdin.write(f"{command}\npwd\n")
        for line in self.process.stdout:
            if line.startswith("Remote working directory"):
                return
        raise SystemExit(f"sftp ended on: {command}")


class Raw:
    """SFTP packets through OpenSSH's client, without a library's own time."""

    def __init__(self, client, server):
        command = ["ssh", *client.options(server), "-s", client.address(server), "sftp"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        # Seconds before each request, as an answer and the next request would be under way.
        self.pause = 0
        self.send(INIT + struct.pack(">I", 3))
        self.receive()

    def send(self, packet):
        until = time.perf_counter() + self.pause
        # Sleeping would take longer than asked for.
        while self.pause and time.perf_counter() < until:
            pass
        self.process.stdin.write(struct.pack(">I", len(packet)) + packet)
        self.process.stdin.flush()

    def receive(self):
        return self.process.stdout.read(struct.unpack(">I", self.process.stdout.read(4))[0])

    def make_directory(self, path):
        self.ask(MKDIR, 0, path, struct.pack(">I", 0))

    def make(self, path, number, content):
        """A new file, with a request for each step."""
        create = struct.pack(">II", FXF_WRITE | FXF_CREAT | FXF_TRUNC, 0)
        handle = self.ask(OPEN, number, path, create)[9:]
        self.ask(WRITE, number, handle, struct.pack(">QI", 0, len(content)) + content)
        self.ask(CLOSE, number, handle)

    def read(self, path, number):
        """A file of one block, with a request for each step."""
        handle = self.ask(OPEN, number, path, struct.pack(">II", FXF_READ, 0))[9:]
        self.ask(READ, number, handle, struct.pack(">QI", 0, 32768))
        self.ask(CLOSE, number, handle)

    def ask(self, kind, number, name, rest=b""):
        """A request that begins with a string."""
        self.send(kind + struct.pack(">II", number, len(name)) + name + rest)
        return self.receive()

    def remove(self, path, number):
        self.send(REMOVE + struct.pack(">II", number, len(path)) + path)
        assert self.receive()[5:9] == FX_OK

    def close(self):
        self.process.stdin.close()
        self.process.wait()
