//! The time. The standard library has no clock on `wasm32-unknown-unknown`.

/// Seconds since 1970.
#[cfg(target_family = "wasm")]
pub fn now() -> u64 {
    wasip2::clocks::wall_clock::now().seconds
}

/// Suspends the call for this many milliseconds; its deadline goes on.
#[cfg(target_family = "wasm")]
pub fn sleep_ms(milliseconds: u64) {
    wasip2::clocks::monotonic_clock::subscribe_duration(milliseconds.saturating_mul(1_000_000)).block();
}

#[cfg(not(target_family = "wasm"))]
pub use crate::testing::host::now;

/// In a native test this returns at once.
#[cfg(not(target_family = "wasm"))]
pub fn sleep_ms(_milliseconds: u64) {}
