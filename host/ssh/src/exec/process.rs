//! A program that runs: data moves between it and its channel, as fast as the account may and
//! as far as its quota reaches.

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
use crate::stream::{ChannelInput, ChannelOutput};

/// As much as a pipe holds.
const PORTION: usize = 64 << 10;
/// Between looks at what a program with a limit has written.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// Its files are counted that often, for what no look sees: files without content, and those of others.
const COUNT_INTERVAL: Duration = Duration::from_millis(250);
/// But not for more than this part of the time.
const COUNT_SHARE: u32 = 20;
/// Between looks at whether it does anything; sessions are idle after minutes.
const WORK_INTERVAL: Duration = Duration::from_secs(5);

/// Moves data until the program ends; gives back its exit status. Without `room` it writes
/// nothing. `first` comes before the rest of the input.
pub async fn run(
    files: &FileService,
    mut command: Command,
    (first, input): (Vec<u8>, Arc<ChannelInput>),
    output: &ChannelOutput,
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
        () = program.feed(stdin, first, &input) => 1,
        () = program.watch(id) => 1,
        () = program.keep_active(id) => 1,
        (status, (), ()) = async {
            tokio::join!(program.wait(&mut child), program.forward_errors(stderr), program.forward(stdout))
        } => status,
    };
    program.finish(status)
}

struct Program<'a> {
    files: &'a FileService,
    output: &'a ChannelOutput,
    room: Option<&'a ProgramRoom>,
    group: Group,
    /// Bytes of its standard streams that went to the client.
    sent: AtomicU64,
    /// It itself; others that it started may not have.
    ended: AtomicBool,
    /// Why it was killed.
    refusal: Mutex<Option<FileError>>,
    /// Of those who want it to be stopped and counted.
    turn: tokio::sync::Mutex<()>,
}

impl Program<'_> {
    /// What the client sends goes in. Never returns: the program ends by itself, or is killed.
    async fn feed(&self, mut stdin: ChildStdin, mut first: Vec<u8>, input: &ChannelInput) {
        let mut pace = Pace::default();
        let mut total = 0;
        'all: loop {
            let data = if first.is_empty() { input.next().await } else { std::mem::take(&mut first) };
            if data.is_empty() {
                break;
            }
            for portion in data.chunks(PORTION) {
                total += portion.len() as u64;
                // A program that reads no more will end by itself.
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

    /// What is sent compressed, or as differences, is larger on disk. Never returns.
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
                    // While it runs a file that gets another name may be counted twice.
                    self.stop_and(still_fits(room)).await;
                }
                let ended = Instant::now();
                count_at = ended + COUNT_INTERVAL.max((ended - began) * COUNT_SHARE);
            }
        }
    }

    /// A program that computes without a word is not idle (A4-13). Never returns.
    async fn keep_active(&self, id: Option<i32>) {
        let Some(id) = id else {
            return std::future::pending().await;
        };
        let mut before = work_of(id);
        loop {
            tokio::time::sleep(WORK_INTERVAL).await;
            let now = work_of(id);
            if now != before {
                self.files.session().live.moves();
            }
            before = now;
        }
    }

    /// Whether the account may transfer that; if not, the program is killed.
    async fn may_transfer(&self, up: usize, down: usize) -> bool {
        match self.files.transfers(up, down) {
            Ok(()) => true,
            Err(error) => self.stop_and(async { Err(error) }).await,
        }
    }

    /// Whether there is room for that; if not, the program is killed.
    async fn may_move(&self, by_now: Moved) -> bool {
        let Some(room) = self.room else {
            return true;
        };
        if room.moved(by_now).await.is_ok() {
            return true;
        }
        // It may have replaced files: what counts is what is there now.
        let count_and_try = async {
            room.recount().await?;
            room.moved(by_now).await
        };
        self.stop_and(count_and_try).await
    }

    /// Does something while the program stands still; when that fails, the program is killed.
    async fn stop_and(&self, act: impl Future<Output = Result<(), FileError>>) -> bool {
        let _turn = self.turn.lock().await;
        // Its number may be another's by now.
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
        // By a signal: as shells say it.
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

/// Counts the files. When that cannot be done now, the next count will tell.
async fn still_fits(room: &ProgramRoom) -> Result<(), FileError> {
    match room.recount().await {
        Err(error @ FileError::QuotaExceeded(_)) => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// What the program has written, as much as a pipe holds; nothing at its end.
async fn read_portion(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut portion = Vec::with_capacity(PORTION);
    // An error is an end.
    let _ = stream.read_buf(&mut portion).await;
    portion
}

/// A program with all that it has started; ended when dropped.
struct Group(Option<Pid>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // Gone already is as good.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}
