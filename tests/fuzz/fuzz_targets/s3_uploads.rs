//! See `tidegate_fuzz_targets::s3_uploads`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzz_targets::s3_uploads(data));
