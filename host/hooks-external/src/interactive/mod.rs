//! Keyboard-interactive hooks of the older server (A12, B4): rounds in JSON, either as lines of a
//! program or as answers of a web server.

mod over_http;
mod program;

use serde_json::Value;
use tidegate_core::account::EffectiveAccount;
use tidegate_core::hook::keyboard_interactive::{
    Conversation, ConversationError, KeyboardInteractiveVerdict, Prompt, Round,
};
use tidegate_core::hook::{Denial, HookError};
use tidegate_core::secret::Secret;

/// The answer that the hook gets when the server has checked the user's answer itself (B4-04).
const VERIFIED: &str = "OK";

/// One message of the hook.
#[derive(Debug, PartialEq, Eq)]
struct Message {
    round: Round,
    check: Option<Check>,
    /// 0: the conversation goes on; another value ends it.
    result: i64,
}

/// What the server compares an answer with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    Password,
    OneTimeCode,
}

/// The outcome of a round.
enum Next {
    Answers(Vec<Secret>),
    Verdict(KeyboardInteractiveVerdict),
}

/// Whether a line of a program, or a web server's answer, is a message of a conversation.
pub fn is_message(text: &str) -> bool {
    message(text).is_ok()
}

/// Reads one message (A12-02, B4-04).
fn message(text: &str) -> Result<Message, HookError> {
    let bad = |problem: String| HookError::BadOutput(problem);
    let value: Value = tidegate_core::json::parse(text).map_err(|error| bad(format!("not valid JSON: {error}")))?;
    let fields = value.as_object().ok_or_else(|| bad("each message must be a JSON object".to_owned()))?;
    let field = |name: &str| {
        let exact = fields.get(name);
        let any_case = || fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        exact.or_else(any_case).filter(|value| !value.is_null())
    };
    let integer = |name: &str| match field(name) {
        None => Ok(0),
        Some(value) => value.as_i64().ok_or_else(|| bad(format!("\"{name}\" must be an integer"))),
    };
    let list = |name: &str| match field(name) {
        None => Ok(&[][..]),
        Some(Value::Array(items)) => Ok(items.as_slice()),
        Some(_) => Err(bad(format!("\"{name}\" must be a list"))),
    };
    let result = integer("auth_result")?;
    let check = match integer("check_password")? {
        0 => None,
        1 => Some(Check::Password),
        2 => Some(Check::OneTimeCode),
        other => return Err(bad(format!("\"check_password\" must be 0, 1 or 2, not {other}"))),
    };
    let (questions, echos) = (list("questions")?, list("echos")?);
    let instruction = match field("instruction") {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(_) => return Err(bad("\"instruction\" must be a string".to_owned())),
    };
    if result == 0 && (questions.is_empty() || questions.len() != echos.len()) {
        let counts = format!("{} questions and {} echos", questions.len(), echos.len());
        return Err(bad(format!("a round needs questions, and as many echos: it has {counts}")));
    }
    if result == 0 && check.is_some() && questions.len() != 1 {
        return Err(bad("\"check_password\" needs exactly one question".to_owned()));
    }
    let prompts = questions.iter().zip(echos).map(|(question, echo)| {
        let text = question.as_str().ok_or_else(|| bad("questions must be strings".to_owned()))?;
        let echo = echo.as_bool().ok_or_else(|| bad("echos must be true or false".to_owned()))?;
        Ok(Prompt { text: text.to_owned(), echo })
    });
    Ok(Message { round: Round { instruction, prompts: prompts.collect::<Result<_, HookError>>()? }, check, result })
}

/// Carries out one message; returns the answers for the hook, or the verdict.
async fn carry_out(message: Message, conversation: &dyn Conversation) -> Result<Next, HookError> {
    match message.result {
        0 => {}
        1 => return Ok(Next::Verdict(KeyboardInteractiveVerdict::Accept(None))),
        other => return Ok(rejected(&format!("the hook ended the conversation with {other}"))),
    }
    let answers = match conversation.ask(message.round).await {
        Ok(answers) => answers,
        Err(ConversationError::Closed) => return Ok(rejected("the user did not answer")),
        Err(error) => return Err(HookError::Limit(error.to_string())),
    };
    // An answer is one line of the hook's input; a second line would answer the next question.
    if answers.iter().any(|answer| answer.expose().contains(['\n', '\r', '\0'])) {
        return Ok(rejected("an answer holds a line break"));
    }
    let (Some(check), Some(answer)) = (message.check, answers.first()) else {
        return Ok(Next::Answers(answers));
    };
    let verified = match check {
        Check::Password => conversation.verify_password(answer).await,
        Check::OneTimeCode => conversation.verify_one_time_code(answer).await,
    };
    Ok(if verified { Next::Answers(vec![Secret::new(VERIFIED)]) } else { rejected("the answer is wrong") })
}

fn rejected(reason: &str) -> Next {
    Next::Verdict(KeyboardInteractiveVerdict::Reject(Denial::new(reason)))
}

/// The stored password hash, which the older server passes to these hooks as well (A12-01).
fn stored_hash(account: Option<&EffectiveAccount>) -> String {
    let password = account.and_then(|account| account.password.as_ref());
    password.map(|hash| hash.expose().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use tidegate_core::hook::HookEvent as _;
    use tidegate_core::hook::keyboard_interactive::KeyboardInteractive;

    use super::*;

    /// A user who gives that answer to each question.
    struct Says(&'static str);

    #[async_trait]
    impl Conversation for Says {
        async fn ask(&self, round: Round) -> Result<Vec<Secret>, ConversationError> {
            Ok(round.prompts.iter().map(|_| Secret::new(self.0)).collect())
        }
        async fn verify_password(&self, answer: &Secret) -> bool {
            answer.expose() == "pw"
        }
        async fn verify_one_time_code(&self, answer: &Secret) -> bool {
            answer.expose() == "123456"
        }
    }

    #[tokio::test]
    async fn messages_are_carried_out() {
        // A12-02, B4-04
        let check = async |text: &str, answer: &'static str, expected: &str| {
            let found = match carry_out(message(text).unwrap(), &Says(answer)).await.unwrap() {
                Next::Answers(answers) => answers.iter().map(Secret::expose).collect::<Vec<_>>().join("|"),
                Next::Verdict(verdict) => KeyboardInteractive::label(&verdict).0.to_owned(),
            };
            assert_eq!(found, expected, "{text} {answer:?}");
        };
        check(r#"{"auth_result":1}"#, "", "accept").await;
        check(r#"{"auth_result":-1}"#, "", "reject").await;
        check(r#"{"auth_result":2}"#, "", "reject").await;
        check(r#"{"questions":["a","b"],"echos":[true,false]}"#, "x", "x|x").await;
        let asked = |check: u8| format!(r#"{{"questions":["a"],"echos":[false],"check_password":{check}}}"#);
        check(&asked(0), "pw", "pw").await;
        check(&asked(1), "pw", "OK").await;
        check(&asked(1), "123456", "reject").await;
        check(&asked(2), "123456", "OK").await;
        check(&asked(2), "pw", "reject").await;
        // A second line would answer the next question.
        check(&asked(0), "a\nb", "reject").await;
    }

    #[test]
    fn messages_are_checked() {
        // A12-02, A12-05, B4-04
        let check = |text: &str, expected: Result<(usize, i64), &str>| match (message(text), expected) {
            (Ok(message), Ok(counts)) => assert_eq!((message.round.prompts.len(), message.result), counts, "{text}"),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{text}: {error}"),
            (outcome, _) => panic!("{text}: {outcome:?}"),
        };
        check(r#"{"questions":["a","b"],"echos":[true,false]}"#, Ok((2, 0)));
        check(r#"{"Questions":["a"],"ECHOS":[true],"check_password":1}"#, Ok((1, 0)));
        check(r#"{"auth_result":1}"#, Ok((0, 1)));
        check(r#"{"auth_result":-1,"questions":[]}"#, Ok((0, -1)));
        check(r#"{"questions":["a"],"echos":[]}"#, Err("1 questions and 0 echos"));
        check(r#"{"questions":[],"echos":[]}"#, Err("a round needs questions"));
        check(r#"{"instruction":"x"}"#, Err("a round needs questions"));
        check(r#"{"questions":["a","b"],"echos":[true,true],"check_password":1}"#, Err("exactly one"));
        check(r#"{"questions":["a"],"echos":[1]}"#, Err("true or false"));
        check(r#"{"questions":["a"],"echos":[true],"check_password":3}"#, Err("0, 1 or 2"));
        check(r#"{"auth_result":"1"}"#, Err("integer"));
        check("hello", Err("not valid JSON"));
        check("[]", Err("JSON object"));
    }

    #[tokio::test]
    async fn a_program_that_goes_on_keeps_its_place() {
        // B0-13
        use std::os::unix::fs::PermissionsExt as _;
        use std::sync::Arc;
        use std::time::Duration;

        use tidegate_core::hook::{Chain, Link, LinkSettings};

        use super::program::tests::event;
        use crate::flavour::Flavour;
        use crate::program::{Environment, ProgramHook, ProgramSettings};
        let directory = tempfile::tempdir().unwrap();
        let (script, pid) = (directory.path().join("hook.sh"), directory.path().join("pid"));
        let text = format!("#!/bin/sh\necho $$ > {}\necho '{{\"auth_result\":1}}'\nexec sleep 300\n", pid.display());
        std::fs::write(&script, text).unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        let settings = ProgramSettings {
            args: Vec::new(),
            environment: Environment { inherited: true, variables: Vec::new() },
            deadline: Duration::from_secs(300),
            flavour: Flavour::default(),
        };
        let hook = Arc::new(ProgramHook::new(script.to_str().unwrap(), settings).unwrap());
        let settings = LinkSettings { deadline: Duration::from_secs(3), concurrency: 1, ..LinkSettings::default() };
        let chain = Chain::<KeyboardInteractive>::new(Arc::default(), vec![Arc::new(Link::new(hook, settings))]);
        let kill = || {
            let pid = std::fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
            let pid = rustix::process::Pid::from_raw(pid).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        };
        let accepts = async || {
            let decision = chain.decide(&mut event(0)).await.unwrap();
            assert!(matches!(decision.verdict, KeyboardInteractiveVerdict::Accept(_)));
        };
        accepts().await;
        // It has decided, and does not end.
        assert_eq!(chain.decide(&mut event(0)).await.unwrap_err().error.kind(), "waited");
        kill();
        accepts().await;
        kill();
    }

    #[tokio::test]
    async fn a_program_that_never_decides_is_killed_with_its_children() {
        // B0-13, C6-08
        use std::os::unix::fs::PermissionsExt as _;
        use std::time::Duration;

        use rustix::event::{PollFd, PollFlags, poll};
        use rustix::process::{Pid, PidfdFlags, pidfd_open};
        use tidegate_core::hook::{Call, Hook};

        use super::program::tests::event;
        use crate::flavour::Flavour;
        use crate::program::{Environment, ProgramHook, ProgramSettings};
        let directory = tempfile::tempdir().unwrap();
        let (script, child) = (directory.path().join("hook.sh"), directory.path().join("child"));
        let question = r#"{"questions":["a"],"echos":[true]}"#;
        let text = format!("#!/bin/sh\nsleep 300 &\necho $! > {}\necho '{question}'\nwait\n", child.display());
        std::fs::write(&script, text).unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        let settings = ProgramSettings {
            args: Vec::new(),
            environment: Environment { inherited: true, variables: Vec::new() },
            deadline: Duration::from_secs(2),
            flavour: Flavour::default(),
        };
        let hook = ProgramHook::new(script.to_str().unwrap(), settings).unwrap();
        let outcome = Hook::<KeyboardInteractive>::call(&hook, &Call::default(), &event(0)).await;
        assert_eq!(outcome.unwrap_err().kind(), "timeout");
        let child = Pid::from_raw(std::fs::read_to_string(&child).unwrap().trim().parse().unwrap()).unwrap();
        // An error: it is gone.
        if let Ok(process) = pidfd_open(child, PidfdFlags::empty()) {
            let wait = move || poll(&mut [PollFd::new(&process, PollFlags::IN)], None);
            let ended = tokio::task::spawn_blocking(wait);
            tokio::time::timeout(Duration::from_secs(60), ended).await.expect("its child goes on").unwrap().unwrap();
        }
    }
}
