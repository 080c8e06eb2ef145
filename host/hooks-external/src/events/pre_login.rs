//! The event `pre-login`: what should the account be (A13)?

use serde_json::{Map, Value};
use tidegate_core::account::{AccountDraft, Audience, compact_json, unknown_account};
use tidegate_core::hook::HookError;
use tidegate_core::hook::pre_login::{PreLogin, PreLoginVerdict};

use crate::event::{LegacyEvent, PROTOCOL, ProgramInput, ProgramOutput, Request, Response};
use crate::flavour::Flavour;

/// The account as it is stored, since the answer is stored, with the hash of the password. `id` 0
/// means that there is no such account.
fn document(event: &PreLogin, audience: Audience) -> Map<String, Value> {
    match &event.account {
        Some(account) => account.user().to_hook_document(audience),
        None => unknown_account(&event.attempt.username),
    }
}

fn ip(event: &PreLogin) -> String {
    event.attempt.connection.remote.ip().to_string()
}

fn method(event: &PreLogin) -> String {
    event.attempt.credential.method().as_str().to_owned()
}

/// Only the fields in the answer change (A13-05).
fn verdict(event: &PreLogin, answer: &[u8]) -> Result<PreLoginVerdict, HookError> {
    let base = event.account.as_ref().map(|account| AccountDraft::of(account.user())).unwrap_or_default();
    Ok(match super::account(answer, base)? {
        None => PreLoginVerdict::Unchanged,
        Some(draft) => PreLoginVerdict::Replace(Box::new(draft)),
    })
}

impl LegacyEvent for PreLogin {
    /// A13-02
    fn input(&self, flavour: Flavour) -> ProgramInput {
        ProgramInput::default()
            .with_secret("SFTPGO_LOGIND_USER", compact_json(&document(self, flavour.audience())))
            .with("SFTPGO_LOGIND_METHOD", method(self))
            .with("SFTPGO_LOGIND_IP", ip(self))
            .with("SFTPGO_LOGIND_PROTOCOL", PROTOCOL)
    }

    fn read_output(&self, output: &ProgramOutput, _: Flavour) -> Result<PreLoginVerdict, HookError> {
        verdict(self, output.answer()?)
    }

    /// A13-04
    fn request(&self, flavour: Flavour) -> Request {
        let query = vec![("login_method", method(self)), ("ip", ip(self)), ("protocol", PROTOCOL.to_owned())];
        Request::post(query, &document(self, flavour.audience()))
    }

    fn read_response(&self, response: &Response, _: Flavour) -> Result<PreLoginVerdict, HookError> {
        match response.status {
            204 => Ok(PreLoginVerdict::Unchanged),
            // An empty body means the same as 204 (B3-06).
            _ => verdict(self, response.answer()?),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tidegate_core::account::CredentialRule;
    use tidegate_core::connection::{Credential, LoginMethod};
    use tidegate_core::hook::{HookEvent as _, LoginAttempt};
    use tidegate_core::public_key::PublicKey;
    use tidegate_core::secret::Secret;

    use super::super::external_auth::tests::{KEY, attempt};
    use super::*;

    fn event(is_known: bool) -> PreLogin {
        PreLogin::new(Arc::new(attempt(Credential::Password(Secret::new("x")), is_known)))
    }

    #[test]
    fn only_what_an_answer_names_changes() {
        // A13-03, A13-05, A13-13, B0-07, B3-02, C6-03, C6-04
        let check = |answer: &str, expected: &[&str]| {
            let PreLoginVerdict::Replace(draft) = verdict(&event(true), answer.as_bytes()).unwrap() else {
                panic!("{answer}");
            };
            let account = draft.validate(CredentialRule::Optional).unwrap().account;
            let text = compact_json(&account.to_hook_document(Audience::Trusted));
            for part in [r#""username":"bob""#, r#""password":"$1$a$b""#, r#""home_dir":"/b""#].iter().chain(expected) {
                assert!(text.contains(part), "{answer}: {part} is not in {text}");
            }
        };
        check(r#"{"status":0}"#, &[r#""status":0"#, r#""permissions":{"/":["*"]}"#]);
        check(r#"{"status":1}"#, &[r#""status":1"#, r#""permissions":{"/":["*"]}"#]);
        check(r#"{"permissions":{"/in":["list"]}}"#, &[r#""permissions":{"/":["*"],"/in":["list"]}"#]);
        for empty in ["", "\n", " \t\n"] {
            assert!(matches!(verdict(&event(true), empty.as_bytes()), Ok(PreLoginVerdict::Unchanged)));
        }
        assert!(verdict(&event(true), b"no").is_err());
    }

    #[test]
    fn programs_are_told_who_logs_in_and_how() {
        // A13-02, A13-04, B3-07
        for is_known in [true, false] {
            let input = event(is_known).input(Flavour::default());
            let variables: Vec<_> =
                input.variables.iter().map(|(name, value, _)| (*name, value.to_str().unwrap())).collect();
            let [(first, user), rest @ ..] = variables.as_slice() else { panic!("{variables:?}") };
            assert!(*first == "SFTPGO_LOGIND_USER" && user.contains(r#""username":"bob""#), "{user}");
            assert_eq!(user.contains("$1$a$b"), is_known, "{user}");
            assert!(is_known || user.starts_with(r#"{"id":0,"#), "{user}");
            let expected = [
                ("SFTPGO_LOGIND_METHOD", "password"),
                ("SFTPGO_LOGIND_IP", "192.0.2.1"),
                ("SFTPGO_LOGIND_PROTOCOL", "SSH"),
            ];
            assert_eq!(rest, expected);
        }
        // Of the second of two steps, it is that step's own.
        let methods = [
            (Credential::Password(Secret::new("x")), "password"),
            (Credential::PublicKey(PublicKey::parse(KEY).unwrap()), "publickey"),
            (Credential::KeyboardInteractive, "keyboard-interactive"),
        ];
        for (credential, expected) in methods {
            for completed_methods in [vec![], vec![LoginMethod::PublicKey]] {
                let attempt = LoginAttempt { completed_methods, ..attempt(credential.clone(), true) };
                let event = PreLogin::new(Arc::new(attempt));
                assert_eq!(event.input(Flavour::default()).variables[1].1, *expected);
                assert_eq!(event.request(Flavour::default()).query[0].1, *expected);
            }
        }
    }

    #[test]
    fn statuses_say_whether_there_is_an_answer() {
        // A13-04, B3-06
        for (status, body, expected) in [
            (204, "", "unchanged"),
            (204, r#"{"status":1}"#, "unchanged"),
            (200, "", "unchanged"),
            (200, r#"{"status":1}"#, "replace"),
            (201, r#"{"status":1}"#, "failed"),
            (403, "", "failed"),
            (500, "", "failed"),
        ] {
            let response = Response { status, body: body.into() };
            let found = event(true).read_response(&response, Flavour::default());
            let found =
                found.map_or_else(|error| error.kind().to_owned(), |verdict| PreLogin::label(&verdict).0.to_owned());
            assert_eq!(found, expected, "{status} {body}");
        }
        let request = event(true).request(Flavour::default());
        let query: Vec<_> = request.query.iter().map(|(name, value)| (*name, value.to_str().unwrap())).collect();
        assert_eq!(query, [("login_method", "password"), ("ip", "192.0.2.1"), ("protocol", "SSH")]);
        assert!(String::from_utf8(request.body.unwrap()).unwrap().contains(r#""username":"bob""#));
    }
}
