//! Programs that run beside a test: servers from Debian's packages, as users of their own.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, WaitOptions, waitpid};

use crate::tools;

/// Starts a program and waits for the line with which it says that it can be used.
pub fn started(command: &mut Command, ready: &str) -> Child {
    let mut process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
    let mut said = Vec::new();
    let is_ready = lines.by_ref().any(|line| {
        said.push(line);
        said.last().unwrap().contains(ready)
    });
    assert!(is_ready, "{command:?} did not start: {said:#?}");
    // What it says further is of no interest, but it must be able to say it.
    std::thread::spawn(move || lines.for_each(drop));
    process
}

/// Files that are made once and copied for each test, in the cache of the tests.
pub fn template(name: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let template = tools::cache().join(name);
    if !template.exists() {
        std::fs::create_dir_all(tools::cache()).unwrap();
        // Tests that begin together wait for the first one.
        let lock = std::fs::File::create(tools::cache().join(format!("{name}.lock"))).unwrap();
        lock.lock().unwrap();
        if !template.exists() {
            let part = tempfile::tempdir_in(tools::cache()).unwrap();
            make(&part.path().join("data"));
            std::fs::rename(part.path().join("data"), &template).unwrap();
        }
    }
    template
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// The ids of a user that a package makes: servers must not run as root.
fn ids(user: &str) -> (u32, u32) {
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = users.lines().find(|line| line.split(':').next() == Some(user)).expect("the package makes its user");
    let mut numbers = line.split(':').skip(2).map(|field| field.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

/// Gives a file to the user that runs the server.
pub fn give(path: &Path, user: &str) {
    if is_root() {
        let (user, group) = ids(user);
        chown(path, Some(user), Some(group)).unwrap();
    }
}

/// A command as the user that runs the server; `ending` is the signal with which it ends with the test.
pub fn as_user(user: &str, program: &Path, ending: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.arg(format!("--pdeathsig={ending}"));
    if is_root() {
        let (user, group) = ids(user);
        command.arg(format!("--reuid={user}")).arg(format!("--regid={group}")).arg("--clear-groups");
    }
    command.arg(program).current_dir("/");
    command
}

/// Sends a signal to processes, which must be there.
pub fn signal(name: &str, processes: impl IntoIterator<Item = u32>) {
    let processes: Vec<String> = processes.into_iter().map(|id| id.to_string()).collect();
    if !processes.is_empty() {
        tools::run_ok(Command::new("kill").arg(format!("-{name}")).args(processes));
    }
}

/// Lets a server hang: when this returns, none of its threads runs any more.
pub fn halt(process: &Child) {
    signal("STOP", [process.id()]);
    // The threads are stopped one after the other, later than the signal is sent.
    let (_, status) = waitpid(Some(Pid::from_child(process)), WaitOptions::UNTRACED).unwrap().unwrap();
    assert!(status.stopped(), "{status:?}");
}

/// A port that is free now.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
