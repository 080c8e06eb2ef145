//! Events about credentials of the web pages, bans, and the server's start.

use tidegate_core::hook::HookError;
use tidegate_core::hook::observation::{AddressBanned, CredentialChanged, OneClickLoginPost, Startup};

use super::review::{Named, body, input, named, secret};
use crate::event::{LegacyEvent, ProgramInput, ProgramOutput, Request, Response};
use crate::flavour::{Dialect, Flavour};

/// The fields of a changed credential (D-07). Only scripts of the panel get the key, as they always have.
fn credential(event: &CredentialChanged) -> Vec<Named> {
    let flag = |flag: bool| u8::from(flag).to_string();
    vec![
        named("SFTPGO_CREDENTIAL_NAME", Some("keyname"), &event.name),
        named("SFTPGO_CREDENTIAL_IS_LOGIN_URL", Some("is_login_url"), flag(event.is_login_url)),
        named("SFTPGO_CREDENTIAL_MODIFYING", Some("modifying"), flag(event.modifying)),
        secret("", Some("key"), event.key.expose()),
        named("SFTPGO_CREDENTIAL_EXPIRY_TIMESTAMP", Some("expiry_timestamp"), event.expires_at.to_string()),
        named("SFTPGO_CREDENTIAL_MAX_USES", Some("max_uses"), event.max_uses.to_string()),
        named("SFTPGO_CREDENTIAL_ALLOW", Some("allow"), event.allow.join("|")),
        named("SFTPGO_CREDENTIAL_DENY", Some("deny"), event.deny.join("|")),
        named("SFTPGO_CREDENTIAL_IPS", Some("ips"), event.ips.join("|")),
        named("SFTPGO_CREDENTIAL_NOTIFY", Some("login_keys_notify_on_creation"), event.notify.to_string()),
        named("SFTPGO_CREDENTIAL_USERNAME", None, &event.username),
    ]
}

impl LegacyEvent for CredentialChanged {
    fn input(&self, flavour: Flavour) -> ProgramInput {
        input(credential(self), flavour.dialect)
    }

    fn read_output(&self, output: &ProgramOutput, _: Flavour) -> Result<(), HookError> {
        output.answer().map(drop)
    }

    fn request(&self, flavour: Flavour) -> Request {
        body(credential(self), flavour.dialect)
    }

    fn read_response(&self, response: &Response, _: Flavour) -> Result<(), HookError> {
        response.answer().map(drop)
    }
}

/// The fields of a one-click login (D-11). Only scripts of the panel get the text that logs the user in.
fn one_click(event: &OneClickLoginPost) -> Vec<Named> {
    vec![
        named("SFTPGO_LOGIN_TOKEN", Some("token"), &event.token),
        named("SFTPGO_LOGIN_USERNAME", Some("username"), &event.username),
        secret("", Some("passwd"), event.password.expose()),
        named("SFTPGO_LOGIN_NAME", Some("name"), &event.name),
    ]
}

impl LegacyEvent for OneClickLoginPost {
    fn panel_users(&self) -> Vec<&str> {
        vec![self.username.as_str()]
    }

    fn input(&self, flavour: Flavour) -> ProgramInput {
        input(one_click(self), flavour.dialect)
    }

    fn read_output(&self, output: &ProgramOutput, _: Flavour) -> Result<(), HookError> {
        output.answer().map(drop)
    }

    fn request(&self, flavour: Flavour) -> Request {
        body(one_click(self), flavour.dialect)
    }

    fn read_response(&self, response: &Response, _: Flavour) -> Result<(), HookError> {
        response.answer().map(drop)
    }
}

/// The fields of a ban. The older server and the panel have no such hook, so that the names are ours.
fn ban(event: &AddressBanned) -> Vec<Named> {
    let seconds = |milliseconds: i64| (milliseconds / 1000).to_string();
    let offences = event.offences;
    vec![
        named("SFTPGO_BAN_IP", None, event.address.to_string()),
        named("SFTPGO_BAN_NETWORK", None, &event.network),
        named("SFTPGO_BAN_PROTOCOL", None, event.protocol.unwrap_or_default()),
        named("SFTPGO_BAN_SCORE", None, event.score.to_string()),
        named("SFTPGO_BAN_LOGIN_FAILED", None, offences.login_failed.to_string()),
        named("SFTPGO_BAN_USER_NOT_FOUND", None, offences.user_not_found.to_string()),
        named("SFTPGO_BAN_NO_LOGIN_TRIED", None, offences.no_login_tried.to_string()),
        named("SFTPGO_BAN_LIMIT_EXCEEDED", None, offences.limit_exceeded.to_string()),
        named("SFTPGO_BAN_AT", None, seconds(event.at)),
        named("SFTPGO_BAN_UNTIL", None, seconds(event.until)),
    ]
}

impl LegacyEvent for AddressBanned {
    fn input(&self, _: Flavour) -> ProgramInput {
        input(ban(self), Dialect::Sftpgo)
    }

    fn read_output(&self, output: &ProgramOutput, _: Flavour) -> Result<(), HookError> {
        output.answer().map(drop)
    }

    fn request(&self, _: Flavour) -> Request {
        body(ban(self), Dialect::Sftpgo)
    }

    fn read_response(&self, response: &Response, _: Flavour) -> Result<(), HookError> {
        response.answer().map(drop)
    }
}

impl LegacyEvent for Startup {
    fn input(&self, _: Flavour) -> ProgramInput {
        ProgramInput::default()
    }

    fn read_output(&self, output: &ProgramOutput, _: Flavour) -> Result<(), HookError> {
        output.answer().map(drop)
    }

    /// B7-03
    fn request(&self, _: Flavour) -> Request {
        Request::get(Vec::<(&str, String)>::new())
    }

    fn read_response(&self, response: &Response, _: Flavour) -> Result<(), HookError> {
        response.answer().map(drop)
    }
}
