//! Sessions whose end hooks are to be told of after a kill as well: they are on record before `session-create` hooks are
//! asked, and until `session-destroy` hooks have got the event, with those that have (D-04).

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::LoginService;
use crate::account::{EffectiveAccount, Factors};
use crate::connection::{Connection, ConnectionId, LoginMethod};
use crate::hook::observation::SessionDestroy;
use crate::ports::SessionRecord;
use crate::session::{EndReason, KeptPassword, LiveSession, Session, Traffic};

impl LoginService {
    /// Puts a session on record, if hooks are to be told of its end. Without a record it begins all the same: hooks
    /// are told of its end unless the server is killed.
    pub(super) fn put_on_record(&self, session: &Session) {
        let hooks = &self.ports.hooks;
        if !hooks.session_destroy.concerns(&session.subject()) {
            return;
        }
        let record = SessionRecord {
            id: session.id.as_str().to_owned(),
            username: session.username.clone(),
            account: session.account.username.clone(),
            remote: session.connection.remote,
            local: session.connection.local,
            client: session.connection.client_software().unwrap_or_default().to_owned(),
            method: session.method.as_str().to_owned(),
            connected_at: session.connection.opened_at,
            opened_at: session.opened_at,
            told: Vec::new(),
        };
        match hooks.session_records.keep(&record) {
            Ok(()) => session.live.is_on_record(hooks.session_records.clone(), Vec::new()),
            Err(error) => {
                let message =
                    format!("hooks would not be told of the end of a session if the server is killed: {error}");
                tracing::error!(sender = "login", message, connection_id = record.id);
            }
        }
    }

    /// Tells hooks of the end of the sessions that an earlier process has left, before there are new ones.
    pub async fn end_left_sessions(&self) {
        let hooks = &self.ports.hooks;
        for mut record in hooks.session_records.left() {
            let (id, told) = (record.id.clone(), std::mem::take(&mut record.told));
            let Some(session) = self.recalled(record).await else {
                let message = "hooks cannot be told of the end of a session: its record is not understood".to_owned();
                tracing::error!(sender = "login", message, connection_id = id);
                hooks.session_records.remove(&ConnectionId::new(id));
                continue;
            };
            let reason = EndReason::ServerStop;
            session.live.is_on_record(hooks.session_records.clone(), told);
            session.live.ends_because(reason);
            let lasted = self.ports.clock.now().saturating_sub(session.opened_at);
            let duration = Duration::from_millis(u64::try_from(lasted).unwrap_or(0));
            hooks.session_destroy.notify(SessionDestroy { session, reason, duration });
        }
    }

    async fn recalled(&self, record: SessionRecord) -> Option<Arc<Session>> {
        let accounts = &self.ports.accounts;
        let stored = match accounts.find(&record.account).await {
            Ok(Some(user)) => accounts.in_force(user).await.ok(),
            // Its account was deleted, belongs to one session alone, or cannot be read now.
            Ok(None) | Err(_) => None,
        };
        let account = match stored {
            Some(account) => account,
            None => EffectiveAccount::stand_in(&record.account).ok()?,
        };
        let account = Arc::new(account);
        let method = LoginMethod::ALL.into_iter().find(|method| method.as_str() == record.method)?;
        let client = OnceLock::new();
        if !record.client.is_empty() {
            client.get_or_init(|| record.client);
        }
        let id = ConnectionId::new(record.id);
        let connection = Arc::new(Connection {
            id: id.clone(),
            remote: record.remote,
            local: record.local,
            client,
            opened_at: record.connected_at,
            web: None,
        });
        Some(Arc::new(Session {
            id,
            connection,
            username: record.username,
            method,
            factors: Factors { methods: vec![method], has_code: false },
            password: KeptPassword::new(None),
            opened_at: record.opened_at,
            traffic: Traffic::default(),
            live: LiveSession::new(account.clone(), record.remote.ip(), record.opened_at),
            account,
        }))
    }
}
