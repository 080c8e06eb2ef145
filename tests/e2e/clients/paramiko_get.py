"""Downloads with paramiko, which asks for the whole file at once."""
import sys

import paramiko

port, target = int(sys.argv[1]), sys.argv[2]
client = paramiko.SSHClient()
client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
client.connect("127.0.0.1", port, "alice", "pw", allow_agent=False, look_for_keys=False)
with client.open_sftp() as sftp:
    sftp.get("big", target)
client.close()
