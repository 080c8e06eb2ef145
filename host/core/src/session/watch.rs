//! Ends sessions from the server's side: when the account was changed or has expired, or when nothing
//! happened for too long.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{EndReason, Session, SessionRegistry};
use crate::account::{AccountPolicy, AccountRule, AddressRule, EffectiveAccount, FolderQuota, find_user, in_force};
use crate::login::ExternalAuthCache;
use crate::metrics::Metrics;
use crate::ports::{ChangeToken, ChangedObjects, Changes, Clock, Directory, FOLDERS, GROUPS, StoreError, USERS};
use crate::quota::QuotaScans;

/// The time between checks for sessions that have to end, and before a store that failed is asked again.
const LOOK_INTERVAL: Duration = Duration::from_millis(300);

/// Watches all sessions of the server.
pub struct SessionWatch {
    /// The store whose changes are followed.
    pub accounts: Arc<dyn Directory>,
    /// The sessions to watch.
    pub sessions: Arc<SessionRegistry>,
    /// The time, for expiry, access hours and idle sessions.
    pub clock: Arc<dyn Clock>,
    /// Shows whether the store answers (A9-05).
    pub metrics: Arc<Metrics>,
    /// Which list decides for an address that is in both lists of an account (J-02).
    pub address_rule: AddressRule,
    /// How long a session may be without transfers and requests (A4-13); none: for ever.
    pub idle_timeout: Option<Duration>,
    /// Gets changed accounts; None: usages are not counted.
    pub scans: Option<Arc<QuotaScans>>,
    /// Forgets what external authentication has decided about changed accounts.
    pub external_auth_cache: Option<Arc<ExternalAuthCache>>,
}

impl SessionWatch {
    /// The token from which [`run`](Self::run) follows changes. To be called before the first login.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn begin(&self) -> Result<ChangeToken, StoreError> {
        let changes = self.accounts.changes(None).await?;
        self.metrics.store_answers(true);
        Ok(changes.next)
    }

    /// Watches the sessions; never returns.
    pub async fn run(&self, begin: ChangeToken) {
        tokio::join!(self.follow(begin), self.end_in_time());
    }

    /// Ends sessions whose time is over, within one interval.
    async fn end_in_time(&self) {
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            self.end_what_is_over();
        }
    }

    /// Follows changes of accounts, which take effect within a second.
    async fn follow(&self, mut seen: ChangeToken) {
        let (mut store_works, mut unread) = (true, BTreeSet::new());
        loop {
            // A store that failed says at once whether it works again.
            let looked = match store_works && unread.is_empty() {
                true => self.accounts.wait_for_changes(&seen).await,
                false => self.accounts.changes(Some(&seen)).await,
            };
            match looked {
                Ok(changes) => {
                    self.metrics.store_answers(true);
                    store_works = true;
                    unread = self.look_at(&changes, unread).await;
                    seen = changes.next;
                    if unread.is_empty() {
                        continue;
                    }
                }
                Err(error) if store_works => {
                    store_works = false;
                    // A9-05
                    self.metrics.store_answers(false);
                    let message = format!("changes of accounts cannot be seen at the moment: {error}");
                    tracing::warn!(sender = "session", message);
                }
                Err(_) => {}
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// `earlier`: names of accounts that could not be read the last time. Returns those that cannot be
    /// read now.
    pub(crate) async fn look_at(&self, changes: &Changes, earlier: BTreeSet<String>) -> BTreeSet<String> {
        if concerns_any_account(&changes.objects) {
            self.sessions.note_change_of_all();
        }
        let changed: BTreeSet<String> = match &changes.objects {
            ChangedObjects::Named(objects) => {
                let users = objects.iter().filter(|(kind, _)| kind == USERS.kind);
                let users = users.map(|(_, name)| name.clone());
                let referring = objects.iter().flat_map(|(kind, name)| connected_users(&self.sessions, kind, name));
                users.chain(referring).collect()
            }
            ChangedObjects::All => {
                self.sessions.sessions().iter().map(|session| session.account.username.clone()).collect()
            }
        };
        let mut unread = BTreeSet::new();
        for name in changed.union(&earlier).cloned() {
            self.sessions.note_change(&name);
            if let Some(cache) = &self.external_auth_cache {
                cache.forget_credentials(&name);
            }
            // What a hook has made for one session holds whatever the store says.
            let mut sessions = self.sessions.sessions_of(&name);
            sessions.retain(|session| !session.account.is_of_session());
            if sessions.is_empty() {
                self.tell_scans(&name);
                continue;
            }
            let found = match self.find(&name).await {
                Ok(found) => found,
                Err(error @ StoreError::Invalid { .. }) => {
                    tracing::warn!(sender = "session", message = error.to_string());
                    let end = |session| self.end(session, EndReason::AdminClosed, NOT_VALID);
                    sessions.iter().for_each(end);
                    continue;
                }
                // The others are still looked at, and this one again a moment later.
                Err(error) => {
                    if !earlier.contains(&name) {
                        tracing::warn!(sender = "session", message = format!("\"{name}\" could not be read: {error}"));
                    }
                    unread.insert(name);
                    continue;
                }
            };
            match found {
                Some(account) => self.replace_account(&sessions, account),
                None => sessions.iter().for_each(|session| self.end(session, EndReason::AdminClosed, DELETED)),
            }
            self.tell_scans(&name);
        }
        unread
    }

    async fn find(&self, username: &str) -> Result<Option<Arc<EffectiveAccount>>, StoreError> {
        let Some(user) = find_user(&*self.accounts, username).await? else { return Ok(None) };
        Ok(Some(Arc::new(in_force(&*self.accounts, user).await?)))
    }

    fn tell_scans(&self, username: &str) {
        if let Some(scans) = &self.scans {
            scans.account_changed(username);
        }
    }

    fn replace_account(&self, sessions: &[Arc<Session>], account: Arc<EffectiveAccount>) {
        let policy = self.policy();
        for session in sessions {
            match why_it_ends(&policy, session, &account) {
                Some(why) => self.end(session, EndReason::AdminClosed, why),
                None => session.live.replace_account(account.clone()),
            }
        }
    }

    fn policy(&self) -> AccountPolicy {
        AccountPolicy::now(&*self.clock, self.address_rule)
    }

    fn end_what_is_over(&self) {
        let (now, policy) = (self.clock.now(), self.policy());
        for session in self.sessions.sessions() {
            let account = session.live.account();
            let idle = Duration::from_millis(u64::try_from(now - session.live.last_activity()).unwrap_or(0));
            if let Err(broken) = policy.check(&AccountRule::IN_TIME, &account, &session.facts()) {
                self.end(&session, EndReason::AdminClosed, broken.end());
            } else if self.idle_timeout.is_some_and(|limit| idle >= limit) && !session.live.waits() {
                self.end(&session, EndReason::Idle, "nothing happened for too long");
            }
        }
    }

    fn end(&self, session: &Arc<Session>, reason: EndReason, why: &str) {
        if session.live.end_reason().is_none() {
            let message = format!("a session of \"{}\" is closed: {why}", session.account.username);
            tracing::info!(sender = "session", message, connection_id = session.id.as_str());
        }
        self.sessions.close(&session.id, reason);
    }
}

/// Why sessions of an account end that is not there any more.
pub(crate) const DELETED: &str = "it was deleted";
/// Why sessions of an account end that cannot be read any more.
pub(crate) const NOT_VALID: &str = "it is not valid any more";

/// Why the session ends when its account becomes this one, as [`AccountRule::end`] says it; None: it goes on with it.
pub(crate) fn why_it_ends(
    policy: &AccountPolicy,
    session: &Session,
    account: &EffectiveAccount,
) -> Option<&'static str> {
    match policy.check(&AccountRule::ALL, account, &session.facts()) {
        Err(broken) => Some(broken.end()),
        Ok(()) => has_other_files(&session.live.account(), account).then_some("its files are in another place now"),
    }
}

/// Whether a change may concern accounts that it does not name, whose logins may be under way.
fn concerns_any_account(objects: &ChangedObjects) -> bool {
    match objects {
        ChangedObjects::All => true,
        ChangedObjects::Named(objects) => {
            objects.iter().any(|(kind, _)| [GROUPS.kind, FOLDERS.kind].contains(&kind.as_str()))
        }
    }
}

/// The names of accounts with sessions that a change of the object concerns: of a folder or a group that they have.
pub(crate) fn connected_users(sessions: &SessionRegistry, kind: &str, name: &str) -> Vec<String> {
    let is_concerned = |account: &EffectiveAccount| match kind {
        kind if kind == GROUPS.kind => account.memberships().iter().any(|membership| membership.group == name),
        kind if kind == FOLDERS.kind => account.folders.iter().any(|folder| folder.name == name),
        _ => false,
    };
    let concerned = sessions.sessions().into_iter().filter(|session| is_concerned(&session.live.account()));
    concerned.map(|session| session.account.username.clone()).collect()
}

/// Whether the account's files are in another place, which its open channels would not notice.
fn has_other_files(before: &EffectiveAccount, after: &EffectiveAccount) -> bool {
    let places = |account: &EffectiveAccount| {
        let folders = account.folders.iter();
        // A folder must not change between the account's quota and its own while files are counted.
        let is_own = |quota: FolderQuota| quota != FolderQuota::OfAccount;
        let folders = folders.map(|folder| {
            let place = (folder.mapped_path.clone(), folder.filesystem.clone());
            (folder.virtual_path.clone(), place, is_own(folder.quota))
        });
        (account.home_dir.clone(), account.uid, account.gid, account.filesystem.clone(), folders.collect::<Vec<_>>())
    };
    before.id != after.id || places(before) != places(after)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;
    use crate::account::{AccountDraft, CredentialRule, Factors, User};
    use crate::connection::{Connection, ConnectionId, LoginMethod};
    use crate::memory::MemoryStore;
    use crate::ports::{Change, Write};
    use crate::session::registry::SessionSlot;
    use crate::session::{KeptPassword, LiveSession, Traffic};
    use tokio_util::sync::CancellationToken;

    #[derive(Default)]
    struct PaperClock(AtomicI64);

    impl Clock for PaperClock {
        fn now(&self) -> i64 {
            self.0.load(Ordering::Relaxed)
        }
    }

    fn account(more: &str) -> User {
        let json = format!(r#"{{"status":1,"username":"u","home_dir":"/srv/u","permissions":{{"/":["*"]}}{more}}}"#);
        AccountDraft::from_json(&json).unwrap().validate(CredentialRule::Optional).unwrap().account
    }

    /// A store with an account, the watch over it, and a session of the account.
    async fn watched(before: &str) -> (Arc<MemoryStore>, SessionWatch, Arc<Session>, SessionSlot) {
        let accounts = Arc::new(MemoryStore::default());
        accounts.put(&account(before));
        let stored = accounts.user("u").await.unwrap();
        let sessions = Arc::new(SessionRegistry::default());
        let address = "192.0.2.1:5".parse().unwrap();
        let id = ConnectionId::new("c");
        let connection = Connection {
            id: id.clone(),
            remote: address,
            local: address,
            client: Default::default(),
            opened_at: 0,
            web: None,
        };
        let account_then = Arc::new(EffectiveAccount::ungrouped(stored));
        let session = Arc::new(Session {
            id: id.clone(),
            connection: Arc::new(connection),
            account: account_then.clone(),
            username: "u".into(),
            method: LoginMethod::Password,
            factors: Factors { methods: vec![LoginMethod::Password], has_code: false },
            password: KeptPassword::default(),
            opened_at: 0,
            traffic: Traffic::default(),
            live: LiveSession::new(account_then, address.ip(), 0),
        });
        let slot = sessions.admit(&id, "u", 0, CancellationToken::new()).unwrap();
        slot.begin(session.clone());
        let watch = SessionWatch {
            accounts: accounts.clone(),
            sessions,
            clock: Arc::new(PaperClock::default()),
            metrics: Arc::new(Metrics::default()),
            address_rule: AddressRule::default(),
            idle_timeout: Some(Duration::from_secs(60)),
            scans: None,
            external_auth_cache: None,
        };
        (accounts, watch, session, slot)
    }

    /// A session of `before` meets `after` at `now`; how it ends, and its limit on uploads.
    async fn check(before: &str, after: Option<&str>, now: i64) -> (Option<EndReason>, u64) {
        let (accounts, mut watch, session, _slot) = watched(before).await;
        watch.clock = Arc::new(PaperClock(AtomicI64::new(now)));
        let begin = watch.begin().await.unwrap();
        match after {
            Some(after) => accounts.put(&account(after)),
            None => accounts.remove("u").await,
        }
        watch.look_at(&accounts.wait_for_changes(&begin).await.unwrap(), BTreeSet::new()).await;
        watch.end_what_is_over();
        (session.live.end_reason(), session.live.rate(true))
    }

    #[tokio::test]
    async fn sessions_follow_their_account() {
        // A8-09, C3-01
        let closed = Some(EndReason::AdminClosed);
        assert_eq!(check("", Some(""), 1000).await, (None, 0));
        assert_eq!(check("", Some(r#","upload_bandwidth":7"#), 1000).await, (None, 7000));
        assert_eq!(check("", Some(r#","download_bandwidth":7"#), 1000).await, (None, 0));
        let by_network = r#","filters":{"bandwidth_limits":[{"sources":["192.0.2.0/24"],"upload_bandwidth":3}]}"#;
        assert_eq!(check(by_network, Some(by_network), 1000).await, (None, 3000));
        assert_eq!(check("", Some(r#","status":0"#), 1000).await.0, closed);
        assert_eq!(check("", None, 1000).await.0, closed);
        assert_eq!(check("", Some(r#","filters":{"denied_ip":["192.0.2.0/24"]}"#), 1000).await.0, closed);
        assert_eq!(check("", Some(r#","filters":{"denied_protocols":["SSH"]}"#), 1000).await.0, closed);
        assert_eq!(check(r#","expiration_date":500"#, Some(r#","expiration_date":500"#), 1000).await.0, closed);
        // A Thursday.
        let fridays = r#","filters":{"access_time":[{"day_of_week":5,"from":"00:00","to":"23:59"}]}"#;
        assert_eq!(check(fridays, Some(fridays), 1000).await.0, closed);
    }

    #[tokio::test(start_paused = true)]
    async fn changes_take_effect_within_a_second() {
        let (accounts, watch, session, _slot) = watched("").await;
        let begin = watch.begin().await.unwrap();
        let a_second_later = async {
            accounts.put(&account(r#","upload_bandwidth":7"#));
            tokio::time::sleep(Duration::from_secs(1)).await;
        };
        tokio::select! {
            () = watch.run(begin) => {}
            () = a_second_later => {}
        }
        assert_eq!(session.live.rate(true), 7000);
    }

    #[tokio::test]
    async fn sessions_follow_the_folders_of_their_account() {
        // C5-01
        let with_folder = r#","virtual_folders":[{"name":"team","mapped_path":"/srv/team","virtual_path":"/team"}]"#;
        let (accounts, watch, session, _slot) = watched(with_folder).await;
        let change =
            |write| vec![Change { collection: &FOLDERS, name: "team".to_owned(), write, announce: true, audit: None }];
        let document = |path: &str| serde_json::from_str(&format!(r#"{{"mapped_path":"{path}"}}"#)).unwrap();
        let versions = accounts.commit(change(Write::Add(document("/srv/team")))).await.unwrap();
        let begin = watch.begin().await.unwrap();
        let write = Write::Replace { document: document("/srv/moved"), expected: versions[0], reset: Vec::new() };
        accounts.commit(change(write)).await.unwrap();
        watch.look_at(&accounts.wait_for_changes(&begin).await.unwrap(), BTreeSet::new()).await;
        assert_eq!(session.live.end_reason(), Some(EndReason::AdminClosed));
    }

    #[tokio::test]
    async fn sessions_follow_the_groups_of_their_account() {
        // B9-04
        let check = async |kind: i64, settings: &str, is_closed: bool| {
            let before = format!(r#","groups":[{{"name":"g","type":{kind}}}]"#);
            let (accounts, watch, session, _slot) = watched(&before).await;
            let begin = watch.begin().await.unwrap();
            let document = format!(r#"{{"user_settings":{settings}}}"#);
            let write = Write::Add(serde_json::from_str(&document).unwrap());
            let change = Change { collection: &GROUPS, name: "g".to_owned(), write, announce: true, audit: None };
            accounts.commit(vec![change]).await.unwrap();
            watch.look_at(&accounts.wait_for_changes(&begin).await.unwrap(), BTreeSet::new()).await;
            assert_eq!(session.live.end_reason().is_some(), is_closed, "{kind} {settings}");
            session.live.rate(true)
        };
        assert_eq!(check(1, r#"{"upload_bandwidth":7}"#, false).await, 7000);
        assert_eq!(check(2, r#"{"upload_bandwidth":7}"#, false).await, 0);
        check(2, r#"{"filters":{"denied_ip":["192.0.2.0/24"]}}"#, true).await;
        check(3, r#"{"filters":{"denied_ip":["192.0.2.0/24"]}}"#, false).await;
        check(1, r#"{"home_dir":"/srv/%username%/d"}"#, true).await;
    }

    #[tokio::test]
    async fn idle_sessions_end() {
        // A1-14, A4-13
        assert_eq!(check("", Some(""), 59_999).await.0, None);
        assert_eq!(check("", Some(""), 60_000).await.0, Some(EndReason::Idle));
    }

    #[tokio::test]
    async fn a_session_that_waits_for_a_long_request_is_not_idle() {
        // A4-13
        let (_accounts, mut watch, session, _slot) = watched("").await;
        let clock = Arc::new(PaperClock::default());
        watch.clock = clock.clone();
        let (one, other) = (session.live.long_request_began(), session.live.long_request_began());
        clock.0.store(session.live.last_activity() + 600_000, Ordering::Relaxed);
        watch.end_what_is_over();
        drop(one);
        clock.0.store(session.live.last_activity() + 600_000, Ordering::Relaxed);
        watch.end_what_is_over();
        assert_eq!(session.live.end_reason(), None);
        // The time without anything to do begins with the answer.
        drop(other);
        for (later, expected) in [(59_999, None), (60_000, Some(EndReason::Idle))] {
            clock.0.store(session.live.last_activity() + later, Ordering::Relaxed);
            watch.end_what_is_over();
            assert_eq!(session.live.end_reason(), expected, "{later}");
        }
    }

    #[tokio::test]
    async fn what_moves_is_not_idle() {
        // A4-13
        let (_accounts, mut watch, session, _slot) = watched("").await;
        let clock = Arc::new(PaperClock::default());
        watch.clock = clock.clone();
        session.live.moves();
        let moved = session.live.last_activity();
        for (later, expected) in [(59_999, None), (60_000, Some(EndReason::Idle))] {
            clock.0.store(moved + later, Ordering::Relaxed);
            watch.end_what_is_over();
            assert_eq!(session.live.end_reason(), expected, "{later}");
        }
    }
}
