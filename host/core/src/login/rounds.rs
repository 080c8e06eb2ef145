//! Records of the rounds of keyboard-interactive logins, beside those of the hooks' calls: what a user was asked, by whom, and
//! whether there was an answer. No answer is kept.

use std::time::{Duration, Instant};

use serde_json::json;

use super::LoginService;
use crate::hook::keyboard_interactive::{Asker, Prompt, ROUND, Round};
use crate::hook::{Exchange, HookRun, LoginAttempt, kept};

/// A round that waits for its answers. When it is dropped, it is recorded, so that questions are on record that a client left
/// without an answer.
pub(super) struct OpenRound<'a> {
    service: &'a LoginService,
    /// None: it is not recorded.
    run: Option<HookRun>,
    began: Instant,
}

impl LoginService {
    /// Puts a round on record when it ends. Where no hook is asked about logins, accepted ones are not on record, and their
    /// questions are not either.
    pub(super) fn open_round(&self, attempt: &LoginAttempt, asker: Asker, round: &Round) -> OpenRound<'_> {
        let run = self.asks_hooks().then(|| HookRun {
            at: self.ports.clock.now(),
            kind: ROUND,
            hook: asker.hook,
            adapter: asker.adapter,
            connection: Some(attempt.connection.id.clone()),
            username: Some(attempt.username.clone()),
            address: Some(attempt.connection.remote.ip()),
            about: Some(attempt.method().as_str().to_owned()),
            outcome: "unanswered",
            detail: kept(&in_words(round)),
            is_error: false,
            decided: false,
            duration: Duration::ZERO,
            exchange: Exchange { sent: kept(&as_sent(round)), version: asker.version, ..Exchange::default() },
        });
        OpenRound { service: self, run, began: Instant::now() }
    }
}

impl OpenRound<'_> {
    /// The client has given so many answers.
    pub(super) fn close(mut self, answers: usize) {
        if let Some(run) = &mut self.run {
            run.outcome = "answered";
            run.exchange.received = match answers {
                0 => String::new(),
                1 => "1 answer, which is not kept".to_owned(),
                _ => format!("{answers} answers, which are not kept"),
            };
        }
    }
}

impl Drop for OpenRound<'_> {
    fn drop(&mut self) {
        if let Some(run) = self.run.take() {
            let run = HookRun { duration: self.began.elapsed(), ..run };
            self.service.ports.hooks.host.journal.record(run);
        }
    }
}

/// The texts that the user sees.
fn in_words(round: &Round) -> String {
    let texts =
        std::iter::once(round.instruction.as_str()).chain(round.prompts.iter().map(|prompt| prompt.text.as_str()));
    let texts: Vec<_> = texts.map(str::trim).filter(|text| !text.is_empty()).collect();
    texts.join("; ")
}

/// The round as programs and web servers write one.
fn as_sent(round: &Round) -> String {
    let Round { instruction, prompts } = round;
    let questions: Vec<_> = prompts.iter().map(|Prompt { text, .. }| text).collect();
    let echos: Vec<_> = prompts.iter().map(|prompt| prompt.echo).collect();
    json!({ "instruction": instruction, "questions": questions, "echos": echos }).to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::super::hook_tests::{Asks, converse, says};
    use super::super::tests::{World, service, world};
    use super::super::{Accounts, LoginHooks, Step};
    use super::*;
    use crate::hook::keyboard_interactive::{KeyboardInteractive, KeyboardInteractiveVerdict};
    use crate::hook::review::{LoginPre, Review};
    use crate::hook::{HookHost, HookJournal, Link, LinkSettings};

    /// All records but those of outcomes.
    #[derive(Default)]
    struct Records(Mutex<Vec<HookRun>>);

    impl HookJournal for Records {
        fn record(&self, run: HookRun) {
            if run.kind != "login" {
                self.0.lock().unwrap().push(run);
            }
        }
    }

    impl Records {
        /// `kind hook outcome: detail` of each.
        fn lines(&self) -> Vec<String> {
            let runs = self.0.lock().unwrap();
            runs.iter().map(|run| format!("{} {} {}: {}", run.kind, run.hook, run.outcome, run.detail)).collect()
        }
    }

    async fn server() -> (World, Arc<Records>) {
        let world = world(None);
        world.stored(r#","password":"$1$pw""#).await;
        let records = Arc::new(Records::default());
        let host = Arc::new(HookHost { journal: records.clone(), ..HookHost::default() });
        let hooks = LoginHooks::new(host);
        let accounts = Accounts::new(world.outage.clone(), world.passwords.clone(), None);
        let service = service(accounts, &world.store, world.passwords.clone(), &hooks);
        (World { service, hooks, ..world }, records)
    }

    #[tokio::test]
    async fn rounds_are_on_record_with_who_asked_and_without_answers() {
        let (world, records) = server().await;
        world.hooks.keyboard_interactive.replace(vec![Arc::new(Link::new(Arc::new(Asks), LinkSettings::default()))]);
        let answers = ["1", "2", "secret-answer"];
        converse(&mut world.login(), &answers).await;
        let expected = [
            "round asks answered: i; one; two",
            "round asks answered: i",
            "round asks answered: i; password",
            "keyboard-interactive asks reject: wrong",
        ];
        assert_eq!(records.lines(), expected);
        let runs = records.0.lock().unwrap();
        let (sent, received) = runs[0].exchange.texts();
        assert_eq!(sent, r#"{"instruction":"i","questions":["one","two"],"echos":[true,true]}"#);
        assert_eq!(received, "2 answers, which are not kept");
        assert!(!format!("{runs:?}").contains("secret-answer"));
        let (calls, rounds): (Vec<_>, Vec<_>) = runs.iter().partition(|run| run.is_counted());
        assert_eq!((calls.len(), rounds.len()), (1, 3));
        assert!(rounds.iter().all(|run| run.username.as_deref() == Some("alice") && run.connection.is_some()));
    }

    #[tokio::test]
    async fn the_servers_own_questions_are_on_record_beside_hooks() {
        // A hook that leaves the questions to the server; a hook of another point; none.
        let (world, records) = server().await;
        says(&world.hooks.keyboard_interactive, |_: &KeyboardInteractive| KeyboardInteractiveVerdict::Defer);
        converse(&mut world.login(), &["pw"]).await;
        assert_eq!(records.lines(), ["keyboard-interactive says defer: ", "round tidegate answered: Password:"]);
        let (world, records) = server().await;
        says(&world.hooks.login_pre, |_: &LoginPre| Review::Allow);
        converse(&mut world.login(), &["pw"]).await;
        assert_eq!(records.lines(), ["login-pre says allow: ", "round tidegate answered: Password:"]);
        let (world, records) = server().await;
        converse(&mut world.login(), &["pw"]).await;
        assert!(records.lines().is_empty());
    }

    #[tokio::test]
    async fn a_round_with_too_few_answers_is_unanswered() {
        let (world, records) = server().await;
        says(&world.hooks.login_pre, |_: &LoginPre| Review::Allow);
        let mut login = world.login();
        assert!(matches!(login.keyboard_interactive("alice").await, Step::Ask(_)));
        assert!(matches!(login.answers(Vec::new()).await, Step::Done(_)));
        assert_eq!(records.lines().last().unwrap(), "round tidegate unanswered: Password:");
        assert_eq!(records.0.lock().unwrap().last().unwrap().exchange.received, "");
    }
}
