//! Running a program: bounded in time and output, never a zombie, its whole group killed
//! when it is late.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use subprocess::{Exec, ExecExt as _, ExitStatus, Job, JobExt as _, Redirection};

/// Waiting is cut into slices of this length, each of which looks at the deadline.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// For a killed program to be gone.
const REAP_TIME: Duration = Duration::from_secs(5);
const SIGKILL: i32 = 9;

pub struct Run {
    pub program: PathBuf,
    pub args: Vec<String>,
    pub clear_environment: bool,
    pub variables: Vec<(String, String)>,
    pub deadline: Duration,
    pub max_stdout: usize,
    pub max_stderr: usize,
}

pub struct Output {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    /// More was written than is read.
    pub stdout_truncated: bool,
    pub stderr: Vec<u8>,
}

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("could not be started: {0}")]
    NotStarted(io::Error),
    #[error("was killed after {0:?}")]
    Late(Duration),
    #[error("could not be read: {0}")]
    Unreadable(io::Error),
}

/// Blocks until the program ended, or was killed; call it off the runtime's threads.
pub fn run(run: Run) -> Result<Output, RunError> {
    let deadline = Instant::now() + run.deadline;
    let mut exec = Exec::cmd(run.program.into_os_string())
        .args(run.args)
        .stdin(Redirection::Null)
        .stdout(Redirection::Pipe)
        .stderr(Redirection::Pipe)
        .setpgid();
    if run.clear_environment {
        exec = exec.env_clear();
    }
    let variables = run.variables.into_iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let mut job = exec.env_extend(variables).start().map_err(RunError::NotStarted)?;
    let mut stdout = Sink { kept: Vec::new(), max: run.max_stdout, truncated: false, deadline };
    let mut stderr = Sink { kept: Vec::new(), max: run.max_stderr, truncated: false, deadline };
    let outcome = read_to_end(&mut job, &mut stdout, &mut stderr, deadline).and_then(|()| {
        let left = deadline.saturating_duration_since(Instant::now());
        job.wait_timeout(left)?.ok_or_else(|| io::ErrorKind::TimedOut.into())
    });
    match outcome {
        Ok(status) => {
            let (stdout_truncated, stdout) = (stdout.truncated, stdout.kept);
            Ok(Output { status, stdout, stdout_truncated, stderr: stderr.kept })
        }
        Err(error) => {
            kill_group(&job);
            if error.kind() == io::ErrorKind::TimedOut {
                Err(RunError::Late(run.deadline))
            } else {
                Err(RunError::Unreadable(error))
            }
        }
    }
}

fn read_to_end(job: &mut Job, stdout: &mut Sink, stderr: &mut Sink, deadline: Instant) -> io::Result<()> {
    let mut communicator = job.communicate()?;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        communicator = communicator.limit_time(left.min(LOOK_INTERVAL));
        match communicator.read_to(&mut *stdout, &mut *stderr) {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
            outcome => return outcome,
        }
    }
}

/// Before anything waits for the leader: afterwards its group could be somebody else's.
pub fn kill_group(job: &Job) {
    // It may have ended just now; then there is nothing to kill.
    let _ = job.send_signal_group(SIGKILL);
    if !matches!(job.wait_timeout(REAP_TIME), Ok(Some(_))) {
        job.detach();
    }
}

/// Keeps the first bytes and discards the rest, so that the program never waits. Also minds
/// the deadline: the reader's own time limit does not end a program that writes for ever.
struct Sink {
    kept: Vec<u8>,
    max: usize,
    truncated: bool,
    deadline: Instant,
}

impl Write for Sink {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if Instant::now() >= self.deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let room = self.max.saturating_sub(self.kept.len());
        self.truncated |= data.len() > room;
        self.kept.extend(data.iter().take(room));
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, deadline: Duration) -> Result<Output, RunError> {
        run(Run {
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            clear_environment: true,
            variables: vec![("NAME".into(), "a 'b'\n$(id)".into()), ("PATH".into(), "/usr/bin:/bin".into())],
            deadline,
            max_stdout: 1000,
            max_stderr: 1000,
        })
    }

    const SOON: Duration = Duration::from_millis(300);
    const LATER: Duration = Duration::from_secs(20);

    #[test]
    fn output_and_status_are_those_of_the_program() {
        let output = shell("printf %s \"$NAME\"; echo oops >&2; exit 3", LATER).unwrap();
        assert_eq!(output.stdout, b"a 'b'\n$(id)");
        assert_eq!(output.stderr, b"oops\n");
        assert_eq!(output.status.code(), Some(3));
    }

    #[test]
    fn too_much_output_is_cut_off() {
        let output = shell("head -c 100000 /dev/zero", LATER).unwrap();
        assert_eq!((output.stdout.len(), output.stdout_truncated), (1000, true));
    }

    #[test]
    fn a_late_program_is_killed_with_its_children() {
        let directory = tempfile::tempdir().unwrap();
        let pid = directory.path().join("pid");
        for script in ["sleep 60", "while :; do echo x; done", "exec >&- 2>&-; sleep 60"] {
            let started = Instant::now();
            let outcome = shell(&format!("sleep 61 & echo $! > {}; {script}", pid.display()), SOON);
            assert!(matches!(outcome, Err(RunError::Late(_))), "{script}");
            assert!(started.elapsed() < Duration::from_secs(10), "{script}");
            let child = std::fs::read_to_string(&pid).unwrap();
            let is_running = || {
                let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap_or_default();
                !stat.is_empty() && !stat.contains(") Z")
            };
            // A signal takes effect when the process is next scheduled.
            while is_running() {
                assert!(started.elapsed() < Duration::from_secs(10), "{script}");
                std::thread::yield_now();
            }
        }
    }

    #[test]
    fn a_missing_program_is_an_error() {
        let missing = Run {
            program: "/nonexistent/hook".into(),
            args: Vec::new(),
            clear_environment: true,
            variables: Vec::new(),
            deadline: SOON,
            max_stdout: 1,
            max_stderr: 1,
        };
        assert!(matches!(run(missing), Err(RunError::NotStarted(_))));
    }
}
