//! See `tidegate_fuzz_targets::account_document`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzz_targets::account_document(data));
