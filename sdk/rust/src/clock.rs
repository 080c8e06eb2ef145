//! The time. A component on `wasm32-unknown-unknown` has none of its own.

/// Seconds since 1970.
#[cfg(target_family = "wasm")]
pub fn now() -> u64 {
    wasip2::clocks::wall_clock::now().seconds
}

#[cfg(target_family = "wasm")]
pub fn sleep_ms(milliseconds: u64) {
    wasip2::clocks::monotonic_clock::subscribe_duration(milliseconds.saturating_mul(1_000_000)).block();
}

#[cfg(not(target_family = "wasm"))]
pub use crate::testing::host::now;

/// Nobody waits in a test.
#[cfg(not(target_family = "wasm"))]
pub fn sleep_ms(_milliseconds: u64) {}
