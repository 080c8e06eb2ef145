//! See `tidegate_fuzz_targets::connection_string`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzz_targets::connection_string(data));
