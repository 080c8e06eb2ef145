"""What WinSCP does on an upload: NAME.filepart, then the old file away, a rename, and the times after it; and a resumed upload.
With paramiko.  Environment: HOST PORT USER KEY, BASE."""
import os, stat, sys
import paramiko
from paramiko.sftp import CMD_CLOSE, CMD_FSTAT, CMD_OPEN, CMD_SETSTAT, CMD_STATUS, CMD_WRITE

try:
    from paramiko.sftp import int64
except ImportError:  # before 3.0
    from paramiko.py3compat import long as int64

BASE = os.environ.get("BASE", "")
client = paramiko.SSHClient()
client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
client.connect(os.environ["HOST"], int(os.environ["PORT"]), os.environ["USER"], key_filename=os.environ["KEY"],
               allow_agent=False, look_for_keys=False, timeout=20)
sftp = client.open_sftp()
where = BASE + "/winscp dir"
sftp.mkdir(where)
CHUNK = 32768


def fails(call, *kinds):
    try:
        call()
    except kinds or (OSError,):
        return
    raise AssertionError("it did not fail")


def write_part(path, data, offset=0, flags="w"):
    """Pipelined, as WinSCP does it."""
    with sftp.open(path, flags) as file:
        file.set_pipelined(True)
        file.seek(offset)
        for at in range(offset, len(data), CHUNK):
            file.write(data[at:at + CHUNK])


def finish(part, name, how, times):
    if how == "posix-rename":
        sftp.posix_rename(part, name)
    else:  # plain RENAME of version 3 must not replace a file, so WinSCP removes it first
        fails(lambda: sftp.rename(part, name))
        assert sftp.stat(name) and sftp.stat(part), "a refused rename changed something"
        sftp.remove(name)
        sftp.rename(part, name)
    # Attributes only after the rename: WinSCP sends SETSTAT with permissions and times together.
    attributes = paramiko.SFTPAttributes()
    attributes.st_mode = 0o640
    attributes.st_atime, attributes.st_mtime = times
    sftp._request(CMD_SETSTAT, name.encode(), attributes)
    info = sftp.stat(name)
    assert (info.st_mtime, stat.S_IMODE(info.st_mode)) == (times[1], 0o640), info


# Packet by packet as WinSCP's Source() does it (source/core/SftpFileSystem.cpp): STAT of the file and of the part, OPEN with
# the final size as an attribute (to be ignored: the file begins empty), WRITEs, CLOSE without waiting for any answer,
# REMOVE of the old one, RENAME, SETSTAT; for small files no part, and SETSTAT right behind CLOSE, before its answer.
def answered(number, expected=CMD_STATUS):
    kind, message = sftp._read_response(number)
    assert kind == expected, (kind, message)
    return message


def later(kind, *arguments):
    return sftp._async_request(type(None), kind, *arguments)


def attributes_of(size=None, mode=None, times=None):
    result = paramiko.SFTPAttributes()
    result.st_size, result.st_mode = size, mode
    result.st_atime, result.st_mtime = times or (None, None)
    return result


for small in [True, False]:
    name = f"{where}/exact {small}"
    for data in [os.urandom(200_000), os.urandom(100_000)]:  # new, then replaced by a shorter one
        target = name if small else name + ".filepart"
        exists = os.path.basename(name) in sftp.listdir(where)
        fails(lambda: sftp.stat(name + ".filepart"))
        flags = paramiko.sftp.SFTP_FLAG_WRITE | paramiko.sftp.SFTP_FLAG_CREATE | paramiko.sftp.SFTP_FLAG_TRUNC
        kind, message = sftp._request(CMD_OPEN, target, flags, attributes_of(size=len(data)))
        handle = message.get_binary()
        kind, message = sftp._request(CMD_FSTAT, handle)  # by the handle: an atomic server shows the old file by name
        assert paramiko.SFTPAttributes._from_msg(message).st_size == 0, "the size given to OPEN is only announced"
        writes = [later(CMD_WRITE, handle, int64(at), data[at:at + CHUNK]) for at in range(0, len(data), CHUNK)]
        close = later(CMD_CLOSE, handle)
        times = (1_200_000_000, 1_200_000_000)
        if small:
            setstat = later(CMD_SETSTAT, name, attributes_of(mode=0o604, times=times))
        for number in writes + [close]:
            answered(number)
        if not small:
            if exists:
                sftp.remove(name)
            sftp.rename(target, name)
            setstat = later(CMD_SETSTAT, name, attributes_of(mode=0o604, times=times))
        answered(setstat)
        info = sftp.stat(name)
        assert (info.st_size, stat.S_IMODE(info.st_mode), info.st_mtime) == (len(data), 0o604, times[1]), info
        assert sftp.open(name).read() == data
print("-- packet by packet")

for how in ["posix-rename", "remove and rename"]:
    name = f"{where}/file {how}.bin"
    part = name + ".filepart"
    old, new = os.urandom(300_001), os.urandom(2_000_003)
    write_part(name, old)
    sftp.chmod(name, 0o600)
    write_part(part, new)
    assert sftp.open(name).read() == old, "the old file is there until the rename"
    finish(part, name, how, (1_000_000_000, 1_100_000_000))
    assert sftp.open(name).read() == new
    assert sorted(sftp.listdir(where)).count(os.path.basename(part)) == 0, "the part remains"
    print("--", how)

# An upload that broke off: WinSCP finds the .filepart, and goes on at its size without truncating.
name = f"{where}/resumed.bin"
data = os.urandom(1_500_000)
write_part(name + ".filepart", data[:700_000])
size = sftp.stat(name + ".filepart").st_size
assert size == 700_000, size
write_part(name + ".filepart", data, offset=size, flags="r+")
sftp.posix_rename(name + ".filepart", name)
assert sftp.open(name).read() == data
sftp.utime(name, (5, 6))
assert sftp.stat(name).st_mtime == 6
print("-- resumed")

# The same with APPEND, as some clients resume.
write_part(name + ".part", data[:700_000])
with sftp.open(name + ".part", "a") as file:
    file.write(data[700_000:])
sftp.posix_rename(name + ".part", name)
assert sftp.open(name).read() == data
print("-- resumed by appending")

# Renaming a file that is open, over one that is open: both handles go on.
# Where uploads appear only when they are complete (ATOMIC), there is nothing to rename before.
if not os.environ.get("ATOMIC"):
    with sftp.open(f"{where}/a", "w") as a, sftp.open(f"{where}/b", "w") as b:
        a.write(b"A"); b.write(b"B"); a.flush(); b.flush()
        sftp.posix_rename(f"{where}/a", f"{where}/b")
        a.write(b"a")
        b.write(b"b")
    assert sftp.open(f"{where}/b").read() == b"Aa"
    fails(lambda: sftp.stat(f"{where}/a"))
    print("-- renamed while open")

# FSETSTAT of the times on the handle that wrote, then close: the close must not set them anew.
with sftp.open(f"{where}/times", "w") as file:
    file.write(b"x")
    file.utime((7, 8))
assert sftp.stat(f"{where}/times").st_mtime == 8, "closing changed the times"
print("-- times on the handle")

# A file over a directory, and a missing source.
sftp.mkdir(f"{where}/sub")
fails(lambda: sftp.posix_rename(name, f"{where}/sub"))
fails(lambda: sftp.posix_rename(f"{where}/none", name))
assert sftp.open(name).read() == data
for entry in sftp.listdir(where):
    path = f"{where}/{entry}"
    (sftp.rmdir if stat.S_ISDIR(sftp.stat(path).st_mode) else sftp.remove)(path)
sftp.rmdir(where)
client.close()
print("ok")
