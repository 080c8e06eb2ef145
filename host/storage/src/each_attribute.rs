//! Requests to set several attributes: each is set, whether or not others can be.

use tidegate_core::ports::storage::{StorageError, StorageErrorKind};

/// The outcome of all, in the order size, mode, times, owner: the last error, as OpenSSH's server has it (A5-02). That
/// the storage cannot set an attribute never hides another error, since operators can have it ignored (A3-24).
pub fn last_error<const N: usize>(outcomes: [Result<(), StorageError>; N]) -> Result<(), StorageError> {
    let later = |last: Result<(), StorageError>, outcome: Result<(), StorageError>| match (last, outcome) {
        (last, Ok(())) => last,
        (Err(last), Err(next)) if next.kind == StorageErrorKind::Unsupported => Err(last),
        (_, next) => next,
    };
    outcomes.into_iter().fold(Ok(()), later)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_error_is_told() {
        // A3-24, A5-02
        use StorageErrorKind::{Invalid, PermissionDenied, Unsupported};
        let check = |outcomes: [Option<StorageErrorKind>; 3], expected: Option<StorageErrorKind>| {
            let outcomes = outcomes.map(|kind| kind.map_or(Ok(()), |kind| Err(StorageError::new(kind, ""))));
            assert_eq!(last_error(outcomes).err().map(|error| error.kind), expected);
        };
        check([None, None, None], None);
        check([Some(Invalid), None, None], Some(Invalid));
        check([Some(Invalid), None, Some(PermissionDenied)], Some(PermissionDenied));
        check([Some(Invalid), Some(Unsupported), None], Some(Invalid));
        check([Some(Unsupported), Some(Invalid), None], Some(Invalid));
        check([None, Some(Unsupported), None], Some(Unsupported));
    }
}
