//! A11, B2: who is this, by these credentials?

use serde_json::{Map, Value, json};
use tidegate_core::account::{AccountDraft, Audience, compact_json};
use tidegate_core::connection::Credential;
use tidegate_core::hook::external_auth::{ExternalAuth, ExternalAuthVerdict};
use tidegate_core::hook::{Denial, HookError};

use super::object;
use crate::event::{LegacyEvent, PROTOCOL, ProgramInput, ProgramOutput, Request, Response};
use crate::flavour::{Compat, Flavour};

struct Fields {
    ip: String,
    password: String,
    public_key: String,
    keyboard_interactive: &'static str,
    user: Option<Map<String, Value>>,
}

fn fields(event: &ExternalAuth) -> Fields {
    let attempt = &event.0;
    let (mut password, mut public_key, mut keyboard_interactive) = Default::default();
    match &attempt.credential {
        Credential::Password(secret) => password = secret.expose().to_owned(),
        // With the newline at its end that a line of a file has.
        Credential::PublicKey(key) => public_key = format!("{}\n", key.to_line()),
        Credential::KeyboardInteractive => keyboard_interactive = "1",
    }
    Fields {
        ip: attempt.connection.remote.ip().to_string(),
        password,
        public_key,
        keyboard_interactive,
        user: attempt.stored.as_ref().map(|account| account.to_document(Audience::Trusted)),
    }
}

impl LegacyEvent for ExternalAuth {
    /// A11-02, B2-01: every variable is always there, empty when it does not apply.
    fn input(&self, _: Flavour) -> ProgramInput {
        let Fields { ip, password, public_key, keyboard_interactive, user } = fields(self);
        ProgramInput::default()
            .with("SFTPGO_AUTHD_USERNAME", &self.0.username)
            .with_secret("SFTPGO_AUTHD_USER", user.map(|user| compact_json(&user)).unwrap_or_default())
            .with("SFTPGO_AUTHD_IP", ip)
            .with_secret("SFTPGO_AUTHD_PASSWORD", password)
            .with("SFTPGO_AUTHD_PUBLIC_KEY", public_key)
            .with("SFTPGO_AUTHD_PROTOCOL", PROTOCOL)
            .with("SFTPGO_AUTHD_KEYBOARD_INTERACTIVE", keyboard_interactive)
            .with("SFTPGO_AUTHD_TLS_CERT", "")
    }

    fn read_output(&self, output: &ProgramOutput, flavour: Flavour) -> Result<ExternalAuthVerdict, HookError> {
        verdict(output.answer()?, flavour)
    }

    /// A11-10, B2-02
    fn request(&self, _: Flavour) -> Request {
        let Fields { ip, password, public_key, keyboard_interactive, user } = fields(self);
        let mut body = object([
            ("username", json!(self.0.username)),
            ("ip", json!(ip)),
            ("password", json!(password)),
            ("public_key", json!(public_key)),
            ("protocol", json!(PROTOCOL)),
            ("keyboard_interactive", json!(keyboard_interactive)),
            ("tls_cert", json!("")),
        ]);
        if let Some(user) = user {
            body.insert("user".to_owned(), Value::Object(user));
        }
        Request::post(Vec::new(), &body)
    }

    /// A11-11: 200 and a user, or a denial. A server error is a failure, not a denial.
    fn read_response(&self, response: &Response, flavour: Flavour) -> Result<ExternalAuthVerdict, HookError> {
        match response.objection()? {
            Some(reason) => Ok(ExternalAuthVerdict::Reject(Denial::new(reason))),
            None => verdict(&response.body, flavour),
        }
    }
}

/// A11-04, A11-06: a user is an acceptance, a user without a name a denial. What an empty
/// answer is depends on the era (J-01).
fn verdict(answer: &[u8], flavour: Flavour) -> Result<ExternalAuthVerdict, HookError> {
    let Some(draft) = super::account(answer, AccountDraft::default())? else {
        return Ok(if flavour.compat >= Compat::V2_4 {
            ExternalAuthVerdict::Accept(None)
        } else {
            ExternalAuthVerdict::Reject(Denial::new("the hook's answer was empty"))
        });
    };
    if draft.username().is_empty() {
        return Ok(ExternalAuthVerdict::Reject(Denial::new("the hook answered with an empty username")));
    }
    Ok(ExternalAuthVerdict::Accept(Some(Box::new(draft))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_users_or_denials() {
        // A11-04, A11-06, B15, B17
        let check = |answer: &str, compat: Compat, expected: &str| {
            let outcome = match verdict(answer.as_bytes(), Flavour { compat, ..Flavour::default() }) {
                Ok(ExternalAuthVerdict::Accept(Some(draft))) => format!("accept {}", draft.username()),
                Ok(ExternalAuthVerdict::Accept(None)) => "accept".to_owned(),
                Ok(ExternalAuthVerdict::Reject(_)) => "reject".to_owned(),
                Ok(other) => format!("{other:?}"),
                Err(error) => error.kind().to_owned(),
            };
            assert_eq!(outcome, expected, "{answer:?}");
        };
        let seed = Compat::Seed;
        check(r#"{"username":"bob"}"#, seed, "accept bob");
        check("\n {\"USERNAME\":\"bob\"} \n", seed, "accept bob");
        check(r#"{"username":""}"#, seed, "reject");
        check("{}", seed, "reject");
        check("", seed, "reject");
        check(" \n\t", seed, "reject");
        // J-01
        check("", Compat::V2_0, "reject");
        check("\n", Compat::Current, "accept");
        check("null", seed, "bad-output");
        check("OK", seed, "bad-output");
        check(r#"{"username":"bob"}{"username":"bob"}"#, seed, "bad-output");
        check(r#"{"username":"bob","status":"1"}"#, seed, "bad-output");
        check("debug\n{\"username\":\"bob\"}", seed, "bad-output");
    }
}
