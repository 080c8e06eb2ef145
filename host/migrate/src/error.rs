//! Why a source cannot be read.

use std::io;
use std::path::PathBuf;

/// An error that ends the whole move, with what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A file or directory cannot be read.
    #[error("{path} could not be read: {error}", path = path.display())]
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// A file is not what it should be.
    #[error("{path}: {problem}", path = path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// The source is of a kind that is not read.
    #[error("{0}")]
    Refused(String),
}

impl MigrateError {
    pub(crate) fn unusable(path: impl Into<PathBuf>, problem: impl ToString) -> Self {
        Self::Unusable { path: path.into(), problem: problem.to_string() }
    }
}
