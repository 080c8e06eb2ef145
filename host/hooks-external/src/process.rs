//! Runs a program with bounds on time and output. The call is done when the program exits; a late
//! program is killed with its whole process group, as is one that still runs when the server ends.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tidegate_core::hook::{CallPlace, Delivery};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{ChildStderr, ChildStdout};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep_until, timeout};

use crate::{interpreter, open_files};

/// Time for a killed program to end.
const REAP_TIME: Duration = Duration::from_secs(5);
/// The largest size of a pipe, in bytes: a program cannot have left more in it.
const LARGEST_PIPE: usize = 1 << 20;
const PORTION: usize = 16 << 10;

pub struct Run {
    pub program: PathBuf,
    pub args: Vec<OsString>,
    pub clear_environment: bool,
    pub variables: Vec<(OsString, OsString)>,
    pub deadline: Duration,
    pub max_stdout: usize,
    pub max_stderr: usize,
}

#[derive(Debug)]
pub struct Output {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    /// The program wrote more than is read.
    pub stdout_truncated: bool,
    pub stderr: Vec<u8>,
}

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("could not be started: {0}")]
    NotStarted(String),
    #[error("was killed after {0:?}")]
    Late(Duration),
    #[error("could not be read: {0}")]
    Unreadable(String),
}

/// Runs a program until it exits or is killed. If the caller gives up waiting, the program goes on,
/// and keeps the place of its call. `delivery`: what is told when the program has begun.
pub async fn run(run: Run, place: CallPlace, delivery: Option<Delivery>) -> Result<Output, RunError> {
    let supervised = tokio::spawn(async move {
        let outcome = supervise(run, delivery).await;
        drop(place);
        outcome
    });
    supervised.await.unwrap_or_else(|error| Err(RunError::Unreadable(error.to_string())))
}

async fn supervise(run: Run, delivery: Option<Delivery>) -> Result<Output, RunError> {
    let deadline = Instant::now() + run.deadline;
    let mut program = start(&run).await?;
    let (stdout, stderr) = match program.streams() {
        Ok(streams) => streams,
        Err(error) => {
            program.kill().await;
            return Err(RunError::Unreadable(error.to_string()));
        }
    };
    // From now on the program goes on even if the server is killed.
    if let Some(delivery) = delivery {
        delivery.note();
    }
    let (mut stdout, mut stderr) = (Kept::new(stdout, run.max_stdout), Kept::new(stderr, run.max_stderr));
    let status = tokio::select! {
        status = program.ended() => Some(status),
        () = sleep_until(deadline) => None,
        // A program that has closed its streams still runs.
        () = async {
            tokio::join!(stdout.follow(), stderr.follow());
            std::future::pending().await
        } => None,
    };
    match status {
        Some(Ok(status)) => {
            // Processes that the program started may live on and hold the pipes; the call does not wait for them.
            stdout.take_rest();
            stderr.take_rest();
            Ok(Output { status, stdout: stdout.bytes, stdout_truncated: stdout.truncated, stderr: stderr.bytes })
        }
        Some(Err(error)) => {
            program.kill().await;
            Err(RunError::Unreadable(error.to_string()))
        }
        None => {
            program.kill().await;
            Err(RunError::Late(run.deadline))
        }
    }
}

async fn start(run: &Run) -> Result<Program, RunError> {
    let mut command = Command::new(&run.program);
    command.args(&run.args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    if run.clear_environment {
        command.env_clear();
    }
    command.envs(run.variables.iter().map(|(name, value)| (name, value)));
    let path = run.program.clone();
    // Loading a program from a slow disk takes time. The runtime has no part in this: while it ends, it would
    // refuse the program's streams, and forget a program that has just begun.
    let started = tokio::task::spawn_blocking(move || begin(command, path));
    let started = started.await.unwrap_or_else(|error| Err(io::Error::other(error)));
    started.map_err(|error| RunError::NotStarted(interpreter::explain(&run.program, &error)))
}

fn begin(mut command: Command, path: PathBuf) -> io::Result<Program> {
    let child = command.spawn()?;
    open_files::give_to(child.id());
    Ok(Program::new(child, path))
}

/// A program that runs, with its process group. If it is no longer supervised, because the server ends, it is killed.
struct Program {
    child: Child,
    /// None: the program has ended, or is being killed.
    group: Option<Pid>,
    path: PathBuf,
}

impl Program {
    fn new(child: Child, path: PathBuf) -> Self {
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        Self { child, group, path }
    }

    /// The standard output and standard error of the program.
    fn streams(&mut self) -> io::Result<(ChildStdout, ChildStderr)> {
        match (self.child.stdout.take(), self.child.stderr.take()) {
            (Some(stdout), Some(stderr)) => Ok((ChildStdout::from_std(stdout)?, ChildStderr::from_std(stderr)?)),
            _ => Err(io::Error::other("it has no standard streams")),
        }
    }

    /// Its status, when it has ended.
    async fn ended(&mut self) -> io::Result<ExitStatus> {
        let mut children = signal(SignalKind::child())?;
        loop {
            if let Some(status) = self.child.try_wait()? {
                // From now on its number may be that of another group.
                self.group = None;
                return Ok(status);
            }
            if children.recv().await.is_none() {
                return Err(io::Error::other("its end cannot be seen"));
            }
        }
    }

    /// Kills the program and its process group, and waits until the program has ended.
    async fn kill(mut self) {
        self.kill_group();
        let _ = timeout(REAP_TIME, self.ended()).await;
        self.group = None;
    }

    fn kill_group(&self) {
        if let Some(group) = self.group {
            // If the program has just ended, there is nothing to kill.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.group.is_none() {
            return;
        }
        self.kill_group();
        let program = self.path.display();
        let message =
            format!("the program {program} was killed with its process group: it had not ended when the server did");
        tracing::warn!(sender = "hook", message);
    }
}

/// Keeps the first bytes of a stream, and discards the rest, so that the program never waits.
struct Kept<S> {
    stream: S,
    bytes: Vec<u8>,
    max: usize,
    truncated: bool,
}

impl<S: AsyncRead + AsFd + Unpin> Kept<S> {
    fn new(stream: S, max: usize) -> Self {
        Self { stream, bytes: Vec::new(), max, truncated: false }
    }

    /// Reads to the end of the stream. Loses nothing when dropped.
    async fn follow(&mut self) {
        let mut portion = vec![0; PORTION];
        while let Ok(count) = self.stream.read(&mut portion).await
            && count > 0
        {
            self.keep(portion.get(..count).unwrap_or_default());
        }
    }

    /// Reads what is in the pipe now, directly: the runtime may not know yet that data has just arrived.
    fn take_rest(&mut self) {
        let mut portion = vec![0; PORTION];
        let mut taken = 0;
        while taken < LARGEST_PIPE
            && let Ok(count) = rustix::io::retry_on_intr(|| rustix::io::read(&self.stream, portion.as_mut_slice()))
            && count > 0
        {
            self.keep(portion.get(..count).unwrap_or_default());
            taken += count;
        }
    }

    fn keep(&mut self, data: &[u8]) {
        let room = self.max.saturating_sub(self.bytes.len());
        self.truncated |= data.len() > room;
        self.bytes.extend(data.iter().take(room));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::fs::{CWD, Mode, mkfifoat};
    use rustix::process::{PidfdFlags, pidfd_open};
    use tokio::io::AsyncWriteExt;
    use tokio::net::unix::pipe;

    use super::*;

    async fn shell(script: &str, deadline: Duration) -> Result<Output, RunError> {
        let variables = [("NAME", "a 'b'\n$(id)"), ("PATH", "/usr/bin:/bin")];
        let run = Run {
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            clear_environment: true,
            variables: variables.map(|(name, value)| (OsString::from(name), OsString::from(value))).into(),
            deadline,
            max_stdout: 1000,
            max_stderr: 1000,
        };
        super::run(run, CallPlace::default(), None).await
    }

    #[tokio::test]
    async fn programs_have_the_limit_on_open_files_that_the_server_had_at_first() {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(256), ..limit }).unwrap();
        open_files::keep_for_programs();
        setrlimit(Resource::Nofile, Rlimit { current: Some(512), ..limit }).unwrap();
        let output = shell("until [ $(ulimit -n) = 256 ]; do :; done; echo same", PATIENCE).await.unwrap();
        assert_eq!(output.stdout, b"same\n");
    }

    const SOON: Duration = Duration::from_secs(2);
    const LATER: Duration = Duration::from_secs(300);
    /// Work that takes longer is taken to hang.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// The process whose number is in that file.
    fn process(pid: &Path) -> Pid {
        Pid::from_raw(std::fs::read_to_string(pid).unwrap().trim().parse().unwrap()).unwrap()
    }

    fn is_running(pid: &Path) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", process(pid))).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z")
    }

    /// Until the process has ended: a signal takes effect when it is next scheduled.
    async fn ended(pid: &Path) {
        // An error: it is gone.
        if let Ok(process) = pidfd_open(process(pid), PidfdFlags::empty()) {
            let wait = move || poll(&mut [PollFd::new(&process, PollFlags::IN)], None);
            tokio::task::spawn_blocking(wait).await.unwrap().unwrap();
        }
    }

    /// A named pipe, for what a script says or is told.
    fn fifo(directory: &Path, name: &str) -> PathBuf {
        let path = directory.join(name);
        mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
        path
    }

    /// Open at both ends, so that opening it does not wait.
    fn heard(path: &Path) -> pipe::Receiver {
        pipe::OpenOptions::new().read_write(true).open_receiver(path).unwrap()
    }

    #[tokio::test]
    async fn output_and_status_are_those_of_the_program() {
        let output = shell("printf %s \"$NAME\"; echo oops >&2; exit 3", LATER).await.unwrap();
        assert_eq!(output.stdout, b"a 'b'\n$(id)");
        assert_eq!(output.stderr, b"oops\n");
        assert_eq!(output.status.code(), Some(3));
    }

    #[tokio::test]
    async fn there_is_no_input() {
        // A11-01
        let output = timeout(PATIENCE, shell("read line && echo told || echo none", LATER)).await.unwrap().unwrap();
        assert_eq!(output.stdout, b"none\n");
    }

    #[tokio::test]
    async fn too_much_output_is_cut_off() {
        let output = shell("head -c 100000 /dev/zero", LATER).await.unwrap();
        assert_eq!((output.stdout.len(), output.stdout_truncated), (1000, true));
    }

    #[tokio::test]
    async fn a_late_program_is_killed_with_its_children() {
        // B0-13, C6-08
        let directory = tempfile::tempdir().unwrap();
        let pid = directory.path().join("pid");
        for script in ["sleep 300", "while :; do echo x; done", "exec >&- 2>&-; sleep 300"] {
            let whole = format!("sleep 300 & echo $! > {}; {script}", pid.display());
            let outcome = timeout(PATIENCE, shell(&whole, SOON)).await.expect(script);
            assert!(matches!(outcome, Err(RunError::Late(_))), "{script}");
            timeout(PATIENCE, ended(&pid)).await.expect(script);
            std::fs::remove_file(&pid).unwrap();
        }
    }

    #[tokio::test]
    async fn a_program_is_done_when_it_exits() {
        // B0-13
        // Whatever its children do with its streams: all of its output is read, and the children live on.
        let directory = tempfile::tempdir().unwrap();
        let pid = directory.path().join("pid");
        let background = format!("& echo $! > {}", pid.display());
        for (script, status, expected) in [
            (format!("sleep 300 {background}; echo said"), 0, "said\n"),
            (format!("sleep 300 >&- {background}; echo said; exit 7"), 7, "said\n"),
            (format!("(while :; do echo x >&2; done) {background}; printf said"), 0, "said"),
            (format!("sleep 300 {background}"), 0, ""),
        ] {
            let output = timeout(PATIENCE, shell(&script, LATER)).await.expect(&script).unwrap();
            assert_eq!((output.status.code(), output.stdout), (Some(status), expected.as_bytes().to_vec()), "{script}");
            // A child that writes finds its pipe closed; another one goes on.
            assert!(script.contains("while") || is_running(&pid), "{script}");
            let _ = rustix::process::kill_process(process(&pid), Signal::KILL);
        }
    }

    #[test]
    fn a_program_that_runs_when_the_server_ends_is_killed_with_its_children() {
        // B0-12, B0-13
        let directory = tempfile::tempdir().unwrap();
        let (begun, pid) = (fifo(directory.path(), "begun"), directory.path().join("pid"));
        let script = format!("sleep 300 & echo $! > {}; echo > {}; wait", pid.display(), begun.display());
        let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let server = runtime();
        server.block_on(async {
            let mut begun = heard(&begun);
            // Its caller may have left before.
            tokio::spawn(async move { shell(&script, LATER).await });
            timeout(PATIENCE, begun.read_u8()).await.expect("it does not begin").unwrap();
        });
        drop(server);
        runtime().block_on(async { timeout(PATIENCE, ended(&pid)).await.expect("its child goes on") });
    }

    #[tokio::test]
    async fn a_program_whose_caller_left_goes_on() {
        // B0-13
        let directory = tempfile::tempdir().unwrap();
        let [begun, go, done] = ["begun", "go", "done"].map(|name| fifo(directory.path(), name));
        let script = format!("echo > {}; read line < {}; echo > {}", begun.display(), go.display(), done.display());
        let (mut begun, mut done) = (heard(&begun), heard(&done));
        let mut go = pipe::OpenOptions::new().read_write(true).open_sender(&go).unwrap();
        let mut running = Box::pin(shell(&script, LATER));
        tokio::select! {
            outcome = &mut running => panic!("{:?}", outcome.map(|output| output.status)),
            said = begun.read_u8() => assert_eq!(said.unwrap(), b'\n'),
        }
        drop(running);
        go.write_all(b"\n").await.unwrap();
        let said = timeout(PATIENCE, done.read_u8()).await.expect("it does not go on");
        assert_eq!(said.unwrap(), b'\n');
    }

    #[tokio::test]
    async fn a_missing_program_is_an_error() {
        let missing = Run {
            program: "/nonexistent/hook".into(),
            args: Vec::new(),
            clear_environment: true,
            variables: Vec::new(),
            deadline: SOON,
            max_stdout: 1,
            max_stderr: 1,
        };
        assert!(matches!(run(missing, CallPlace::default(), None).await, Err(RunError::NotStarted(_))));
    }
}
