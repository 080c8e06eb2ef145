//! What the client of a channel still takes (RFC 4254 §5.2).
//!
//! As long as the library holds data of any channel back because its window is used up, it
//! takes nothing from its queue for the others. So nobody may give it more than a window takes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use russh::ChannelWriteHalf;
use russh::server::Msg;
use tokio::sync::Notify;

/// How the output of a task knows the window of its channel.
#[derive(Clone)]
pub enum Window {
    /// All that is sent goes through the library's own sender, which counts it.
    OfSender(Arc<ChannelWriteHalf<Msg>>),
    /// Some of it goes straight into the connection's output.
    OfReplies(Arc<ReplyWindow>),
}

/// Counted here. The library says how large the window is with every adjustment. Before the
/// first, most clients take more than [`ASSUMED`]; how much is found out by sending one
/// portion after the other, and only the last of them can be too much.
pub struct ReplyWindow {
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    /// Bytes.
    room: usize,
    is_known: bool,
    /// On their way into the connection's output, through the library's queue.
    queued: usize,
}

/// Most clients begin with twice as much, and have adjusted it by then.
const ASSUMED: usize = 1 << 20;
/// To find out whether there is room for it; a packet of most clients.
const PORTION: usize = 32 << 10;

impl Default for ReplyWindow {
    fn default() -> Self {
        let state = State { room: ASSUMED, is_known: false, queued: 0 };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }
}

impl tidegate_sftp::Window for ReplyWindow {
    fn take(&self, wanted: usize) -> usize {
        self.lock().take(wanted)
    }

    fn is_known(&self) -> bool {
        self.lock().is_known
    }

    fn has_queued(&self) -> bool {
        self.lock().queued > 0
    }
}

impl ReplyWindow {
    /// The window as it is when everything but what is queued was sent.
    pub fn adjusted(&self, size: u32) {
        let mut state = self.lock();
        state.room = usize::try_from(size).unwrap_or(usize::MAX).saturating_sub(state.queued);
        state.is_known = true;
        drop(state);
        self.changed.notify_one();
    }

    /// Waits for room; gives the part of `data` that there is room for, to be queued.
    pub async fn queue(self: &Arc<Self>, data: &mut Bytes) -> Bytes {
        loop {
            let changed = self.changed.notified();
            let part = data.split_to(self.take_for_queue(data.len()));
            if !part.is_empty() || data.is_empty() {
                return Bytes::from_owner(Queued { data: part, window: self.clone() });
            }
            changed.await;
        }
    }

    fn take_for_queue(&self, wanted: usize) -> usize {
        let mut state = self.lock();
        if !state.is_known && state.room == 0 && state.queued == 0 {
            state.room = PORTION;
        }
        let taken = state.take(wanted);
        state.queued += taken;
        taken
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, wanted: usize) -> usize {
        let taken = self.room.min(wanted);
        self.room -= taken;
        taken
    }
}

/// Counted until the library has sent it, and lets go of it.
struct Queued {
    data: Bytes,
    window: Arc<ReplyWindow>,
}

impl AsRef<[u8]> for Queued {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.window.lock().queued -= self.data.len();
        self.window.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use tidegate_sftp::Window as _;

    use super::*;

    #[tokio::test]
    async fn no_more_is_sent_than_the_window_takes() {
        let window = Arc::new(ReplyWindow::default());
        // 30 of them are in the queue when the window is said to be 100.
        let mut data = Bytes::from(vec![1; 30]);
        let queued = window.queue(&mut data).await;
        assert!(window.has_queued());
        assert_eq!(window.take(1 << 30), ASSUMED - 30);
        window.adjusted(100);
        assert_eq!(window.take(50), 50);
        let mut data = Bytes::from(vec![2; 50]);
        let rest = window.queue(&mut data).await;
        assert_eq!((rest.len(), data.len(), window.take(1)), (20, 30, 0));
        let waiting = tokio::spawn({
            let window = window.clone();
            async move { window.queue(&mut data).await.len() }
        });
        tokio::task::yield_now().await;
        drop((queued, rest));
        assert!(!window.has_queued());
        // Sending made no room; the client does.
        assert_eq!(window.take(1), 0);
        window.adjusted(1000);
        assert_eq!(waiting.await.unwrap(), 30);
        assert_eq!(window.take(1000), 970);
    }

    #[tokio::test]
    async fn a_window_that_nobody_knows_is_tried_out() {
        let window = Arc::new(ReplyWindow::default());
        let mut data = Bytes::from(vec![1; ASSUMED + 2 * PORTION]);
        let mut sent = window.queue(&mut data).await;
        assert_eq!(sent.len(), ASSUMED);
        while !data.is_empty() {
            // The next portion when the one before was sent.
            let (next, ()) = tokio::join!(window.queue(&mut data), async { drop(std::mem::take(&mut sent)) });
            assert_eq!(next.len(), PORTION);
            sent = next;
        }
        // The last one finds no room, until the client says so.
        assert_eq!(window.take(1), 0);
        window.adjusted(0);
        drop(sent);
        assert_eq!((window.take(1), window.take_for_queue(1)), (0, 0));
    }
}
