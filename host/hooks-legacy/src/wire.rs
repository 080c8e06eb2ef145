//! The legacy wire: what programs find in their environment, what web servers get as JSON,
//! and how an answer is read (A11, B2, B15).

use serde::Serialize;
use tidegate_core::account::{AccountDraft, Audience, compact_json};
use tidegate_core::connection::Credential;
use tidegate_core::hook::external_auth::{ExternalAuth, ExternalAuthVerdict};
use tidegate_core::hook::{Denial, HookError};

/// Longest answer read, in bytes (B0-05).
pub const MAX_ANSWER: usize = 1 << 20;
/// Linux refuses longer environment strings with E2BIG (C1-05).
pub const MAX_VARIABLE: usize = 128 << 10;

const PROTOCOL: &str = "SSH";

/// A11-02 and B2-01. Every variable is always there, empty when it does not apply.
pub fn external_auth_variables(event: &ExternalAuth) -> Vec<(&'static str, String)> {
    let fields = ExternalAuthFields::of(event);
    vec![
        ("SFTPGO_AUTHD_USERNAME", fields.username),
        ("SFTPGO_AUTHD_USER", fields.user.map(|user| compact_json(&user)).unwrap_or_default()),
        ("SFTPGO_AUTHD_IP", fields.ip),
        ("SFTPGO_AUTHD_PASSWORD", fields.password),
        ("SFTPGO_AUTHD_PUBLIC_KEY", fields.public_key),
        ("SFTPGO_AUTHD_PROTOCOL", fields.protocol.to_owned()),
        ("SFTPGO_AUTHD_KEYBOARD_INTERACTIVE", fields.keyboard_interactive),
        ("SFTPGO_AUTHD_TLS_CERT", fields.tls_cert.to_owned()),
    ]
}

/// A11-10 and B2-02.
pub fn external_auth_body(event: &ExternalAuth) -> Result<Vec<u8>, HookError> {
    serde_json::to_vec(&ExternalAuthFields::of(event)).map_err(|error| HookError::Failed(error.to_string()))
}

#[derive(Serialize)]
struct ExternalAuthFields {
    username: String,
    ip: String,
    password: String,
    public_key: String,
    protocol: &'static str,
    keyboard_interactive: String,
    tls_cert: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<serde_json::Map<String, serde_json::Value>>,
}

impl ExternalAuthFields {
    fn of(event: &ExternalAuth) -> Self {
        let (mut password, mut public_key, mut keyboard_interactive) = Default::default();
        match &event.credential {
            Credential::Password(secret) => password = secret.expose().to_owned(),
            // With the newline at its end that a line of a file has.
            Credential::PublicKey(key) => public_key = format!("{}\n", key.to_line()),
            Credential::KeyboardInteractive => keyboard_interactive = "1".to_owned(),
        }
        Self {
            username: event.username.clone(),
            ip: event.connection.remote.ip().to_string(),
            password,
            public_key,
            protocol: PROTOCOL,
            keyboard_interactive,
            tls_cert: "",
            user: event.stored.as_ref().map(|account| account.to_document(Audience::Trusted)),
        }
    }
}

/// A11-04, A11-06: a user is an acceptance, a user without a name a denial. An empty answer
/// denies as well (J-01), and so does anything that is not a user.
pub fn external_auth_answer(answer: &[u8]) -> Result<ExternalAuthVerdict, HookError> {
    // B15-07
    let text = String::from_utf8_lossy(answer);
    if text.trim().is_empty() {
        return Ok(ExternalAuthVerdict::Reject(Denial { reason: "the hook's answer was empty".to_owned() }));
    }
    let draft = AccountDraft::from_json(&text).map_err(|error| HookError::BadOutput(error.to_string()))?;
    if draft.username().is_empty() {
        return Ok(ExternalAuthVerdict::Reject(Denial {
            reason: "the hook answered with an empty username".to_owned(),
        }));
    }
    Ok(ExternalAuthVerdict::Accept(Some(Box::new(draft))))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tidegate_core::connection::{Connection, ConnectionId};
    use tidegate_core::secret::Secret;

    use super::*;

    fn event(credential: Credential) -> ExternalAuth {
        let connection = Connection {
            id: ConnectionId::new("c"),
            remote: "192.0.2.1:1234".parse().unwrap(),
            local: "192.0.2.2:22".parse().unwrap(),
            client_software: None,
            opened_at: 0,
        };
        ExternalAuth {
            connection: Arc::new(connection),
            username: "al'ice\n$(id)".to_owned(),
            credential,
            completed_methods: Vec::new(),
            stored: None,
        }
    }

    #[test]
    fn a_password_reaches_the_hook_unchanged() {
        let body = external_auth_body(&event(Credential::Password(Secret::new("p\"<w")))).unwrap();
        assert_eq!(
            String::from_utf8(body).unwrap(),
            r#"{"username":"al'ice\n$(id)","ip":"192.0.2.1","password":"p\"<w","public_key":"","protocol":"SSH","keyboard_interactive":"","tls_cert":""}"#
        );
        let variables = external_auth_variables(&event(Credential::KeyboardInteractive));
        let of = |name| variables.iter().find(|(variable, _)| *variable == name).unwrap().1.as_str();
        assert_eq!(of("SFTPGO_AUTHD_USERNAME"), "al'ice\n$(id)");
        assert_eq!(of("SFTPGO_AUTHD_KEYBOARD_INTERACTIVE"), "1");
        assert_eq!(of("SFTPGO_AUTHD_PASSWORD"), "");
    }

    #[test]
    fn answers_are_users_or_denials() {
        // A11-04, A11-06, B15, B17
        let check = |answer: &str, expected: &str| {
            let outcome = match external_auth_answer(answer.as_bytes()) {
                Ok(ExternalAuthVerdict::Accept(Some(draft))) => {
                    format!("accept {}", draft.username())
                }
                Ok(ExternalAuthVerdict::Reject(_)) => "reject".to_owned(),
                Ok(other) => format!("{other:?}"),
                Err(error) => error.kind().to_owned(),
            };
            assert_eq!(outcome, expected, "{answer:?}");
        };
        check(r#"{"username":"bob"}"#, "accept bob");
        check("\n {\"USERNAME\":\"bob\"} \n", "accept bob");
        check(r#"{"username":""}"#, "reject");
        check("{}", "reject");
        check("", "reject");
        check(" \n\t", "reject");
        check("null", "bad-output");
        check("OK", "bad-output");
        check(r#"{"username":"bob"}{"username":"bob"}"#, "bad-output");
        check(r#"{"username":"bob","status":"1"}"#, "bad-output");
        check("debug\n{\"username\":\"bob\"}", "bad-output");
    }
}
