//! OpenSSH's clients, pointed at a server.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::server::Server;
use crate::tools;

/// How the client proves who it is.
#[derive(Clone, Copy)]
pub enum Proof<'a> {
    Password(&'a str),
    /// By the method of that name alone, not by an answer to a question.
    PasswordMethod(&'a str),
    Key(&'a Path),
    /// A key, then a password.
    KeyAndPassword(&'a Path, &'a str),
}

const OPTIONS: [&str; 8] = [
    "-oStrictHostKeyChecking=no",
    "-oUserKnownHostsFile=/dev/null",
    "-oLogLevel=ERROR",
    "-oGlobalKnownHostsFile=/dev/null",
    "-oConnectTimeout=20",
    "-oIdentityAgent=none",
    "-oNumberOfPasswordPrompts=1",
    "-F/dev/null",
];

/// An OpenSSH program with its options: `sftp`, `ssh`, `scp`.
pub fn openssh(program: &str, server: &Server, proof: Proof<'_>) -> Command {
    let (mut command, methods) = match proof {
        Proof::Password(password) => (sshpass(program, password), "keyboard-interactive,password"),
        Proof::PasswordMethod(password) => (sshpass(program, password), "password"),
        Proof::Key(_) => (Command::new(program), "publickey"),
        Proof::KeyAndPassword(_, password) => (sshpass(program, password), "publickey,password"),
    };
    command.args(OPTIONS).arg(format!("-oPreferredAuthentications={methods}")).arg(format!("-oPort={}", server.port));
    match proof {
        Proof::Key(key) | Proof::KeyAndPassword(key, _) => {
            command.arg("-oIdentitiesOnly=yes").arg("-i").arg(key);
        }
        Proof::Password(_) | Proof::PasswordMethod(_) => {
            command.arg("-oPubkeyAuthentication=no");
        }
    }
    command
}

/// rsync over OpenSSH, with a password.
pub fn rsync(server: &Server, password: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("rsync");
    command.args(arguments).env("SSHPASS", password).env("RSYNC_RSH", transport(server, password));
    command
}

/// OpenSSH as a transport for programs, which have the password in `SSHPASS`.
pub fn transport(server: &Server, password: &str) -> String {
    let ssh = openssh("ssh", server, Proof::Password(password));
    let words = std::iter::once(ssh.get_program()).chain(ssh.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

fn sshpass(program: &str, password: &str) -> Command {
    let mut command = Command::new("sshpass");
    command.arg("-e").env("SSHPASS", password).arg(program);
    command
}

/// Runs `sftp` with commands; those that begin with `-` may fail.
pub fn sftp(server: &Server, user: &str, proof: Proof<'_>, batch: &str) -> Output {
    sftp_with(server, user, proof, &[], batch)
}

pub fn sftp_with(server: &Server, user: &str, proof: Proof<'_>, options: &[&str], batch: &str) -> Output {
    let mut command = openssh("sftp", server, proof);
    // A batch from standard input would switch password prompts off.
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), batch).unwrap();
    command.args(options).arg("-oBatchMode=no").arg("-b").arg(file.path()).arg(format!("{user}@127.0.0.1"));
    tools::run(&mut command)
}

pub fn sftp_ok(server: &Server, user: &str, proof: Proof<'_>, batch: &str) -> String {
    let output = sftp(server, user, proof, batch);
    let text = text(&output);
    assert!(output.status.success(), "sftp failed:\n{text}\nlog:\n{}", server.log());
    text
}

/// Whether a login succeeds.
pub fn can_log_in(server: &Server, user: &str, proof: Proof<'_>) -> bool {
    sftp(server, user, proof, "pwd\n").status.success()
}

pub fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A new key; the public one is beside it.
pub fn key(directory: &Path, name: &str) -> PathBuf {
    key_of(directory, name, &["-t", "ed25519"])
}

/// `kind`: options of `ssh-keygen`.
pub fn key_of(directory: &Path, name: &str, kind: &[&str]) -> PathBuf {
    let path = directory.join(name);
    tools::run_ok(Command::new("ssh-keygen").args(kind).args(["-q", "-N", "", "-C", name, "-f"]).arg(&path));
    path
}

/// `ssh` with a command, and something on its standard input.
pub fn exec(server: &Server, user: &str, proof: Proof<'_>, command: &str, input: &[u8]) -> Output {
    let mut ssh = openssh("ssh", server, proof);
    ssh.arg(format!("{user}@127.0.0.1")).arg(command);
    let mut child = ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The command may end without reading all of it.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// A tree of files of many sizes and with odd names; gives back the sum over all of it.
pub fn make_tree(directory: &Path) -> String {
    std::fs::create_dir_all(directory.join("a/b c/d")).unwrap();
    let sizes = [0, 1, 31, 4096, 32768, 32769, 261_120, 1_000_003];
    for (index, size) in sizes.into_iter().enumerate() {
        let content: Vec<u8> = (0..size).map(|at: usize| (at.wrapping_mul(31) ^ (at >> 8) ^ index) as u8).collect();
        let place = ["", "a", "a/b c", "a/b c/d"][index % 4];
        std::fs::write(directory.join(place).join(format!("file {index}")), content).unwrap();
    }
    checksum(directory)
}

/// Names and contents of a tree, in one number.
pub fn checksum(directory: &Path) -> String {
    let script = "cd \"$1\" && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum";
    tools::run_ok(Command::new("sh").args(["-c", script, "sh"]).arg(directory))
}
