//! The quota's side of one upload.

use std::sync::Arc;

use super::ledger::{Abandoned, GrowTo, Ledger};
use super::namespace::NamespaceGuard;
use super::{QuotaError, QuotaLimits, UsedQuota};
use crate::ports::storage::{FileId, Metadata, Upload, Writing};

/// What one open file counts for its ledger.
pub struct UploadQuota {
    ledger: Arc<Ledger>,
    kind: Kind,
}

enum Kind {
    /// Written under its name, with others perhaps.
    InPlace(FileId),
    /// Gets its name when it is complete.
    Unnamed {
        id: FileId,
        /// What was counted for it.
        reserved: UsedQuota,
        /// Bytes of the file that it will replace.
        credit: i64,
    },
    Settled,
}

impl UploadQuota {
    /// `is_new`: there was no such file before.
    pub fn in_place(ledger: Arc<Ledger>, names: &NamespaceGuard<'_>, metadata: &Metadata, is_new: bool) -> Self {
        names.opened(metadata, is_new);
        Self { ledger, kind: Kind::InPlace(metadata.id) }
    }

    /// `replaces`: the size of the file that is there now, if there is one. Without one, the
    /// new file is counted at once.
    pub fn unnamed(
        ledger: Arc<Ledger>,
        id: FileId,
        replaces: Option<u64>,
        limits: QuotaLimits,
    ) -> Result<Self, QuotaError> {
        let reserved = UsedQuota { size: 0, files: i64::from(replaces.is_none()) };
        let credit = replaces.map_or(0, |size| i64::try_from(size).unwrap_or(i64::MAX));
        ledger.reserve_unnamed(reserved, limits, credit)?;
        ledger.unnamed_begins(id);
        Ok(Self { ledger, kind: Kind::Unnamed { id, reserved, credit } })
    }

    /// Before bytes up to `end` are written.
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

    /// Before `bytes` are written behind the end of the file.
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

    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Whether no other open file writes to the file under its name.
    pub fn is_only_writer(&self) -> bool {
        matches!(&self.kind, Kind::InPlace(id) if self.ledger.has_one_writer(*id))
    }

    pub fn is_unnamed(&self) -> bool {
        matches!(self.kind, Kind::Unnamed { .. })
    }

    /// The size was set through the open file.
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

    /// The file is complete. `now`: as the file system says; `replaced`: what had its name.
    pub fn complete(&mut self, names: &NamespaceGuard<'_>, now: &Metadata, replaced: Option<&Metadata>) {
        match std::mem::replace(&mut self.kind, Kind::Settled) {
            Kind::InPlace(_) => names.closed(now),
            Kind::Unnamed { id, reserved, .. } => names.named(id, reserved, now.size, replaced),
            Kind::Settled => {}
        }
    }

    /// The upload ends without being completed; it is counted a moment later. `limits`: that what is
    /// kept of it has to hold.
    pub fn abandon(&mut self, file: Writing, limits: QuotaLimits) {
        match (std::mem::replace(&mut self.kind, Kind::Settled), file) {
            (Kind::InPlace(id), Writing::InPlace(file)) => self.ledger.abandon(Abandoned::InPlace(id, file)),
            (Kind::Unnamed { id, reserved, .. }, Writing::Upload(upload)) => {
                self.ledger.abandon(Abandoned::Unnamed(id, reserved, limits, upload));
            }
            (Kind::Settled, _) => {}
            // Of another file than was counted: only the files can say what there is.
            (Kind::InPlace(_) | Kind::Unnamed { .. }, _) => self.ledger.invalidate(),
        }
    }

    /// As [`abandon`](Self::abandon), at once, for an upload without a name; without `limits`
    /// nothing of it is kept.
    pub async fn give_up(&mut self, names: &NamespaceGuard<'_>, upload: &dyn Upload, limits: Option<QuotaLimits>) {
        if let Kind::Unnamed { id, reserved, .. } = std::mem::replace(&mut self.kind, Kind::Settled) {
            names.give_up_unnamed(id, reserved, upload, limits).await;
        }
    }

    /// A program took the file away before it had its name.
    pub fn taken_away(&mut self) {
        if let Kind::Unnamed { id, reserved, .. } = std::mem::replace(&mut self.kind, Kind::Settled) {
            self.ledger.unnamed_ends(id);
            self.ledger.release_unnamed(reserved);
        }
    }

    /// Before the file gets its name; `replaced`: what has it now.
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
