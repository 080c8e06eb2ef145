//! Hooks that allow or deny: exit status 0 or HTTP 200 allows; every other answer of the hook itself denies.

use std::ffi::OsString;

use serde_json::Value;
use tidegate_core::connection::Connection;
use tidegate_core::hook::review::{Connect, LoginPre, PasswordResetPre, Review, SessionCreate};
use tidegate_core::hook::{Denial, HookError};
use tidegate_core::session::Session;

use crate::event::{HTTP, Kept, LegacyEvent, PROTOCOL, ProgramInput, ProgramOutput, Request, Response};
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
        Some(web) => format!("{}|{username}", web.impersonator),
        None => username.clone(),
    }
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
