//! How a transfer ends: complete, with the hooks' verdict, or given up.

use super::FileError;
use super::open_file::Opened;
use super::storage::Discard;
use crate::quota::limits_of;

impl Opened {
    /// A client that has not got all of the file has not downloaded it (A5-13). One that
    /// continues an earlier download has.
    pub(super) fn end_download(&mut self) {
        let size = self.existed.map_or(0, |existed| existed.size);
        if self.seen.is_nothing_but_inside() {
            self.transfer.dismiss();
        } else if !self.seen.is_all_of(size) {
            self.transfer.fail_with("not all of the file was read");
        } else if !self.transfer.failed() {
            self.transfer.complete(std::time::Instant::now());
        }
    }

    /// The hooks decide before an upload gets its name, or may keep it (B10-08).
    pub(super) async fn ask_hooks(&mut self) -> Result<(), FileError> {
        // They are not asked about what there is no room for.
        self.check_completion().await?;
        let shown = self.file.show().await?;
        let verdict = self.transfer.ask(shown).await;
        self.is_refused = verdict.is_err();
        verdict
    }

    async fn check_completion(&mut self) -> Result<(), FileError> {
        if self.quota.is_none() {
            self.follow_account().await?;
        }
        let Some(quota) = &self.quota else { return Ok(()) };
        let names = quota.ledger().names(|| self.files.scan_tree(&self.path)).await?;
        let replaced = self.file.replaces().await;
        Ok(quota.check_completion(&names, replaced.as_ref(), self.limits())?)
    }

    /// Puts the file in its place, and counts what it replaces.
    pub(super) async fn finish(&mut self) -> Result<(), FileError> {
        if self.quota.is_none() {
            self.follow_account().await?;
        }
        let Some(quota) = &mut self.quota else {
            self.file.finish().await?;
            return Ok(());
        };
        let ledger = quota.ledger().clone();
        let names = ledger.names(|| self.files.scan_tree(&self.path)).await?;
        let replaced = self.file.replaces().await;
        let limits = limits_of(&self.files.account(), &self.path);
        if let Err(error) = quota.check_completion(&names, replaced.as_ref(), limits) {
            quota.give_up(&names, &*self.file, true).await;
            return Err(error.into());
        }
        if self.file.finish().await? {
            let now = self.file.metadata().await?;
            quota.complete(&names, &now, replaced.as_ref());
            ledger.settle_doubt(|| self.files.scan_tree(&self.path));
        } else {
            quota.taken_away();
        }
        Ok(())
    }

    /// What is not to stay of an upload that failed or will not be finished.
    pub(super) fn to_discard(&self) -> Option<Discard> {
        if !self.options.write {
            return None;
        }
        // A10-03: unless others write the same file.
        let is_alone = match &self.quota {
            Some(quota) => quota.is_unnamed() || quota.is_only_writer(),
            None => self.file.is_unnamed() || !self.options.append,
        };
        match self.transfer.failed_by_quota() && self.is_all_its_own() && is_alone {
            _ if self.is_refused => Some(Discard::Everything),
            true => Some(Discard::Everything),
            // Only the hooks' verdict lets it stay (B10-08).
            false => self.options.provisional.then_some(Discard::Written),
        }
    }

    /// Nothing is in the file but what this upload wrote.
    fn is_all_its_own(&self) -> bool {
        self.existed.is_none() || self.options.truncate
    }

    /// An upload that failed.
    pub(super) async fn give_up(&mut self) {
        let discard = self.to_discard();
        let Some(quota) = &mut self.quota else {
            match discard {
                Some(what) => self.file.discard(what),
                None => {
                    self.file.abandon(false).await;
                }
            }
            return;
        };
        let ledger = quota.ledger().clone();
        // Without the lock, dropping it counts it later.
        let Ok(names) = ledger.names(|| self.files.scan_tree(&self.path)).await else {
            return;
        };
        if quota.is_unnamed() {
            quota.give_up(&names, &*self.file, discard.is_some()).await;
            return;
        }
        let before = self.file.metadata().await.ok();
        if let Some(what) = discard {
            self.file.discard(what);
        }
        let Ok(now) = self.file.metadata().await else { return };
        if let Some(before) = before.filter(|before| before.links > 0 && now.links == 0) {
            names.removed(&before);
        }
        quota.complete(&names, &now, None);
    }

    /// What was not closed, or could not be, is counted a moment later.
    pub(super) fn end(self) {
        if let Some(what) = self.to_discard() {
            // At once, and not with the count: the server may be about to stop.
            self.file.discard(what);
        }
        let Self { quota, file, files, options, .. } = self;
        match quota {
            Some(mut quota) => quota.abandon(file),
            None if options.write => {
                drop(file);
                // A limit may have been set since it was last written to.
                files.uncounted();
            }
            None => {}
        }
    }
}
