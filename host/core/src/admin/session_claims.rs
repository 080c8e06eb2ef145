//! The claim of a server on asking or telling hooks about a web session: it stands in the session's document, where the
//! other servers of the database see it, and runs out when the server is killed. Hooks may take minutes, so it is
//! renewed for as long as they do.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join;
use serde_json::json;
use tokio::sync::Notify;

use super::web_sessions::set_in_session;
use crate::connection::ConnectionId;
use crate::hook::Observers;
use crate::hook::observation::SessionDestroy;
use crate::ports::{
    Change, Clock, Directory, SessionRecord, SessionRecords, StoreError, StoredDocument, TOKENS, Version, Write,
};

/// Milliseconds after which a claim that is not renewed is none.
pub(super) const CLAIM: i64 = 60_000;
/// A claim outlives a renewal that the store did not take.
const RENEWAL: Duration = Duration::from_secs(20);

/// Does the work of a server that has the claim on the session. With its outcome comes the version that the session's
/// document has then.
pub(super) async fn holding<T>(
    directory: &dyn Directory,
    clock: &dyn Clock,
    claimed: StoredDocument,
    work: impl Future<Output = T>,
) -> (T, Version) {
    let is_done = Notify::new();
    let work = async {
        let outcome = work.await;
        is_done.notify_one();
        outcome
    };
    join(work, hold(directory, clock, claimed, &is_done)).await
}

async fn hold(directory: &dyn Directory, clock: &dyn Clock, mut claimed: StoredDocument, is_done: &Notify) -> Version {
    while tokio::time::timeout(RENEWAL, is_done.notified()).await.is_err() {
        set_in_session(&mut claimed.document, "claimed_at", json!(clock.now()));
        let (document, expected) = (claimed.document.clone(), claimed.version);
        let write = Write::Replace { document, expected, reset: Vec::new() };
        let name = claimed.name.clone();
        match directory.commit(vec![Change { collection: &TOKENS, name, write, announce: false, audit: None }]).await {
            Ok(versions) => claimed.version = versions.first().copied().unwrap_or_default(),
            // It ended meanwhile, or another server took this one for killed.
            Err(StoreError::Conflict(_) | StoreError::NotFound(_)) => break,
            Err(error) => {
                let message = format!("it could not be noted that hooks take their time over a web session: {error}");
                tracing::warn!(sender = "web_sessions", message);
            }
        }
    }
    claimed.version
}

/// Says when all hooks have got the end of one session, which is on record in the store.
#[derive(Debug, Default)]
struct Told(Notify);

impl SessionRecords for Told {
    fn left(&self) -> Vec<SessionRecord> {
        Vec::new()
    }

    fn keep(&self, _: &SessionRecord) -> Result<(), String> {
        Ok(())
    }

    /// The store has all or none of them.
    fn told(&self, _: &ConnectionId, _: &str) {}

    fn remove(&self, _: &ConnectionId) {
        self.0.notify_one();
    }
}

/// Tells hooks of the end of a session on which this server has the claim, and removes the session as soon as all have
/// got the event: if the server is killed while they work on it, none gets it again (D-04).
pub(super) async fn tell_of_end(
    directory: &dyn Directory,
    clock: &dyn Clock,
    claimed: StoredDocument,
    destroy: &Observers<SessionDestroy>,
    event: SessionDestroy,
) -> Result<(), StoreError> {
    let (told, name) = (Arc::new(Told::default()), claimed.name.clone());
    event.session.live.is_on_record(told.clone(), Vec::new());
    let work = async {
        let mut telling = pin!(destroy.deliver(event));
        let is_over = tokio::select! {
            biased;
            () = &mut telling => true,
            () = told.0.notified() => false,
        };
        let removed = remove(directory, &name).await;
        if !is_over {
            telling.await;
        }
        removed
    };
    holding(directory, clock, claimed, work).await.0
}

/// Removes the document of a session.
pub(super) async fn remove(directory: &dyn Directory, name: &str) -> Result<(), StoreError> {
    let (name, write) = (name.to_owned(), Write::Delete { expected: None });
    match directory.commit(vec![Change { collection: &TOKENS, name, write, announce: false, audit: None }]).await {
        Err(StoreError::NotFound(_)) | Ok(_) => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

    use async_trait::async_trait;

    use super::super::user_tests::{PaperPasswords, map};
    use super::super::web_sessions::NewSession;
    use super::super::{DoorClient, SessionHooks, WebSessions};
    use super::*;
    use crate::account::Accounts;
    use crate::connection::WebVisit;
    use crate::hook::review::{Review, SessionCreate};
    use crate::hook::{Call, Chain, Hook, HookDescription, HookError, Link, LinkSettings};
    use crate::memory::MemoryStore;
    use crate::ports::{Author, Door, PageRequest};

    struct SetClock(AtomicI64);

    impl Clock for SetClock {
        fn now(&self) -> i64 {
            self.0.load(Ordering::Relaxed)
        }
    }

    /// The first call takes until it is let go.
    #[derive(Default)]
    struct Slow {
        /// Whether it has got the event before its work is done.
        begins: bool,
        calls: AtomicU32,
        has_begun: Notify,
        is_let_go: Notify,
    }

    impl Slow {
        async fn wait(&self, call: &Call) {
            if self.begins {
                call.delivery().note();
            }
            if self.calls.fetch_add(1, Ordering::Relaxed) == 0 {
                self.has_begun.notify_one();
                self.is_let_go.notified().await;
            }
        }
    }

    macro_rules! slow {
        ($event:ty, $verdict:ty, $outcome:expr) => {
            #[async_trait]
            impl Hook<$event> for Slow {
                fn name(&self) -> &str {
                    "slow"
                }
                fn adapter(&self) -> &'static str {
                    "test"
                }
                fn description(&self) -> HookDescription {
                    HookDescription::new("", Duration::ZERO, "ready")
                }
                async fn call(&self, call: &Call, _: &$event) -> Result<$verdict, HookError> {
                    self.wait(call).await;
                    Ok($outcome)
                }
            }
        };
    }

    slow!(SessionCreate, Review, Review::Allow);
    slow!(SessionDestroy, (), ());

    struct House {
        store: Arc<MemoryStore>,
        clock: Arc<SetClock>,
        hook: Arc<Slow>,
    }

    fn house() -> House {
        let clock = Arc::new(SetClock(AtomicI64::new(1_800_000_000_000)));
        House { store: Arc::default(), clock, hook: Arc::default() }
    }

    impl House {
        /// One of the servers of the store.
        fn server(&self) -> WebSessions {
            let settings = || LinkSettings { deadline: Duration::from_secs(3600), ..LinkSettings::default() };
            let link = Link::new(self.hook.clone() as Arc<dyn Hook<SessionCreate>>, settings());
            let create = Chain::<SessionCreate>::new(Arc::default(), vec![Arc::new(link)]);
            let destroy = Observers::<SessionDestroy>::new(Arc::default());
            let link = Link::new(self.hook.clone() as Arc<dyn Hook<SessionDestroy>>, settings());
            destroy.chain().replace(vec![Arc::new(link)]);
            let hooks = SessionHooks { create: Arc::new(create), destroy };
            let accounts = Arc::new(Accounts::new(self.store.clone(), Arc::new(PaperPasswords), None));
            WebSessions::new(self.store.clone(), accounts, self.clock.clone(), Some(hooks))
        }

        /// Another server looks for ends again and again, for ten minutes in which the hook answers nothing.
        async fn look(&self) {
            let other = self.server();
            self.hook.has_begun.notified().await;
            for _ in 0..60 {
                self.clock.0.fetch_add(10_000, Ordering::Relaxed);
                tokio::time::advance(Duration::from_secs(10)).await;
                other.settle().await.unwrap();
            }
            self.hook.is_let_go.notify_one();
        }

        fn calls(&self) -> u32 {
            self.hook.calls.load(Ordering::Relaxed)
        }

        /// A session that has ended, of which no hook was told yet.
        async fn ended_session(&self) {
            let ended = json!({"username": "ann", "state": "ends", "reason": "logout"});
            let document = map(json!({"created_at": self.clock.now(), "expires_at": 0, "session": ended}));
            let (name, write) = ("0".repeat(64), Write::Add(document));
            let change = Change { collection: &TOKENS, name, write, announce: false, audit: None };
            self.store.commit(vec![change]).await.unwrap();
        }

        async fn sessions(&self) -> usize {
            let request = PageRequest { limit: 9, ..PageRequest::default() };
            self.store.list(&TOKENS, request).await.unwrap().len()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn hooks_get_the_end_of_a_session_once_however_long_that_takes() {
        // D-03
        let house = house();
        house.ended_session().await;
        let server = house.server();
        let (settled, ()) = tokio::join!(server.settle(), house.look());
        settled.unwrap();
        assert_eq!((house.calls(), house.sessions().await), (1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_is_in_the_store_until_hooks_have_its_end() {
        // D-04: whether the hook has got the event when its server is killed, and how often it is called in all.
        for (begins, calls) in [(true, 1), (false, 2)] {
            let house = House { hook: Arc::new(Slow { begins, ..Slow::default() }), ..house() };
            house.ended_session().await;
            let server = house.server();
            let killed = async {
                house.hook.has_begun.notified().await;
                tokio::time::advance(Duration::from_secs(1)).await;
            };
            tokio::select! {
                settled = server.settle() => panic!("{begins}: {settled:?}"),
                () = killed => {}
            }
            assert_eq!(house.sessions().await, usize::from(!begins));
            house.clock.0.fetch_add(CLAIM, Ordering::Relaxed);
            house.server().settle().await.unwrap();
            assert_eq!((house.calls(), house.sessions().await), (calls, 0), "{begins}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_begins_however_long_hooks_take() {
        // D-01
        let house = house();
        let client = DoorClient { door: Door::Web, address: "192.0.2.2".parse().ok(), visit: WebVisit::default() };
        let new = NewSession {
            username: "ann",
            account: None,
            client: &client,
            visit: WebVisit::default(),
            password: None,
            fields: vec![("admin", json!("ann")), ("admin_id", json!(1))],
            lifetime: 20 * 60_000,
            audit: Author::system().did("login", "admin", "ann", house.clock.now()),
        };
        let server = house.server();
        let (begun, ()) = tokio::join!(server.begin(new), house.look());
        assert!(begun.is_ok(), "{begun:?}");
        assert_eq!(house.calls(), 1, "no hook was told that it has ended");
    }
}
