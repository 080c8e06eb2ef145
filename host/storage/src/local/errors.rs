//! Errors of the operating system as the port's kinds of errors.

use rustix::io::Errno;
use tidegate_core::ports::storage::{StorageError, StorageErrorKind};

pub fn from_errno(errno: Errno) -> StorageError {
    StorageError::new(kind_of(errno), message_of(errno))
}

/// Puts the subject of the error before the message.
pub fn with_errno(errno: Errno, subject: &str) -> StorageError {
    StorageError::new(kind_of(errno), format!("{subject}: {}", message_of(errno)))
}

fn kind_of(errno: Errno) -> StorageErrorKind {
    match errno {
        Errno::NOENT => StorageErrorKind::NotFound,
        Errno::ACCESS | Errno::PERM => StorageErrorKind::PermissionDenied,
        // RESOLVE_BENEATH gives this for a path that would leave the tree. Below one open
        // directory, renames and links across file systems do not occur otherwise.
        Errno::XDEV => StorageErrorKind::CrossDevice,
        Errno::EXIST => StorageErrorKind::AlreadyExists,
        Errno::NOTDIR => StorageErrorKind::NotADirectory,
        Errno::ISDIR => StorageErrorKind::IsADirectory,
        Errno::NOTEMPTY => StorageErrorKind::NotEmpty,
        Errno::NAMETOOLONG => StorageErrorKind::NameTooLong,
        Errno::NOSPC | Errno::DQUOT | Errno::FBIG => StorageErrorKind::NoSpace,
        Errno::ROFS => StorageErrorKind::ReadOnly,
        Errno::LOOP => StorageErrorKind::Loop,
        Errno::OPNOTSUPP | Errno::NOSYS => StorageErrorKind::Unsupported,
        Errno::INVAL => StorageErrorKind::Invalid,
        _ => StorageErrorKind::Other,
    }
}

/// The text of an error, without its number.
fn message_of(errno: Errno) -> String {
    match errno {
        Errno::NOENT => "no such file or directory".to_owned(),
        Errno::ACCESS | Errno::PERM => "permission denied".to_owned(),
        Errno::XDEV => "the path leads outside the directory or to another file system".to_owned(),
        Errno::EXIST => "the file exists already".to_owned(),
        Errno::NOTDIR => "a part of the path is not a directory".to_owned(),
        Errno::ISDIR => "is a directory".to_owned(),
        Errno::NOTEMPTY => "the directory is not empty".to_owned(),
        Errno::NAMETOOLONG => "the name is too long".to_owned(),
        Errno::NOSPC => "no space left on the device".to_owned(),
        Errno::DQUOT => "the disk quota is exceeded".to_owned(),
        Errno::FBIG => "the file would be too large".to_owned(),
        Errno::ROFS => "the file system is read-only".to_owned(),
        Errno::LOOP => "too many levels of symbolic links".to_owned(),
        Errno::INVAL => "invalid argument".to_owned(),
        Errno::MFILE | Errno::NFILE => {
            "the server has no descriptor left for another file; close some, or try again later".to_owned()
        }
        other => {
            let text = std::io::Error::from(other).to_string();
            text.split(" (os error").next().unwrap_or_default().to_lowercase()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_the_system_have_their_kinds() {
        // A5-02
        for (errno, expected) in [
            (Errno::NOENT, StorageErrorKind::NotFound),
            (Errno::ACCESS, StorageErrorKind::PermissionDenied),
            (Errno::PERM, StorageErrorKind::PermissionDenied),
            (Errno::NOTDIR, StorageErrorKind::NotADirectory),
            (Errno::LOOP, StorageErrorKind::Loop),
            (Errno::NAMETOOLONG, StorageErrorKind::NameTooLong),
            (Errno::INVAL, StorageErrorKind::Invalid),
            (Errno::OPNOTSUPP, StorageErrorKind::Unsupported),
            (Errno::NOSYS, StorageErrorKind::Unsupported),
            (Errno::XDEV, StorageErrorKind::CrossDevice),
            (Errno::EXIST, StorageErrorKind::AlreadyExists),
            (Errno::ISDIR, StorageErrorKind::IsADirectory),
            (Errno::NOTEMPTY, StorageErrorKind::NotEmpty),
            (Errno::NOSPC, StorageErrorKind::NoSpace),
            (Errno::DQUOT, StorageErrorKind::NoSpace),
            (Errno::FBIG, StorageErrorKind::NoSpace),
            (Errno::ROFS, StorageErrorKind::ReadOnly),
            (Errno::MFILE, StorageErrorKind::Other),
            (Errno::IO, StorageErrorKind::Other),
        ] {
            assert_eq!(from_errno(errno).kind, expected, "{errno:?}");
            assert_eq!(with_errno(errno, "x").kind, expected, "{errno:?}");
        }
    }
}
