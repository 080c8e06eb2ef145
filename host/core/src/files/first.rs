//! The first download and the first upload of an account, which are stored, and which observers get once
//! (B10-10).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Mutex, mpsc};

use crate::hook::events::{ActionKind, FileAction};
use crate::hook::observation::PostAction;
use crate::hook::observers::{ObserverWork, Untold};
use crate::hook::{HookEvent, Observers};
use crate::ports::{AccountKey, Directory, StoreError, USERS};

/// Transfers that may wait to be stored. A session adds at most one of each kind. If the queue is full, the
/// transfer is not stored, and the first one of the account's next session is tried instead.
const QUEUE: usize = 1000;
/// How long a store that is away is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// Stores first transfers in the background, and tells observers of them.
pub struct FirstTransfers {
    accounts: Arc<dyn Directory>,
    after: Arc<Observers<PostAction>>,
    sender: std::sync::Mutex<Option<mpsc::Sender<FileAction>>>,
    receiver: Mutex<mpsc::Receiver<FileAction>>,
    under_way: AtomicU64,
}

impl FirstTransfers {
    /// A queue that is worked off by [`work`](ObserverWork::work). `after`: the observers of file actions.
    pub fn new(accounts: Arc<dyn Directory>, after: Arc<Observers<PostAction>>) -> Arc<Self> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let (sender, receiver) = (std::sync::Mutex::new(Some(sender)), Mutex::new(receiver));
        Arc::new(Self { accounts, after, sender, receiver, under_way: AtomicU64::new(0) })
    }

    /// Queues a complete transfer that may be the account's first. Never waits.
    pub(super) fn done(&self, action: FileAction) {
        if let Some(sender) = &*self.sender.lock().unwrap_or_else(PoisonError::into_inner) {
            self.under_way.fetch_add(1, Ordering::Relaxed);
            if sender.try_send(action).is_err() {
                self.under_way.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    async fn remember(&self, mut action: FileAction) {
        let upload = action.kind == ActionKind::Upload;
        let account = &action.session.account;
        match self.is_first(&account.key(), upload, action.at / 1_000_000).await {
            Ok(true) => {
                action.kind = if upload { ActionKind::FirstUpload } else { ActionKind::FirstDownload };
                let event = PostAction(Arc::new(action));
                if self.after.concerns(&event.0.subject()) {
                    self.after.deliver(event).await;
                }
            }
            Ok(false) => {}
            Err(error) => {
                let message = format!("the first transfer of \"{}\" was not remembered: {error}", account.username);
                tracing::warn!(sender = "dataprovider", message);
            }
        }
    }

    /// Stores a transfer that began at `at`, and says whether it is the first. A store that is away is asked again, until it
    /// answers or the queue is closed.
    async fn is_first(&self, account: &AccountKey, upload: bool, at: i64) -> Result<bool, StoreError> {
        let mut is_uncertain = false;
        loop {
            let answer = match self.accounts.record_first_transfer(account, upload, at).await {
                // It may be this one, stored without an answer.
                Ok(false) if is_uncertain => self.is_stored(account, upload, at).await,
                answer => answer,
            };
            match answer {
                Err(StoreError::Unavailable(_) | StoreError::Busy(_)) if !self.is_closed() => {
                    is_uncertain = true;
                    tokio::time::sleep(PAUSE).await;
                }
                answer => return answer,
            }
        }
    }

    /// Whether the first transfer that the store knows is the one that began at `at`.
    async fn is_stored(&self, account: &AccountKey, upload: bool, at: i64) -> Result<bool, StoreError> {
        let field = if upload { "first_upload" } else { "first_download" };
        let stored = self.accounts.find(&USERS, &account.username).await?;
        let stored = stored.filter(|stored| stored.version.id == account.id);
        let first = stored.and_then(|stored| stored.document.get(field)?.as_i64());
        Ok(first == Some(at.max(1)))
    }

    fn is_closed(&self) -> bool {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}

#[async_trait]
impl ObserverWork for FirstTransfers {
    async fn work(&self) {
        loop {
            let next = self.receiver.lock().await.recv().await;
            let Some(action) = next else { return };
            self.remember(action).await;
            self.under_way.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn close(&self) {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn untold(&self) -> Option<Untold> {
        let events = self.under_way.load(Ordering::Relaxed);
        (events > 0).then_some(Untold { kind: PostAction::KIND, events })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::account::{AccountDraft, CredentialRule, EffectiveAccount};
    use crate::memory::MemoryStore;
    use crate::memory::outage::{Outage, State};

    #[tokio::test(start_paused = true)]
    async fn the_first_transfer_is_known_when_the_store_is_back() {
        // B10-10
        for away in [State::Away, State::Silent, State::Locked] {
            let store = Arc::new(MemoryStore::default());
            let json = r#"{"status":1,"username":"u","home_dir":"/u","permissions":{"/":["*"]}}"#;
            store.put(&AccountDraft::from_json(json).unwrap().validate(CredentialRule::Optional).unwrap().account);
            let key = EffectiveAccount::ungrouped(store.user("u").await.unwrap()).key();
            let outage = Outage::of(store.clone());
            let first = FirstTransfers::new(outage.clone(), Observers::new(Arc::default()));
            // `by_other`: when the one began that another server has stored meanwhile.
            let check = async |upload: bool, by_other: Option<i64>, at: i64, expected: bool| {
                outage.becomes(away);
                let mut asked = Box::pin(first.is_first(&key, upload, at));
                assert!(asked.as_mut().now_or_never().is_none());
                if let Some(at) = by_other {
                    store.record_first_transfer(&key, upload, at).await.unwrap();
                }
                outage.becomes(State::Here);
                assert_eq!(asked.await, Ok(expected), "{away:?}, upload: {upload}");
            };
            check(true, None, 7, true).await;
            check(true, None, 8, false).await;
            // One that is stored without an answer is before that of the other server.
            check(false, Some(5), 7, away == State::Silent).await;
            // The server ends.
            first.close();
            outage.becomes(away);
            assert!(first.is_first(&key, true, 9).await.is_err(), "{away:?}");
        }
    }
}
