//! The window of a channel: how many bytes its client still accepts (RFC 4254 §5.2).
//!
//! While the library holds back data of a channel whose window is used up, it takes nothing from
//! its queue for any channel. So no caller may give it more than a window takes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use russh::ChannelWriteHalf;
use russh::server::Msg;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// How the output of a task is kept within the window of its channel.
pub enum Window {
    /// All output goes through the library's own sender, which counts it.
    OfSender(Arc<ChannelWriteHalf<Msg>>),
    /// Some output goes straight into the connection's output.
    OfReplies(Arc<ReplyWindow>),
}

/// A window that the server counts itself. The library tells its size with every adjustment. Before
/// the first, most clients accept more than [`ASSUMED`]; the server finds out how much by sending
/// one portion after the other, of which only the last can be too much.
pub struct ReplyWindow {
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    /// Bytes that the client still accepts.
    room: usize,
    is_known: bool,
    /// Bytes in the library's queue, on their way into the connection's output.
    queued: usize,
}

/// Most clients begin with twice as much, and have adjusted the window by then.
const ASSUMED: usize = 1 << 20;
/// Size of the portions with which the server finds out the room: a packet of most clients.
const PORTION: usize = 32 << 10;
/// How long output waits for room for a whole portion. Many clients adjust the window by what they have just taken:
/// a window that was once filled to the last byte would be adjusted, and filled, by ever smaller packets.
const PATIENCE: Duration = Duration::from_millis(20);

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
    /// Sets the window to its size when everything but what is queued has been sent.
    pub fn adjusted(&self, size: u32) {
        let mut state = self.lock();
        state.room = usize::try_from(size).unwrap_or(usize::MAX).saturating_sub(state.queued);
        state.is_known = true;
        drop(state);
        self.changed.notify_one();
    }

    /// Whether there is room for a whole portion, or for all of `wanted` bytes.
    pub fn takes_a_portion(&self, wanted: usize) -> bool {
        self.lock().room >= wanted.min(PORTION)
    }

    /// Waits for room, and splits off the part of `data` that fits, which is to be queued: less than a portion only
    /// where it is the end of `data`, or where the client makes no more room for a while.
    pub async fn queue(self: &Arc<Self>, data: &mut Bytes) -> Bytes {
        let mut least = data.len().min(PORTION);
        let patient_until = Instant::now() + PATIENCE;
        loop {
            let changed = self.changed.notified();
            let part = data.split_to(self.take_for_queue(least, data.len()));
            if !part.is_empty() || data.is_empty() {
                return Bytes::from_owner(Queued { data: part, window: self.clone() });
            }
            if least <= 1 {
                changed.await;
            } else if timeout_at(patient_until, changed).await.is_err() {
                least = 1;
            }
        }
    }

    /// Takes as much as there is room for, if that is at least `least`.
    fn take_for_queue(&self, least: usize, wanted: usize) -> usize {
        let mut state = self.lock();
        if !state.is_known && state.room == 0 && state.queued == 0 {
            state.room = PORTION;
        }
        if state.room < least {
            return 0;
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

/// Bytes that are counted until the library has sent and dropped them.
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

    #[tokio::test(start_paused = true)]
    async fn a_window_that_is_adjusted_by_little_is_not_filled_by_little() {
        let window = Arc::new(ReplyWindow::default());
        window.adjusted(0);
        let mut data = Bytes::from(vec![1; 3 * PORTION]);
        {
            let mut waiting = std::pin::pin!(window.queue(&mut data));
            for size in [1000, 2000, PORTION - 1] {
                window.adjusted(u32::try_from(size).unwrap());
                tokio::select! {
                    biased;
                    _ = waiting.as_mut() => panic!("{size} bytes are no portion"),
                    () = std::future::ready(()) => {}
                }
            }
            window.adjusted(u32::try_from(PORTION).unwrap());
            assert_eq!(waiting.await.len(), PORTION);
        }
        // A client that adjusts its window only when it is used up gets what fits, after a while.
        window.adjusted(10);
        let began = Instant::now();
        assert_eq!((window.queue(&mut data).await.len(), began.elapsed()), (10, PATIENCE));
        // The end of the output waits for no more than its own size.
        window.adjusted(20);
        assert_eq!(window.queue(&mut Bytes::from_static(&[1; 20])).await.len(), 20);
        assert_eq!(began.elapsed(), PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_is_sent_than_the_window_takes() {
        let window = Arc::new(ReplyWindow::default());
        // 30 of these bytes are in the queue when the window is set to 100.
        let mut data = Bytes::from(vec![1; 30]);
        let queued = window.queue(&mut data).await;
        assert!(window.has_queued());
        assert_eq!(window.take(1 << 30), ASSUMED - 30);
        window.adjusted(100);
        assert_eq!(window.take(50), 50);
        let mut data = Bytes::from(vec![2; 50]);
        let rest = window.queue(&mut data).await;
        assert_eq!((rest.len(), data.len(), window.take(1)), (20, 30, 0));
        let mut waiting = std::pin::pin!(window.queue(&mut data));
        tokio::select! {
            biased;
            _ = waiting.as_mut() => panic!("there is no room"),
            () = std::future::ready(()) => {}
        }
        drop((queued, rest));
        assert!(!window.has_queued());
        // Sending makes no room; only the client does.
        assert_eq!(window.take(1), 0);
        window.adjusted(1000);
        assert_eq!(waiting.await.len(), 30);
        assert_eq!(window.take(1000), 970);
    }

    #[tokio::test(start_paused = true)]
    async fn an_unknown_window_is_tried_out() {
        let window = Arc::new(ReplyWindow::default());
        let mut data = Bytes::from(vec![1; ASSUMED + 2 * PORTION]);
        let mut sent = window.queue(&mut data).await;
        assert_eq!(sent.len(), ASSUMED);
        while !data.is_empty() {
            // The next portion follows when the one before was sent.
            let (next, ()) = tokio::join!(window.queue(&mut data), async { drop(std::mem::take(&mut sent)) });
            assert_eq!(next.len(), PORTION);
            sent = next;
        }
        // The last portion found no room until the client adjusts the window.
        assert_eq!(window.take(1), 0);
        window.adjusted(0);
        drop(sent);
        assert_eq!((window.take(1), window.take_for_queue(1, 1)), (0, 0));
    }
}
