//! What changes while a session lasts: its account, which an administrator may edit, and the
//! transfers under way.

use core::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};
use serde::Serialize;

use super::EndReason;
use crate::account::EffectiveAccount;
use crate::pace::Pace;
use crate::ports::{Clock, SystemClock};

/// KB of bandwidth limits, in bytes (A5-17).
const KILOBYTE: u64 = 1000;

#[derive(Debug)]
pub struct LiveSession {
    account: ArcSwap<EffectiveAccount>,
    address: IpAddr,
    /// Bytes a second; 0: unlimited.
    upload_rate: AtomicU64,
    download_rate: AtomicU64,
    /// Whether there is a limit to what the account transfers in all.
    limits_volume: AtomicBool,
    /// Milliseconds since 1970.
    last_activity: AtomicI64,
    /// Of ended transfers that were ahead of their limit, up and down (A5-17).
    debts: Mutex<(Pace, Pace)>,
    transfers: Mutex<Vec<Arc<ActiveTransfer>>>,
    /// Under way.
    commands: AtomicUsize,
    /// Open files and directories of all its channels.
    pub handles: AtomicUsize,
    /// Protocol and command of the channel that was opened last.
    channel: Mutex<(&'static str, String)>,
    end_reason: Mutex<Option<EndReason>>,
    /// A hook has said yes to it, or nothing had to: its end is told of.
    created: AtomicBool,
}

/// One file on its way.
#[derive(Debug)]
pub struct ActiveTransfer {
    pub upload: bool,
    /// What the client sees.
    pub path: String,
    /// Milliseconds since 1970.
    pub started_at: i64,
    size: AtomicU64,
}

/// As administrators see it (A18-03).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TransferView {
    pub operation_type: &'static str,
    pub path: String,
    pub start_time: i64,
    pub size: u64,
    pub last_activity: i64,
}

impl ActiveTransfer {
    pub fn new(upload: bool, path: String, started_at: i64) -> Self {
        Self { upload, path, started_at, size: AtomicU64::new(0) }
    }

    pub fn moved(&self, bytes: u64) {
        self.size.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// A command of a session.
pub struct RunningCommand<'a>(&'a LiveSession);

impl Drop for RunningCommand<'_> {
    fn drop(&mut self) {
        self.0.commands.fetch_sub(1, Ordering::Relaxed);
    }
}

impl LiveSession {
    /// `address`: of the client, for limits by network.
    pub fn new(account: Arc<EffectiveAccount>, address: IpAddr, now: i64) -> Self {
        let live = Self {
            account: ArcSwap::new(account.clone()),
            address,
            upload_rate: AtomicU64::new(0),
            download_rate: AtomicU64::new(0),
            limits_volume: AtomicBool::new(false),
            last_activity: AtomicI64::new(now),
            debts: Mutex::default(),
            transfers: Mutex::default(),
            commands: AtomicUsize::new(0),
            handles: AtomicUsize::new(0),
            channel: Mutex::new(("SSH", String::new())),
            end_reason: Mutex::default(),
            created: AtomicBool::new(false),
        };
        live.set_rates(&account);
        live
    }

    pub fn account(&self) -> Guard<Arc<EffectiveAccount>> {
        self.account.load()
    }

    /// An administrator changed the account: what is under way follows.
    pub fn replace_account(&self, account: Arc<EffectiveAccount>) {
        self.set_rates(&account);
        self.account.store(account);
    }

    fn set_rates(&self, account: &EffectiveAccount) {
        let (upload, download) = account.bandwidth_for(self.address);
        let bytes = |kilobytes: i64| u64::try_from(kilobytes).unwrap_or(0).saturating_mul(KILOBYTE);
        self.upload_rate.store(bytes(upload), Ordering::Relaxed);
        self.download_rate.store(bytes(download), Ordering::Relaxed);
        self.limits_volume.store(!account.volume.is_unlimited(), Ordering::Relaxed);
    }

    pub fn limits_volume(&self) -> bool {
        self.limits_volume.load(Ordering::Relaxed)
    }

    /// Bytes a second for one transfer; 0: unlimited.
    pub fn rate(&self, upload: bool) -> u64 {
        if upload { &self.upload_rate } else { &self.download_rate }.load(Ordering::Relaxed)
    }

    /// Of both directions, up and down.
    pub fn rates(&self) -> (u64, u64) {
        (self.rate(true), self.rate(false))
    }

    pub fn is_throttled(&self) -> bool {
        self.rates() != (0, 0)
    }

    /// A transfer ended. If its limit did not allow that yet, the next ones begin as far ahead
    /// as it was, or many short ones would have no limit.
    pub fn owes(&self, upload: bool, pace: &Pace) {
        if pace.is_ahead() {
            let mut debts = self.debts.lock().unwrap_or_else(PoisonError::into_inner);
            let debt = if upload { &mut debts.0 } else { &mut debts.1 };
            debt.catch_up_with(pace);
        }
    }

    /// What a transfer begins with.
    pub fn debt(&self, upload: bool) -> Pace {
        let debts = self.debts.lock().unwrap_or_else(PoisonError::into_inner);
        if upload { debts.0.next() } else { debts.1.next() }
    }

    pub fn note_created(&self) {
        self.created.store(true, Ordering::Relaxed);
    }

    pub fn is_created(&self) -> bool {
        self.created.load(Ordering::Relaxed)
    }

    pub fn active(&self, now: i64) {
        self.last_activity.store(now, Ordering::Relaxed);
    }

    /// Something moves.
    pub fn moves(&self) {
        self.active(SystemClock.now());
    }

    /// Milliseconds since 1970.
    pub fn last_activity(&self) -> i64 {
        self.last_activity.load(Ordering::Relaxed)
    }

    pub fn transfer_began(&self, transfer: Arc<ActiveTransfer>) {
        self.transfers.lock().unwrap_or_else(PoisonError::into_inner).push(transfer);
    }

    pub fn transfer_ended(&self, transfer: &Arc<ActiveTransfer>) {
        let mut transfers = self.transfers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = transfers.iter().position(|other| Arc::ptr_eq(other, transfer)) {
            transfers.swap_remove(at);
        }
    }

    pub fn transfers(&self) -> Vec<TransferView> {
        let transfers = self.transfers.lock().unwrap_or_else(PoisonError::into_inner);
        let view = |transfer: &Arc<ActiveTransfer>| TransferView {
            operation_type: if transfer.upload { "upload" } else { "download" },
            path: transfer.path.clone(),
            start_time: transfer.started_at,
            size: transfer.size.load(Ordering::Relaxed),
            last_activity: self.last_activity(),
        };
        transfers.iter().map(view).collect()
    }

    /// A command runs until what is given back is dropped.
    pub fn command_began(&self) -> RunningCommand<'_> {
        self.commands.fetch_add(1, Ordering::Relaxed);
        RunningCommand(self)
    }

    /// Whether it would lose something if it ended now.
    pub fn has_work(&self) -> bool {
        self.commands.load(Ordering::Relaxed) > 0
            || !self.transfers.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    pub fn channel_opened(&self, protocol: &'static str, ssh_command: &str) {
        *self.channel.lock().unwrap_or_else(PoisonError::into_inner) = (protocol, ssh_command.to_owned());
    }

    /// Protocol and command, of the channel that was opened last.
    pub fn channel(&self) -> (&'static str, String) {
        self.channel.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The first reason stays.
    pub fn ends_because(&self, reason: EndReason) {
        self.end_reason.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
    }

    pub fn end_reason(&self) -> Option<EndReason> {
        *self.end_reason.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
