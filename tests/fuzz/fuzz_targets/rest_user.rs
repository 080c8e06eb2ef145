//! See `tidegate_fuzz_targets::rest_user`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzz_targets::rest_user(data));
