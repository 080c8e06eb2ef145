//! Telling hooks what happened: through a bounded queue, after the fact, changing nothing.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Mutex, mpsc};

use super::{Chain, GateFailure, HookEvent, HookHost, Subject};

/// Events that may wait; more are dropped, and counted.
const QUEUE: usize = 20_000;
/// After the first event of a while more are waited for: one after the other they find the hook's
/// code and memory in the caches, and whoever causes them wakes nobody.
const GATHERING_TIME: Duration = Duration::from_millis(20);
/// How often dropped events are told of.
const DROPS_A_LINE: u64 = 1000;

/// The observers of one hook point.
pub struct Observers<E: HookEvent> {
    chain: Chain<E>,
    sender: std::sync::Mutex<Option<mpsc::Sender<E>>>,
    queue: Mutex<mpsc::Receiver<E>>,
    dropped: AtomicU64,
}

/// What a server runs, without knowing the event.
#[async_trait]
pub trait ObserverWork: Send + Sync {
    /// Tells one event after another until the queue is closed and empty. Run by several
    /// tasks at once.
    async fn work(&self);

    /// No event comes after this.
    fn close(&self);
}

impl<E: HookEvent<Verdict = ()>> Observers<E> {
    pub fn new(host: Arc<HookHost>) -> Arc<Self> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        Arc::new(Self {
            chain: Chain::new(host, Vec::new()),
            sender: std::sync::Mutex::new(Some(sender)),
            queue: Mutex::new(receiver),
            dropped: AtomicU64::new(0),
        })
    }

    pub fn chain(&self) -> &Chain<E> {
        &self.chain
    }

    pub fn concerns(&self, subject: &Subject<'_>) -> bool {
        self.chain.concerns(subject)
    }

    /// Queues the event, if anybody wants it. Never waits.
    pub fn notify(&self, event: E) {
        if !self.chain.concerns(&event.subject()) {
            return;
        }
        let sender = self.sender.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let queued = sender.as_ref().is_some_and(|sender| sender.try_send(event).is_ok());
        if queued {
            return;
        }
        let dropped = self.dropped.fetch_add(1, Ordering::Relaxed);
        if dropped.is_multiple_of(DROPS_A_LINE) {
            let message = format!(
                "the {} hooks are too slow: {} events were dropped because {QUEUE} wait already",
                E::KIND,
                dropped + 1
            );
            tracing::error!(sender = "hook", kind = E::KIND.as_str(), message);
        }
    }

    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Tells all links at once, and waits. Errors are recorded, and the first is given back
    /// for operations that wait for their observers (B10-08).
    pub async fn tell(&self, event: &E) -> Result<(), GateFailure> {
        let host = self.chain.host();
        let mut failure = None;
        for link in self.chain.links().iter() {
            if !link.selector().matches(&event.subject()) {
                continue;
            }
            let answer = link.ask(host, event).await;
            host.journal.record(answer.run);
            if let Err(error) = answer.outcome {
                failure.get_or_insert(GateFailure { hook: link.name().to_owned(), error });
            }
        }
        failure.map_or(Ok(()), Err)
    }
}

#[async_trait]
impl<E: HookEvent<Verdict = ()>> ObserverWork for Observers<E> {
    async fn work(&self) {
        loop {
            let mut queue = self.queue.lock().await;
            loop {
                let is_first = queue.is_empty();
                let Some(event) = queue.recv().await else { return };
                if is_first && !queue.is_closed() {
                    tokio::time::sleep(GATHERING_TIME).await;
                }
                // Failures are recorded by the link.
                let mut telling = pin!(self.tell(&event));
                // Components answer at once; while others wait, the next task goes on.
                if poll_fn(|cx| Poll::Ready(telling.as_mut().poll(cx))).await.is_pending() {
                    drop(queue);
                    let _ = telling.await;
                    break;
                }
            }
        }
    }

    fn close(&self) {
        self.sender.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
    }
}

/// Deadline of observers of a session's end (D-03).
pub const SESSION_DESTROY_DEADLINE: Duration = Duration::from_secs(5);
