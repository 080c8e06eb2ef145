//! The conversation that a guest suspends in.

use tidegate_core::hook::keyboard_interactive::{ConversationError, Prompt, Round};
use tidegate_core::secret::Secret;
use wasmtime::component::Resource;

use super::bindings::tidegate::hooks::conversations;
use super::state::{CallState, ConversationHandle};

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
        Ok(conversation.verify_password(&Secret::new(answer)).await)
    }

    async fn verify_one_time_code(
        &mut self,
        this: Resource<ConversationHandle>,
        answer: String,
    ) -> wasmtime::Result<bool> {
        let conversation = self.table.get(&this)?.clone();
        Ok(conversation.verify_one_time_code(&Secret::new(answer)).await)
    }

    async fn drop(&mut self, this: Resource<ConversationHandle>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}
