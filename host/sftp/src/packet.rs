//! Fields of packets, read in place and written in place.

use tidegate_core::files::FileError;

use crate::protocol::{StatusCode, fxp};

/// Why a request is answered with a status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The status code.
    pub code: StatusCode,
    /// The reason after the words of the code; may be empty.
    pub message: String,
}

impl Status {
    /// A status with this reason; an empty one leaves the words of the code alone.
    pub fn new(code: StatusCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// A field is missing or too short.
    pub fn malformed() -> Self {
        Self::new(StatusCode::BadMessage, "the packet is truncated or malformed")
    }

    /// The handle was never given out, is closed, or is open on something else.
    pub fn bad_handle() -> Self {
        Self::new(StatusCode::Failure, "the handle is not open")
    }
}

/// A5-02: the codes of OpenSSH's server. An error that its code describes completely has no reason of its
/// own.
impl From<FileError> for Status {
    fn from(error: FileError) -> Self {
        let code = match error {
            FileError::Denied | FileError::Refused(_) => StatusCode::PermissionDenied,
            FileError::NotFound | FileError::Unreachable(_) | FileError::NotOpenFor(_) => StatusCode::NoSuchFile,
            FileError::Invalid(_) => StatusCode::BadMessage,
            FileError::Unsupported(_) => StatusCode::OpUnsupported,
            FileError::QuotaExceeded(_) | FileError::Failed(_) => StatusCode::Failure,
        };
        match error {
            FileError::Denied | FileError::NotFound => Self::new(code, ""),
            error => Self::new(code, error.to_string()),
        }
    }
}

impl From<tidegate_core::path::PathError> for Status {
    fn from(error: tidegate_core::path::PathError) -> Self {
        FileError::from(error).into()
    }
}

/// Takes fields off the front of a packet.
#[derive(Clone, Copy)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads from the first of these bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Status> {
        let (head, tail) = self.0.split_at_checked(length).ok_or_else(Status::malformed)?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Status> {
        self.take(N)?.try_into().map_err(|_| Status::malformed())
    }

    /// The next four bytes, the most significant one first (RFC 4251 §5).
    pub fn u32(&mut self) -> Result<u32, Status> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// The next eight bytes, the most significant one first.
    pub fn u64(&mut self) -> Result<u64, Status> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// The next string: its length in four bytes, then its bytes.
    pub fn string(&mut self) -> Result<&'a [u8], Status> {
        let length = self.u32()?;
        self.take(usize::try_from(length).map_err(|_| Status::malformed())?)
    }

    /// Whether all bytes were taken.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes that were not yet taken.
    pub fn remaining(&self) -> usize {
        self.0.len()
    }
}

/// One reply under construction at the end of the output. Its length is filled in by
/// [`finish`](Reply::finish).
pub struct Reply<'a> {
    output: &'a mut Vec<u8>,
    start: usize,
    id: u32,
}

impl<'a> Reply<'a> {
    /// A reply behind what is in `output` already, to the request `id`.
    pub fn new(output: &'a mut Vec<u8>, id: u32) -> Self {
        let start = output.len();
        Self { output, start, id }
    }

    /// Begins a packet: length (to be filled in), type, request id.
    pub fn begin(&mut self, kind: u8) -> &mut Vec<u8> {
        self.output.truncate(self.start);
        self.output.extend_from_slice(&[0; 4]);
        self.output.push(kind);
        self.output.extend_from_slice(&self.id.to_be_bytes());
        self.output
    }

    /// Makes the reply a STATUS, in place of anything that was begun. The text begins with the words of the
    /// code (A5-19).
    pub fn status(&mut self, status: &Status) {
        let packet = self.begin(fxp::STATUS);
        put_u32(packet, status.code as u32);
        let (words, reason) = (status.code.words(), status.message.as_str());
        let colon = if reason.is_empty() { "" } else { ": " };
        let length = words.len() + colon.len() + reason.len();
        put_u32(packet, u32::try_from(length).unwrap_or(u32::MAX));
        for part in [words, colon, reason] {
            packet.extend_from_slice(part.as_bytes());
        }
        put_string(packet, b"");
    }

    /// Makes the reply a STATUS with `Ok`.
    pub fn ok(&mut self) {
        self.status(&Status::new(StatusCode::Ok, ""));
    }

    /// Writes the length of the packet.
    pub fn finish(self) {
        fill_length(self.output, self.start);
    }
}

/// Writes the length of the packet that begins at `start`.
pub fn fill_length(output: &mut [u8], start: usize) {
    let length = u32::try_from(output.len().saturating_sub(start + 4)).unwrap_or(u32::MAX);
    fill_u32(output, start, length);
}

/// Overwrites four bytes at `at`, which were kept free for a number.
pub fn fill_u32(output: &mut [u8], at: usize, value: u32) {
    if let Some(field) = output.get_mut(at..at + 4) {
        field.copy_from_slice(&value.to_be_bytes());
    }
}

/// Appends four bytes, the most significant one first.
pub fn put_u32(output: &mut Vec<u8>, value: u32) {
    output.extend_from_slice(&value.to_be_bytes());
}

/// Appends eight bytes, the most significant one first.
pub fn put_u64(output: &mut Vec<u8>, value: u64) {
    output.extend_from_slice(&value.to_be_bytes());
}

/// Appends a string: its length in four bytes, then its bytes.
pub fn put_string(output: &mut Vec<u8>, value: &[u8]) {
    put_u32(output, u32::try_from(value.len()).unwrap_or(u32::MAX));
    output.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text of the reply to a request that ended with `status`.
    fn check(status: impl Into<Status>, expected: &str) {
        let mut output = Vec::new();
        let mut reply = Reply::new(&mut output, 7);
        reply.status(&status.into());
        reply.finish();
        let mut body = Reader::new(output.get(9..).unwrap());
        body.u32().unwrap();
        assert_eq!(String::from_utf8_lossy(body.string().unwrap()), expected);
        assert_eq!(body.string().unwrap(), b"");
        assert!(body.is_empty());
    }

    #[test]
    fn errors_of_storages_have_the_codes_of_openssh() {
        // A5-02
        use tidegate_core::ports::storage::{StorageError, StorageErrorKind};
        for (kind, expected) in [
            (StorageErrorKind::NotFound, StatusCode::NoSuchFile),
            (StorageErrorKind::NotADirectory, StatusCode::NoSuchFile),
            (StorageErrorKind::Loop, StatusCode::NoSuchFile),
            (StorageErrorKind::PermissionDenied, StatusCode::PermissionDenied),
            (StorageErrorKind::NameTooLong, StatusCode::BadMessage),
            (StorageErrorKind::Invalid, StatusCode::BadMessage),
            (StorageErrorKind::Unsupported, StatusCode::OpUnsupported),
            (StorageErrorKind::AlreadyExists, StatusCode::Failure),
            (StorageErrorKind::IsADirectory, StatusCode::Failure),
            (StorageErrorKind::NotEmpty, StatusCode::Failure),
            (StorageErrorKind::NoSpace, StatusCode::Failure),
            (StorageErrorKind::ReadOnly, StatusCode::Failure),
            (StorageErrorKind::CrossDevice, StatusCode::Failure),
            (StorageErrorKind::Other, StatusCode::Failure),
        ] {
            let status = Status::from(FileError::from(StorageError::new(kind, "a reason")));
            assert_eq!(status.code, expected, "{kind:?}");
        }
    }

    #[test]
    fn texts_begin_with_the_words_of_the_code() {
        // A5-02, A5-19
        check(Status::new(StatusCode::Ok, ""), "Success");
        check(Status::new(StatusCode::Eof, ""), "End of file");
        check(FileError::Denied, "Permission denied");
        check(FileError::NotFound, "No such file");
        check(
            FileError::Unsupported("object storage has no links".into()),
            "Operation unsupported: object storage has no links",
        );
        check(FileError::Refused("not today".into()), "Permission denied: not today");
        check(FileError::Failed("is a directory".into()), "Failure: is a directory");
        check(FileError::QuotaExceeded("the quota is exceeded".into()), "Failure: the quota is exceeded");
        check(Status::malformed(), "Bad message: the packet is truncated or malformed");
        check(Status::bad_handle(), "Failure: the handle is not open");
        check(tidegate_core::path::PathError::Nul, "Bad message: the path contains a NUL byte");
        check(FileError::NotOpenFor("reading"), "No such file: the file is not open for reading");
        check(
            FileError::Unreachable("a part of the path is not a directory".into()),
            "No such file: a part of the path is not a directory",
        );
    }
}
