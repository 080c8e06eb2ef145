#!/usr/bin/python3
"""What Ansible's copy and fetch do at the connection: its own ssh plugin's put_file and fetch_file, over sftp and over scp,
with its ControlMaster and its quoting.  The modules themselves need a shell and Python on the other side.

Environment: HOST PORT USER KEY, BASE; SCP=no if the server has no scp command.
Needs Debian's ansible-core (run with /usr/bin/python3), or ansible-core from PyPI in the interpreter that runs this."""
import glob, os, subprocess, sys, tempfile

work = tempfile.mkdtemp(prefix="ans")
os.environ.update(HOME=work, ANSIBLE_HOME=work + "/.ansible", ANSIBLE_HOST_KEY_CHECKING="False", LC_ALL="C.UTF-8")
os.environ.pop("SSH_AUTH_SOCK", None)
import ansible.constants  # noqa: E402
from ansible.errors import AnsibleError  # noqa: E402
from ansible.playbook.play_context import PlayContext  # noqa: E402
from ansible.plugins.loader import connection_loader  # noqa: E402

try:
    from ansible.plugins.loader import init_plugin_loader
    init_plugin_loader()
except ImportError:
    pass

BASE = os.environ.get("BASE", "")
NAMES = ["plain", "with space", "it's", 'dq"dollar$HOME`id`', "semi;amp&pipe|", "glob*?[x]", "ünïcode ☃", "-dash", "tilde~ hash# bang!"]


def connect(method):
    play = PlayContext()
    connection = connection_loader.get("ssh", play, "/dev/null")
    connection.set_options(var_options={
        "ansible_host": os.environ["HOST"], "ansible_port": int(os.environ["PORT"]), "ansible_user": os.environ["USER"],
        "ansible_ssh_private_key_file": os.environ["KEY"], "ansible_ssh_transfer_method": method,
        "ansible_ssh_common_args": "-F /dev/null -o IdentitiesOnly=yes -o IdentityAgent=none -o UserKnownHostsFile=/dev/null"
                                   " -o GlobalKnownHostsFile=/dev/null -o LogLevel=ERROR",
        # OpenSSH 9's scp speaks SFTP; -O is the old protocol.  Without -T a quoted path cannot be fetched:
        # "protocol error: filename does not match request".
        "ansible_scp_extra_args": "-O -T",
        "inventory_hostname": os.environ["HOST"],
    })
    # What the task executor would do.
    play.remote_addr, play.port, play.remote_user = os.environ["HOST"], int(os.environ["PORT"]), os.environ["USER"]
    play.private_key_file = os.environ["KEY"]
    connection.host = os.environ["HOST"]
    return connection


def check(method):
    connection = connect(method)
    for index, name in enumerate(NAMES):
        data = os.urandom(100_000 * index + 7)
        sent, back = f"{work}/sent", f"{work}/back"
        with open(sent, "wb") as file:
            file.write(data)
        target = f"{BASE}/{method} {name}"
        connection.put_file(sent, target)
        if os.path.exists(back):
            os.unlink(back)
        connection.fetch_file(target, back)
        with open(back, "rb") as file:
            assert file.read() == data, (method, name)
    # Replaces what is there.
    with open(sent, "wb") as file:
        file.write(b"short")
    connection.put_file(sent, f"{BASE}/{method} plain")
    connection.fetch_file(f"{BASE}/{method} plain", back)
    assert open(back, "rb").read() == b"short"
    for call in [lambda: connection.fetch_file(f"{BASE}/none", back), lambda: connection.put_file(sent, f"{BASE}/none/x")]:
        try:
            call()
        except AnsibleError as error:
            print("  as expected:", str(error).replace("\n", " ")[:150])
        else:
            raise AssertionError("it did not fail")
    print(f"-- {method}: {len(NAMES)} files there and back")


try:
    for method in ["sftp"] + (["scp"] if os.environ.get("SCP", "yes") == "yes" else []):
        check(method)
finally:
    # ControlPersist leaves an ssh behind for a minute, which holds its connection.
    for socket in glob.glob(work + "/.ansible/cp/*"):
        subprocess.run(["ssh", "-o", "ControlPath=" + socket, "-O", "exit", "x"], stderr=subprocess.DEVNULL, check=False)
    subprocess.run(["rm", "-rf", work], check=False)
print("ok")
