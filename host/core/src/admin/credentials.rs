//! Use cases about credentials that external authentication has decided about (B8-05).

use std::sync::Arc;

use super::{Actor, AdminError, Audit, UseCase};
use crate::login::ExternalAuthCache;

/// Use cases about remembered credentials.
pub struct CredentialAdministration {
    /// The credentials that this server remembers.
    pub cache: Arc<ExternalAuthCache>,
    /// Records that credentials were forgotten.
    pub audit: Audit,
}

impl CredentialAdministration {
    /// Forgets the credentials of one user or of all, so that hooks are asked again; how many there were.
    ///
    /// # Errors
    /// The actor lacks `manage_system`.
    pub async fn forget(&self, actor: &Actor, username: Option<&str>) -> Result<usize, AdminError> {
        self.audit.allow(actor, UseCase::ForgetCredentials, username.unwrap_or_default()).await?;
        let forgotten = self.cache.forget(username);
        self.audit.done(actor, "forget", "credentials", username.unwrap_or_default(), String::new()).await;
        Ok(forgotten)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::super::{AdminErrorKind, AdminPermission, Permissions, audit};
    use super::*;
    use crate::ports::{Door, SystemClock};

    #[tokio::test]
    async fn permitted_administrators_forget_credentials_and_that_is_recorded() {
        // B8-05
        let (kept, audit) = audit::tests::audit();
        let cache = ExternalAuthCache::new(Duration::ZERO, Arc::default(), Arc::new(SystemClock)).unwrap();
        let credentials = CredentialAdministration { cache: Arc::new(cache), audit };
        let root = Actor::local("root", Door::Socket);
        let viewer = Permissions::Only(BTreeSet::from([AdminPermission::ViewStatus]));
        let viewer = Actor { permissions: viewer, ..Actor::local("viewer", Door::Socket) };
        let refused = credentials.forget(&viewer, None).await.map_err(|error| error.kind());
        assert_eq!(refused, Err(AdminErrorKind::Forbidden));
        assert_eq!(credentials.forget(&root, Some("alice")).await, Ok(0));
        assert_eq!(credentials.forget(&root, None).await, Ok(0));
        assert_eq!(
            kept.lines(),
            ["viewer forget credentials  refused", "root forget credentials alice", "root forget credentials "]
        );
    }
}
