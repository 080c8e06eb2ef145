//! Asks for the password, and then for the name of the town.
//! Hook point: keyboard-interactive. Build: ./build.sh in a project of `tidegate plugin new`.

use tidegate_hook::{Conversation, Failure, InteractiveVerdict, KeyboardInteractive, LoginAttempt, Prompt};

use crate::Plugin;

impl KeyboardInteractive for Plugin {
    fn converse(_attempt: &LoginAttempt, conversation: &Conversation) -> Result<InteractiveVerdict, Failure> {
        let ask = |text: &str, echo| {
            let prompt = Prompt { text: text.to_owned(), echo };
            let answers = conversation.ask("", &[prompt]).map_err(|error| Failure::new(format!("{error:?}")))?;
            Ok::<_, Failure>(answers.into_iter().next().unwrap_or_default())
        };
        if !conversation.verify_password(&ask("Password: ", false)?) {
            return Ok(InteractiveVerdict::reject("not the password"));
        }
        let town = ask("Town: ", true)?;
        Ok(if town == "Tidegate" {
            InteractiveVerdict::Accept(None)
        } else {
            InteractiveVerdict::reject("not the town")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_answers_have_to_be_right() {
        let attempt = LoginAttempt::keyboard_interactive("alice");
        let right = Conversation::answering(&[&["pw"], &["Tidegate"]]).whose_password_is("pw");
        assert!(matches!(Plugin::converse(&attempt, &right), Ok(InteractiveVerdict::Accept(None))));
        assert_eq!(right.asked(), ["Password: ", "Town: "]);
        let wrong = Conversation::answering(&[&["pw"], &["Rome"]]).whose_password_is("pw");
        assert!(matches!(Plugin::converse(&attempt, &wrong), Ok(InteractiveVerdict::Reject(_))));
    }
}
