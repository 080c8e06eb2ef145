//! The accounting of one upload.

use std::sync::Arc;

use super::ledger::{Abandoned, GrowTo, Ledger};
use super::namespace::NamespaceGuard;
use super::scan::ScanTree;
use super::{QuotaError, QuotaLimits, UsedQuota};
use crate::ports::storage::{FileId, Metadata, Upload, Writing};

/// Counts one open file in its ledger.
pub struct UploadQuota {
    ledger: Arc<Ledger>,
    kind: Kind,
}

enum Kind {
    /// Written under its name, perhaps by other open files, too.
    InPlace(FileId),
    /// Gets its name when it is complete.
    Unnamed {
        id: FileId,
        /// The usage that was counted for the upload so far.
        reserved: UsedQuota,
        /// Bytes of the file that the upload will replace.
        credit: i64,
    },
    Settled,
}

impl UploadQuota {
    /// Begins to count a file that was opened under its name; `is_new`: opening made it.
    pub fn in_place(ledger: Arc<Ledger>, names: &NamespaceGuard<'_>, metadata: &Metadata, is_new: bool) -> Self {
        names.opened(metadata, is_new);
        Self { ledger, kind: Kind::InPlace(metadata.id) }
    }

    /// Begins to count an upload without a name. `size`: the bytes that it begins with; `replaces`: the size of the
    /// file that has the name now; if there is none, the new file is counted at once.
    ///
    /// # Errors
    /// `Exceeded`
    pub fn unnamed(
        ledger: Arc<Ledger>,
        id: FileId,
        size: u64,
        replaces: Option<u64>,
        limits: QuotaLimits,
    ) -> Result<Self, QuotaError> {
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        let reserved = UsedQuota { size, files: i64::from(replaces.is_none()) };
        let credit = replaces.map_or(0, |size| i64::try_from(size).unwrap_or(i64::MAX));
        ledger.reserve_unnamed(reserved, limits, credit)?;
        ledger.unnamed_begins(id);
        Ok(Self { ledger, kind: Kind::Unnamed { id, reserved, credit } })
    }

    /// Reserves room before bytes up to the offset `end` are written.
    ///
    /// # Errors
    /// `Exceeded`; then nothing is reserved.
    pub fn reserve(&mut self, end: u64, limits: QuotaLimits) -> Result<(), QuotaError> {
        match &mut self.kind {
            Kind::InPlace(id) => self.ledger.grow(*id, GrowTo::End(end), limits),
            Kind::Unnamed { reserved, credit, .. } => {
                let end = i64::try_from(end).unwrap_or(i64::MAX);
                let by = UsedQuota { size: end.saturating_sub(reserved.size).max(0), files: 0 };
                if by.is_zero() {
                    return Ok(());
                }
                self.ledger.reserve_unnamed(by, limits, *credit)?;
                *reserved = *reserved + by;
                Ok(())
            }
            Kind::Settled => Ok(()),
        }
    }

    /// Reserves room before `bytes` are appended to the file.
    ///
    /// # Errors
    /// `Exceeded`; then nothing is reserved.
    pub fn reserve_appended(&mut self, bytes: u64, limits: QuotaLimits) -> Result<(), QuotaError> {
        match &self.kind {
            Kind::InPlace(id) => self.ledger.grow(*id, GrowTo::Appended(bytes), limits),
            Kind::Unnamed { reserved, .. } => {
                let end = u64::try_from(reserved.size).unwrap_or(0).saturating_add(bytes);
                self.reserve(end, limits)
            }
            Kind::Settled => Ok(()),
        }
    }

    /// The ledger that the file counts for.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Whether the file is written under its name, and by no other open file.
    pub fn is_only_writer(&self) -> bool {
        matches!(&self.kind, Kind::InPlace(id) if self.ledger.has_one_writer(*id))
    }

    /// Whether the file has no name yet.
    pub fn is_unnamed(&self) -> bool {
        matches!(self.kind, Kind::Unnamed { .. })
    }

    /// The size was set to `to` through the open file; `before`: the metadata before that.
    pub fn resized(&mut self, names: &NamespaceGuard<'_>, before: &Metadata, to: u64) {
        match &mut self.kind {
            Kind::InPlace(_) => names.resized(before, to),
            Kind::Unnamed { reserved, .. } => {
                let to = i64::try_from(to).unwrap_or(i64::MAX);
                let by = UsedQuota { size: reserved.size.saturating_sub(to), files: 0 };
                self.ledger.release_unnamed(by);
                *reserved = *reserved + -by;
            }
            Kind::Settled => {}
        }
    }

    /// The file is complete. `now`: its metadata; `replaced`: the file that had its name.
    pub fn complete(&mut self, names: &NamespaceGuard<'_>, now: &Metadata, replaced: Option<&Metadata>) {
        match std::mem::replace(&mut self.kind, Kind::Settled) {
            Kind::InPlace(_) => names.closed(now),
            Kind::Unnamed { id, reserved, .. } => names.named(id, reserved, now.size, replaced),
            Kind::Settled => {}
        }
    }

    /// The upload ends without being completed; it is counted a moment later. Only a part within `limits` may
    /// be kept. `tree`: the files of the ledger, if another host has them.
    pub fn abandon(&mut self, file: Writing, limits: QuotaLimits, tree: Option<ScanTree>) {
        match (std::mem::replace(&mut self.kind, Kind::Settled), file) {
            (Kind::InPlace(id), Writing::InPlace(file)) => self.ledger.abandon(Abandoned::InPlace(id, file, tree)),
            (Kind::Unnamed { id, reserved, .. }, Writing::Upload(upload)) => {
                self.ledger.abandon(Abandoned::Unnamed(id, reserved, limits, upload));
            }
            (Kind::Settled, _) => {}
            // The file is not the one that was counted: the files have to be counted again.
            (Kind::InPlace(_) | Kind::Unnamed { .. }, _) => self.ledger.invalidate(),
        }
    }

    /// As [`abandon`](Self::abandon), but counts at once; for an upload without a name. Without `limits`
    /// nothing of it is kept. A call that is cancelled leaves the upload to be [abandoned](Self::abandon).
    pub async fn give_up(&mut self, names: &NamespaceGuard<'_>, upload: &dyn Upload, limits: Option<QuotaLimits>) {
        let Kind::Unnamed { id, reserved, .. } = self.kind else { return };
        names.give_up_unnamed(id, reserved, upload, limits).await;
        self.kind = Kind::Settled;
    }

    /// A program has moved or removed the file before it had its name.
    pub fn taken_away(&mut self) {
        if let Kind::Unnamed { id, reserved, .. } = std::mem::replace(&mut self.kind, Kind::Settled) {
            self.ledger.unnamed_ends(id);
            self.ledger.release_unnamed(reserved);
        }
    }

    /// Whether the file may get its name; `replaced`: the file that has it now.
    ///
    /// # Errors
    /// `Exceeded`
    pub fn check_completion(
        &self,
        names: &NamespaceGuard<'_>,
        replaced: Option<&Metadata>,
        limits: QuotaLimits,
    ) -> Result<(), QuotaError> {
        match &self.kind {
            Kind::Unnamed { reserved, .. } => names.check_completion(*reserved, replaced, limits),
            Kind::InPlace(_) | Kind::Settled => Ok(()),
        }
    }
}
