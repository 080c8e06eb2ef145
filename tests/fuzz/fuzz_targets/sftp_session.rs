//! See `tidegate_fuzz_targets::sftp_session`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzz_targets::sftp_session(data));
