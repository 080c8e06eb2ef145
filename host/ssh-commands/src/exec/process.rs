//! Runs a program: moves data between it and its channel, at the account's pace and within its quota.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tidegate_core::files::{FileError, FileService, ProgramRoom};
use tidegate_core::pace::Pace;
use tidegate_core::quota::Moved;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::Instant;

use super::written::{work_of, written_by};
use crate::channel::{CommandInput, CommandOutput};

/// Bytes that are moved at once: as many as a pipe holds.
const PORTION: usize = 64 << 10;
/// How often the written bytes of a program with a limit are read.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// How often the files of such a program are counted, because that finds what its written bytes do
/// not show: files without content, and files of other sessions.
const COUNT_INTERVAL: Duration = Duration::from_millis(250);
/// Counting takes at most one part in so many of the time.
const COUNT_SHARE: u32 = 20;
/// How often a program is checked for activity; a session counts as idle only after minutes.
const WORK_INTERVAL: Duration = Duration::from_secs(5);

/// Moves data until the program ends; returns its exit status. Without `room` the program writes
/// nothing. `first`: input that goes before the rest.
pub async fn run(
    files: &FileService,
    mut command: Command,
    (first, input): (Vec<u8>, Arc<dyn CommandInput>),
    output: &dyn CommandOutput,
    room: Option<&ProgramRoom>,
) -> Result<u32, FileError> {
    let failed = |error: std::io::Error| FileError::Failed(format!("the program could not be started: {error}"));
    let mut child = command.spawn().map_err(failed)?;
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(FileError::Failed("the program has no standard streams".into()));
    };
    let program = Program {
        files,
        output,
        room,
        group: Group(id.and_then(Pid::from_raw)),
        sent: AtomicU64::new(0),
        ended: AtomicBool::new(false),
        refusal: Mutex::default(),
        turn: tokio::sync::Mutex::default(),
    };
    let status = tokio::select! {
        () = program.feed(stdin, first, &*input) => 1,
        () = program.watch(id) => 1,
        () = keep_active(id, || files.session().live.moves()) => 1,
        (status, (), ()) = async {
            tokio::join!(program.wait(&mut child), program.forward_errors(stderr), program.forward(stdout))
        } => status,
    };
    program.finish(status)
}

struct Program<'a> {
    files: &'a FileService,
    output: &'a dyn CommandOutput,
    room: Option<&'a ProgramRoom>,
    group: Group,
    /// Bytes of the program's standard streams that were sent to the client.
    sent: AtomicU64,
    /// The program itself has ended; processes that it started may go on.
    ended: AtomicBool,
    /// Why the program was killed.
    refusal: Mutex<Option<FileError>>,
    /// Held while the program is stopped in order to count its files.
    turn: tokio::sync::Mutex<()>,
}

impl Program<'_> {
    /// Passes the client's input to the program. Never returns: the program ends by itself, or is killed.
    async fn feed(&self, mut stdin: ChildStdin, mut first: Vec<u8>, input: &dyn CommandInput) {
        let mut pace = Pace::default();
        let mut total = 0;
        'all: loop {
            let data = if first.is_empty() { input.next().await } else { std::mem::take(&mut first) };
            if data.is_empty() {
                break;
            }
            for portion in data.chunks(PORTION) {
                total += portion.len() as u64;
                // A program that reads no more ends by itself.
                if !self.may_transfer(portion.len(), 0).await
                    || !self.may_move(Moved::In(total)).await
                    || stdin.write_all(portion).await.is_err()
                {
                    break 'all;
                }
                let live = &self.files.session().live;
                live.moves();
                let rate = live.rate(true);
                if rate > 0 {
                    pace.moved(portion.len(), rate).await;
                }
            }
        }
        drop(stdin);
        std::future::pending().await
    }

    /// Follows what the program writes, since a file can be larger on disk than what was sent for
    /// it. Never returns.
    async fn watch(&self, id: Option<i32>) {
        let (Some(room), Some(id)) = (self.room, id) else {
            return std::future::pending().await;
        };
        let mut look = tokio::time::interval(LOOK_INTERVAL);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut count_at = Instant::now() + COUNT_INTERVAL;
        loop {
            look.tick().await;
            if self.ended.load(Ordering::Relaxed) {
                return std::future::pending().await;
            }
            if !room.is_limited() {
                continue;
            }
            let written = written_by(id).saturating_sub(self.sent.load(Ordering::Relaxed));
            self.may_move(Moved::Written(written)).await;
            let began = Instant::now();
            if began >= count_at {
                if still_fits(room).await.is_err() {
                    // While the program runs, a file that it renames may be counted twice.
                    self.stop_and(still_fits(room)).await;
                }
                let ended = Instant::now();
                count_at = ended + COUNT_INTERVAL.max((ended - began) * COUNT_SHARE);
            }
        }
    }

    /// Counts transferred bytes. If the account may not transfer them, the program is killed.
    async fn may_transfer(&self, up: usize, down: usize) -> bool {
        match self.files.transfers(up, down) {
            Ok(()) => true,
            Err(error) => self.stop_and(async { Err(error) }).await,
        }
    }

    /// Whether there is room for what has moved; if not, the program is killed.
    async fn may_move(&self, by_now: Moved) -> bool {
        let Some(room) = self.room else {
            return true;
        };
        if room.moved(by_now).await.is_ok() {
            return true;
        }
        // The program may have replaced files: what counts is what is there now.
        let count_and_try = async {
            room.recount().await?;
            room.moved(by_now).await
        };
        self.stop_and(count_and_try).await
    }

    /// Stops the program while `act` runs. If that fails, the program is killed.
    async fn stop_and(&self, act: impl Future<Output = Result<(), FileError>>) -> bool {
        let _turn = self.turn.lock().await;
        // Another process may have the number by now.
        if self.ended.load(Ordering::Relaxed) {
            return false;
        }
        self.group.signal(Signal::STOP);
        let outcome = act.await;
        let is_well = outcome.is_ok();
        if let Err(error) = outcome {
            self.refusal.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            self.group.signal(Signal::KILL);
        }
        self.group.signal(Signal::CONT);
        is_well
    }

    async fn wait(&self, child: &mut Child) -> u32 {
        let status = child.wait().await.ok().and_then(|status| status.code());
        self.ended.store(true, Ordering::Relaxed);
        // The program was ended by a signal: the same status as in a shell.
        status.and_then(|code| u32::try_from(code).ok()).unwrap_or(128)
    }

    async fn forward_errors(&self, mut stderr: ChildStderr) {
        let mut next = read_portion(&mut stderr).await;
        while !next.is_empty() {
            self.sent.fetch_add(next.len() as u64, Ordering::Relaxed);
            if self.output.send_error(next).await.is_err() {
                break;
            }
            next = read_portion(&mut stderr).await;
        }
    }

    async fn forward(&self, mut stdout: ChildStdout) {
        let mut pace = Pace::default();
        // The next portion is read while the one before is sent.
        let mut next = read_portion(&mut stdout).await;
        while !next.is_empty() {
            let length = next.len();
            if !self.may_transfer(0, length).await {
                break;
            }
            self.sent.fetch_add(length as u64, Ordering::Relaxed);
            let (sent, portion) = tokio::join!(self.output.send(next), read_portion(&mut stdout));
            if sent.is_err() {
                break;
            }
            let live = &self.files.session().live;
            live.moves();
            let rate = live.rate(false);
            if rate > 0 {
                pace.moved(length, rate).await;
            }
            next = portion;
        }
    }

    fn finish(self, status: u32) -> Result<u32, FileError> {
        let refusal = self.refusal.into_inner().unwrap_or_else(PoisonError::into_inner);
        refusal.map_or(Ok(status), Err)
    }
}

/// Says that the session is active while the program computes without moving data (A4-13). Never returns.
async fn keep_active(id: Option<i32>, moves: impl Fn()) {
    let Some(id) = id else {
        return std::future::pending().await;
    };
    let mut before = work_of(id);
    loop {
        tokio::time::sleep(WORK_INTERVAL).await;
        let now = work_of(id);
        if now != before {
            moves();
        }
        before = now;
    }
}

/// Counts the files. A count that cannot be done now is left to the next one.
async fn still_fits(room: &ProgramRoom) -> Result<(), FileError> {
    match room.recount().await {
        Err(error @ FileError::QuotaExceeded(_)) => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Up to [`PORTION`] bytes of the program's output; empty at its end.
async fn read_portion(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut portion = Vec::with_capacity(PORTION);
    // An error is treated as the end.
    let _ = stream.read_buf(&mut portion).await;
    portion
}

/// The process group of a program and all that it has started; killed when dropped.
struct Group(Option<Pid>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // A group that has ended already needs no signal.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::io::Read;
    use std::process::{Child, Command, Stdio};
    use std::sync::atomic::AtomicU32;

    use tokio::sync::Notify;

    use super::*;

    /// A shell that runs `script`, and its number.
    fn shell(script: &str) -> (Child, Option<i32>) {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("echo x; {script}")]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut shell = command.spawn().unwrap();
        shell.stdout.as_mut().unwrap().read_exact(&mut [0; 2]).unwrap();
        let id = i32::try_from(shell.id()).ok();
        (shell, id)
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_that_computes_is_not_idle() {
        // A4-13
        let (mut busy, id) = shell("while :; do :; done");
        let moves = Notify::new();
        tokio::select! {
            () = keep_active(id, || moves.notify_one()) => {}
            () = moves.notified() => {}
        }
        busy.kill().unwrap();
        busy.wait().unwrap();
        let (mut waits, id) = shell("read -r line");
        let moves = AtomicU32::new(0);
        let active = keep_active(id, || {
            moves.fetch_add(1, Ordering::Relaxed);
        });
        assert!(tokio::time::timeout(Duration::from_secs(3600), active).await.is_err());
        // Its last steps before it waited may have counted.
        assert!(moves.load(Ordering::Relaxed) <= 1, "{moves:?}");
        drop(waits.stdin.take());
        waits.wait().unwrap();
    }
}
