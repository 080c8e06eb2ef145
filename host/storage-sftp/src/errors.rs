//! Why a request to the other server failed, and what that means to clients.

use tidegate_core::ports::storage::{StorageError, StorageErrorKind};

/// The most of the other server's own text that is kept, in characters.
const LONGEST_TEXT: usize = 200;

/// Codes of STATUS. Those from 11 on are of later versions, and some servers use them all the same.
pub mod fx {
    pub const OK: u32 = 0;
    pub const EOF: u32 = 1;
    pub const NO_SUCH_FILE: u32 = 2;
    pub const PERMISSION_DENIED: u32 = 3;
    pub const FAILURE: u32 = 4;
    pub const BAD_MESSAGE: u32 = 5;
    pub const UNSUPPORTED: u32 = 8;
    pub const EXISTS: u32 = 11;
    pub const WRITE_PROTECT: u32 = 12;
    pub const NO_SPACE: u32 = 14;
    pub const QUOTA: u32 = 15;
    pub const NOT_EMPTY: u32 = 18;
    pub const NOT_A_DIRECTORY: u32 = 19;
    pub const INVALID_NAME: u32 = 20;
    pub const LOOP: u32 = 21;
    pub const IS_A_DIRECTORY: u32 = 24;
}

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The connection cannot be made, or broke off, for this reason. The request may have been done.
    Gone(String),
    /// The other server refused.
    Status {
        /// Its code.
        code: u32,
        /// Its own text.
        text: String,
    },
    /// This server refused.
    Refused(StorageError),
}

impl Fault {
    /// The refusal of the other server; its text is cleaned.
    pub fn status(code: u32, text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let text = text.chars().filter(|character| !character.is_control()).take(LONGEST_TEXT).collect();
        Self::Status { code, text }
    }

    /// The other server does not keep to the protocol.
    pub fn odd(what: &str) -> Self {
        Self::Gone(format!("the server does not keep to the protocol: {what}"))
    }

    /// Whether the other server said that there is no such file.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Status { code: fx::NO_SUCH_FILE, .. })
    }

    /// Whether the other server said no more than that it failed.
    pub fn is_vague(&self) -> bool {
        matches!(self, Self::Status { code: fx::FAILURE, .. })
    }
}

impl From<StorageError> for Fault {
    fn from(error: StorageError) -> Self {
        Self::Refused(error)
    }
}

/// The error for clients and for the log. What the other server said is for administrators, since it may name what
/// clients must not learn.
impl From<Fault> for StorageError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Refused(error) => error,
            Fault::Gone(reason) => {
                let text = "the SFTP server that has the files cannot be reached, or broke off; try again";
                let message = format!("{text}: {reason}");
                tracing::warn!(sender = "sftp-storage", message);
                failed(StorageErrorKind::Other, text).with_detail(reason)
            }
            Fault::Status { code, text } => {
                let (kind, words) = kind_of(code, &text);
                failed(kind, words).with_detail(format!("{text} (status {code})"))
            }
        }
    }
}

fn kind_of(code: u32, text: &str) -> (StorageErrorKind, &'static str) {
    use StorageErrorKind::{
        AlreadyExists, Invalid, IsADirectory, Loop, NoSpace, NotADirectory, NotEmpty, NotFound, Other,
        PermissionDenied, ReadOnly, Unsupported,
    };
    match code {
        fx::NO_SUCH_FILE => (NotFound, "no such file or directory"),
        fx::PERMISSION_DENIED => (PermissionDenied, "the SFTP server that has the files does not permit it"),
        fx::INVALID_NAME => (Invalid, "the SFTP server that has the files does not accept the name"),
        // OpenSSH's server says so of names and of numbers.
        fx::BAD_MESSAGE => (Invalid, "the SFTP server that has the files does not accept the name or number"),
        fx::UNSUPPORTED => (Unsupported, "the SFTP server that has the files cannot do this"),
        fx::EXISTS => (AlreadyExists, "the file exists already"),
        fx::WRITE_PROTECT => (ReadOnly, "the file system is read-only"),
        fx::NO_SPACE | fx::QUOTA => (NoSpace, "no space left on the SFTP server that has the files"),
        fx::NOT_EMPTY => (NotEmpty, "the directory is not empty"),
        fx::NOT_A_DIRECTORY => (NotADirectory, "a part of the path is not a directory"),
        fx::LOOP => (Loop, "too many levels of symbolic links"),
        fx::IS_A_DIRECTORY => (IsADirectory, "is a directory"),
        _ => {
            let text = text.to_lowercase();
            let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
            if says(&["no space", "quota", "disk full"]) {
                (NoSpace, "no space left on the SFTP server that has the files")
            } else if says(&["read-only", "read only"]) {
                (ReadOnly, "the file system is read-only")
            } else {
                (Other, "the SFTP server that has the files failed")
            }
        }
    }
}

/// An error of this kind with this text.
pub fn failed(kind: StorageErrorKind, text: &str) -> StorageError {
    StorageError::new(kind, text)
}

/// The storage cannot do this.
pub fn unsupported(text: &str) -> StorageError {
    failed(StorageErrorKind::Unsupported, text)
}

/// There is no such file.
pub fn not_found() -> StorageError {
    failed(StorageErrorKind::NotFound, "no such file or directory")
}

/// The name is taken.
pub fn exists() -> StorageError {
    failed(StorageErrorKind::AlreadyExists, "the file exists already")
}

/// The path is a directory.
pub fn is_directory() -> StorageError {
    failed(StorageErrorKind::IsADirectory, "is a directory")
}

/// A part of the path is no directory.
pub fn not_a_directory() -> StorageError {
    failed(StorageErrorKind::NotADirectory, "a part of the path is not a directory")
}

/// The file was closed, or a call on it was cancelled.
pub fn is_over() -> StorageError {
    failed(StorageErrorKind::Other, "the file is closed")
}

/// Neither a file nor a directory.
pub fn is_special() -> StorageError {
    unsupported("is neither a file nor a directory")
}
