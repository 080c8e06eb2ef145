//! Transferred volumes: the bytes that an account has moved in all its sessions, and their limits (A10-09).

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::keeper::QuotaPorts;
use super::sending::{Failed, Sending};
use super::{Limit, QuotaError, Tracking};
use crate::account::EffectiveAccount;
use crate::ports::AccountKey;

/// Bytes that were transferred, or are about to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Transferred {
    /// Bytes from the client.
    pub up: u64,
    /// Bytes to the client.
    pub down: u64,
}

impl Transferred {
    /// Whether no bytes were moved.
    pub fn is_zero(self) -> bool {
        self == Self::default()
    }
}

/// Limits of transferred bytes. All that are set hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VolumeLimits {
    /// The most bytes from the client.
    pub up: Limit,
    /// The most bytes to the client.
    pub down: Limit,
    /// The most bytes of both directions together.
    pub total: Limit,
}

impl VolumeLimits {
    /// Whether there is no limit at all.
    pub fn is_unlimited(self) -> bool {
        self == Self::default()
    }

    /// Whether `used` is more than may be, after something that moved `by`.
    fn are_exceeded(self, used: Transferred, by: Transferred) -> bool {
        let exceeds = |moved: u64, used: u64, limit: Limit| moved > 0 && limit.is_exceeded(used);
        exceeds(by.up, used.up, self.up)
            || exceeds(by.down, used.down, self.down)
            || exceeds(by.up.saturating_add(by.down), used.up.saturating_add(used.down), self.total)
    }
}

/// Counts what one account has transferred; shared by its sessions.
pub struct Volume {
    id: i64,
    /// All bytes, including those that are not stored yet.
    up: AtomicU64,
    down: AtomicU64,
    unsaved_up: AtomicU64,
    unsaved_down: AtomicU64,
    tracking: Tracking,
    ports: Arc<QuotaPorts>,
}

impl Volume {
    fn new(account: &EffectiveAccount, tracking: Tracking, ports: Arc<QuotaPorts>) -> Self {
        let used = |bytes: i64| AtomicU64::new(u64::try_from(bytes).unwrap_or(0));
        Self {
            id: account.id,
            up: used(account.usage.used_upload_data_transfer),
            down: used(account.usage.used_download_data_transfer),
            unsaved_up: AtomicU64::new(0),
            unsaved_down: AtomicU64::new(0),
            tracking,
            ports,
        }
    }

    /// Whether transfers of an account with these limits are counted.
    pub fn counts(&self, limits: VolumeLimits) -> bool {
        self.tracking == Tracking::Always || !limits.is_unlimited()
    }

    /// The bytes so far, including those that are not stored yet.
    pub fn used(&self) -> Transferred {
        Transferred { up: self.up.load(Ordering::Relaxed), down: self.down.load(Ordering::Relaxed) }
    }

    /// Counts bytes that are about to be moved.
    ///
    /// # Errors
    /// `VolumeExceeded` if a limit would be exceeded; then nothing is counted.
    pub fn take(&self, by: Transferred, limits: VolumeLimits) -> Result<(), QuotaError> {
        if !self.counts(limits) || by.is_zero() {
            return Ok(());
        }
        // Added before the comparison, so that parallel sessions see each other's bytes.
        let up = self.up.fetch_add(by.up, Ordering::Relaxed).saturating_add(by.up);
        let down = self.down.fetch_add(by.down, Ordering::Relaxed).saturating_add(by.down);
        if limits.are_exceeded(Transferred { up, down }, by) {
            self.up.fetch_sub(by.up, Ordering::Relaxed);
            self.down.fetch_sub(by.down, Ordering::Relaxed);
            return Err(QuotaError::VolumeExceeded);
        }
        self.unsaved_up.fetch_add(by.up, Ordering::Relaxed);
        self.unsaved_down.fetch_add(by.down, Ordering::Relaxed);
        self.ports.changed.notify_one();
        Ok(())
    }

    /// Whether one more byte may be moved in a direction.
    ///
    /// # Errors
    /// `VolumeExceeded`
    pub fn check(&self, upload: bool, limits: VolumeLimits) -> Result<(), QuotaError> {
        let by = if upload { Transferred { up: 1, down: 0 } } else { Transferred { up: 0, down: 1 } };
        let used = self.used();
        let next = Transferred { up: used.up.saturating_add(by.up), down: used.down.saturating_add(by.down) };
        if limits.are_exceeded(next, by) { Err(QuotaError::VolumeExceeded) } else { Ok(()) }
    }
}

/// The volumes of all accounts that had a session since the server started.
pub struct Volumes {
    tracking: Tracking,
    ports: Arc<QuotaPorts>,
    by_name: Mutex<HashMap<String, Arc<Volume>>>,
    /// Held while something is on its way to the store.
    sending: tokio::sync::Mutex<Sending<(AccountKey, Transferred)>>,
}

impl Volumes {
    pub(super) fn new(tracking: Tracking, ports: Arc<QuotaPorts>) -> Self {
        let sending = tokio::sync::Mutex::new(QuotaPorts::sending(&ports.node, "volumes", &*ports.clock));
        Self { tracking, ports, by_name: Mutex::default(), sending }
    }

    /// The volume of an account; none: volumes are not counted. The first call takes the stored numbers of
    /// `account`; from then on the count in memory is the truth, unless the account was added anew.
    pub fn of(&self, account: &EffectiveAccount) -> Option<Arc<Volume>> {
        if self.tracking == Tracking::Never {
            return None;
        }
        let mut volumes = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(volume) = volumes.get(&account.username).filter(|volume| volume.id >= account.id) {
            return Some(volume.clone());
        }
        let volume = Arc::new(Volume::new(account, self.tracking, self.ports.clone()));
        volumes.insert(account.username.clone(), volume.clone());
        Some(volume)
    }

    /// Stores the bytes that are not stored yet; if that fails, they stay for the next time.
    pub(super) async fn save(&self) {
        if let Err(failed) = self.send().await {
            failed.tell("transferred volumes");
        }
    }

    async fn send(&self) -> Result<(), Failed> {
        let mut sending = self.sending.lock().await;
        // What was not confirmed goes first.
        self.send_next(&mut sending).await?;
        let taken = self.take_unsaved();
        if taken.is_empty() {
            return Ok(());
        }
        sending.put(taken);
        self.send_next(&mut sending).await
    }

    async fn send_next(&self, sending: &mut Sending<(AccountKey, Transferred)>) -> Result<(), Failed> {
        let Some((batch, changes)) = sending.batch() else { return Ok(()) };
        let answer = self.ports.store.add_transferred(Some(batch), changes).await;
        sending.answered(answer)
    }

    fn take_unsaved(&self) -> Vec<(AccountKey, Transferred)> {
        let volumes = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        let unsaved = volumes.iter().map(|(name, volume)| {
            let up = volume.unsaved_up.swap(0, Ordering::Relaxed);
            let down = volume.unsaved_down.swap(0, Ordering::Relaxed);
            (AccountKey { username: name.clone(), id: volume.id }, Transferred { up, down })
        });
        unsaved.filter(|(_, by)| !by.is_zero()).collect()
    }
}
