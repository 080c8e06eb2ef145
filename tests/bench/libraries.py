"""One file up or down with a Python library: LIBRARY up|down HOST PORT USER KEY LOCAL REMOTE."""

import asyncio
import sys

library, direction, host, port, user, key, local, remote = sys.argv[1:]


async def with_asyncssh():
    import asyncssh

    async with asyncssh.connect(host, int(port), username=user, client_keys=[key], known_hosts=None) as connection:
        async with connection.start_sftp_client() as sftp:
            await (sftp.put(local, remote) if direction == "up" else sftp.get(remote, local))


def with_paramiko():
    import paramiko

    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    client.connect(host, int(port), user, key_filename=key, allow_agent=False, look_for_keys=False)
    with client, client.open_sftp() as sftp:
        sftp.put(local, remote) if direction == "up" else sftp.get(remote, local)


asyncio.run(with_asyncssh()) if library == "asyncssh" else with_paramiko()
