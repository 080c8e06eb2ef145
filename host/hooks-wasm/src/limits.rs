//! The limits of one call, and the words for a call that failed.

use std::time::Duration;

use wasmtime::{Error, ResourceLimiter, Store, StoreContextMut, Trap, UpdateDeadline};

use crate::settings::Limits;
use crate::v0_1::CallState;

const MAX_TABLE_ELEMENTS: usize = 100_000;
/// Bytes that a guest may hand to the host in one call.
const MAX_HANDED_OVER: usize = 4 << 20;
const MAX_HANDLES: usize = 4096;

/// Account drafts that a guest may hold at once.
const MAX_DRAFTS: usize = 16;

/// Memory in use by one instance, in bytes: all its linear memories, and the account drafts that
/// the host holds for it.
#[derive(Debug)]
pub struct Memory {
    max: usize,
    used: usize,
    drafts: usize,
    /// Bytes of the drafts that the host holds.
    held: usize,
    refused: bool,
}

/// The guest would hold more account drafts, or larger ones, than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it holds more account drafts, or larger ones, than it may")]
pub struct TooMuch;

impl Memory {
    /// A count of nothing yet, with the bound `memory_mib` of the limits.
    pub fn new(limits: &Limits) -> Self {
        Self { max: limits.memory_mib << 20, used: 0, drafts: 0, held: 0, refused: false }
    }

    /// Bytes in use; linear memories never shrink.
    pub fn used(&self) -> usize {
        self.used.saturating_add(self.held)
    }

    /// Counts a new draft of this many bytes.
    pub fn hold(&mut self, bytes: usize) -> Result<(), TooMuch> {
        if self.drafts >= MAX_DRAFTS {
            return Err(TooMuch);
        }
        self.resize(0, bytes)?;
        self.drafts += 1;
        Ok(())
    }

    /// Counts that a draft has changed its size, in bytes.
    pub fn resize(&mut self, before: usize, after: usize) -> Result<(), TooMuch> {
        let held = self.held.saturating_sub(before).saturating_add(after);
        if self.used.saturating_add(held) > self.max {
            self.refused = true;
            return Err(TooMuch);
        }
        self.held = held;
        Ok(())
    }

    /// Counts that a draft of this many bytes is gone.
    pub fn release(&mut self, bytes: usize) {
        self.drafts = self.drafts.saturating_sub(1);
        self.held = self.held.saturating_sub(bytes);
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.used.saturating_sub(current).saturating_add(desired);
        if total.saturating_add(self.held) > self.max {
            self.refused = true;
            return Ok(false);
        }
        self.used = total;
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= MAX_TABLE_ELEMENTS)
    }

    fn instances(&self) -> usize {
        256
    }

    fn memories(&self) -> usize {
        8
    }

    fn tables(&self) -> usize {
        64
    }
}

/// The CPU time that a call has used, as of the last tick.
pub fn spent(state: &CallState) -> Duration {
    state.shared.settings.limits.computing().saturating_sub(state.allowance.left())
}

/// Sets the limits of a call anew, on an instance that was made earlier.
pub fn renew(store: &mut Store<CallState>) {
    store.set_hostcall_fuel(MAX_HANDED_OVER);
    store.set_epoch_deadline(1);
}

/// Sets the limits of a store. The guest notices a tick only while it computes: while it waits for
/// the host, the time is not checked.
pub fn apply(store: &mut Store<CallState>) {
    store.limiter(|state| &mut state.memory);
    store.set_hostcall_fuel(MAX_HANDED_OVER);
    store.set_max_component_handles(MAX_HANDLES);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|mut context: StoreContextMut<'_, CallState>| {
        let allowance = &mut context.data_mut().allowance;
        allowance.count_tick();
        if allowance.left().is_zero() {
            return Ok(UpdateDeadline::Interrupt);
        }
        Ok(UpdateDeadline::Yield(1))
    });
}

/// A trap in words; the second value tells whether a limit was the cause.
pub fn explain(error: &Error, memory: &Memory) -> (String, bool) {
    if error.is::<TooMuch>() && !memory.refused {
        return (format!("it holds more than {MAX_DRAFTS} account drafts"), true);
    }
    if memory.refused {
        return (format!("it needs more than {} MiB of memory (limits.memory_mib)", memory.max >> 20), true);
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => ("it used up its CPU time (limits.cpu_ms)".to_owned(), true),
        Some(Trap::StackOverflow) => ("its stack overflowed".to_owned(), true),
        Some(trap) => (trap.to_string(), false),
        None => (error.root_cause().to_string(), false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drafts_count_against_the_memory() {
        let mut memory = Memory::new(&Limits { memory_mib: 1, ..Limits::default() });
        let half = 512 << 10;
        assert!(memory.memory_growing(0, half, None).unwrap());
        memory.hold(half / 2).unwrap();
        assert_eq!(memory.used(), half + half / 2);
        assert!(!memory.memory_growing(half, 2 * half, None).unwrap());
        assert_eq!(memory.hold(half), Err(TooMuch));
        memory.resize(half / 2, 10).unwrap();
        assert_eq!(memory.resize(10, 2 * half), Err(TooMuch));
        assert!(memory.memory_growing(half, half + half / 2, None).unwrap());
        memory.release(10);
        for _ in 0..MAX_DRAFTS {
            memory.hold(1).unwrap();
        }
        assert_eq!(memory.hold(1), Err(TooMuch));
        memory.release(1);
        memory.hold(1).unwrap();
    }
}
