//! A server as a user starts it, and the clients that users have.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

pub mod clients;
pub mod container;
pub mod databases;
pub mod homes;
pub mod object_store;
pub mod openssh_server;
pub mod processes;
pub mod raw_sftp;
pub mod server;
pub mod sftp_numbers;
pub mod tools;
pub mod waiting;
