"""The SFTP extensions check-file-name, check-file-handle (WinSCP, Maverick Synergy; draft-ietf-secsh-filexfer-extensions-00, 3),
check-file as paramiko has it, and md5-hash, md5-hash-handle (draft-ietf-secsh-filexfer-09, 9.1.1), byte by byte.

Environment: HOST PORT USER, KEY or PASSWORD, BASE; FORMS: which to test, of "name handle paramiko md5" (default: the first three);
LENIENT=1: known faults of other servers are let pass; DUMP=1: prints the packets."""
import hashlib, os, struct
import paramiko

BASE = os.environ.get("BASE", "")
FORMS = os.environ.get("FORMS", "name handle paramiko").split()
LENIENT, DUMP = bool(os.environ.get("LENIENT")), bool(os.environ.get("DUMP"))
INIT, VERSION, OPEN, CLOSE, WRITE, REMOVE, STATUS, HANDLE, EXTENDED, EXTENDED_REPLY = 1, 2, 3, 4, 6, 13, 101, 102, 200, 201
READ_FLAG, WRITE_FLAG, CREATE, TRUNCATE = 1, 2, 8, 16
OK, NO_SUCH_FILE, PERMISSION_DENIED, FAILURE, BAD_MESSAGE, UNSUPPORTED = 0, 2, 3, 4, 5, 8

client = paramiko.SSHClient()
client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
client.connect(os.environ["HOST"], int(os.environ["PORT"]), os.environ["USER"], os.environ.get("PASSWORD"),
               key_filename=os.environ.get("KEY") or None, allow_agent=False, look_for_keys=False, timeout=20)
channel = client.get_transport().open_session()
channel.settimeout(30)
channel.invoke_subsystem("sftp")
stream = channel.makefile("rwb", 0)


def text(value):
    value = value.encode() if isinstance(value, str) else value
    return struct.pack(">I", len(value)) + value


def u32(value):
    return struct.pack(">I", value)


def u64(value):
    return struct.pack(">Q", value)


def take(data):
    size = struct.unpack_from(">I", data)[0]
    assert len(data) >= 4 + size, f"a string of {size} bytes in {data!r}"
    return data[4:4 + size], data[4 + size:]


def packet(kind, body):
    data = bytes([kind]) + body
    if DUMP and kind == EXTENDED:
        print("   >", (u32(len(data)) + data).hex(" ", -4)[:400])
    channel.sendall(u32(len(data)) + data)


def exactly(size):
    data = b""
    while len(data) < size:
        more = channel.recv(size - len(data))
        assert more, "the server has closed the channel"
        data += more
    return data


def answer():
    size = struct.unpack(">I", exactly(4))[0]
    data = exactly(size)
    return data[0], data[1:]


ids = iter(range(1, 1 << 30))


def ask(kind, body, dump=False):
    number = next(ids)
    packet(kind, u32(number) + body)
    kind, body = answer()
    if DUMP and dump:
        print("   <", (u32(len(body) + 1) + bytes([kind]) + body).hex(" ", -4)[:400])
    assert struct.unpack_from(">I", body)[0] == number
    return kind, body[4:]


def status(reply):
    kind, body = reply
    return struct.unpack_from(">I", body)[0] if kind == STATUS else None


def opened(path, flags):
    kind, body = ask(OPEN, text(path) + u32(flags) + u32(0))
    assert kind == HANDLE, (kind, body)
    return take(body)[0]


def closed(handle):
    assert status(ask(CLOSE, text(handle))) == OK


def stored(path, data):
    handle = opened(path, WRITE_FLAG | CREATE | TRUNCATE)
    for at in range(0, len(data), 30000):
        assert status(ask(WRITE, text(handle) + u64(at) + text(data[at:at + 30000]))) == OK
    closed(handle)


packet(INIT, u32(3))
kind, body = answer()
assert kind == VERSION and body[:4] == u32(3), (kind, body)
body, extensions = body[4:], {}
while body:
    name, body = take(body)
    extensions[name.decode()], body = take(body)
print("-- advertised:", ", ".join(f"{name}={value.decode('latin-1')!r}" for name, value in extensions.items()))

DATA = bytes((at * 31 + (at >> 8)) & 255 for at in range(100_001))
FILE, EMPTY = f"{BASE}/check file", f"{BASE}/check empty"
stored(FILE, DATA)
stored(EMPTY, b"")


def check(form, target, algorithms, offset=0, length=0, block=0, dump=False):
    """-> (algorithm, digests) or the status"""
    name = {"name": "check-file-name", "handle": "check-file-handle", "paramiko": "check-file"}[form]
    reply = ask(EXTENDED, text(name) + text(target) + text(algorithms) + u64(offset) + u64(length) + u32(block), dump)
    if reply[0] == STATUS:
        return status(reply)
    assert reply[0] == EXTENDED_REPLY, reply
    rest = reply[1]
    if form == "paramiko":  # echoes "check-file" first
        echo, rest = take(rest)
        assert echo == b"check-file", echo
    algorithm, rest = take(rest)  # then the algorithm, then the digests, without a length
    return algorithm.decode(), rest


def digests(algorithm, data, block=0):
    blocks = [data[at:at + block] for at in range(0, len(data), block)] if block else [data]
    return b"".join(hashlib.new(algorithm, part).digest() for part in blocks)


handle = opened(FILE, READ_FLAG)
for form in [form for form in FORMS if form != "md5"]:
    target = FILE if form == "name" else handle
    got = check(form, target, "md5", dump=True)
    assert got == ("md5", digests("md5", DATA)), got
    for algorithm in ["sha1"] + ([] if form == "paramiko" and LENIENT else ["sha256", "sha384", "sha512"]):
        assert check(form, target, algorithm) == (algorithm, digests(algorithm, DATA)), algorithm
    if not LENIENT:
        assert check(form, target, "nonsense,sha256,md5") == ("sha256", digests("sha256", DATA)), "the first known one is taken"
        assert check(form, target, "sha1", 1000, 5000) == ("sha1", digests("sha1", DATA[1000:6000]))
        assert check(form, target, "sha1", 99_000, 5000) == ("sha1", digests("sha1", DATA[99_000:])), "a length beyond the end"
        assert check(form, target, "md5", 1000, 5000, 1024) == ("md5", digests("md5", DATA[1000:6000], 1024))
    assert check(form, target, "sha1", 1000) == ("sha1", digests("sha1", DATA[1000:])), "an offset"
    if not (LENIENT and form == "paramiko"):  # paramiko's server hashes wrongly in blocks of more than 64 KiB
        got = check(form, target, "md5", 0, 0, 4096, dump=True)
        assert got == ("md5", digests("md5", DATA, 4096)), "blocks; the last one is shorter"
    got = check(form, target, "md5", 0, 0, 255)
    assert got == FAILURE or LENIENT and isinstance(got, int), f"a block must have 256 bytes: {got}"
    got = check(form, target, "nonsense")
    assert got == FAILURE or LENIENT and isinstance(got, int), f"an unknown algorithm: {got}"
    if form == "name":
        assert check(form, f"{BASE}/none", "md5") == NO_SUCH_FILE
        assert check(form, BASE or "/", "md5") not in (OK, None) and isinstance(check(form, BASE or "/", "md5"), int)
        if not LENIENT:
            assert check(form, EMPTY, "md5") == ("md5", digests("md5", b"")), "an empty file has a digest"
    else:
        assert isinstance(check(form, b"no such handle", "md5"), int)
        if not LENIENT:
            writing = opened(FILE, WRITE_FLAG)
            assert check(form, writing, "md5") == PERMISSION_DENIED, "not opened for reading"
            closed(writing)
    print("--", form)

if "md5" in FORMS:
    for name, target in [("md5-hash", FILE), ("md5-hash-handle", handle)]:
        def md5(offset=0, length=0, quick=b"", target=target, name=name):
            kind, rest = ask(EXTENDED, text(name) + text(target) + u64(offset) + u64(length) + text(quick), True)
            if kind == STATUS:
                return status((kind, rest))
            echo, rest = take(rest)
            assert echo.decode() == name, echo
            digest, rest = take(rest)
            assert not rest
            return digest
        assert md5() == digests("md5", DATA)
        assert md5(1000, 5000) == digests("md5", DATA[1000:6000])
        assert md5(quick=digests("md5", DATA[:2048])) == digests("md5", DATA)
        assert md5(quick=b"x" * 16) == b"", "another beginning, no digest"
    assert isinstance(md5(target=f"{BASE}/none", name="md5-hash"), int)
    print("-- md5")
closed(handle)

if "paramiko" in FORMS:  # and with the client itself
    with client.open_sftp() as sftp, sftp.open(FILE, "r") as file:
        assert file.check("md5") == digests("md5", DATA)
        assert file.check("sha1", 1000) == digests("sha1", DATA[1000:])
        assert file.check("md5", 0, 2048, 1024) == digests("md5", DATA[:2048], 1024)
        try:
            file.check("nonsense")
            raise AssertionError("it did not fail")
        except OSError:
            pass
    print("-- paramiko's own SFTPFile.check")
for path in [FILE, EMPTY]:
    assert status(ask(REMOVE, text(path))) == OK
client.close()
print("ok")
