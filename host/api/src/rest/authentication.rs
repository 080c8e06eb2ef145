//! The port to the use cases that authenticate administrators.

use async_trait::async_trait;
use tidegate_core::admin::{Actor, AdminError, Administration};
pub use tidegate_core::admin::{AuthenticationError, DoorClient, IssuedToken};
use tidegate_core::ports::StoreError;
use tidegate_core::secret::Secret;

/// Authenticates administrators; see [`Administration::authentication`].
#[async_trait]
pub trait Authenticate: Send + Sync {
    /// What is asked before [`judge`](Self::judge), or before the door compares the password with others.
    async fn ask(&self, username: &str, password: &Secret, client: &DoorClient) -> Result<(), AuthenticationError>;

    async fn judge(
        &self,
        username: &str,
        password: &Secret,
        one_time_code: Option<&str>,
        client: &DoorClient,
    ) -> Result<Actor, AuthenticationError>;

    async fn basic(
        &self,
        username: &str,
        password: &Secret,
        one_time_code: Option<&str>,
        client: &DoorClient,
    ) -> Result<Actor, AuthenticationError> {
        self.ask(username, password, client).await?;
        self.judge(username, password, one_time_code, client).await
    }

    async fn token(&self, token: &str, client: &DoorClient) -> Result<Actor, AuthenticationError>;

    async fn api_key(&self, key: &str, client: &DoorClient) -> Result<Actor, AuthenticationError>;

    async fn issue_token(&self, actor: &Actor) -> Result<IssuedToken, AdminError>;

    async fn revoke(&self, token: &str) -> Result<(), StoreError>;
}

#[async_trait]
impl Authenticate for Administration {
    async fn ask(&self, username: &str, password: &Secret, client: &DoorClient) -> Result<(), AuthenticationError> {
        self.authentication.ask(username, password, client).await
    }

    async fn judge(
        &self,
        username: &str,
        password: &Secret,
        one_time_code: Option<&str>,
        client: &DoorClient,
    ) -> Result<Actor, AuthenticationError> {
        self.authentication.judge(username, password, one_time_code, client).await
    }

    async fn basic(
        &self,
        username: &str,
        password: &Secret,
        one_time_code: Option<&str>,
        client: &DoorClient,
    ) -> Result<Actor, AuthenticationError> {
        self.authentication.basic(username, password, one_time_code, client).await
    }

    async fn token(&self, token: &str, client: &DoorClient) -> Result<Actor, AuthenticationError> {
        self.authentication.token(token, client).await
    }

    async fn api_key(&self, key: &str, client: &DoorClient) -> Result<Actor, AuthenticationError> {
        self.authentication.api_key(key, client).await
    }

    async fn issue_token(&self, actor: &Actor) -> Result<IssuedToken, AdminError> {
        self.authentication.issue_token(actor).await
    }

    async fn revoke(&self, token: &str) -> Result<(), StoreError> {
        self.authentication.revoke(token).await
    }
}
