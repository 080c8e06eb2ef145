//! Hooks that are web servers.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use tidegate_core::hook::{Call, Hook, HookDescription, HookError};
use url::form_urlencoded::byte_serialize;

use crate::event::{LegacyEvent, MAX_ANSWER, Request, Response, check_panel_users};
use crate::flavour::Flavour;
use crate::http_client::HttpClients;

pub struct HttpHook {
    clients: HttpClients,
    url: Url,
    /// The URL without credentials, as logs show it (B0-11).
    name: String,
    flavour: Flavour,
    /// Time for one request.
    timeout: Duration,
}

#[derive(Debug, thiserror::Error)]
#[error("\"{0}\" is not an http or https URL")]
pub struct HttpHookError(String);

impl HttpHook {
    pub fn new(url: &str, clients: HttpClients, flavour: Flavour) -> Result<Self, HttpHookError> {
        let url = check_url(url)?;
        let (name, timeout) = (redacted(url.as_str()), clients.settings.timeout);
        Ok(Self { clients, url, name, flavour, timeout })
    }

    /// Sets a time for one request that differs from that of all hooks.
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Sends one request.
    pub(crate) async fn exchange(&self, call: &Call, request: &Request) -> Result<Response, HookError> {
        call.sent(self.shown(request));
        let response = self.send(call, request).await?;
        let body = crate::redaction::redacted_answer(&response.body);
        call.received(format!("{}\n{body}", response.status));
        Ok(response)
    }

    async fn send(&self, call: &Call, request: &Request) -> Result<Response, HookError> {
        let mut url = self.url.clone();
        add_query(&mut url, &request.query);
        let client = self.clients.for_scheme(url.scheme());
        let builder = match &request.body {
            Some(body) => {
                let json = HeaderValue::from_static("application/json");
                client.post(url).header(CONTENT_TYPE, json).body(body.clone())
            }
            None => client.get(url),
        };
        let mut builder = builder.timeout(self.timeout);
        for header in &self.clients.settings.headers {
            if header.is_for(&self.url) {
                builder = builder.header(header.name.clone(), header.value.clone());
            }
        }
        if let Some(parent) = call.trace_parent(new_trace) {
            builder = builder.header("traceparent", parent);
        }
        let mut response = builder.send().await.map_err(|error| self.classify(error))?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.classify(error))? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(HookError::Limit(format!("it answered with more than {MAX_ANSWER} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response { status: response.status().as_u16(), body })
    }

    fn shown(&self, request: &Request) -> String {
        let method = if request.body.is_some() { "POST" } else { "GET" };
        format!("{method} {} {}\n{}", self.name, request.shown_query(), request.shown)
    }

    fn classify(&self, error: reqwest::Error) -> HookError {
        if error.is_timeout() {
            return HookError::Timeout(self.timeout);
        }
        // The error's own text would show the URL with its credentials.
        HookError::Unavailable(error.without_url().to_string())
    }

    pub(crate) fn describe(&self) -> HookDescription {
        let mut description = HookDescription::new(&self.name, self.timeout, "ready");
        description.limits = format!("compat {}", self.flavour.compat);
        description
    }
}

/// Checks that this can be the URL of a hook.
pub fn check_url(url: &str) -> Result<Url, HttpHookError> {
    // If the host is missing, the parser takes the first name of the path for it.
    let has_host = url.split_once("://").is_some_and(|(_, rest)| !rest.starts_with('/'));
    let parsed = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && has_host);
    parsed.ok_or_else(|| HttpHookError(redacted(url)))
}

/// Adds fields to the query, encoded as those of a form, with the bytes that they have.
fn add_query(url: &mut Url, fields: &[(&'static str, OsString)]) {
    if fields.is_empty() {
        return;
    }
    let mut query = url.query().unwrap_or_default().to_owned();
    for (name, value) in fields {
        if !query.is_empty() {
            query.push('&');
        }
        query.extend(byte_serialize(name.as_bytes()));
        query.push('=');
        query.extend(byte_serialize(value.as_bytes()));
    }
    url.set_query(Some(&query));
}

/// The URL without user, password and query.
fn redacted(url: &str) -> String {
    match Url::parse(url) {
        Ok(mut url) => {
            let had_credentials = !url.username().is_empty() || url.password().is_some();
            // These fail only for URLs that cannot have credentials.
            let _ = url.set_username("");
            let _ = url.set_password(None);
            url.set_query(None);
            if had_credentials { format!("{url} (with credentials)") } else { url.to_string() }
        }
        Err(_) => "(not a URL)".to_owned(),
    }
}

/// The header of a new trace with one span (W3C Trace Context); `None` if the system has no random numbers.
fn new_trace() -> Option<String> {
    let mut random = [0u8; 24];
    getrandom::fill(&mut random).ok()?;
    let hex: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let (trace, span) = hex.split_at_checked(32)?;
    Some(format!("00-{trace}-{span}-01"))
}

#[async_trait]
impl<E: LegacyEvent> Hook<E> for HttpHook {
    fn name(&self) -> &str {
        &self.name
    }

    fn relies_on_last_login(&self) -> bool {
        true
    }

    fn adapter(&self) -> &'static str {
        "http"
    }

    fn needs_password(&self) -> bool {
        E::needs_password(self.flavour)
    }

    fn description(&self) -> HookDescription {
        self.describe()
    }

    /// Only notifications are sent again (B0-08, B0-09).
    fn pause(&self, error: &HookError, tries: u32) -> Option<Duration> {
        let may_pass = matches!(error, HookError::Transient(_) | HookError::Unavailable(_) | HookError::Timeout(_));
        if may_pass && self.flavour.retries(E::KIND) { self.clients.settings.pause(tries) } else { None }
    }

    async fn call(&self, call: &Call, event: &E) -> Result<E::Verdict, HookError> {
        if !event.is_for(self.flavour)
            && let Some(verdict) = E::unheard()
        {
            return Ok(verdict);
        }
        check_panel_users(event, self.flavour)?;
        if call.decides()
            && let Some(path) = event.told_wrongly(self.flavour)
        {
            return Err(HookError::not_text(path));
        }
        let response = self.exchange(call, &event.request(self.flavour)).await?;
        event.read_response(&response, self.flavour)
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn credentials_of_urls_are_not_shown() {
        // B0-11
        assert_eq!(redacted("http://u:secret@host/path?key=secret"), "http://host/path (with credentials)");
        assert_eq!(redacted("https://host:8443/a"), "https://host:8443/a");
    }

    #[test]
    fn queries_have_the_bytes_that_they_are_given() {
        // A15-06
        let check = |url: &str, fields: &[(&'static str, &[u8])], expected: &str| {
            let mut url = Url::parse(url).unwrap();
            let fields: Vec<_> =
                fields.iter().map(|(name, value)| (*name, OsStr::from_bytes(value).to_owned())).collect();
            add_query(&mut url, &fields);
            assert_eq!(url.as_str(), expected);
        };
        check("http://h/", &[], "http://h/");
        check("http://h/?", &[("a", b"b")], "http://h/?a=b");
        check("http://h/x?k=%20v", &[("a", b"b"), ("c", b"")], "http://h/x?k=%20v&a=b&c=");
        check("http://h/", &[("path", b"/d e/f&g=+%*-._~")], "http://h/?path=%2Fd+e%2Ff%26g%3D%2B%25*-._%7E");
        check("http://h/", &[("path", "/\u{e9}\u{fffd}".as_bytes())], "http://h/?path=%2F%C3%A9%EF%BF%BD");
        check("http://h/", &[("path", b"/caf\xe9\xff")], "http://h/?path=%2Fcaf%E9%FF");
    }

    #[test]
    fn only_web_addresses_are_taken() {
        for url in ["ftp://host/", "http://", "http:", "/path", "http:///x", "https:////x", "http:/x"] {
            assert!(check_url(url).is_err(), "{url}");
        }
    }
}
