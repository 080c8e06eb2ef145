//! Changing the attributes of files.

use std::sync::Arc;

use super::place::LastName;
use super::{FileError, FileService};
use crate::hook::events::Protocol;
use crate::path::VirtualPath;
use crate::permission::{Permission, PermissionSet};
use crate::ports::FileEventKind;
use crate::ports::storage::{OpenOptions, SetAttributes};
use crate::trace;

/// What requests to change attributes do (`setstat_mode`, A3-24).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SetAttributesPolicy {
    /// They change the attributes.
    #[default]
    Apply,
    /// They change only sizes, and succeed for all else without asking for a permission.
    Ignore,
    /// They change the attributes, and succeed where the storage cannot.
    IgnoreUnsupported,
}

impl FileService {
    /// Changes attributes. Needs `chmod`, `chown` or `chtimes` on the parent (A5-05); a new size needs `upload`
    /// and `overwrite`, and is an upload to hooks. `follow`: whether a link at the last name is followed.
    ///
    /// # Errors
    /// A permission is missing, a hook denies, the quota is used up, or the storage cannot change an attribute.
    pub async fn set_attributes(
        self: &Arc<Self>,
        path: &VirtualPath,
        attributes: &SetAttributes,
        follow: bool,
        protocol: Protocol,
    ) -> Result<(), FileError> {
        let span = self.span("set-attributes", path, protocol);
        trace::operation(span, async {
            let policy = self.context.policy;
            let Some(effective) = effective(policy, attributes) else {
                return Ok(());
            };
            let check = |path: &VirtualPath| {
                check_permissions(self.permissions_at(&path.parent()), &effective)?;
                self.require_name(path)
            };
            let last = if follow { LastName::Followed } else { LastName::Itself };
            let place = self.place(path, last, check).await?;
            if effective.size.is_some() {
                let resizing = OpenOptions { write: true, ..OpenOptions::default() };
                if self.upload_is_provisional(&place) {
                    let mut file = self.open_write(path, resizing, protocol).await?;
                    file.set_attributes(attributes).await?;
                    return file.close().await;
                }
                self.review_upload(&place, resizing, protocol, None).await?;
            }
            let path = place.path();
            let apply = async || {
                let outcome = self.tree().set_attributes(path, &effective, follow).await;
                ignore_unsupported(policy, outcome.map_err(FileError::from))
            };
            match effective.size {
                Some(size) => self.counting_resize(path, size, apply).await?,
                None => apply().await?,
            }
            record(&effective, |what| self.record(protocol, path, what));
            Ok(())
        })
        .await
    }
}

pub(super) fn ignore_unsupported(policy: SetAttributesPolicy, outcome: Result<(), FileError>) -> Result<(), FileError> {
    match outcome {
        Err(FileError::Unsupported(_)) if policy == SetAttributesPolicy::IgnoreUnsupported => Ok(()),
        outcome => outcome,
    }
}

pub(super) fn effective(policy: SetAttributesPolicy, attributes: &SetAttributes) -> Option<SetAttributes> {
    let effective = match policy {
        SetAttributesPolicy::Apply | SetAttributesPolicy::IgnoreUnsupported => *attributes,
        SetAttributesPolicy::Ignore => SetAttributes { size: attributes.size, ..SetAttributes::default() },
    };
    (!effective.is_empty()).then_some(effective)
}

pub(super) fn check_permissions(permissions: PermissionSet, attributes: &SetAttributes) -> Result<(), FileError> {
    let needed = [
        (attributes.size.is_some(), Permission::Upload),
        (attributes.size.is_some(), Permission::Overwrite),
        (attributes.mode.is_some(), Permission::Chmod),
        (attributes.uid.is_some() || attributes.gid.is_some(), Permission::Chown),
        (attributes.times.is_some(), Permission::Chtimes),
    ];
    let allowed = needed.iter().all(|(asked, permission)| !asked || permissions.allows(*permission));
    if allowed { Ok(()) } else { Err(FileError::Denied) }
}

/// Records one event for each attribute that was changed.
pub(super) fn record(changed: &SetAttributes, record: impl Fn(FileEventKind<'_>)) {
    if let Some(mode) = changed.mode {
        record(FileEventKind::SetMode(mode));
    }
    let (uid, gid) = (changed.uid, changed.gid);
    if uid.is_some() || gid.is_some() {
        record(FileEventKind::SetOwner { uid, gid });
    }
    if let Some((accessed, modified)) = changed.times {
        record(FileEventKind::SetTimes { accessed, modified });
    }
    if let Some(size) = changed.size {
        record(FileEventKind::SetSize(size));
    }
}

#[cfg(test)]
mod tests {
    use SetAttributesPolicy::{Apply, Ignore, IgnoreUnsupported};

    use super::*;

    #[test]
    fn attributes_are_changed_unless_they_are_to_be_ignored() {
        // A3-24
        let none = SetAttributes::default();
        let (mode, size) = (SetAttributes { mode: Some(0o600), ..none }, SetAttributes { size: Some(1), ..none });
        let all = SetAttributes { size: Some(1), mode: Some(0o600), uid: Some(2), gid: Some(3), times: Some((4, 5)) };
        for (policy, wanted, expected) in [
            (Apply, all, Some(all)),
            (Apply, mode, Some(mode)),
            (Ignore, all, Some(size)),
            (Ignore, size, Some(size)),
            (Ignore, mode, None),
            (Ignore, SetAttributes { size: None, ..all }, None),
            (IgnoreUnsupported, all, Some(all)),
            (IgnoreUnsupported, mode, Some(mode)),
        ] {
            assert_eq!(effective(policy, &wanted), expected, "{policy:?} {wanted:?}");
            assert_eq!(effective(policy, &none), None, "{policy:?}");
        }
    }

    #[test]
    fn what_a_storage_cannot_do_is_ignored_where_that_is_wanted() {
        // A3-24
        let unsupported = || Err(FileError::Unsupported("there are no modes".to_owned()));
        assert_eq!(ignore_unsupported(IgnoreUnsupported, unsupported()), Ok(()));
        for policy in [Apply, Ignore] {
            assert_eq!(ignore_unsupported(policy, unsupported()), unsupported(), "{policy:?}");
        }
        for policy in [Apply, Ignore, IgnoreUnsupported] {
            for outcome in
                [Ok(()), Err(FileError::Denied), Err(FileError::NotFound), Err(FileError::Failed("full".to_owned()))]
            {
                assert_eq!(ignore_unsupported(policy, outcome.clone()), outcome, "{policy:?}");
            }
        }
    }

    #[test]
    fn each_attribute_needs_its_own_permission() {
        // A5-05
        let none = SetAttributes::default();
        let all = SetAttributes { size: Some(1), mode: Some(0o600), uid: Some(2), gid: Some(3), times: Some((4, 5)) };
        for (wanted, needed) in [
            (SetAttributes { mode: all.mode, ..none }, &["chmod"][..]),
            (SetAttributes { uid: all.uid, ..none }, &["chown"]),
            (SetAttributes { gid: all.gid, ..none }, &["chown"]),
            (SetAttributes { times: all.times, ..none }, &["chtimes"]),
            (SetAttributes { size: all.size, ..none }, &["upload", "overwrite"]),
            (all, &["chmod", "chown", "chtimes", "upload", "overwrite"]),
        ] {
            let check =
                |granted: &[&str]| check_permissions(PermissionSet::parse(granted.iter().copied()).unwrap(), &wanted);
            assert_eq!(check(needed), Ok(()), "{wanted:?}");
            for missing in needed {
                let others: Vec<_> = needed.iter().copied().filter(|token| token != missing).collect();
                assert_eq!(check(&others), Err(FileError::Denied), "{wanted:?} without {missing}");
            }
        }
    }
}
