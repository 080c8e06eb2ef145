//! Conversations with a web server, by one POST for each round (B4-05).

use async_trait::async_trait;
use serde_json::{Value, json};
use tidegate_core::account::EffectiveAccount;
use tidegate_core::hook::external_auth::ExternalAuth;
use tidegate_core::hook::keyboard_interactive::{KeyboardInteractive, KeyboardInteractiveVerdict};
use tidegate_core::hook::rendering::MakesText;
use tidegate_core::hook::{Call, Hook, HookDescription, HookError, LoginAttempt};
use tidegate_core::secret::Secret;

use super::{Next, carry_out, message, stored_hash};
use crate::event::Request;
use crate::http::HttpHook;
use crate::shown_event::ShownEvent;

/// Most rounds of one conversation, in case the server never ends it.
const MAX_STEPS: u32 = 100;

#[async_trait]
impl Hook<KeyboardInteractive> for HttpHook {
    fn name(&self) -> &str {
        Hook::<ExternalAuth>::name(self)
    }

    fn adapter(&self) -> &'static str {
        "http"
    }

    fn description(&self) -> HookDescription {
        self.describe()
    }

    async fn call(&self, call: &Call, event: &KeyboardInteractive) -> Result<KeyboardInteractiveVerdict, HookError> {
        let request_id = request_id()?;
        let mut answered: Option<(Vec<Secret>, Vec<String>)> = None;
        for step in 1..=MAX_STEPS {
            let account = event.account.as_deref();
            let body = body(&event.attempt, account, &request_id, step, answered.take());
            let response = self.exchange(call, &Request::post(Vec::new(), &body)).await?;
            let message = message(&String::from_utf8_lossy(response.answer()?))?;
            let questions = message.round.prompts.iter().map(|prompt| prompt.text.clone()).collect();
            match carry_out(message, &*event.conversation).await? {
                Next::Verdict(verdict) => return Ok(verdict),
                Next::Answers(answers) => answered = Some((answers, questions)),
            }
        }
        Err(HookError::Limit(format!("it asked for more than {MAX_STEPS} rounds")))
    }
}

/// The body of a step. The first step has no answers and questions, later ones have no address.
fn body(
    attempt: &LoginAttempt,
    account: Option<&EffectiveAccount>,
    request_id: &str,
    step: u32,
    answered: Option<(Vec<Secret>, Vec<String>)>,
) -> serde_json::Map<String, Value> {
    let mut body = crate::events::object([
        ("request_id", json!(request_id)),
        ("step", json!(step)),
        ("username", json!(attempt.username)),
    ]);
    if step == 1 {
        body.insert("ip".to_owned(), json!(attempt.connection.remote.ip().to_string()));
    }
    body.insert("password".to_owned(), json!(stored_hash(account)));
    if let Some((answers, questions)) = answered {
        let answers: Vec<_> = answers.iter().map(Secret::expose).collect();
        body.insert("answers".to_owned(), json!(answers));
        body.insert("questions".to_owned(), json!(questions));
    }
    body
}

/// What the first step has, but for the ID. The conversation ends with the call, so that the record does not keep it.
impl ShownEvent for KeyboardInteractive {
    fn shown_later(&self) -> MakesText {
        let (attempt, account) = (self.attempt.clone(), self.account.clone());
        Box::new(move || {
            let mut body = body(&attempt, account.as_deref(), "", 1, None);
            body.retain(|name, _| name != "request_id");
            Request::post(Vec::new(), &body).in_words()
        })
    }
}

/// A random ID, the same in all steps of one login (B4-06).
fn request_id() -> Result<String, HookError> {
    let mut random = [0u8; 16];
    getrandom::fill(&mut random).map_err(|error| HookError::Failed(error.to_string()))?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::Arc;

    use tidegate_core::account::{AccountDraft, CredentialRule, EffectiveAccount};
    use tidegate_core::hook::HookEvent as _;

    use super::super::program::tests::event;
    use super::*;
    use crate::flavour::Flavour;
    use crate::http_client::{HttpClients, HttpSettings};

    /// Answers one request after the other; the thread's result are their bodies.
    fn web_server(answers: &'static [&'static str]) -> (String, std::thread::JoinHandle<Vec<Value>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let serve = move || {
            let body_of = |answer: &&str| {
                let (mut stream, _) = listener.accept().unwrap();
                let (mut request, mut portion) = (Vec::new(), [0; 4096]);
                let body = loop {
                    let count = stream.read(&mut portion).unwrap();
                    request.extend_from_slice(&portion[..count]);
                    let text = String::from_utf8_lossy(&request).into_owned();
                    let body = text.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str(body).ok());
                    if let Some(body) = body {
                        assert!(text.starts_with("POST / "), "{text}");
                        break body;
                    }
                };
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", answer.len());
                stream.write_all([head.as_bytes(), answer.as_bytes()].concat().as_slice()).unwrap();
                body
            };
            answers.iter().map(body_of).collect()
        };
        (url, std::thread::spawn(serve))
    }

    #[tokio::test]
    async fn each_round_is_a_post_with_what_was_answered() {
        // B4-05, B4-06
        let (url, asked) = web_server(&[
            r#"{"questions":["one","two"],"echos":[true,false]}"#,
            r#"{"questions":["three"],"echos":[true]}"#,
            r#"{"auth_result":1}"#,
        ]);
        let clients = HttpClients::new(HttpSettings::default(), false).unwrap();
        let hook = HttpHook::new(&url, clients, Flavour::default()).unwrap();
        let json = r#"{"username":"bob","password":"$1$a$b","home_dir":"/b","permissions":{"/":["*"]}}"#;
        let stored = AccountDraft::from_json(json).unwrap().validate(CredentialRule::Optional).unwrap().account;
        let event = KeyboardInteractive { account: Some(Arc::new(EffectiveAccount::ungrouped(stored))), ..event(0) };
        let verdict = Hook::<KeyboardInteractive>::call(&hook, &Call::default(), &event).await.unwrap();
        assert_eq!(KeyboardInteractive::label(&verdict).0, "accept");
        let asked = asked.join().unwrap();
        let id = &asked[0]["request_id"];
        assert!(id.as_str().is_some_and(|id| id.len() >= 16), "{id}");
        let step = |number: u32| json!({"request_id": id, "step": number, "username": "bob", "password": "$1$a$b"});
        let with = |mut body: Value, more: Value| {
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            body
        };
        let expected = [
            with(step(1), json!({"ip": "192.0.2.1"})),
            with(step(2), json!({"answers": ["x", "x"], "questions": ["one", "two"]})),
            with(step(3), json!({"answers": ["x"], "questions": ["three"]})),
        ];
        assert_eq!(asked, expected);
        // Another login has another one.
        assert_ne!(request_id().unwrap(), request_id().unwrap());
    }
}
