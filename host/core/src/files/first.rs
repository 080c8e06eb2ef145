//! The first download and the first upload of an account, which are stored, and which observers get once
//! (B10-10).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use tokio::sync::{Mutex, mpsc};

use crate::hook::events::{ActionKind, FileAction};
use crate::hook::observation::PostAction;
use crate::hook::observers::{ObserverWork, Untold};
use crate::hook::{HookEvent, Observers};
use crate::ports::Directory;

/// Transfers that may wait to be stored. A session adds at most one of each kind. If the queue is full, the
/// transfer is not stored, and the first one of the account's next session is tried instead.
const QUEUE: usize = 1000;

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
        match self.accounts.record_first_transfer(&account.key(), upload, action.at / 1_000_000).await {
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
