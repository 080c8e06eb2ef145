//! Stops reading from a connection while one of its channels has more input than its reader
//! can take. The library grants new window as soon as data arrives, so this is the only way
//! to slow a client down.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The gate of one connection.
#[derive(Default)]
pub struct ReadGate {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// How many channels have too much input.
    full: usize,
    reader: Option<Waker>,
}

impl ReadGate {
    /// Ready when data may be read.
    pub fn poll_open(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.full == 0 {
            return Poll::Ready(());
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    fn shut(&self) {
        self.lock().full += 1;
    }

    fn open(&self) {
        let mut state = self.lock();
        state.full = state.full.saturating_sub(1);
        if state.full == 0
            && let Some(reader) = state.reader.take()
        {
            reader.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The part of one channel in the gate.
pub struct GateShare {
    gate: Arc<ReadGate>,
    shuts: bool,
}

impl GateShare {
    pub fn new(gate: Arc<ReadGate>) -> Self {
        Self { gate, shuts: false }
    }

    pub fn set_shut(&mut self, shut: bool) {
        if shut != self.shuts {
            self.shuts = shut;
            if shut { self.gate.shut() } else { self.gate.open() }
        }
    }
}

impl Drop for GateShare {
    fn drop(&mut self) {
        self.set_shut(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_full_channel_opens_the_gate() {
        let gate = Arc::new(ReadGate::default());
        let mut cx = Context::from_waker(Waker::noop());
        let (mut first, mut second) = (GateShare::new(gate.clone()), GateShare::new(gate.clone()));
        assert!(gate.poll_open(&mut cx).is_ready());
        first.set_shut(true);
        first.set_shut(true);
        second.set_shut(true);
        assert!(gate.poll_open(&mut cx).is_pending());
        first.set_shut(false);
        assert!(gate.poll_open(&mut cx).is_pending());
        drop(second);
        assert!(gate.poll_open(&mut cx).is_ready());
    }
}
