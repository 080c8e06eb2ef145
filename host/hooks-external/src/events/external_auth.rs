//! The event `external-auth`: which account has these credentials (A11, B2)?

use serde_json::{Map, Value, json};
use tidegate_core::account::{AccountDraft, Audience, compact_json};
use tidegate_core::connection::Credential;
use tidegate_core::hook::external_auth::{ExternalAuth, ExternalAuthVerdict};
use tidegate_core::hook::{Denial, HookError, LoginAttempt};

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

fn fields(event: &ExternalAuth, audience: Audience) -> Fields {
    let attempt = &event.0;
    let (mut password, mut public_key, mut keyboard_interactive) = Default::default();
    match &attempt.credential {
        Credential::Password(secret) => password = secret.expose().to_owned(),
        // With a newline at the end, as in a line of a file.
        Credential::PublicKey(key) => public_key = format!("{}\n", key.to_line()),
        Credential::KeyboardInteractive => keyboard_interactive = "1",
    }
    Fields {
        ip: attempt.connection.remote.ip().to_string(),
        password,
        public_key,
        keyboard_interactive,
        user: attempt.stored.as_ref().map(|account| account.user().to_hook_document(audience)),
    }
}

impl LegacyEvent for ExternalAuth {
    /// Every variable is always set, and is empty if it does not apply (A11-02, B2-01).
    fn input(&self, flavour: Flavour) -> ProgramInput {
        let Fields { ip, password, public_key, keyboard_interactive, user } = fields(self, flavour.audience());
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
        verdict(&self.0, output.answer()?, flavour)
    }

    /// A11-10, B2-02
    fn request(&self, flavour: Flavour) -> Request {
        let Fields { ip, password, public_key, keyboard_interactive, user } = fields(self, flavour.audience());
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

    /// Status 200 with a user, or a denial. A server error is a failure, not a denial (A11-11).
    fn read_response(&self, response: &Response, flavour: Flavour) -> Result<ExternalAuthVerdict, HookError> {
        match response.objection()? {
            Some(reason) => Ok(ExternalAuthVerdict::Reject(Denial::new(reason))),
            None => verdict(&self.0, &response.body, flavour),
        }
    }
}

/// A user is an acceptance, and a user without a name a denial (A11-04, A11-06).
fn verdict(attempt: &LoginAttempt, answer: &[u8], flavour: Flavour) -> Result<ExternalAuthVerdict, HookError> {
    let Some(draft) = super::account(answer, AccountDraft::default())? else {
        return Ok(empty(attempt, flavour.compat));
    };
    if draft.username().is_empty() {
        return Ok(ExternalAuthVerdict::Reject(Denial::new("the hook answered with an empty username")));
    }
    Ok(ExternalAuthVerdict::Accept(Some(Box::new(draft))))
}

/// The meaning of an empty answer (J-01, B2-04). It was a denial in the first eras; later the stored account
/// decided. In the last era it also accepts a password, which becomes the stored one, but never a key.
fn empty(attempt: &LoginAttempt, compat: Compat) -> ExternalAuthVerdict {
    if compat < Compat::V2_4 {
        return ExternalAuthVerdict::Reject(Denial::new("the hook's answer was empty"));
    }
    match (&attempt.credential, &attempt.stored) {
        (Credential::Password(_), Some(stored)) if compat >= Compat::Current => {
            ExternalAuthVerdict::Accept(Some(Box::new(AccountDraft::of(stored.user()))))
        }
        _ => ExternalAuthVerdict::VerifyStored(None),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use tidegate_core::account::{CredentialRule, EffectiveAccount};
    use tidegate_core::connection::{Connection, ConnectionId};
    use tidegate_core::hook::Comparisons;
    use tidegate_core::public_key::PublicKey;
    use tidegate_core::secret::Secret;

    use super::*;

    pub const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio";

    pub fn attempt(credential: Credential, is_known: bool) -> LoginAttempt {
        let address = "192.0.2.1:5".parse().unwrap();
        let id = ConnectionId::new("c");
        let connection =
            Connection { id, remote: address, local: address, client: Default::default(), opened_at: 0, web: None };
        let json = r#"{"username":"bob","password":"$1$a$b","home_dir":"/b","permissions":{"/":["*"]}}"#;
        let stored = AccountDraft::from_json(json).unwrap().validate(CredentialRule::Optional).unwrap().account;
        LoginAttempt {
            connection: Arc::new(connection),
            username: "bob".to_owned(),
            credential,
            completed_methods: Vec::new(),
            stored: is_known.then(|| Arc::new(EffectiveAccount::ungrouped(stored))),
            read_at: Instant::now(),
            number: 1,
            comparisons: Comparisons::default(),
            decision: Default::default(),
        }
    }

    fn shown(outcome: Result<ExternalAuthVerdict, HookError>) -> String {
        match outcome {
            Ok(ExternalAuthVerdict::Accept(Some(draft))) => format!("accept {}", draft.username()),
            Ok(ExternalAuthVerdict::Accept(None)) => "accept".to_owned(),
            Ok(ExternalAuthVerdict::VerifyStored(_)) => "verify-stored".to_owned(),
            Ok(ExternalAuthVerdict::Reject(_)) => "reject".to_owned(),
            Ok(other) => format!("{other:?}"),
            Err(error) => error.kind().to_owned(),
        }
    }

    #[test]
    fn answers_are_users_or_denials() {
        // A11-04, A11-06, B15, B17, C6-10
        let attempt = attempt(Credential::Password(Secret::new("x")), true);
        let check = |answer: &str, expected: &str| {
            for (_, compat) in Compat::NAMES {
                let outcome = verdict(&attempt, answer.as_bytes(), Flavour { compat, ..Flavour::default() });
                assert_eq!(shown(outcome), expected, "{answer:?} {compat}");
            }
        };
        check(r#"{"username":"bob"}"#, "accept bob");
        check("\n {\"USERNAME\":\"bob\"} \n", "accept bob");
        check(r#"{"username":""}"#, "reject");
        check("{}", "reject");
        check("null", "bad-output");
        check("OK", "bad-output");
        check(r#"{"username":"bob"}{"username":"bob"}"#, "bad-output");
        check(r#"{"username":"bob","status":"1"}"#, "bad-output");
        check("debug\n{\"username\":\"bob\"}", "bad-output");
        for (answer, place) in
            [("{\"username\":\"bob\"}\ndebug", "line 2 column 1"), ("{\"username\" \"bob\"}", "column 13")]
        {
            let error = verdict(&attempt, answer.as_bytes(), Flavour::default()).unwrap_err().to_string();
            assert!(error.contains(place), "{error}");
        }
        // B15-07
        let outcome = verdict(&attempt, b"{\"username\":\"b\xffb\"}", Flavour::default());
        assert_eq!(shown(outcome), "accept b\u{fffd}b");
    }

    #[test]
    fn an_empty_answer_accepts_no_key() {
        // A11-06, B0-07, B2-04, J-01
        let key = || Credential::PublicKey(PublicKey::parse(KEY).unwrap());
        let password = || Credential::Password(Secret::new("x"));
        let check = |credential: Credential, is_known, expected: [&str; 5]| {
            let attempt = attempt(credential, is_known);
            for ((name, compat), expected) in Compat::NAMES.into_iter().zip(expected) {
                for answer in ["", "\n", " \t\n"] {
                    let outcome = verdict(&attempt, answer.as_bytes(), Flavour { compat, ..Flavour::default() });
                    assert_eq!(shown(outcome), expected, "{name} {:?} {is_known}", attempt.credential);
                }
            }
        };
        let stored = ["reject", "reject", "reject", "verify-stored", "verify-stored"];
        check(password(), true, ["reject", "reject", "reject", "verify-stored", "accept bob"]);
        check(password(), false, stored);
        check(key(), true, stored);
        check(key(), false, stored);
        check(Credential::KeyboardInteractive, true, stored);
        check(Credential::KeyboardInteractive, false, stored);
    }

    #[test]
    fn every_variable_and_every_field_is_there() {
        // A11-01, A11-02, A11-10, B2-01, B2-02
        let check = |credential: Credential, is_known: bool, [password, key, conversation]: [&str; 3]| {
            let event = ExternalAuth(Arc::new(attempt(credential, is_known)));
            let input = event.input(Flavour::default());
            let variables: Vec<_> =
                input.variables.iter().map(|(name, value, _)| (*name, value.to_str().unwrap())).collect();
            let user = variables.get(1).map_or("", |(_, value)| *value);
            assert!(if is_known { user.contains("\"$1$a$b\"") } else { user.is_empty() }, "{user}");
            let expected = [
                ("SFTPGO_AUTHD_USERNAME", "bob"),
                ("SFTPGO_AUTHD_USER", user),
                ("SFTPGO_AUTHD_IP", "192.0.2.1"),
                ("SFTPGO_AUTHD_PASSWORD", password),
                ("SFTPGO_AUTHD_PUBLIC_KEY", key),
                ("SFTPGO_AUTHD_PROTOCOL", "SSH"),
                ("SFTPGO_AUTHD_KEYBOARD_INTERACTIVE", conversation),
                ("SFTPGO_AUTHD_TLS_CERT", ""),
            ];
            assert_eq!(variables, expected);
            assert!(input.arguments.is_empty());
            let body = event.request(Flavour::default()).body.unwrap();
            let mut body: Map<String, Value> = serde_json::from_slice(&body).unwrap();
            assert_eq!(body.remove("user").is_some(), is_known);
            let expected = object([
                ("username", json!("bob")),
                ("ip", json!("192.0.2.1")),
                ("password", json!(password)),
                ("public_key", json!(key)),
                ("protocol", json!("SSH")),
                ("keyboard_interactive", json!(conversation)),
                ("tls_cert", json!("")),
            ]);
            assert_eq!(body, expected);
        };
        let line = format!("{KEY}\n");
        for is_known in [true, false] {
            check(Credential::Password(Secret::new("pw")), is_known, ["pw", "", ""]);
            check(Credential::PublicKey(PublicKey::parse(KEY).unwrap()), is_known, ["", line.as_str(), ""]);
            check(Credential::KeyboardInteractive, is_known, ["", "", "1"]);
        }
    }
}
