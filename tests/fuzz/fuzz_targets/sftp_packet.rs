//! See `tidegate_fuzz_targets::sftp_packet`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzz_targets::sftp_packet(data));
