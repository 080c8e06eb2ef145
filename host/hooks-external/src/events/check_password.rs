//! The event `check-password`: is this the password (B5)?

use serde_json::{Value, json};
use tidegate_core::hook::check_password::{CheckPassword, CheckPasswordVerdict};
use tidegate_core::hook::{Denial, HookError};
use tidegate_core::json;
use tidegate_core::secret::Secret;

use super::object;
use crate::event::{LegacyEvent, PROTOCOL, ProgramInput, ProgramOutput, Request, Response};
use crate::flavour::Flavour;

impl LegacyEvent for CheckPassword {
    fn input(&self, _: Flavour) -> ProgramInput {
        ProgramInput::default()
            .with("SFTPGO_AUTHD_USERNAME", &self.attempt.username)
            .with_secret("SFTPGO_AUTHD_PASSWORD", self.password.expose())
            .with("SFTPGO_AUTHD_IP", self.attempt.connection.remote.ip().to_string())
            .with("SFTPGO_AUTHD_PROTOCOL", PROTOCOL)
    }

    fn read_output(&self, output: &ProgramOutput, _: Flavour) -> Result<CheckPasswordVerdict, HookError> {
        verdict(output.answer()?)
    }

    fn request(&self, _: Flavour) -> Request {
        let body = object([
            ("username", json!(self.attempt.username)),
            ("password", json!(self.password.expose())),
            ("ip", json!(self.attempt.connection.remote.ip().to_string())),
            ("protocol", json!(PROTOCOL)),
        ]);
        Request::post(Vec::new(), &body)
    }

    fn read_response(&self, response: &Response, _: Flavour) -> Result<CheckPasswordVerdict, HookError> {
        verdict(response.answer()?)
    }
}

/// B5-03
fn verdict(answer: &[u8]) -> Result<CheckPasswordVerdict, HookError> {
    let bad = |text: String| HookError::BadOutput(text);
    let answer: Value =
        json::parse(&String::from_utf8_lossy(answer)).map_err(|error| bad(format!("not valid JSON: {error}")))?;
    let field = |name: &str| {
        let fields = answer.as_object()?;
        fields
            .get(name)
            .or_else(|| fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
    };
    if !answer.is_object() {
        return Err(bad("the answer must be a JSON object".to_owned()));
    }
    match field("status").map_or(Some(0), Value::as_i64) {
        Some(1) => Ok(CheckPasswordVerdict::Accept),
        Some(2) => {
            let to_verify = field("to_verify").map_or(Some(""), Value::as_str);
            let to_verify = to_verify.ok_or_else(|| bad("\"to_verify\" must be a string".to_owned()))?;
            Ok(CheckPasswordVerdict::Verify(Secret::new(to_verify)))
        }
        Some(status) => Ok(CheckPasswordVerdict::Deny(Denial::new(format!("the hook answered with status {status}")))),
        None => Err(bad("\"status\" must be an integer".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tidegate_core::connection::Credential;

    use super::super::external_auth::tests::attempt;
    use super::*;

    #[test]
    fn hooks_are_told_whose_password_it_is() {
        // B5-02
        let attempt = Arc::new(attempt(Credential::Password(Secret::new("typed")), true));
        let event = CheckPassword { attempt, password: Secret::new("pw") };
        let input = event.input(Flavour::default());
        let variables: Vec<_> =
            input.variables.iter().map(|(name, value, _)| (*name, value.to_str().unwrap())).collect();
        let expected = [
            ("SFTPGO_AUTHD_USERNAME", "bob"),
            ("SFTPGO_AUTHD_PASSWORD", "pw"),
            ("SFTPGO_AUTHD_IP", "192.0.2.1"),
            ("SFTPGO_AUTHD_PROTOCOL", "SSH"),
        ];
        assert_eq!((variables.as_slice(), input.arguments.len()), (&expected[..], 0));
        let request = event.request(Flavour::default());
        let body: Value = serde_json::from_slice(&request.body.unwrap()).unwrap();
        let expected = json!({"username": "bob", "password": "pw", "ip": "192.0.2.1", "protocol": "SSH"});
        assert_eq!((body, request.query.len()), (expected, 0));
    }

    #[test]
    fn answers_are_numbers() {
        // B5-03, B5-04
        let check = |answer: &str, expected: &str| {
            let outcome = match verdict(answer.as_bytes()) {
                Ok(CheckPasswordVerdict::Verify(secret)) => format!("verify {}", secret.expose()),
                Ok(CheckPasswordVerdict::Accept) => "accept".to_owned(),
                Ok(CheckPasswordVerdict::Deny(_)) => "deny".to_owned(),
                Ok(CheckPasswordVerdict::Defer) => "defer".to_owned(),
                Err(error) => error.kind().to_owned(),
            };
            assert_eq!(outcome, expected, "{answer}");
        };
        check(r#"{"status":0}"#, "deny");
        check(r#"{"status":1}"#, "accept");
        check(r#"{"Status":2,"to_verify":"pw"}"#, "verify pw");
        check(r#"{"status":3}"#, "deny");
        check("{}", "deny");
        check("", "bad-output");
        check("[]", "bad-output");
        check(r#"{"status":"1"}"#, "bad-output");
        check(r#"{"status":1} x"#, "bad-output");
    }
}
