//! The end of a transfer: complete, decided by hooks, or given up.

use super::FileError;
use super::open_file::{Opened, OpenedAs};
use crate::ports::storage::{Discard, Finished, Writing};

impl Opened {
    /// Ends a download. It has failed unless the client has read the file to its end, from wherever it began: it
    /// may have continued an earlier download (A5-13).
    pub(super) fn end_download(&mut self) {
        let size = self.existed.map_or(0, |existed| existed.size);
        if self.read.is_internal_only() {
            self.transfer.set_internal();
        } else if !self.read.is_all_of(size) {
            self.transfer.fail_with("not all of the file was read");
        } else if !self.transfer.failed() {
            self.transfer.complete(std::time::Instant::now());
        }
    }

    /// Asks the hooks whether the upload gets its name, or may keep it (B10-08).
    ///
    /// # Errors
    /// The quota has no room, the name no longer leads to the file, or a hook refuses.
    pub(super) async fn ask_hooks(&mut self) -> Result<(), FileError> {
        // Hooks are not asked about an upload that the quota refuses.
        self.check_completion().await?;
        if let Err(error) = self.require_its_name().await {
            self.is_refused = true;
            self.transfer.fail_with("the file has another name than when it was opened, so no hook could look at it");
            return Err(error);
        }
        let shown = match self.upload() {
            Some(upload) => Some(upload.show().await?),
            None => None,
        };
        let verdict = self.transfer.ask(shown).await;
        self.is_refused = verdict.is_err();
        verdict
    }

    /// Checks that the name with which the file was opened still leads to it. Hooks look at the file by its name,
    /// and would judge another file there in its place.
    async fn require_its_name(&self) -> Result<(), FileError> {
        if !self.options.provisional {
            return Ok(());
        }
        let (name, expected) = match self.upload() {
            Some(_) => match self.provisional.as_ref().and_then(|provisional| provisional.directory) {
                Some(directory) => (self.place.parent(), Some(directory)),
                // No directory could have been renamed.
                None => return Ok(()),
            },
            None => (self.place.path().clone(), Some(self.file.file().metadata().await?.id)),
        };
        match self.files.tree().metadata(&name).await {
            Ok(named) if Some(named.id) == expected => Ok(()),
            Ok(_) | Err(_) => Err(FileError::Denied),
        }
    }

    async fn check_completion(&mut self) -> Result<(), FileError> {
        if self.quota.is_none() {
            self.follow_account().await?;
        }
        let (Some(quota), Some(upload)) = (&self.quota, self.upload()) else { return Ok(()) };
        let names = quota.ledger().names(|| self.files.scan_tree(&self.place)).await?;
        let replaced = upload.replaces().await;
        Ok(quota.check_completion(&names, replaced.as_ref(), self.limits())?)
    }

    /// Gives an upload its name, and counts the file and the one that it replaces.
    pub(super) async fn finish(&mut self) -> Result<(), FileError> {
        // A store puts all of the object together.
        let files = self.files.clone();
        let _waits = files.session.live.long_request_began();
        if self.quota.is_none() {
            self.follow_account().await?;
        }
        // A hook may have moved the file, into a quarantine for instance.
        let is_elsewhere = self.upload().is_none() && self.require_its_name().await.is_err();
        let limits = self.limits();
        let OpenedAs::Writing(file) = &self.file else { return Ok(()) };
        let Some(quota) = &mut self.quota else {
            match file {
                Writing::InPlace(file) => file.approve(),
                Writing::Upload(upload) => drop(upload.finish().await?),
            }
            return Ok(());
        };
        let ledger = quota.ledger().clone();
        let names = ledger.names(|| self.files.scan_tree(&self.place)).await?;
        let replaced = match file {
            Writing::InPlace(file) => {
                file.approve();
                if is_elsewhere {
                    names.moved_away();
                }
                None
            }
            Writing::Upload(upload) => {
                let expected = upload.replaces().await;
                if let Err(error) = quota.check_completion(&names, expected.as_ref(), limits) {
                    quota.give_up(&names, &**upload, None).await;
                    return Err(error.into());
                }
                let is_remote = self.files.is_remote();
                let unanswered = is_remote.then(|| ledger.unanswered(self.files.scan_tree(&self.place)));
                let finished = upload.finish().await;
                if let Some(unanswered) = unanswered {
                    unanswered.answered(&finished);
                }
                match finished? {
                    Finished::Named { replaced } => replaced,
                    Finished::TakenAway => {
                        quota.taken_away();
                        return Ok(());
                    }
                }
            }
        };
        let now = file.file().metadata().await?;
        quota.complete(&names, &now, replaced.as_ref());
        ledger.settle_doubt(|| self.files.scan_tree(&self.place));
        Ok(())
    }

    /// What is removed of an upload that failed or will not be finished; None: nothing is.
    pub(super) fn to_discard(&self) -> Option<Discard> {
        if !self.options.write {
            return None;
        }
        // A10-03: a file that other uploads write as well is not removed.
        let is_alone = match &self.quota {
            Some(quota) => quota.is_unnamed() || quota.is_only_writer(),
            None => self.upload().is_some() || !self.options.append,
        };
        match self.transfer.failed_by_quota() && self.is_all_its_own() && is_alone {
            _ if self.is_refused => Some(Discard::Everything),
            true => Some(Discard::Everything),
            // Without the hooks' verdict a provisional upload must not stay (B10-08).
            false => self.options.provisional.then_some(Discard::Written),
        }
    }

    /// Whether everything in the file was written by this upload.
    fn is_all_its_own(&self) -> bool {
        self.existed.is_none() || self.options.truncate
    }

    /// Ends an upload that failed: removes or keeps what was written, and counts it.
    pub(super) async fn give_up(&mut self) {
        let (discard, limits) = (self.to_discard(), self.limits());
        let OpenedAs::Writing(file) = &self.file else { return };
        let Some(quota) = &mut self.quota else {
            match (file, discard) {
                (file, Some(what)) => file.discard(what),
                (Writing::Upload(upload), None) => drop(upload.abandon().await),
                (Writing::InPlace(_), None) => {}
            }
            return;
        };
        let ledger = quota.ledger().clone();
        // If the lock cannot be had, the upload is counted when it is dropped.
        let Ok(names) = ledger.names(|| self.files.scan_tree(&self.place)).await else {
            return;
        };
        let file = match file {
            Writing::Upload(upload) => {
                let limits = discard.is_none().then_some(limits);
                return quota.give_up(&names, &**upload, limits).await;
            }
            Writing::InPlace(file) => file,
        };
        let before = file.metadata().await.ok();
        if let Some(what) = discard {
            file.discard(what);
        }
        let Ok(now) = file.metadata().await else { return };
        if let Some(before) = before.filter(|before| before.links > 0 && now.links == 0) {
            names.removed(&before);
        }
        quota.complete(&names, &now, None);
    }

    /// Ends a transfer that was not closed. What is left of an upload is counted in the background.
    pub(super) fn end(self) {
        let (discard, limits) = (self.to_discard(), self.limits());
        let OpenedAs::Writing(file) = self.file else { return };
        if let Some(what) = discard {
            // Done here and not in the background, because the server may be about to stop.
            file.discard(what);
        }
        match self.quota {
            Some(mut quota) => {
                let tree = self.files.is_remote().then(|| self.files.scan_tree(&self.place));
                quota.abandon(file, limits, tree);
            }
            None => {
                drop(file);
                // A limit may have been set since the last write.
                self.files.uncounted();
            }
        }
    }
}
