"""Many sessions of one user upload, overwrite, append, rename, link, truncate and delete at once, until each has done
its part or the server is gone. Prints "warm" once all are at work.

Environment: HOST PORT USER KEY, SESSIONS, OPERATIONS (of each session), SEED."""
import asyncio, os, random, sys
import asyncssh

SESSIONS, OPERATIONS = int(os.environ["SESSIONS"]), int(os.environ["OPERATIONS"])
NAMES = [f"f{number}" for number in range(40)]
busy = set()


async def operation(sftp, dice, number):
    name, other = dice.choice(NAMES), dice.choice(NAMES)
    size = dice.choice([0, 1, 500, 4096, 40_000, 120_000])
    kind = dice.randrange(11)
    try:
        if kind <= 3:
            async with sftp.open(name, "wb") as file:
                for at in range(0, size, 16_384):
                    await file.write(os.urandom(min(16_384, size - at)), at)
        elif kind == 4:
            async with sftp.open(name, "ab") as file:
                await file.write(os.urandom(dice.randrange(9000)))
        elif kind == 5:
            async with sftp.open(name, asyncssh.FXF_WRITE | asyncssh.FXF_CREAT, encoding=None) as file:
                await file.write(b"in the middle", dice.randrange(50_000))
        elif kind == 6:
            await sftp.truncate(name, dice.randrange(30_000))
        elif kind == 7:
            await sftp.posix_rename(name, other)
        elif kind == 8:
            await sftp.link(name, other)
        elif kind == 9:
            # Left open: the connection's end closes it.
            file = await sftp.open(f"{name}-{number}", "wb")
            await file.write(os.urandom(size))
        else:
            await sftp.remove(name)
    except asyncssh.SFTPError:
        pass


async def session(number):
    dice = random.Random(f"{os.environ['SEED']}-{number}")
    try:
        async with asyncssh.connect(os.environ["HOST"], int(os.environ["PORT"]), username=os.environ["USER"],
                                    client_keys=[os.environ["KEY"]], known_hosts=None, login_timeout=60) as connection:
            async with connection.start_sftp_client() as sftp:
                for index in range(OPERATIONS):
                    await operation(sftp, dice, number)
                    if index == 5:
                        busy.add(number)
                        if len(busy) == SESSIONS:
                            print("warm", flush=True)
                return True
    except (OSError, asyncssh.Error, asyncssh.misc.ConnectionLost):
        return False


async def main():
    outcomes = await asyncio.gather(*(session(number) for number in range(SESSIONS)), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            print(repr(outcome), file=sys.stderr)
    print(f"{outcomes.count(True)} of {SESSIONS} sessions ended by themselves", flush=True)
    # The library's own tasks may wait for ever for a server that is gone.
    sys.stderr.flush()
    os._exit(0)

asyncio.run(main())
