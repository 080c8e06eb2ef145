//! Use cases about open sessions.

use std::sync::Arc;

use super::{Actor, AdminError, Audit, UseCase};
use crate::connection::ConnectionId;
use crate::session::{EndReason, Session, SessionRegistry};

/// Use cases about open sessions.
pub struct SessionAdministration {
    /// The open sessions of this server.
    pub sessions: Arc<SessionRegistry>,
    /// Records closed sessions.
    pub audit: Audit,
}

impl SessionAdministration {
    /// The sessions whose login is complete, the oldest first; for an actor with a role, those of the accounts that have
    /// the role now.
    ///
    /// # Errors
    /// The actor lacks `view_conns`.
    pub async fn list(&self, actor: &Actor) -> Result<Vec<Arc<Session>>, AdminError> {
        self.audit.allow(actor, UseCase::ListSessions, "").await?;
        let mut sessions = self.sessions.sessions();
        sessions.retain(|session| actor.has_session(session));
        Ok(sessions)
    }

    /// The session of a connection, if it is one of the list.
    ///
    /// # Errors
    /// The actor lacks `view_conns`, or there is no such session.
    pub async fn show(&self, actor: &Actor, connection: &ConnectionId) -> Result<Arc<Session>, AdminError> {
        let sessions = self.list(actor).await?;
        sessions.into_iter().find(|session| session.id == *connection).ok_or(AdminError::NoSession)
    }

    /// Closes the session of a connection.
    ///
    /// # Errors
    /// The actor lacks `close_conns`, or there is no such session.
    pub async fn close(&self, actor: &Actor, connection: &ConnectionId) -> Result<(), AdminError> {
        self.audit.allow(actor, UseCase::CloseSession, connection.as_str()).await?;
        let is_own = |session: &Arc<Session>| session.id == *connection && actor.has_session(session);
        if actor.role.is_some() && !self.sessions.sessions().iter().any(is_own) {
            return Err(self
                .audit
                .refuse(actor, UseCase::CloseSession, connection.as_str(), AdminError::NoSession)
                .await);
        }
        if !self.sessions.close(connection, EndReason::AdminClosed) {
            return Err(AdminError::NoSession);
        }
        self.audit.done(actor, "close", "session", connection.as_str(), String::new()).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::{AdminErrorKind, AdminPermission, Permissions, audit};
    use super::*;
    use crate::ports::Door;
    use tokio_util::sync::CancellationToken;

    #[tokio::test]
    async fn sessions_are_closed_and_recorded_once() {
        let (kept, audit) = audit::tests::audit();
        let sessions = Arc::new(SessionRegistry::default());
        let administration = SessionAdministration { sessions: sessions.clone(), audit };
        let slot = sessions.admit(&ConnectionId::new("c1"), "alice", 0, CancellationToken::new()).unwrap();
        let root = Actor::local("root", Door::Socket);
        let viewer = Permissions::Only(BTreeSet::from([AdminPermission::ViewConnections]));
        let viewer = Actor { permissions: viewer, ..Actor::local("viewer", Door::Socket) };
        assert!(administration.list(&viewer).await.is_ok());
        let check = async |actor: &Actor, id: &str| {
            administration.close(actor, &ConnectionId::new(id)).await.map_err(|error| error.kind())
        };
        assert_eq!(check(&viewer, "c1").await, Err(AdminErrorKind::Forbidden));
        assert_eq!(check(&root, "c2").await, Err(AdminErrorKind::NotFound));
        assert_eq!(check(&root, "c1").await, Ok(()));
        drop(slot);
        assert_eq!(check(&root, "c1").await, Err(AdminErrorKind::NotFound));
        assert_eq!(kept.lines(), ["viewer close session c1 refused", "root close session c1"]);
    }
}
