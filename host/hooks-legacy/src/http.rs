//! Web servers as hooks.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use tidegate_core::hook::external_auth::{ExternalAuth, ExternalAuthVerdict};
use tidegate_core::hook::{Denial, Hook, HookDescription, HookError};

use crate::wire;

const CONNECT_TIME: Duration = Duration::from_secs(10);
const IDLE_CONNECTIONS: usize = 16;

pub struct HttpHook {
    client: Client,
    url: Url,
    /// Without credentials: this is what logs show (B0-11).
    name: String,
    deadline: Duration,
}

#[derive(Debug, thiserror::Error)]
pub enum HttpHookError {
    #[error("\"{0}\" is not an http or https URL")]
    NotAUrl(String),
    #[error("the HTTP client could not be made: {0}")]
    Client(String),
}

impl HttpHook {
    pub fn new(url: &str, deadline: Duration) -> Result<Self, HttpHookError> {
        let parsed = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url = parsed.ok_or_else(|| HttpHookError::NotAUrl(redacted(url)))?;
        let mut builder = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_TIME)
            .timeout(deadline)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")));
        if url.scheme() == "http" {
            // Without this, a machine without certificates could not even make the client.
            builder = builder.tls_certs_only(std::iter::empty::<reqwest::Certificate>());
        }
        let client = builder.build().map_err(|error| HttpHookError::Client(error.to_string()))?;
        let name = redacted(url.as_str());
        Ok(Self { client, url, name, deadline })
    }

    /// One POST; the answer's status and body.
    async fn post(&self, body: Vec<u8>) -> Result<(StatusCode, Vec<u8>), HookError> {
        let json = HeaderValue::from_static("application/json");
        let request = self.client.post(self.url.clone()).header(CONTENT_TYPE, json).body(body);
        let mut response = request.send().await.map_err(|error| self.classify(error))?;
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.classify(error))? {
            if answer.len() + chunk.len() > wire::MAX_ANSWER {
                return Err(HookError::Limit(format!("it answered with more than {} bytes", wire::MAX_ANSWER)));
            }
            answer.extend_from_slice(&chunk);
        }
        Ok((response.status(), answer))
    }

    fn classify(&self, error: reqwest::Error) -> HookError {
        if error.is_timeout() {
            return HookError::Timeout(self.deadline);
        }
        // The error's own text would show the URL with its credentials.
        HookError::Unavailable(error.without_url().to_string())
    }
}

/// The URL without user, password and query.
fn redacted(url: &str) -> String {
    match Url::parse(url) {
        Ok(mut url) => {
            let had_credentials = !url.username().is_empty() || url.password().is_some();
            // Both fail only for URLs that cannot have credentials.
            let _ = url.set_username("");
            let _ = url.set_password(None);
            url.set_query(None);
            if had_credentials { format!("{url} (with credentials)") } else { url.to_string() }
        }
        Err(_) => "(not a URL)".to_owned(),
    }
}

#[async_trait]
impl Hook<ExternalAuth> for HttpHook {
    fn name(&self) -> &str {
        &self.name
    }

    fn description(&self) -> HookDescription {
        HookDescription {
            adapter: "http",
            target: self.name.clone(),
            deadline: self.deadline,
            health: "ready".to_owned(),
        }
    }

    /// A11-11: 200 and a user, or a denial. A server error is a failure, not a denial.
    async fn call(&self, event: &ExternalAuth) -> Result<ExternalAuthVerdict, HookError> {
        let (status, answer) = self.post(wire::external_auth_body(event)?).await?;
        if status == StatusCode::OK {
            return wire::external_auth_answer(&answer);
        }
        if status.is_server_error() {
            return Err(HookError::Failed(format!("it answered with status {status}")));
        }
        Ok(ExternalAuthVerdict::Reject(Denial { reason: format!("the hook answered with status {status}") }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_of_urls_are_not_shown() {
        assert_eq!(redacted("http://u:secret@host/path?key=secret"), "http://host/path (with credentials)");
        assert_eq!(redacted("https://host:8443/a"), "https://host:8443/a");
    }

    #[test]
    fn only_web_addresses_are_taken() {
        for url in ["ftp://host/", "http://", "http:", "/path"] {
            assert!(HttpHook::new(url, Duration::from_secs(1)).is_err(), "{url}");
        }
    }
}
