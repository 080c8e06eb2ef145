//! What one call may use, and what a failure was about.

use std::time::Duration;

use wasmtime::{Error, ResourceLimiter, Store, StoreContextMut, Trap, UpdateDeadline};

use crate::settings::Limits;
use crate::v0_1::CallState;

const MAX_TABLE_ELEMENTS: usize = 100_000;
/// Bytes that a guest may hand to the host in one call.
const MAX_HANDED_OVER: usize = 4 << 20;
const MAX_HANDLES: usize = 4096;

/// All memories of a call together.
#[derive(Debug)]
pub struct Memory {
    max: usize,
    used: usize,
    refused: bool,
}

impl Memory {
    pub fn new(limits: &Limits) -> Self {
        Self { max: limits.memory_mib << 20, used: 0, refused: false }
    }

    /// In bytes; memories never shrink.
    pub fn used(&self) -> usize {
        self.used
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.used.saturating_sub(current).saturating_add(desired);
        if total > self.max {
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

/// What a call has computed, to the clock's tick.
pub fn spent(state: &CallState) -> Duration {
    state.shared.settings.limits.computing().saturating_sub(state.allowance.left())
}

/// Before a call on an instance that was made earlier: its time begins now.
pub fn renew(store: &mut Store<CallState>) {
    store.set_hostcall_fuel(MAX_HANDED_OVER);
    store.set_epoch_deadline(1);
}

/// Puts the limits on a store. Ticks are noticed where the guest computes: while it
/// waits for the host, nothing asks for the time.
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
