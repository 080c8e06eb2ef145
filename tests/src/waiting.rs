//! Waiting for events, and for states that no event announces, by looking again with pauses. The only
//! place of the tests that sleeps.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// What takes longer hangs. Nothing that works comes near it, however busy the machine is.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// What a look finds, once it finds something; none after [`PATIENCE`].
pub fn look_for<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let until = Instant::now() + PATIENCE;
    loop {
        let found = look();
        if found.is_some() || Instant::now() >= until {
            return found;
        }
        std::thread::sleep(PAUSE);
    }
}

/// As [`look_for`], for what has to come; `what` says so in the failure.
pub fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    look_for(look).unwrap_or_else(|| panic!("{what}: not within {PATIENCE:?}"))
}

/// Until it holds, which it has to.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    eventually(what, || holds().then_some(()));
}

/// The lines of a file as they are written: those that it has, and what follows. It may come later,
/// and another one may take its name.
pub struct Followed {
    tail: Child,
    lines: Receiver<String>,
}

impl Followed {
    pub fn new(path: &Path) -> Self {
        let mut tail = Command::new("tail");
        // Told by the kernel, it looks by itself only until the file is there.
        tail.args(["--lines=+1", "--follow=name", "--retry", "--sleep-interval=0.05", "--"]).arg(path);
        let mut tail = tail.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let output = BufReader::new(tail.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { tail, lines }
    }

    /// The next line that `wanted` takes; none if it does not come within [`PATIENCE`].
    pub fn line(&self, mut wanted: impl FnMut(&str) -> bool) -> Option<String> {
        let until = Instant::now() + PATIENCE;
        while let Ok(line) = self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            if wanted(&line) {
                return Some(line);
            }
        }
        None
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        let _ = self.tail.kill();
        let _ = self.tail.wait();
    }
}
