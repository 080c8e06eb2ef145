//! What errors of a store mean to clients.

use std::time::Duration;

use opendal::{Error, ErrorKind};
use tidegate_core::ports::storage::{StorageError, StorageErrorKind};

use crate::answered::is_of_other_part;
use crate::client::is_redirect;
use crate::repetition::{is_repeated_page, repeated};

/// The error for clients and for the log. The store's own text goes to the log only, since it names the
/// bucket and its keys.
pub fn from_store(error: &Error) -> StorageError {
    if is_repeated_page(error) {
        return repeated();
    }
    let (kind, text) = match error.kind() {
        _ if is_redirect(error) => (
            StorageErrorKind::Other,
            "the object store redirects to another address, which is not followed: check its endpoint and its region",
        ),
        ErrorKind::NotFound => (StorageErrorKind::NotFound, "no such file or directory"),
        ErrorKind::PermissionDenied => {
            (StorageErrorKind::PermissionDenied, "the object store does not permit it with these credentials")
        }
        ErrorKind::IsADirectory => (StorageErrorKind::IsADirectory, "is a directory"),
        ErrorKind::NotADirectory => (StorageErrorKind::NotADirectory, "a part of the path is not a directory"),
        ErrorKind::AlreadyExists | ErrorKind::ConditionNotMatch => {
            (StorageErrorKind::AlreadyExists, "the file exists already")
        }
        ErrorKind::Conflict => (StorageErrorKind::Other, "another change of the file is under way in the object store"),
        ErrorKind::Unsupported => (StorageErrorKind::Unsupported, "the object store cannot do this"),
        ErrorKind::ConfigInvalid => (
            StorageErrorKind::Other,
            "the object store does not know the bucket, or cannot be used as it is configured",
        ),
        ErrorKind::RateLimited => {
            (StorageErrorKind::Other, "the object store asks for fewer requests; try again later")
        }
        _ if is_of_other_part(error) => {
            (StorageErrorKind::Other, "the object store ignores ranges, so that parts of files cannot be read from it")
        }
        // The kinds of opendal may become more: an error that is not known is one of the store.
        _ => (StorageErrorKind::Other, "the object store failed or cannot be reached"),
    };
    // A client is told no more than that it is denied, and it is the operator who can change the credentials.
    if matches!(kind, StorageErrorKind::Other | StorageErrorKind::PermissionDenied) {
        let message = format!("{text}: {error}");
        tracing::warn!(sender = "s3", message);
    }
    StorageError::new(kind, text).with_detail(error.message())
}

/// The error of reading a file that was open already: one that has another version now is never read on, so that a client
/// does not get a mix.
pub fn changed_while_read(error: &Error) -> StorageError {
    let text = match error.kind() {
        ErrorKind::ConditionNotMatch => "the file was replaced in the object store while it was read",
        ErrorKind::NotFound => "the file was removed from the object store while it was read",
        _ => return from_store(error),
    };
    failed(StorageErrorKind::Other, text)
}

/// The error of a store that says nothing. `what`: what was not done in that time.
pub fn silent(what: &str, time: Duration) -> StorageError {
    let text = "the object store does not answer; try again later";
    let reason = format!("{what} took longer than {} seconds", time.as_secs());
    tracing::warn!(sender = "s3", message = format!("{text}: {reason}"));
    failed(StorageErrorKind::Other, text).with_detail(reason)
}

/// The error of an operation that object stores do not have.
pub fn unsupported(text: &str) -> StorageError {
    StorageError::new(StorageErrorKind::Unsupported, text)
}

/// An error of this kind with this text.
pub fn failed(kind: StorageErrorKind, text: &str) -> StorageError {
    StorageError::new(kind, text)
}

/// There is no such file.
pub fn not_found() -> StorageError {
    failed(StorageErrorKind::NotFound, "no such file or directory")
}
