//! Hooks that allow or deny: exit status 0 or HTTP 200 allows; every other answer of the hook itself denies.

use std::ffi::OsString;

use serde_json::Value;
use tidegate_core::connection::Connection;
use tidegate_core::hook::review::{Connect, LoginPre, PasswordResetPre, Review, SessionCreate};
use tidegate_core::hook::{Denial, HookError};
use tidegate_core::session::Session;

use crate::event::{ACTS_AS, HTTP, Kept, LegacyEvent, PROTOCOL, ProgramInput, ProgramOutput, Request, Response};
use crate::flavour::{Dialect, Flavour};

pub fn from_output(output: &ProgramOutput) -> Review {
    output.objection().map_or(Review::Allow, |reason| Review::Deny(Denial::new(reason)))
}

pub fn from_response(response: &Response) -> Result<Review, HookError> {
    let objection = response.objection()?.map(|status| {
        let said = String::from_utf8_lossy(&response.body).trim().to_owned();
        if said.is_empty() { status } else { format!("{said} ({status})") }
    });
    Ok(objection.map_or(Review::Allow, |reason| Review::Deny(Denial::new(reason))))
}

/// A field, with its names in each dialect.
pub struct Named {
    pub sftpgo: &'static str,
    pub directadmin: Option<&'static str>,
    pub value: String,
    pub kept: Kept,
}

pub fn named(sftpgo: &'static str, directadmin: Option<&'static str>, value: impl Into<String>) -> Named {
    Named { sftpgo, directadmin, value: value.into(), kept: Kept::Shown }
}

pub fn secret(sftpgo: &'static str, directadmin: Option<&'static str>, value: impl Into<String>) -> Named {
    Named { sftpgo, directadmin, value: value.into(), kept: Kept::Redacted }
}

/// The variables of exactly one dialect. A field without a name in it is left out (D-12).
pub fn input(fields: Vec<Named>, dialect: Dialect) -> ProgramInput {
    let variables = fields.into_iter().filter_map(|field| {
        let name = match dialect {
            Dialect::Sftpgo => Some(field.sftpgo).filter(|name| !name.is_empty()),
            Dialect::DirectAdmin => field.directadmin,
        };
        name.map(|name| (name, OsString::from(field.value), field.kept))
    });
    ProgramInput { arguments: Vec::new(), variables: variables.collect() }
}

/// The same fields as a JSON object. SFTPGo's names are in lower case, without the prefix and the kind.
pub fn body(fields: Vec<Named>, dialect: Dialect) -> Request {
    let document = fields
        .into_iter()
        .filter_map(|field| {
            let name = match dialect {
                Dialect::Sftpgo => {
                    let short = field.sftpgo.splitn(3, '_').nth(2)?;
                    short.to_ascii_lowercase()
                }
                Dialect::DirectAdmin => field.directadmin?.to_owned(),
            };
            Some((name, Value::String(field.value)))
        })
        .collect();
    Request::post(Vec::new(), &document)
}

pub fn protocol(connection: &Connection) -> &'static str {
    if connection.web.is_some() { HTTP } else { PROTOCOL }
}

/// The panel's name of a session in which one user acts as another (D-13).
pub fn panel_name(session: &Session) -> String {
    let username = &session.account.username;
    match session.connection.web.as_ref().filter(|web| !web.impersonator.is_empty()) {
        Some(web) => format!("{}{ACTS_AS}{username}", web.impersonator),
        None => username.clone(),
    }
}

/// The names in [`panel_name`].
pub fn panel_users(session: &Session) -> Vec<&str> {
    let impersonator = session.connection.web.as_ref().map(|web| web.impersonator.as_str());
    impersonator.into_iter().chain([session.account.username.as_str()]).collect()
}

/// What only web sessions have.
pub fn web_fields(session: &Session) -> Option<Named> {
    let web = session.connection.web.as_ref()?;
    Some(named("SFTPGO_SESSION_IMPERSONATOR", None, &web.impersonator))
}

fn referer(connection: &Connection) -> &str {
    connection.web.as_ref().map_or("", |web| &web.referer)
}

impl LegacyEvent for Connect {
    /// B7-01
    fn input(&self, _: Flavour) -> ProgramInput {
        ProgramInput::default()
            .with("SFTPGO_CONNECTION_IP", self.0.remote.ip().to_string())
            .with("SFTPGO_CONNECTION_PROTOCOL", PROTOCOL)
    }

    fn read_output(&self, output: &ProgramOutput, _: Flavour) -> Result<Review, HookError> {
        Ok(from_output(output))
    }

    fn request(&self, _: Flavour) -> Request {
        Request::get(vec![("ip", self.0.remote.ip().to_string()), ("protocol", PROTOCOL.to_owned())])
    }

    fn read_response(&self, response: &Response, _: Flavour) -> Result<Review, HookError> {
        from_response(response)
    }
}

/// The fields of a login attempt (D-06). Only scripts of the panel get the password, as they always have.
fn login_pre(event: &LoginPre) -> Vec<Named> {
    let attempt = &event.0;
    vec![
        named("SFTPGO_LOGIN_USERNAME", Some("username"), &attempt.username),
        secret("", Some("password"), attempt.password().map(|password| password.expose()).unwrap_or_default()),
        named("SFTPGO_LOGIN_SESSION_ID", Some("session_id"), attempt.connection.id.as_str()),
        named("SFTPGO_LOGIN_IP", Some("ip"), attempt.connection.remote.ip().to_string()),
        named("", Some("referer"), referer(&attempt.connection)),
        named("SFTPGO_LOGIN_CLIENT", Some("user_agent"), attempt.connection.client_software().unwrap_or_default()),
        named("SFTPGO_LOGIN_METHOD", None, attempt.method().as_str()),
        named("SFTPGO_LOGIN_PROTOCOL", None, protocol(&attempt.connection)),
        named("SFTPGO_LOGIN_ATTEMPT", None, attempt.number.to_string()),
    ]
}

impl LegacyEvent for LoginPre {
    fn panel_users(&self) -> Vec<&str> {
        vec![self.0.username.as_str()]
    }

    fn input(&self, flavour: Flavour) -> ProgramInput {
        input(login_pre(self), flavour.dialect)
    }

    fn read_output(&self, output: &ProgramOutput, _: Flavour) -> Result<Review, HookError> {
        Ok(from_output(output))
    }

    fn request(&self, flavour: Flavour) -> Request {
        body(login_pre(self), flavour.dialect)
    }

    fn read_response(&self, response: &Response, _: Flavour) -> Result<Review, HookError> {
        from_response(response)
    }
}

fn session_create(session: &Session) -> Vec<Named> {
    let password = session.password.get();
    let password = password.as_ref().map(|password| password.expose()).unwrap_or_default();
    let fields = vec![
        named("SFTPGO_SESSION_USERNAME", None, &session.account.username),
        named("", Some("username"), panel_name(session)),
        secret("", Some("password"), password),
        named("SFTPGO_SESSION_ID", Some("session_id"), session.id.as_str()),
        named("SFTPGO_SESSION_IP", Some("ip"), session.connection.remote.ip().to_string()),
        named("", Some("referer"), referer(&session.connection)),
        named("SFTPGO_SESSION_CLIENT", Some("user_agent"), session.connection.client_software().unwrap_or_default()),
        named("SFTPGO_SESSION_METHOD", None, session.method.as_str()),
        named("SFTPGO_SESSION_PROTOCOL", None, protocol(&session.connection)),
        named("SFTPGO_SESSION_ORIGIN", None, session.connection.origin()),
    ];
    fields.into_iter().chain(web_fields(session)).collect()
}

impl LegacyEvent for SessionCreate {
    fn panel_users(&self) -> Vec<&str> {
        panel_users(&self.0)
    }

    /// Scripts of the panel have always got the password.
    fn needs_password(flavour: Flavour) -> bool {
        flavour.dialect == Dialect::DirectAdmin
    }

    fn input(&self, flavour: Flavour) -> ProgramInput {
        input(session_create(&self.0), flavour.dialect)
    }

    fn read_output(&self, output: &ProgramOutput, _: Flavour) -> Result<Review, HookError> {
        Ok(from_output(output))
    }

    fn request(&self, flavour: Flavour) -> Request {
        body(session_create(&self.0), flavour.dialect)
    }

    fn read_response(&self, response: &Response, _: Flavour) -> Result<Review, HookError> {
        from_response(response)
    }
}

fn password_reset(event: &PasswordResetPre) -> Vec<Named> {
    let request = &event.0;
    vec![
        named("SFTPGO_RESET_USERNAME", Some("username"), &request.username),
        named("", Some("password"), ""),
        named("SFTPGO_RESET_SESSION_ID", Some("session_id"), &request.session_id),
        named("SFTPGO_RESET_IP", Some("ip"), request.address.to_string()),
        named("SFTPGO_RESET_REFERER", Some("referer"), &request.referer),
        named("SFTPGO_RESET_USER_AGENT", Some("user_agent"), &request.user_agent),
    ]
}

impl LegacyEvent for PasswordResetPre {
    fn panel_users(&self) -> Vec<&str> {
        vec![self.0.username.as_str()]
    }

    fn input(&self, flavour: Flavour) -> ProgramInput {
        input(password_reset(self), flavour.dialect)
    }

    fn read_output(&self, output: &ProgramOutput, _: Flavour) -> Result<Review, HookError> {
        Ok(from_output(output))
    }

    fn request(&self, flavour: Flavour) -> Request {
        body(password_reset(self), flavour.dialect)
    }

    fn read_response(&self, response: &Response, _: Flavour) -> Result<Review, HookError> {
        from_response(response)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tidegate_core::account::{AccountDraft, CredentialRule, EffectiveAccount, Factors};
    use tidegate_core::connection::{Credential, WebVisit};
    use tidegate_core::hook::LoginAttempt;
    use tidegate_core::hook::observation::{OneClickLoginPost, SessionDestroy};
    use tidegate_core::hook::review::WebRequest;
    use tidegate_core::secret::Secret;
    use tidegate_core::session::{EndReason, KeptPassword, LiveSession, Traffic};

    use super::super::external_auth::tests::attempt;
    use super::*;
    use crate::event::check_panel_users;

    fn login(username: &str) -> Arc<LoginAttempt> {
        let attempt = attempt(Credential::Password(Secret::new("pw")), true);
        Arc::new(LoginAttempt { username: username.to_owned(), ..attempt })
    }

    /// A session of the user, for whom `impersonator` acts; None: no impersonation, over SSH.
    fn session(username: &str, impersonator: Option<&str>) -> Arc<Session> {
        let mut draft = AccountDraft::new(username);
        draft.set("home_dir", Value::from("/b"));
        draft.set_permissions("/", &["*".to_owned()]);
        let account = draft.validate(CredentialRule::Optional).unwrap().account;
        let account = Arc::new(EffectiveAccount::ungrouped(account));
        let attempt = login(username);
        let web = impersonator.map(|name| WebVisit { impersonator: name.to_owned(), ..WebVisit::default() });
        let connection = Arc::new(Connection { web: web.map(Box::new), ..(*attempt.connection).clone() });
        Arc::new(Session {
            id: connection.id.clone(),
            live: LiveSession::new(account.clone(), connection.remote.ip(), 0),
            connection,
            account,
            username: username.to_owned(),
            method: attempt.method(),
            factors: Factors::default(),
            password: KeptPassword::default(),
            opened_at: 0,
            traffic: Traffic::default(),
        })
    }

    fn reset(username: &str) -> PasswordResetPre {
        PasswordResetPre(Arc::new(WebRequest {
            username: username.to_owned(),
            address: "192.0.2.2".parse().unwrap(),
            referer: String::new(),
            user_agent: String::new(),
            session_id: String::new(),
        }))
    }

    /// What scripts of the panel get as `username`, and whether they get the event in the panel's dialect and in the other.
    fn told<E: LegacyEvent>(event: &E) -> (String, [bool; 2]) {
        let panel = Flavour { dialect: Dialect::DirectAdmin, ..Flavour::default() };
        let input = event.input(panel);
        let username = input.variables.into_iter().find(|(name, _, _)| *name == "username").unwrap().1;
        let username = username.into_string().unwrap();
        (username, [panel, Flavour::default()].map(|flavour| check_panel_users(event, flavour).is_ok()))
    }

    #[test]
    fn no_name_looks_like_one_user_who_acts_as_another() {
        // D-13
        let destroyed = |session| SessionDestroy { session, reason: EndReason::default(), duration: Duration::ZERO };
        for (name, is_told) in [("alice", true), ("root|alice", false), ("|", false), ("al:ice", true)] {
            let one_click = OneClickLoginPost { username: name.to_owned(), ..OneClickLoginPost::default() };
            for found in [
                told(&LoginPre(login(name))),
                told(&SessionCreate(session(name, None))),
                told(&SessionCreate(session(name, Some("")))),
                told(&destroyed(session(name, None))),
                told(&reset(name)),
                told(&one_click),
            ] {
                assert_eq!(found, (name.to_owned(), [is_told, true]));
            }
            // Where one acts as another, both names are looked at.
            for (impersonator, user) in [("root", name), (name, "bob")] {
                let expected = (format!("{impersonator}|{user}"), [is_told, true]);
                assert_eq!(told(&SessionCreate(session(user, Some(impersonator)))), expected);
                assert_eq!(told(&destroyed(session(user, Some(impersonator)))), expected);
            }
        }
    }
}
