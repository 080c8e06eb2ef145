//! Readers of what other servers leave: configuration aside, each gives account documents, folders, groups, roles
//! and host keys, with notes on what moves, what means something else here, and what has no counterpart.
//! Nothing is changed at the source, with one exception that has a module of its own: [`in_place`].

mod account;
mod apart;
mod convert;
mod error;
mod files;
pub mod host_keys;
pub mod in_place;
mod moved;
mod note;
pub mod older;
mod pattern;
mod proftpd;
mod pureftpd;
mod source;
mod unchecked;
mod unix;
mod version;

pub use convert::{Selection, UserFormat, convert};
pub use error::MigrateError;
pub use moved::{LeftBehind, Moved, ObjectKind};
pub use note::{Note, NoteKind};
pub use source::{DatabaseKind, Source};
pub use unix::{UidRange, read as read_system};
pub use version::{Evidence, Version};

use std::path::Path;

/// Reads Pure-FTPd's file of virtual users, of which its database is made.
///
/// # Errors
/// The file cannot be read.
pub fn read_pureftpd(path: &Path) -> Result<Moved, MigrateError> {
    Ok(pureftpd::read(&files::text(path)?))
}

/// Reads an `AuthUserFile` of ProFTPD.
///
/// # Errors
/// The file cannot be read.
pub fn read_proftpd(path: &Path) -> Result<Moved, MigrateError> {
    Ok(proftpd::read(&files::text(path)?))
}
