//! Secrets on their way to a database: sealed with AES-256-GCM under a key in a file (A8-15).

mod key_file;

pub use key_file::KeyFile;
