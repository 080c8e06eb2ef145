"""The load behind tests/soak/run.

Names say what has to happen: `KIND-allow` may be refused only when its hook failed, `KIND-deny` never gets in.
Exit status 1 if a verdict was wrong, hooks did not get a session's end exactly once, or memory or descriptors grew.
"""

import argparse
import asyncio
import json
import os
import pathlib
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import asyncssh

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = ROOT / "target/release/tidegate"
WORKERS = 12
FAILS = 0.05


def password_hash():
    """Of `pw`, as cheap as the server takes it: the load is to be on the hooks."""
    return subprocess.run(
        ["openssl", "passwd", "-1", "-salt", "saltsalt", "pw"], check=True, capture_output=True, text=True
    ).stdout.strip()


class Web:
    """External authentication for `http-…`, and the place where program hooks fail from time to time."""

    def __init__(self, homes):
        self.homes, self.failures = homes, 0

    async def start(self):
        self.server = await asyncio.start_server(self.connection, "127.0.0.1", 0)
        return self.server.sockets[0].getsockname()[1]

    async def connection(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
                )
                body = json.loads(await reader.readexactly(length))
                status, answer = self.answer(body["username"])
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(answer), answer))
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()

    def answer(self, name):
        if random.random() < FAILS:
            self.failures += 1
            return random.choice([(500, b""), (200, b'{"username":'), (200, b"x" * 2000000)])
        if "deny" in name:
            return 200, b'{"username":""}'
        return 200, json.dumps(account(name, self.homes)).encode()


def account(name, homes):
    return {"username": name, "status": 1, "home_dir": str(homes / name), "permissions": {"/": ["*"]}}


SCRIPT = """#!/bin/bash
# bash for $RANDOM
if [ $((RANDOM % 20)) -eq 0 ]; then
  echo x >> {failures}
  case $((RANDOM % 3)) in
  0) exit 3 ;;
  1) kill -9 $$ ;;
  *) echo '{{"username":'; exit 0 ;;
  esac
fi
case $SFTPGO_AUTHD_USERNAME in
*deny*) echo '{{"username":""}}' ;;
*) echo '{{"username":"'$SFTPGO_AUTHD_USERNAME'","status":1,"home_dir":"{homes}/'$SFTPGO_AUTHD_USERNAME'","permissions":{{"/":["*"]}}}}' ;;
esac
"""


def executable(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


async def prepare(state, web):
    homes = state / "homes"
    port = await web.start()
    auth = executable(state / "auth.sh", SCRIPT.format(failures=state / "program-failures", homes=homes))
    created = executable(state / "created.sh", f'#!/bin/sh\necho "$SFTPGO_SESSION_ID" >> {state}/created\n')
    destroyed = executable(state / "destroyed.sh", f'#!/bin/sh\necho "$SFTPGO_SESSION_ID" >> {state}/destroyed\n')
    told = executable(state / "told.sh", "#!/bin/sh\n[ $(($$ % 10)) -ne 0 ]\n")
    (state / "tidegate.toml").write_text(f"""
# Hooks refuse many logins here, all from one address.
[common.defender]
enabled = false
[sftpd]
bind_port = 0
bind_address = "127.0.0.1"
keys = [{{ private_key = "id_ed25519" }}]
[data_provider]
external_auth_hook = [
  {{ hook = "{auth}", users = ["program-*"] }},
  {{ hook = "http://127.0.0.1:{port}/", users = ["http-*"] }},
  {{ hook = "plugin:users", users = ["wasm-*"] }},
]
[hook.session-create]
hook = "{created}"
[hook.session-destroy]
hook = "{destroyed}"
concurrency = 16
[common.actions]
execute_on = ["upload", "download"]
hook = "{told}"
""")
    plugins = state / "plugins"
    plugins.mkdir()
    users = [{"username": f"wasm-allow-{n}", "password": password_hash(), "permissions": {"/": ["*"]}} for n in range(WORKERS)]
    (plugins / "users.toml").write_text(
        f'[config]\nhome_base = "{homes}"\nothers = "reject"\n'
        + "".join(
            f'[[config.users]]\nusername = "{u["username"]}"\npassword = "{u["password"]}"\npermissions = {{ "/" = ["*"] }}\n'
            for u in users
        )
    )
    replace_plugin(plugins, 0)


def replace_plugin(plugins, number):
    """The same component with another custom section: another version, which decides alike."""
    content = (ROOT / "tests/.cache/guests/json-users.wasm").read_bytes()
    name = f"version-{number}".encode()
    section = bytes([len(name)]) + name
    new = plugins / ".users.new"
    new.write_bytes(content + b"\0" + bytes([len(section)]) + section)
    new.rename(plugins / "users.wasm")


def start(state):
    log = open(state / "log", "w")
    server = subprocess.Popen([BINARY, "serve", "-c", state, "--log-file-path", "", "--log-level", "info"], stderr=log)
    # Its lines as they are written, until it is too late.
    follow = ["timeout", "60", "tail", "--lines=+1", "--follow", state / "log"]
    with subprocess.Popen(follow, stdout=subprocess.PIPE, text=True) as told:
        listening = next((line for line in told.stdout if '"listening"' in line), None)
        told.terminate()
    if listening is None:
        raise SystemExit("the server did not start")
    return server, int(json.loads(listening)["address"].rsplit(":", 1)[1])


class Count:
    def __init__(self):
        self.logins, self.refused, self.wrong, self.transfers = 0, {"program": 0, "http": 0, "wasm": 0}, [], 0


async def worker(number, port, until, count):
    while time.monotonic() < until:
        kind, verdict = random.choice(["program", "http", "wasm"]), random.choice(["allow", "allow", "deny"])
        name = f"{kind}-{verdict}-{number}"
        try:
            async with asyncssh.connect(
                "127.0.0.1", port, username=name, password="pw", known_hosts=None, client_keys=None, agent_path=None,
                preferred_auth="password", config=None, login_timeout=60,
            ) as connection:
                count.logins += 1
                if verdict == "deny":
                    count.wrong.append(name)
                await transfer(connection, count)
        except asyncssh.PermissionDenied:
            if verdict == "allow":
                count.refused[kind] += 1


async def transfer(connection, count):
    data = os.urandom(random.choice([1, 4096, 300_000]))
    async with connection.start_sftp_client() as sftp:
        async with sftp.open("file", "wb") as file:
            await file.write(data)
        async with sftp.open("file", "rb") as file:
            if await file.read() != data:
                count.wrong.append("a file came back different")
    count.transfers += 1


async def replacing(plugins, until):
    number = 0
    while time.monotonic() < until:
        await asyncio.sleep(5)
        number += 1
        replace_plugin(plugins, number)
    return number


async def watching(pid, until, samples):
    while time.monotonic() < until:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        memory = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
        samples.append((memory, len(os.listdir(f"/proc/{pid}/fd"))))
        await asyncio.sleep(5)


def lines(path):
    return path.read_text().split() if path.exists() else []


async def soak(minutes):
    with tempfile.TemporaryDirectory() as name:
        state = pathlib.Path(name)
        web, count, samples = Web(state / "homes"), Count(), []
        await prepare(state, web)
        server, port = start(state)
        until = time.monotonic() + minutes * 60
        tasks = [worker(number, port, until, count) for number in range(WORKERS)]
        replaced, *_ = await asyncio.gather(replacing(state / "plugins", until), watching(server.pid, until, samples), *tasks)
        server.send_signal(signal.SIGTERM)
        server.wait(60)
        created, destroyed = lines(state / "created"), lines(state / "destroyed")
        failed = {"program": len(lines(state / "program-failures")), "http": web.failures, "wasm": 0}
        return judge(count, created, destroyed, failed, samples, replaced, (state / "log").read_text())


def judge(count, created, destroyed, failed, samples, replaced, log):
    quarter = max(1, len(samples) // 4)
    early, late = samples[quarter : 2 * quarter], samples[-quarter:]
    memory = [statistics.median(sample[0] for sample in part) for part in (early, late)]
    files = [statistics.median(sample[1] for sample in part) for part in (early, late)]
    problems = list(count.wrong)
    for kind, refused in count.refused.items():
        if refused > failed[kind]:
            problems.append(f"{refused} logins of {kind}-allow were refused, but the hook failed {failed[kind]} times")
    if sorted(created) != sorted(destroyed) or len(set(created)) != len(created):
        problems.append(f"{len(created)} sessions were created, {len(destroyed)} destroyed")
    if memory[1] > memory[0] * 1.1 + 2048:
        problems.append(f"memory grew from {memory[0]} to {memory[1]} KiB")
    if files[1] > files[0] + 20:
        problems.append(f"descriptors grew from {files[0]} to {files[1]}")
    if "panicked" in log:
        problems.append("something panicked")
    print(json.dumps({
        "logins": count.logins, "transfers": count.transfers, "refused": count.refused, "hook_failures": failed,
        "plugin_replacements": replaced, "sessions": len(created), "memory_kib": memory, "descriptors": files,
        "problems": problems[:20],
    }, indent=2))
    return not problems


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=20)
    sys.exit(0 if asyncio.run(soak(parser.parse_args().minutes)) else 1)


main()
