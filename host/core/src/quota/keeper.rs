//! All ledgers of the server, and the task that saves what they count.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::doubt::pause_after;
use super::ledger::Ledger;
use super::scan::{ScanProgress, ScanTree};
use super::sending::{Failed, Sending};
use super::{QuotaError, Scope, Tracking, UsedQuota, Volumes};
use crate::account::EffectiveAccount;
use crate::hook::observers::ObserverWork;
use crate::ports::{Clock, NodeName, UnmarkedUsages, UnmarkedUsagesInMemory, UsageStore};

/// Changes within this time are saved together.
const SAVE_DELAY: Duration = Duration::from_millis(10);
/// The same, while changes keep coming.
const BUSY_SAVE_DELAY: Duration = Duration::from_millis(100);
/// The time between checks for ledgers that are idle.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// How long files that could not be counted are left alone, where their count is not urgent.
const COUNT_AGAIN: Duration = Duration::from_secs(60);
/// How long, and how many times, the keeper waits for uploads to an account's former files to end.
const ENDS_INTERVAL: Duration = Duration::from_millis(50);
const ENDS_LOOKS: usize = 100;
/// After this time without a change the store is told that a usage is settled.
const IDLE: Duration = Duration::from_secs(5);

/// What all ledgers of a server share.
pub struct QuotaPorts {
    pub(super) store: Arc<dyn UsageStore>,
    /// The node in whose name usages are marked.
    pub(super) node: NodeName,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) changed: Notify,
    /// Held while something is on its way to the store.
    pub(super) order: tokio::sync::Mutex<Sending<(Scope, UsedQuota)>>,
    /// Some ledger has to count its files again.
    pub(super) doubted: Notify,
    /// Usages that go on while the store is away.
    pub(super) unmarked: Arc<dyn UnmarkedUsages>,
}

impl QuotaPorts {
    /// Sends the changes that wait, if there are any.
    pub(super) async fn send(&self, sending: &mut Sending<(Scope, UsedQuota)>) -> Result<(), Failed> {
        let Some((batch, changes)) = sending.batch() else { return Ok(()) };
        let answer = self.store.add_usage(Some(batch), changes, self.clock.now()).await;
        sending.answered(answer)
    }

    /// The store knows now that these usages are in change, or they are gone.
    pub(super) async fn are_marked(&self, scopes: &[Scope]) {
        if let Err(problem) = self.unmarked.remove(scopes).await {
            tracing::warn!(sender = "quota", message = format!("usages will be counted at the next start: {problem}"));
        }
    }

    /// A writer of batches to the store. `what`: what they count.
    pub(super) fn sending<T: Clone>(node: &NodeName, what: &str, clock: &dyn Clock) -> Sending<T> {
        // A process makes fewer batches in a millisecond.
        let first = u64::try_from(clock.now()).unwrap_or(0).saturating_mul(1000);
        Sending::new(format!("{what} of {}", node.0), first)
    }
}

/// The ledgers and volumes of one server.
pub struct QuotaKeeper {
    /// Which usages are counted.
    pub tracking: Tracking,
    /// The transferred volumes of the accounts.
    pub volumes: Volumes,
    ports: Arc<QuotaPorts>,
    ledgers: Mutex<HashMap<Scope, Current>>,
    /// With the time at which each began, in milliseconds since 1970.
    scans: Mutex<HashMap<Scope, (i64, Arc<ScanProgress>)>>,
    closed: watch::Sender<bool>,
}

/// The ledger in use for a scope.
struct Current {
    ledger: Arc<Ledger>,
    /// The files that it counts; none: no session has asked for the ledger yet.
    files: Option<AccountFiles>,
}

/// Identifies the files of an account. An account that was added again, or has another home, has other files
/// than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountFiles {
    /// The account's id, which is never reused.
    pub id: i64,
    /// The account's revision: which of two descriptions is newer.
    pub revision: i64,
    /// The home directory on the host.
    pub home: String,
}

impl AccountFiles {
    /// The files of an account as it is in force.
    pub fn of(account: &EffectiveAccount) -> Self {
        Self { id: account.id, revision: account.user().revision, home: account.home_dir.clone() }
    }

    fn are_those_of(&self, other: &Self) -> bool {
        self.id == other.id && self.home == other.home
    }

    fn are_older_than(&self, other: &Self) -> bool {
        (self.id, self.revision) < (other.id, other.revision)
    }
}

/// A scan under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningScan {
    /// The account or folder.
    pub scope: Scope,
    /// Milliseconds since 1970.
    pub started_at: i64,
    /// Files counted so far.
    pub files: u64,
    /// Directories read so far.
    pub directories: u64,
}

/// A usage that an administrator gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewUsage {
    /// The usage itself.
    Is(UsedQuota),
    /// To be added to the usage; negative values lower it, to 0 at least.
    Add(UsedQuota),
}

/// The result of a scan.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ScanReport {
    /// The account or folder.
    pub scope: Scope,
    /// The usage before the scan.
    pub before: UsedQuota,
    /// The usage that was counted.
    pub found: UsedQuota,
}

/// Why a scan was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// The scope is being scanned already (A10-06).
    #[error("another scan is already in progress")]
    InProgress,
    /// Usages are not counted at all ([`Tracking::Never`]).
    #[error("quotas are not tracked (data_provider.track_quota = 0)")]
    NotTracked,
    /// The store or the count failed.
    #[error(transparent)]
    Quota(#[from] QuotaError),
}

impl QuotaKeeper {
    /// A keeper without ledgers; `node` is this server, among those that share the store.
    pub fn new(store: Arc<dyn UsageStore>, node: NodeName, clock: Arc<dyn Clock>, tracking: Tracking) -> Arc<Self> {
        Self::with_unmarked(store, node, clock, tracking, Arc::new(UnmarkedUsagesInMemory::default()))
    }

    /// As [`new`](Self::new); `unmarked`: what an earlier process of this server has left, and where usages that go on
    /// while the store is away are kept.
    pub fn with_unmarked(
        store: Arc<dyn UsageStore>,
        node: NodeName,
        clock: Arc<dyn Clock>,
        tracking: Tracking,
        unmarked: Arc<dyn UnmarkedUsages>,
    ) -> Arc<Self> {
        let (changed, doubted) = (Notify::new(), Notify::new());
        let order = tokio::sync::Mutex::new(QuotaPorts::sending(&node, "usages", &*clock));
        let ports = Arc::new(QuotaPorts { store, node, clock, changed, order, doubted, unmarked });
        let (ledgers, scans) = (Mutex::default(), Mutex::default());
        let volumes = Volumes::new(tracking, ports.clone());
        Arc::new(Self { tracking, volumes, ports, ledgers, scans, closed: watch::Sender::new(false) })
    }

    /// The ledger in use for the scope.
    pub fn ledger(&self, scope: &Scope) -> Arc<Ledger> {
        self.current(scope, |current| current.ledger.clone())
    }

    /// The ledger for these files of the scope. When a session comes with other files, because the account
    /// was changed, the scope gets a new ledger, which counts these files before it lets anything in. Uploads
    /// to the old files then no longer count for the account.
    pub fn ledger_of(&self, scope: &Scope, files: &AccountFiles) -> Arc<Ledger> {
        self.current(scope, |current| {
            match &current.files {
                Some(known) if known.are_those_of(files) => {}
                // The session has not followed the change of the account yet.
                Some(known) if files.are_older_than(known) => {
                    current.ledger.invalidate();
                    return current.ledger.clone();
                }
                Some(_) => current.ledger = self.new_ledger(scope),
                None => {}
            }
            if current.files.as_ref().is_none_or(|known| known.are_older_than(files)) {
                current.files = Some(files.clone());
            }
            current.ledger.clone()
        })
    }

    fn current<T>(&self, scope: &Scope, act: impl FnOnce(&mut Current) -> T) -> T {
        let mut ledgers = self.ledgers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(current) = ledgers.get_mut(scope) {
            return act(current);
        }
        let current = Current { ledger: self.new_ledger(scope), files: None };
        act(ledgers.entry(scope.clone()).or_insert(current))
    }

    fn new_ledger(&self, scope: &Scope) -> Arc<Ledger> {
        Arc::new(Ledger::new(scope.clone(), self.ports.clone()))
    }

    fn known(&self, scope: &Scope) -> Option<Arc<Ledger>> {
        let ledgers = self.ledgers.lock().unwrap_or_else(PoisonError::into_inner);
        ledgers.get(scope).map(|current| current.ledger.clone())
    }

    /// Marks the usage of a scope as stale, because its files are changed without being counted.
    pub fn invalidate(&self, scope: &Scope) {
        if let Some(ledger) = self.known(scope) {
            ledger.invalidate();
        }
    }

    /// To be called after an account was changed: whether its usage was counted for other files and has to be
    /// counted again. If so, waits up to 5 seconds for uploads to the old files, and marks the usage as
    /// stale.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn has_other_files(&self, scope: &Scope) -> Result<bool, QuotaError> {
        let Some(ledger) = self.known(scope) else { return Ok(false) };
        if self.ports.store.is_counted(scope).await? {
            return Ok(false);
        }
        for _ in 0..ENDS_LOOKS {
            if !ledger.has_uploads() {
                break;
            }
            tokio::time::sleep(ENDS_INTERVAL).await;
        }
        ledger.invalidate();
        Ok(true)
    }

    /// Counts the files of a scope again, and replaces the stored usage (A10-06).
    ///
    /// # Errors
    /// [`ScanError`]
    pub async fn scan(self: &Arc<Self>, scope: &Scope, tree: ScanTree) -> Result<ScanReport, ScanError> {
        self.finish_scan(self.begin_scan(scope)?, tree).await
    }

    /// Enters a scan among those under way; no file is read yet.
    ///
    /// # Errors
    /// Another scan of the scope is under way, or usages are not counted.
    pub fn begin_scan(self: &Arc<Self>, scope: &Scope) -> Result<BegunScan, ScanError> {
        if self.tracking == Tracking::Never {
            return Err(ScanError::NotTracked);
        }
        BegunScan::enter(self, scope)
    }

    /// Counts the files of a scan that has begun.
    ///
    /// # Errors
    /// The store or the count fails.
    pub async fn finish_scan(&self, scan: BegunScan, tree: ScanTree) -> Result<ScanReport, ScanError> {
        let ledger = self.ledger(&scan.scope);
        // Opening an unsettled usage counts the files, too; `before` has that count then.
        let names = ledger.names(|| tree.clone()).await?;
        let before = ledger.used();
        let found = names.recount(&tree, &scan.progress).await?;
        Ok(ScanReport { scope: scan.scope.clone(), before, found })
    }

    /// Replaces the usage of a scope by what an administrator says, without counting files. Answers with the usage
    /// before and after.
    ///
    /// # Errors
    /// Usages are not counted, a scan of the scope is under way, or the store fails.
    pub async fn set_usage(self: &Arc<Self>, scope: &Scope, usage: NewUsage) -> Result<ScanReport, ScanError> {
        let scan = self.begin_scan(scope)?;
        let ledger = self.ledger(scope);
        let (before, found) = ledger.lock_names().await.set_usage(usage).await?;
        Ok(ScanReport { scope: scan.scope.clone(), before, found })
    }

    /// The scans under way.
    pub fn scans(&self) -> Vec<RunningScan> {
        let scans = self.scans.lock().unwrap_or_else(PoisonError::into_inner);
        let running = scans.iter().map(|(scope, (started_at, progress))| RunningScan {
            scope: scope.clone(),
            started_at: *started_at,
            files: progress.files(),
            directories: progress.directories(),
        });
        running.collect()
    }

    /// The scopes whose usages were in change when an earlier process of this server died, also while the store was
    /// away.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn unsettled(&self) -> Result<Vec<Scope>, QuotaError> {
        let mut scopes = self.ports.store.unsettled_usages(&self.ports.node).await?;
        let marked: HashSet<Scope> = scopes.iter().cloned().collect();
        scopes.extend(self.ports.unmarked.all().into_iter().filter(|scope| !marked.contains(scope)));
        Ok(scopes)
    }

    /// Gives up a usage whose account or folder is gone.
    pub(super) async fn forget(&self, scope: &Scope) {
        self.ports.are_marked(std::slice::from_ref(scope)).await;
    }

    /// Stores all changes now. What cannot be stored is logged, and stays for the next time.
    pub async fn save(&self) {
        self.volumes.save().await;
        if let Err(failed) = self.save_usages().await {
            failed.tell("used quotas");
        }
        self.mark_again().await;
    }

    /// Marks the usages that went on while the store was away.
    async fn mark_again(&self) {
        let unmarked: Vec<_> = self.all().into_iter().filter(|ledger| ledger.is_unmarked()).collect();
        if unmarked.is_empty() {
            return;
        }
        let order = self.ports.order.lock().await;
        if order.is_waiting() {
            return;
        }
        let mut marked = Vec::new();
        for ledger in unmarked {
            match ledger.mark_again().await {
                Ok(true) => marked.push(ledger.scope.clone()),
                Ok(false) => {}
                // A store that is away again is asked the next time.
                Err(_) => break,
            }
        }
        self.ports.are_marked(&marked).await;
    }

    async fn save_usages(&self) -> Result<(), Failed> {
        let mut order = self.ports.order.lock().await;
        // What was not confirmed goes first, and the rest stays in the ledgers until then.
        self.ports.send(&mut order).await?;
        let changes = self.all().into_iter().map(|ledger| (ledger.scope.clone(), ledger.take_unsaved()));
        let changes: Vec<_> = changes.filter(|(_, change)| !change.is_zero()).collect();
        if changes.is_empty() {
            return Ok(());
        }
        order.put(changes);
        self.ports.send(&mut order).await
    }

    /// Settles the usages of idle ledgers. Not while changes wait for the store: their marks have to stay.
    async fn close_idle(&self, idle: Duration) {
        let order = self.ports.order.lock().await;
        if order.is_waiting() {
            return;
        }
        for ledger in self.all() {
            if let Err(error) = ledger.close(idle).await {
                let message = format!("used quotas could not be settled, and are tried again: {error}");
                return tracing::warn!(sender = "quota", message);
            }
        }
    }

    async fn settle_abandoned(&self) {
        for ledger in self.all().into_iter().filter(|ledger| ledger.has_abandoned()) {
            ledger.settle().await;
        }
    }

    /// Stores everything, and settles the usages for which nothing is under way.
    pub async fn finish(&self) {
        self.settle_abandoned().await;
        self.save().await;
        self.close_idle(Duration::ZERO).await;
    }

    fn all(&self) -> Vec<Arc<Ledger>> {
        self.ledgers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .map(|current| current.ledger.clone())
            .collect()
    }
}

#[async_trait]
impl ObserverWork for QuotaKeeper {
    async fn work(&self) {
        tokio::select! {
            () = self.save_changes() => {}
            // Beside the saving, because a count can take long.
            () = self.count_doubted() => {}
        }
        self.finish().await;
    }

    fn close(&self) {
        self.closed.send_replace(true);
    }
}

impl QuotaKeeper {
    /// Stores changes, and settles idle usages, until the keeper is closed. What is on its way to the store then arrives
    /// first, and is not sent again.
    async fn save_changes(&self) {
        let mut closed = self.closed.subscribe();
        let mut look = tokio::time::interval(LOOK_INTERVAL);
        let mut busy_until = Instant::now();
        loop {
            tokio::select! {
                () = self.ports.changed.notified() => {
                    let is_busy = Instant::now() < busy_until;
                    tokio::time::sleep(if is_busy { BUSY_SAVE_DELAY } else { SAVE_DELAY }).await;
                    busy_until = Instant::now() + 2 * BUSY_SAVE_DELAY;
                    self.settle_abandoned().await;
                    self.save().await;
                }
                _ = look.tick() => {
                    // What waits for a store that was away; nothing else may come.
                    self.save().await;
                    self.close_idle(IDLE).await;
                }
                () = async { drop(closed.wait_for(|closed| *closed).await) } => return,
            }
        }
    }

    /// Counts the files where a change of names needs it; never returns.
    async fn count_doubted(&self) {
        loop {
            let _ = tokio::time::timeout(COUNT_AGAIN, self.ports.doubted.notified()).await;
            // Requests that come together need one count only.
            tokio::time::sleep(SAVE_DELAY).await;
            for ledger in self.all() {
                let Some(took) = ledger.count_doubted().await else { continue };
                tokio::time::sleep(pause_after(took)).await;
            }
        }
    }
}

/// An entry among the running scans, removed when dropped.
pub struct BegunScan {
    keeper: Arc<QuotaKeeper>,
    scope: Scope,
    progress: Arc<ScanProgress>,
}

impl BegunScan {
    fn enter(keeper: &Arc<QuotaKeeper>, scope: &Scope) -> Result<Self, ScanError> {
        let mut scans = keeper.scans.lock().unwrap_or_else(PoisonError::into_inner);
        if scans.contains_key(scope) {
            return Err(ScanError::InProgress);
        }
        let progress = Arc::new(ScanProgress::default());
        scans.insert(scope.clone(), (keeper.ports.clock.now(), progress.clone()));
        Ok(Self { keeper: keeper.clone(), scope: scope.clone(), progress })
    }
}

impl Drop for BegunScan {
    fn drop(&mut self) {
        self.keeper.scans.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.scope);
    }
}
