//! Events about logins, sessions and connections.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use tidegate_core::account::{Audience, compact_json, unknown_account};
use tidegate_core::hook::HookError;
use tidegate_core::hook::observation::{Disconnect, PostLogin, SessionDestroy};
use tidegate_core::session::Session;

use super::review::{Named, body, input, named, panel_name, panel_users, protocol, secret, web_fields};
use crate::event::{LegacyEvent, ProgramInput, ProgramOutput, Request, Response};
use crate::flavour::{Compat, Dialect, Flavour};

/// The fields of the panel's scripts are those of its session files (seed 003).
fn session_destroy(event: &SessionDestroy) -> Vec<Named> {
    let session = &event.session;
    let encoded = session.password.get().map(|password| STANDARD.encode(password.expose())).unwrap_or_default();
    let mut fields = vec![
        named("SFTPGO_SESSION_USERNAME", None, &session.account.username),
        named("", Some("username"), panel_name(session)),
        secret("", Some("passwd"), encoded),
        named("SFTPGO_SESSION_ID", Some("key"), session.id.as_str()),
        named("", Some("host"), host(session)),
        named("SFTPGO_SESSION_IP", Some("ip"), session.connection.remote.ip().to_string()),
        named("", Some("file"), ""),
        named("", Some("home_memory"), "0"),
        named("", Some("selected_domain"), ""),
        named("SFTPGO_SESSION_METHOD", None, session.method.as_str()),
        named("SFTPGO_SESSION_PROTOCOL", None, protocol(&session.connection)),
        named("SFTPGO_SESSION_ORIGIN", None, session.connection.origin()),
        named("SFTPGO_SESSION_REASON", None, event.reason.as_str()),
        named("SFTPGO_SESSION_DURATION", None, event.duration.as_millis().to_string()),
        named("SFTPGO_SESSION_BYTES_RECEIVED", None, session.traffic.received().to_string()),
        named("SFTPGO_SESSION_BYTES_SENT", None, session.traffic.sent().to_string()),
    ];
    fields.extend(web_fields(session));
    if let Some(web) = session.connection.web.as_ref().filter(|web| !web.login_key.is_empty()) {
        fields.push(named("SFTPGO_SESSION_LOGIN_KEY", Some("login_key"), &web.login_key));
    }
    fields
}

/// The server's end, as the client of a web session named it.
fn host(session: &Session) -> String {
    match session.connection.web.as_ref().filter(|web| !web.host.is_empty()) {
        Some(web) => web.host.clone(),
        None => session.connection.local.ip().to_string(),
    }
}

impl LegacyEvent for SessionDestroy {
    fn panel_users(&self) -> Vec<&str> {
        panel_users(&self.session)
    }

    /// Scripts of the panel have always got the password.
    fn needs_password(flavour: Flavour) -> bool {
        flavour.dialect == Dialect::DirectAdmin
    }

    fn input(&self, flavour: Flavour) -> ProgramInput {
        input(session_destroy(self), flavour.dialect)
    }

    fn read_output(&self, output: &ProgramOutput, _: Flavour) -> Result<(), HookError> {
        output.answer().map(drop)
    }

    fn request(&self, flavour: Flavour) -> Request {
        body(session_destroy(self), flavour.dialect)
    }

    fn read_response(&self, response: &Response, _: Flavour) -> Result<(), HookError> {
        response.answer().map(drop)
    }
}

/// The account without secrets, under the name that the client typed (A14-08).
fn user(event: &PostLogin) -> Map<String, Value> {
    let typed = event.attempt.as_ref().map_or("", |attempt| attempt.username.as_str());
    let stored = event.attempt.as_ref().and_then(|attempt| attempt.stored.as_deref());
    let account = event.outcome.as_ref().map(|session| &*session.account).ok().or(stored);
    let mut user = match account {
        Some(account) => account.to_hook_document(Audience::Redacted),
        None => unknown_account(typed),
    };
    user.insert("username".to_owned(), json!(typed));
    user
}

/// A14-03, J-07
fn login_method(event: &PostLogin, flavour: Flavour) -> &'static str {
    match &event.attempt {
        Some(attempt) => attempt.method().as_str(),
        None if flavour.compat == Compat::Current => "no_auth_tried",
        None => "no_auth_tryed",
    }
}

fn status(event: &PostLogin) -> &'static str {
    if event.outcome.is_ok() { "1" } else { "0" }
}

impl LegacyEvent for PostLogin {
    fn input(&self, flavour: Flavour) -> ProgramInput {
        ProgramInput::default()
            .with("SFTPGO_LOGIND_USER", compact_json(&user(self)))
            .with("SFTPGO_LOGIND_IP", self.connection.remote.ip().to_string())
            .with("SFTPGO_LOGIND_METHOD", login_method(self, flavour))
            .with("SFTPGO_LOGIND_STATUS", status(self))
            .with("SFTPGO_LOGIND_PROTOCOL", protocol(&self.connection))
    }

    fn read_output(&self, output: &ProgramOutput, _: Flavour) -> Result<(), HookError> {
        output.answer().map(drop)
    }

    /// A14-05
    fn request(&self, flavour: Flavour) -> Request {
        let query = vec![
            ("login_method", login_method(self, flavour).to_owned()),
            ("ip", self.connection.remote.ip().to_string()),
            ("protocol", protocol(&self.connection).to_owned()),
            ("status", status(self).to_owned()),
        ];
        Request::post(query, &user(self))
    }

    fn read_response(&self, response: &Response, _: Flavour) -> Result<(), HookError> {
        response.answer().map(drop)
    }
}

fn connection(event: &Disconnect) -> [String; 4] {
    let username = event.session.as_ref().map(|session| session.account.username.clone()).unwrap_or_default();
    let duration = event.duration.as_millis().to_string();
    [event.connection.remote.ip().to_string(), event.protocol.to_owned(), username, duration]
}

impl LegacyEvent for Disconnect {
    /// B7-02
    fn input(&self, _: Flavour) -> ProgramInput {
        let [ip, protocol, username, duration] = connection(self);
        ProgramInput::default()
            .with("SFTPGO_CONNECTION_IP", ip)
            .with("SFTPGO_CONNECTION_PROTOCOL", protocol)
            .with("SFTPGO_CONNECTION_USERNAME", username)
            .with("SFTPGO_CONNECTION_DURATION", duration)
    }

    fn read_output(&self, output: &ProgramOutput, _: Flavour) -> Result<(), HookError> {
        output.answer().map(drop)
    }

    fn request(&self, _: Flavour) -> Request {
        let [ip, protocol, username, duration] = connection(self);
        Request::get(vec![
            ("ip", ip),
            ("protocol", protocol),
            ("username", username),
            ("connection_duration", duration),
        ])
    }

    fn read_response(&self, response: &Response, _: Flavour) -> Result<(), HookError> {
        response.answer().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tidegate_core::connection::{Connection, Credential, WebVisit};
    use tidegate_core::hook::LoginAttempt;
    use tidegate_core::secret::Secret;

    use super::super::external_auth::tests::attempt;
    use super::*;

    #[test]
    fn observers_of_logins_are_told_by_which_protocol() {
        // A14-03, A14-05, A14-08
        let attempt = attempt(Credential::Password(Secret::new("pw")), true);
        for (web, protocol) in [(None, "SSH"), (Some(Box::default()), "HTTP")] {
            let web: Option<Box<WebVisit>> = web;
            let connection = Arc::new(Connection { web, ..(*attempt.connection).clone() });
            let attempt = LoginAttempt { connection: connection.clone(), ..attempt.clone() };
            for (attempt, username, method) in
                [(Some(Arc::new(attempt)), "bob", "password"), (None, "", "no_auth_tryed")]
            {
                let event = PostLogin { connection: connection.clone(), attempt, outcome: Err("no".to_owned()) };
                let input = event.input(Flavour::default());
                let variables: Vec<_> =
                    input.variables.iter().map(|(name, value, _)| (*name, value.to_str().unwrap())).collect();
                let user: Value = serde_json::from_str(variables[0].1).unwrap();
                assert_eq!((&user["username"], user.get("password")), (&json!(username), None));
                let expected = [
                    ("SFTPGO_LOGIND_USER", variables[0].1),
                    ("SFTPGO_LOGIND_IP", "192.0.2.1"),
                    ("SFTPGO_LOGIND_METHOD", method),
                    ("SFTPGO_LOGIND_STATUS", "0"),
                    ("SFTPGO_LOGIND_PROTOCOL", protocol),
                ];
                assert_eq!((variables.as_slice(), input.arguments.len()), (&expected[..], 0));
                let request = event.request(Flavour::default());
                let query: Vec<_> =
                    request.query.iter().map(|(name, value)| (*name, value.to_str().unwrap())).collect();
                let expected = [("login_method", method), ("ip", "192.0.2.1"), ("protocol", protocol), ("status", "0")];
                assert_eq!(query, expected);
                assert_eq!(serde_json::from_slice::<Value>(&request.body.unwrap()).unwrap(), user);
            }
        }
    }
}
