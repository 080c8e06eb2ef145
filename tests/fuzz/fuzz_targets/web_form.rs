//! See `tidegate_fuzz_targets::web_form`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzz_targets::web_form(data));
