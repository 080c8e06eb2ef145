//! Asks for the password and then for a one-time code. See README.md.

use serde::Deserialize;
use tidegate_hook::{Conversation, Failure, InteractiveVerdict, KeyboardInteractive, LoginAttempt, Prompt, config};

struct Totp;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// Whether users without one-time codes may log in with the password alone.
    optional: bool,
    password_prompt: Option<String>,
    code_prompt: Option<String>,
}

impl Settings {
    fn read() -> Result<Self, Failure> {
        serde_json::from_str(&config::to_json()).map_err(|error| Failure::new(format!("config: {error}")))
    }
}

impl KeyboardInteractive for Totp {
    fn converse(attempt: &LoginAttempt, conversation: &Conversation) -> Result<InteractiveVerdict, Failure> {
        let settings = Settings::read()?;
        // A user without an account is asked for both, as those with codes are.
        let enrolled = attempt.stored_account().is_none_or(|account| has_codes(&account.to_json()));
        let ask = |text: Option<String>, default: &str| {
            let prompt = Prompt { text: text.unwrap_or_else(|| default.to_owned()), echo: false };
            // The client is gone, and hears no verdict.
            conversation.ask("", &[prompt]).ok().and_then(|answers| answers.into_iter().next())
        };
        let Some(password) = ask(settings.password_prompt, "Password: ") else { return Ok(gone()) };
        let is_password = conversation.verify_password(&password);
        if settings.optional && !enrolled {
            return Ok(if is_password { InteractiveVerdict::Accept(None) } else { wrong() });
        }
        // The code is asked for whether the password was right or not, and used up by no wrong one.
        let Some(code) = ask(settings.code_prompt, "One-time code: ") else { return Ok(gone()) };
        if !is_password {
            return Ok(wrong());
        }
        Ok(if conversation.verify_one_time_code(&code) { InteractiveVerdict::Accept(None) } else { wrong() })
    }
}

fn gone() -> InteractiveVerdict {
    InteractiveVerdict::reject("the user went away")
}

fn wrong() -> InteractiveVerdict {
    InteractiveVerdict::reject("the password or the code is wrong")
}

/// The document shows that there are codes, and never their secret.
fn has_codes(document: &str) -> bool {
    let document: serde_json::Value = serde_json::from_str(document).unwrap_or_default();
    document.pointer("/filters/totp_config/enabled").and_then(serde_json::Value::as_bool).unwrap_or(false)
}

tidegate_hook::export!(Totp: KeyboardInteractive);

#[cfg(test)]
mod tests {
    use tidegate_hook::Account;
    use tidegate_hook::testing::host;

    use super::*;

    fn check(settings: &str, enrolled: bool, answers: &[&[&str]], expected: bool) {
        host::reset();
        host::set_config(settings);
        let account = format!(r#"{{"username": "alice", "filters": {{"totp_config": {{"enabled": {enrolled}}}}}}}"#);
        let attempt = LoginAttempt::keyboard_interactive("alice").of_stored(Account::from_json(&account));
        let conversation = Conversation::answering(answers).whose_password_is("pw").whose_code_is("123456");
        let verdict = Totp::converse(&attempt, &conversation).unwrap();
        assert_eq!(matches!(verdict, InteractiveVerdict::Accept(_)), expected, "{answers:?}");
    }

    #[test]
    fn both_have_to_be_right() {
        check("{}", true, &[&["pw"], &["123456"]], true);
        check("{}", true, &[&["pw"], &["000000"]], false);
        check("{}", true, &[&["other"], &["123456"]], false);
        check("{}", true, &[&["pw"]], false);
        check("{}", true, &[], false);
        check("{}", false, &[&["pw"], &[""]], false);
    }

    #[test]
    fn codes_can_be_optional() {
        check(r#"{"optional": true}"#, false, &[&["pw"]], true);
        check(r#"{"optional": true}"#, false, &[&["other"]], false);
        check(r#"{"optional": true}"#, true, &[&["pw"]], false);
    }
}
