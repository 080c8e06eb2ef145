//! See `tidegate_fuzz_targets::scp_line`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzz_targets::scp_line(data));
