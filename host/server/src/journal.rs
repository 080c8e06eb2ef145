//! The journal: records of hook calls on their way to the database. Calls never wait for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tidegate_core::hook::rendering::Later;
use tidegate_core::hook::{HookJournal, HookKind, HookRun};
use tidegate_core::metrics::Metrics;
use tidegate_core::ports::HookRunStore;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Most records that wait; further records are dropped.
const QUEUE: usize = 8192;
/// Most records that are written at once.
const BATCH: usize = 2048;
/// How long to wait for more records before writing; after [`BUSY`] records, even longer.
const GATHERING_TIME: Duration = Duration::from_millis(20);
const BUSY: usize = 16;
const BUSY_GATHERING_TIME: Duration = Duration::from_millis(100);
/// Most records of a batch whose texts are still to be made, and are: making one takes as long as a call of a component. They
/// are a twentieth of the records that are kept.
const MADE_TEXTS: usize = 500;
const DROPS_A_LINE: u64 = 10_000;

pub struct Journal {
    sender: std::sync::Mutex<Option<mpsc::Sender<HookRun>>>,
    dropped: AtomicU64,
    metrics: OnceLock<Arc<Metrics>>,
}

impl Journal {
    /// Starts the task that writes. The task ends when the journal is closed and everything is written.
    pub fn start(store: Arc<dyn HookRunStore>) -> (Arc<Self>, JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let (sender, dropped) = (std::sync::Mutex::new(Some(sender)), AtomicU64::new(0));
        let journal = Arc::new(Self { sender, dropped, metrics: OnceLock::new() });
        (journal, tokio::spawn(write(store, receiver)))
    }

    /// Sets the metrics that count dropped events, which are made later than the hooks.
    pub fn count_in(&self, metrics: Arc<Metrics>) {
        // Called once, at start.
        let _ = self.metrics.set(metrics);
    }

    pub fn close(&self) {
        self.sender.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
    }
}

impl HookJournal for Journal {
    fn record(&self, run: HookRun) {
        let sender = self.sender.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if sender.as_ref().is_some_and(|sender| sender.try_send(run).is_ok()) {
            return;
        }
        let dropped = self.dropped.fetch_add(1, Ordering::Relaxed);
        if dropped.is_multiple_of(DROPS_A_LINE) {
            let message = format!("records of hook calls are dropped, {} so far: the database is slower", dropped + 1);
            tracing::warn!(sender = "hook", message);
        }
    }

    fn event_dropped(&self, kind: HookKind) {
        if let Some(metrics) = self.metrics.get() {
            metrics.hook_event_dropped(kind);
        }
    }
}

async fn write(store: Arc<dyn HookRunStore>, mut receiver: mpsc::Receiver<HookRun>) {
    let mut gathering_time = GATHERING_TIME;
    while let Some(first) = receiver.recv().await {
        // A transaction for each call would cost more than the call.
        tokio::time::sleep(gathering_time).await;
        let mut batch = vec![first];
        while batch.len() < BATCH
            && let Ok(run) = receiver.try_recv()
        {
            batch.push(run);
        }
        gathering_time = if batch.len() < BUSY { GATHERING_TIME } else { BUSY_GATHERING_TIME };
        leave_out_texts(&mut batch, MADE_TEXTS);
        if let Err(error) = store.append(batch).await {
            tracing::warn!(sender = "hook", message = format!("records of hook calls were not stored: {error}"));
        }
    }
}

/// Leaves out texts that are still to be made, where there are more than so many. Those of calls that decided or failed, and
/// of logins, come before those of file operations, of which there may be thousands at once; the newest come first.
fn leave_out_texts(batch: &mut [HookRun], mut most: usize) {
    let is_of_many = |run: &HookRun| {
        let is_of_file = [HookKind::PreAction, HookKind::PostAction].iter().any(|kind| kind.as_str() == run.kind);
        is_of_file && !run.decided && !run.is_error
    };
    for of_many in [false, true] {
        let runs = batch.iter_mut().rev().filter(|run| is_of_many(run) == of_many);
        for run in runs.filter(|run| run.exchange.later.is_something()) {
            match most.checked_sub(1) {
                Some(left) => most = left,
                None => run.exchange.later = Later::default(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tidegate_core::hook::Exchange;

    use super::*;

    #[test]
    fn what_decided_and_the_newest_calls_keep_their_texts() {
        let check = |most: usize, expected: [bool; 7]| {
            let run = |(kind, decided, is_error, has_texts): (&'static str, bool, bool, bool)| {
                let later = if has_texts { Later::new(|| (String::new(), String::new())) } else { Later::default() };
                HookRun {
                    at: 0,
                    kind,
                    hook: "a".into(),
                    adapter: "plugin",
                    connection: None,
                    username: None,
                    address: None,
                    about: None,
                    outcome: "allow",
                    detail: String::new(),
                    is_error,
                    decided,
                    duration: Duration::ZERO,
                    exchange: Exchange { later, ..Exchange::default() },
                }
            };
            let mut batch = [
                ("login-pre", false, false, true),
                ("pre-action", false, false, true),
                ("pre-action", true, false, true),
                ("post-action", false, true, true),
                ("post-action", false, false, true),
                // Of a program.
                ("pre-action", false, false, false),
                ("pre-action", false, false, true),
            ]
            .map(run);
            leave_out_texts(&mut batch, most);
            assert_eq!(batch.map(|run| run.exchange.later.is_something()), expected, "{most}");
        };
        check(9, [true, true, true, true, true, false, true]);
        check(6, [true, true, true, true, true, false, true]);
        check(5, [true, false, true, true, true, false, true]);
        check(4, [true, false, true, true, false, false, true]);
        check(3, [true, false, true, true, false, false, false]);
        check(2, [false, false, true, true, false, false, false]);
        check(0, [false; 7]);
    }
}
