//! The part of a session that changes while it lasts: its account, which an administrator may edit, and the
//! transfers under way.

use core::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::{ArcSwap, Guard};
use serde::Serialize;

use super::EndReason;
use super::recent_bytes::RecentBytes;
use crate::account::EffectiveAccount;
use crate::hook::{DecidingCall, LastDecision};
use crate::pace::Pace;
use crate::ports::{Clock, SessionRecords, SystemClock};

/// Bytes in a KB of bandwidth limits (A5-17).
const KILOBYTE: u64 = 1000;
/// In the place of a number of bytes. No file is that large.
const UNKNOWN: u64 = u64::MAX;

/// The state of a session that changes; shared by its channels, the session watch and administration.
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
    /// The paces of ended uploads and downloads that were ahead of their limit (A5-17).
    debts: Mutex<(Pace, Pace)>,
    transfers: Mutex<Vec<Arc<ActiveTransfer>>>,
    /// The number of commands that are running.
    commands: AtomicUsize,
    /// The number of requests under way that may take long.
    long_requests: AtomicUsize,
    /// The number of open files and directories of all SFTP channels of the session.
    pub handles: AtomicUsize,
    /// Protocol and command of the channel that was opened last.
    channel: Mutex<(&'static str, String)>,
    end_reason: Mutex<Option<EndReason>>,
    /// Whether a `session-create` hook has allowed the session, or none had to: `session-destroy` hooks are
    /// told of its end.
    created: AtomicBool,
    record: OnceLock<KeptRecord>,
    /// The hook that has decided about the login, if one has.
    login_decision: OnceLock<Arc<DecidingCall>>,
    /// The hook that has decided about an operation on files last.
    file_decision: LastDecision,
}

/// There is a record of a session, until hooks were told of its end.
#[derive(Debug)]
struct KeptRecord {
    records: Arc<dyn SessionRecords>,
    /// The hooks that an earlier process has told, each as often as it did.
    told_before: Vec<String>,
}

/// One file that is being transferred.
#[derive(Debug)]
pub struct ActiveTransfer {
    /// Whether the file goes from the client to the server.
    pub upload: bool,
    /// The virtual path of the file.
    pub path: String,
    /// When the transfer began, in milliseconds since 1970.
    pub started_at: i64,
    /// Where in the file it began.
    offset: AtomicU64,
    size: AtomicU64,
    recent: RecentBytes,
    /// The size that the file has or will have; [`UNKNOWN`]: that is not known.
    total: AtomicU64,
}

/// A transfer as administrators see it (A18-03).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TransferView {
    /// `upload` or `download`.
    pub operation_type: &'static str,
    /// The virtual path of the file.
    pub path: String,
    /// Milliseconds since 1970.
    pub start_time: i64,
    /// Where in the file it began: a transfer that goes on after an earlier one leaves out what that has moved.
    pub offset: u64,
    /// Bytes moved so far.
    pub size: u64,
    /// Bytes a second, over the last seconds.
    pub rate: u64,
    /// The size of the whole file, where it has one or the client named one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// The session's last activity, in milliseconds since 1970.
    pub last_activity: i64,
}

impl ActiveTransfer {
    /// A transfer with no byte moved yet; `started_at`: milliseconds since 1970.
    pub fn new(upload: bool, path: String, started_at: i64) -> Self {
        Self {
            upload,
            path,
            started_at,
            offset: AtomicU64::new(0),
            size: AtomicU64::new(0),
            recent: RecentBytes::default(),
            total: AtomicU64::new(UNKNOWN),
        }
    }

    /// Notes the size of the whole file.
    pub fn expects(&self, total: u64) {
        self.total.store(total, Ordering::Relaxed);
    }

    /// Notes where in the file the transfer began.
    pub fn begins_at(&self, offset: u64) {
        self.offset.store(offset, Ordering::Relaxed);
    }

    /// Counts bytes that were moved at the time `now`, in milliseconds since 1970. One task calls it at a time.
    pub fn moved(&self, bytes: u64, now: i64) {
        self.size.fetch_add(bytes, Ordering::Relaxed);
        self.recent.add(bytes, now);
    }

    /// The transfer as it is at the time `now`.
    fn view(&self, now: i64, last_activity: i64) -> TransferView {
        TransferView {
            operation_type: if self.upload { "upload" } else { "download" },
            path: self.path.clone(),
            start_time: self.started_at,
            offset: self.offset.load(Ordering::Relaxed),
            size: self.size.load(Ordering::Relaxed),
            rate: self.recent.rate(self.started_at, now),
            total: Some(self.total.load(Ordering::Relaxed)).filter(|total| *total != UNKNOWN),
            last_activity,
        }
    }
}

/// A running command of a session; it counts as ended when this is dropped.
pub struct RunningCommand<'a>(&'a LiveSession);

impl Drop for RunningCommand<'_> {
    fn drop(&mut self) {
        self.0.commands.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request of a session that may take long; it counts as answered when this is dropped.
pub struct LongRequest<'a>(&'a LiveSession);

impl Drop for LongRequest<'_> {
    fn drop(&mut self) {
        self.0.moves();
        self.0.long_requests.fetch_sub(1, Ordering::Relaxed);
    }
}

impl LiveSession {
    /// `address`: the client's, for limits by network; `now`: milliseconds since 1970.
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
            long_requests: AtomicUsize::new(0),
            handles: AtomicUsize::new(0),
            channel: Mutex::new(("SSH", String::new())),
            end_reason: Mutex::default(),
            created: AtomicBool::new(false),
            record: OnceLock::new(),
            login_decision: OnceLock::new(),
            file_decision: LastDecision::default(),
        };
        live.set_rates(&account);
        live
    }

    /// The account as it is now.
    pub fn account(&self) -> Guard<Arc<EffectiveAccount>> {
        self.account.load()
    }

    /// Puts a changed account in force, also for transfers under way.
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

    /// Whether the account has a limit to what it transfers in all (A10-09).
    pub fn limits_volume(&self) -> bool {
        self.limits_volume.load(Ordering::Relaxed)
    }

    /// Bytes a second for one transfer; 0: unlimited.
    pub fn rate(&self, upload: bool) -> u64 {
        if upload { &self.upload_rate } else { &self.download_rate }.load(Ordering::Relaxed)
    }

    /// The [rates](Self::rate) of uploads and downloads.
    pub fn rates(&self) -> (u64, u64) {
        (self.rate(true), self.rate(false))
    }

    /// Whether there is a bandwidth limit in one direction at least.
    pub fn is_throttled(&self) -> bool {
        self.rates() != (0, 0)
    }

    /// A transfer has ended with this pace. If it was ahead of its limit, the next ones begin as far ahead,
    /// or many short ones would have no limit.
    pub fn owes(&self, upload: bool, pace: &Pace) {
        if pace.is_ahead() {
            let mut debts = self.debts.lock().unwrap_or_else(PoisonError::into_inner);
            let debt = if upload { &mut debts.0 } else { &mut debts.1 };
            debt.catch_up_with(pace);
        }
    }

    /// The pace that a new transfer begins with.
    pub fn debt(&self, upload: bool) -> Pace {
        let debts = self.debts.lock().unwrap_or_else(PoisonError::into_inner);
        if upload { debts.0.next() } else { debts.1.next() }
    }

    /// Notes that `session-create` hooks have allowed the session.
    pub fn note_created(&self) {
        self.created.store(true, Ordering::Relaxed);
    }

    /// Whether [`note_created`](Self::note_created) was called.
    pub fn is_created(&self) -> bool {
        self.created.load(Ordering::Relaxed)
    }

    /// Notes that there is a record of the session. `told_before`: the hooks that were told of its end by an earlier process.
    pub(crate) fn is_on_record(&self, records: Arc<dyn SessionRecords>, told_before: Vec<String>) {
        // There is one record of a session.
        let _ = self.record.set(KeptRecord { records, told_before });
    }

    /// Where a record of the session is; None: there is none.
    pub(super) fn records(&self) -> Option<&Arc<dyn SessionRecords>> {
        self.record.get().map(|record| &record.records)
    }

    /// The hooks that an earlier process has told of the session's end, each as often as it did.
    pub(crate) fn told_before(&self) -> &[String] {
        self.record.get().map(|record| &*record.told_before).unwrap_or_default()
    }

    /// Notes which hook has decided about the login; None: the server alone has.
    pub fn login_was_decided(&self, call: Option<Arc<DecidingCall>>) {
        if let Some(call) = call {
            // There is one login of a session.
            let _ = self.login_decision.set(call);
        }
    }

    /// Where it is kept which hook has decided about an operation on files.
    pub(super) fn file_decision(&self) -> &LastDecision {
        &self.file_decision
    }

    /// The calls that have decided: about the login, and about the last operation on files that a hook did not leave to
    /// the server.
    pub fn decisions(&self) -> Vec<Arc<DecidingCall>> {
        self.login_decision.get().cloned().into_iter().chain(self.file_decision.call()).collect()
    }

    /// Sets the time of the last activity, in milliseconds since 1970.
    pub fn active(&self, now: i64) {
        self.last_activity.store(now, Ordering::Relaxed);
    }

    /// Sets the time of the last activity to now.
    pub fn moves(&self) {
        self.active(SystemClock.now());
    }

    /// When the session last moved bytes or sent a request, in milliseconds since 1970.
    pub fn last_activity(&self) -> i64 {
        self.last_activity.load(Ordering::Relaxed)
    }

    /// Adds a transfer to those under way.
    pub fn transfer_began(&self, transfer: Arc<ActiveTransfer>) {
        self.transfers.lock().unwrap_or_else(PoisonError::into_inner).push(transfer);
    }

    /// Removes a transfer from those under way.
    pub fn transfer_ended(&self, transfer: &Arc<ActiveTransfer>) {
        let mut transfers = self.transfers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = transfers.iter().position(|other| Arc::ptr_eq(other, transfer)) {
            transfers.swap_remove(at);
        }
    }

    /// The transfers under way.
    pub fn transfers(&self) -> Vec<TransferView> {
        let (now, last_activity) = (SystemClock.now(), self.last_activity());
        let transfers = self.transfers.lock().unwrap_or_else(PoisonError::into_inner);
        transfers.iter().map(|transfer| transfer.view(now, last_activity)).collect()
    }

    /// Counts a command as running until the answer is dropped.
    pub fn command_began(&self) -> RunningCommand<'_> {
        self.commands.fetch_add(1, Ordering::Relaxed);
        RunningCommand(self)
    }

    /// Counts a request as under way until the answer is dropped. A client that waits for it is not idle, though nothing
    /// moves here: a store may copy for long (A4-13).
    pub fn long_request_began(&self) -> LongRequest<'_> {
        self.long_requests.fetch_add(1, Ordering::Relaxed);
        LongRequest(self)
    }

    /// Whether the client waits for a request that may take long.
    pub fn waits(&self) -> bool {
        self.long_requests.load(Ordering::Relaxed) > 0
    }

    /// Whether ending the session now would break off a transfer or a command.
    pub fn has_work(&self) -> bool {
        self.commands.load(Ordering::Relaxed) > 0
            || !self.transfers.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Notes the protocol and command of a channel that was opened.
    pub fn channel_opened(&self, protocol: &'static str, ssh_command: &str) {
        *self.channel.lock().unwrap_or_else(PoisonError::into_inner) = (protocol, ssh_command.to_owned());
    }

    /// The protocol and the command of the channel that was opened last.
    pub fn channel(&self) -> (&'static str, String) {
        self.channel.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes why the session ends; only the first reason is kept.
    pub fn ends_because(&self, reason: EndReason) {
        self.end_reason.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
    }

    /// Why the session ends, if that is known already.
    pub fn end_reason(&self) -> Option<EndReason> {
        *self.end_reason.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
