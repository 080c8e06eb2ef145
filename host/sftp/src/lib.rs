//! The server side of SFTP version 3 (draft-ietf-secsh-filexfer-02) with OpenSSH's
//! extensions, over any stream of bytes. It reaches files only through
//! [`tidegate_core::files::FileService`].

mod attributes;
mod check_file;
mod digest;
mod extensions;
mod footprint;
mod handles;
mod listing;
mod packet;
mod protocol;
mod requests;
mod server;
mod symlink;
mod throttle;

pub use digest::Digest;
pub use server::{Patience, Progress, ProtocolError, SftpServer};
