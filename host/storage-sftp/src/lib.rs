//! Files on another SFTP server, as a file tree (ADR 26).
//!
//! `packet` has the protocol's bytes, `session` the requests under way on one channel, and `counted` the metrics in
//! which they count. `connect` opens a channel, and `remote` has the one connection that all trees of a server and user
//! share. `walk` finds what a path leads to, without leaving the tree; `storage` is the port; `file`, `reading`,
//! `writing` and `upload` are open files.

mod attributes;
mod connect;
mod counted;
mod directory;
mod errors;
mod file;
mod handle;
mod in_place;
mod packet;
mod reading;
mod remote;
mod renaming;
mod reply;
mod session;
mod storage;
mod sweeping;
mod tree;
mod upload;
mod walk;
mod writing;

pub use connect::{Dial, Streams};
pub use storage::{SftpFileSystems, SftpSettings, SftpStorage};

#[cfg(test)]
mod tests;
