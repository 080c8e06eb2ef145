//! Files that are written: under their name, or beside it until they are complete.

use std::ffi::OsString;

use async_trait::async_trait;

use super::{Metadata, StorageError, StorageFile};

/// A file that is written under its name. If it was opened [provisionally](OpenOptions::provisional),
/// dropping it without [`approve`](FileInPlace::approve) takes back what it wrote.
///
/// # Errors
/// `NoSpace` and `ReadOnly` of the host, and those of [`StorageFile`].
#[async_trait]
pub trait FileInPlace: StorageFile {
    /// Writes all of `data` at `offset`; a file opened to append ignores `offset`.
    async fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), StorageError>;

    /// Returns when the storage has all that was written: some say of a write that it is done while it is under way.
    /// No success is reported to the client before this.
    ///
    /// # Errors
    /// The error of the first write that failed.
    async fn complete(&self) -> Result<(), StorageError> {
        Ok(())
    }

    /// Accepts what was written provisionally: it is not taken back any more.
    fn approve(&self);

    /// Takes back what was written, without waiting.
    fn discard(&self, what: Discard);
}

/// A file that has no name until it is [finished](Upload::finish). Dropping it before
/// [abandons](Upload::abandon) it. Until then its id is that of no file that has a name.
///
/// # Errors
/// `NoSpace` and `ReadOnly` of the host, and those of [`StorageFile`].
#[async_trait]
pub trait Upload: StorageFile {
    /// Writes all of `data` at `offset`.
    ///
    /// # Errors
    /// `Unsupported` if `offset` is not where the last write ended and the storage takes uploads
    /// [in sequence](Uploads::Sequential) only.
    async fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), StorageError>;

    /// The file that finishing the upload now would replace.
    async fn replaces(&self) -> Option<Metadata>;

    /// Gives the upload a temporary name, so that hooks and programs of the host can look at it; where the storage has
    /// no files without their names, it only says where the file will be.
    async fn show(&self) -> Result<Shown, StorageError>;

    /// Gives the upload its name, for good. No success is reported to the client before this.
    ///
    /// # Errors
    /// `AlreadyExists` if the file must be new; the upload is abandoned then.
    async fn finish(&self) -> Result<Finished, StorageError>;

    /// Ends the upload without success, as dropping it does. Gives the metadata of the part that is kept
    /// under the name, if the upload mode keeps one (A5-11).
    async fn abandon(&self) -> Option<Metadata>;

    /// Ends the upload and keeps nothing of it, without waiting.
    fn discard(&self);
}

/// A file that is open to be written, in one of both ways.
pub enum Writing {
    /// The file has its name while it is written.
    InPlace(Box<dyn FileInPlace>),
    /// The file gets its name when it is complete.
    Upload(Box<dyn Upload>),
}

impl Writing {
    /// The file, for what both ways have in common.
    pub fn file(&self) -> &dyn StorageFile {
        match self {
            Self::InPlace(file) => &**file,
            Self::Upload(upload) => &**upload,
        }
    }

    /// The upload; none: the file is written in place.
    pub fn as_upload(&self) -> Option<&dyn Upload> {
        match self {
            Self::InPlace(_) => None,
            Self::Upload(upload) => Some(&**upload),
        }
    }

    /// Writes all of `data` at `offset`.
    ///
    /// # Errors
    /// Those of [`FileInPlace::write_at`] and [`Upload::write_at`].
    pub async fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), StorageError> {
        match self {
            Self::InPlace(file) => file.write_at(offset, data).await,
            Self::Upload(upload) => upload.write_at(offset, data).await,
        }
    }

    /// Takes back what was written, without waiting. Of an upload nothing is kept, whatever `what` says.
    pub fn discard(&self, what: Discard) {
        match self {
            Self::InPlace(file) => file.discard(what),
            Self::Upload(upload) => upload.discard(),
        }
    }
}

/// How an upload ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    /// The upload has its name.
    Named {
        /// The file that had the name before.
        replaced: Option<Metadata>,
    },
    /// A program that the upload was [shown](Upload::show) to has moved or removed it.
    TakenAway,
}

/// An upload without a name, as hooks and programs see it.
pub struct Shown {
    /// The temporary path on the host, which clients cannot use; without `file`, the path that the upload will have.
    pub host_path: OsString,
    /// The upload, open to be read; none: the storage gives it to no reader before it has its name.
    pub file: Option<Box<dyn StorageFile>>,
}

/// How much is taken back of a file that was written in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discard {
    /// The whole file, including the content that it had before.
    Everything,
    /// What was written since the file was opened [provisionally](OpenOptions::provisional), as far as the
    /// former content is known; otherwise everything.
    Written,
}
