"""Logs in many times, sixteen at a time; says how many failed."""
import asyncio
import sys

import asyncssh

PORT, LOGINS = int(sys.argv[1]), int(sys.argv[2])


async def login(gate):
    async with gate:
        try:
            async with asyncssh.connect(
                "127.0.0.1", PORT, username="alice", password="sesame", known_hosts=None, client_keys=None, agent_path=None, config=[]
            ) as connection:
                async with connection.start_sftp_client() as sftp:
                    await sftp.getcwd()
                return None
        except Exception as error:  # whatever it is, it is counted and shown
            return error


async def main():
    gate = asyncio.Semaphore(16)
    outcomes = await asyncio.gather(*(login(gate) for _ in range(LOGINS)))
    errors = [error for error in outcomes if error is not None]
    print(f"{LOGINS} logins, {len(errors)} failed")
    for error in errors[:5]:
        print(repr(error))


asyncio.run(main())
