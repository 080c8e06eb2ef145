//! The server side of SFTP version 3 (draft-ietf-secsh-filexfer-02) with OpenSSH's extensions, over any
//! stream of bytes. The crate reaches files only through [`tidegate_core::files::FileService`].
//!
//! `operations` is the table of all requests; `requests`, `extensions` and `check_file` execute them;
//! `server` takes packets out of the stream; [`Engine`] is the whole as a state machine.

#![deny(missing_docs)]

mod attributes;
mod check_file;
#[cfg(test)]
mod client_for_tests;
mod digest;
mod directory_paths;
mod engine;
mod extensions;
mod fields;
mod footprint;
mod handles;
mod listing;
mod operations;
mod packet;
mod protocol;
mod requests;
mod server;
mod symlink;
mod throttle;

pub use digest::Digest;
pub use engine::{Engine, State, Window};
pub use operations::is_request;
pub use server::ProtocolError;
