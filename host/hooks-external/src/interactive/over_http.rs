//! Conversations with a web server, by one POST for each round (B4-05).

use async_trait::async_trait;
use serde_json::{Value, json};
use tidegate_core::hook::external_auth::ExternalAuth;
use tidegate_core::hook::keyboard_interactive::{KeyboardInteractive, KeyboardInteractiveVerdict};
use tidegate_core::hook::{Call, Hook, HookDescription, HookError};
use tidegate_core::secret::Secret;

use super::{Next, carry_out, message, stored_hash};
use crate::event::Request;
use crate::http::HttpHook;

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
            let body = body(event, &request_id, step, answered.take());
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
    event: &KeyboardInteractive,
    request_id: &str,
    step: u32,
    answered: Option<(Vec<Secret>, Vec<String>)>,
) -> serde_json::Map<String, Value> {
    let mut body = crate::events::object([
        ("request_id", json!(request_id)),
        ("step", json!(step)),
        ("username", json!(event.attempt.username)),
    ]);
    if step == 1 {
        body.insert("ip".to_owned(), json!(event.attempt.connection.remote.ip().to_string()));
    }
    body.insert("password".to_owned(), json!(stored_hash(event)));
    if let Some((answers, questions)) = answered {
        let answers: Vec<_> = answers.iter().map(Secret::expose).collect();
        body.insert("answers".to_owned(), json!(answers));
        body.insert("questions".to_owned(), json!(questions));
    }
    body
}

/// A random ID, the same in all steps of one login (B4-06).
fn request_id() -> Result<String, HookError> {
    let mut random = [0u8; 16];
    getrandom::fill(&mut random).map_err(|error| HookError::Failed(error.to_string()))?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}
