//! The interface `conversations`: the guest is suspended while the user answers.

use tidegate_core::hook::WaitsFor;
use tidegate_core::hook::keyboard_interactive::{ConversationError, Prompt, Round};
use tidegate_core::secret::Secret;
use wasmtime::component::Resource;

use super::bindings::tidegate::hooks::conversations;
use super::state::{CallState, ConversationHandle};

/// Answers that a guest may have verified in one conversation, so that it cannot find out a stored
/// password or code by trying.
const MAX_VERIFICATIONS: u32 = 8;

impl CallState {
    /// Counts and logs a verification; one too many ends the call.
    fn count_verification(&mut self, what: &str) -> wasmtime::Result<()> {
        self.verified += 1;
        if self.verified > MAX_VERIFICATIONS {
            let problem = format!("it had more than {MAX_VERIFICATIONS} answers verified in one conversation");
            return Err(wasmtime::Error::msg(problem));
        }
        tracing::info!(
            sender = "audit",
            plugin = self.shared.name,
            connection_id = self.connection_text(),
            verification = self.verified,
            message = format!("the plugin had an answer compared with the account's {what}"),
        );
        Ok(())
    }
}

impl conversations::Host for CallState {}

impl conversations::HostConversation for CallState {
    async fn ask(
        &mut self,
        this: Resource<ConversationHandle>,
        instruction: String,
        prompts: Vec<conversations::Prompt>,
    ) -> wasmtime::Result<Result<Vec<String>, conversations::ConversationError>> {
        let conversation = self.table.get(&this)?.clone();
        let prompts = prompts.into_iter().map(|prompt| Prompt { text: prompt.text, echo: prompt.echo }).collect();
        let answers = conversation.ask(Round { instruction, prompts }).await;
        Ok(match answers {
            Ok(answers) => Ok(answers.iter().map(|answer| answer.expose().to_owned()).collect()),
            Err(ConversationError::Closed) => Err(conversations::ConversationError::Closed),
            Err(ConversationError::TooMany) => Err(conversations::ConversationError::TooMany),
        })
    }

    async fn verify_password(&mut self, this: Resource<ConversationHandle>, answer: String) -> wasmtime::Result<bool> {
        let conversation = self.table.get(&this)?.clone();
        self.count_verification("password")?;
        let answer = Secret::new(answer);
        Ok(self.waiting.during(WaitsFor::Passwords, conversation.verify_password(&answer)).await)
    }

    async fn verify_one_time_code(
        &mut self,
        this: Resource<ConversationHandle>,
        answer: String,
    ) -> wasmtime::Result<bool> {
        let conversation = self.table.get(&this)?.clone();
        self.count_verification("one-time code")?;
        Ok(conversation.verify_one_time_code(&Secret::new(answer)).await)
    }

    async fn drop(&mut self, this: Resource<ConversationHandle>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}
