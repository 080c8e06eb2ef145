//! Texts of records that are made only when a record is stored. A component asks for what it wants to know of an event, so
//! that there is no text of what it was sent, and making one takes longer than many of its calls.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{HookError, HookEvent};

/// Makes a text when it is wanted.
pub type MakesText = Box<dyn Fn() -> String + Send + Sync>;

/// How the calls of a link are told in records whose adapter has no text of them. Both texts hold no secrets.
pub struct Rendering<E> {
    /// What was sent. What is kept of the event until then holds no file open, and no conversation.
    pub event: fn(&E) -> MakesText,
    /// What was answered, without its secrets.
    pub answer: fn(&Map<String, Value>) -> String,
}

/// What makes the texts of a call, or nothing.
#[derive(Clone, Default)]
pub struct Later(Option<Arc<MakesTexts>>);

type MakesTexts = dyn Fn() -> (String, String) + Send + Sync;

/// What a record keeps of a verdict.
struct Answered {
    verdict: &'static str,
    reason: String,
    client_message: Option<String>,
    account: Option<Map<String, Value>>,
}

impl<E: HookEvent> Rendering<E> {
    /// What makes the texts of this call: nothing, if the hook was not asked.
    pub(super) fn of(&self, event: &E, outcome: &mut Result<E::Verdict, HookError>) -> Later {
        let answered = match outcome {
            Ok(verdict) => Some(Answered::with::<E>(verdict)),
            Err(error) if error.comes_before_the_call() => return Later::default(),
            // The record has the text of the error.
            Err(_) => None,
        };
        let (sent, answer) = ((self.event)(event), self.answer);
        Later::new(move || {
            let received = answered.as_ref().map(|answered| answer(&answered.document()));
            (sent(), received.unwrap_or_default())
        })
    }
}

impl Answered {
    fn with<E: HookEvent>(verdict: &mut E::Verdict) -> Self {
        let account = E::account(verdict).map(|draft| draft.document().clone());
        let client_message = E::client_message(verdict).map(str::to_owned);
        let (verdict, reason) = E::label(verdict);
        Self { verdict, reason: reason.to_owned(), client_message, account }
    }

    fn document(&self) -> Map<String, Value> {
        let mut document = Map::new();
        let mut put = |name: &str, value: Value| document.insert(name.to_owned(), value);
        put("verdict", json!(self.verdict));
        if !self.reason.is_empty() {
            put("reason", json!(self.reason));
        }
        if let Some(message) = &self.client_message {
            put("client_message", json!(message));
        }
        if let Some(account) = &self.account {
            put("account", Value::Object(account.clone()));
        }
        document
    }
}

impl Later {
    /// Makes what was sent and what was received.
    pub fn new(texts: impl Fn() -> (String, String) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(texts)))
    }

    /// Whether there are texts to make.
    pub fn is_something(&self) -> bool {
        self.0.is_some()
    }

    /// What was sent and what was received; None: the adapter has noted what there is.
    pub(super) fn texts(&self) -> Option<(String, String)> {
        self.0.as_ref().map(|texts| texts())
    }
}

impl fmt::Debug for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_something() { "Later" } else { "Nothing" })
    }
}

impl PartialEq for Later {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(one), Some(another)) => Arc::ptr_eq(one, another),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }
}

impl Eq for Later {}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::super::observation::Startup;
    use super::super::pre_login::{PreLogin, PreLoginVerdict};
    use super::super::review::{LoginPre, Review};
    use super::super::{Denial, Exchange, WaitsFor, attempt};
    use super::*;
    use crate::account::AccountDraft;

    fn rendering<E>() -> Rendering<E> {
        Rendering {
            event: |_| Box::new(|| "event".to_owned()),
            answer: |answer| Value::from(answer.clone()).to_string(),
        }
    }

    #[test]
    fn answers_are_told_in_full() {
        let check = |received: Option<&str>, later: Later| {
            let exchange = Exchange { later, ..Exchange::default() }.rendered();
            let sent = if received.is_some() { "event" } else { "" };
            assert_eq!((exchange.sent.as_str(), exchange.received.as_str()), (sent, received.unwrap_or_default()));
            assert!(!exchange.later.is_something());
        };
        let attempt = Arc::new(attempt::tests::attempt("alice"));
        let review = |outcome| rendering().of(&LoginPre(attempt.clone()), &mut { outcome });
        let denial =
            |message: Option<&str>| Denial { client_message: message.map(str::to_owned), ..Denial::new("closed") };
        check(Some(r#"{"verdict":"allow"}"#), review(Ok(Review::Allow)));
        check(Some(r#"{"verdict":"deny","reason":"closed"}"#), review(Ok(Review::Deny(denial(None)))));
        let both = r#"{"verdict":"deny","reason":"closed","client_message":"come back"}"#;
        check(Some(both), review(Ok(Review::Deny(denial(Some("come back"))))));
        let mut draft = AccountDraft::default();
        draft.set("status", json!(1));
        let replaced =
            rendering().of(&PreLogin::new(attempt.clone()), &mut Ok(PreLoginVerdict::Replace(Box::new(draft))));
        check(Some(r#"{"verdict":"replace","account":{"status":1}}"#), replaced);
        check(Some(r#"{"verdict":"told"}"#), rendering().of(&Startup { version: "0" }, &mut Ok(())));
        // The hook was asked, and has not answered.
        check(Some(""), review(Err(HookError::Failed("trap".to_owned()))));
        check(Some(""), review(Err(HookError::Timeout(Duration::ZERO))));
        check(Some(""), review(Err(HookError::Waited(Duration::ZERO, WaitsFor::Passwords))));
        // It was not asked.
        check(None, review(Err(HookError::Unavailable("gone".to_owned()))));
        check(None, review(Err(HookError::Saturated)));
        check(None, review(Err(HookError::Waited(Duration::ZERO, WaitsFor::Place))));
    }

    #[test]
    fn texts_are_made_when_they_are_wanted_and_cut() {
        let made = Arc::new(AtomicUsize::new(0));
        let counted = made.clone();
        let later = Later::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            ("s".repeat(10_000), "r".repeat(10_000))
        });
        let exchange = Exchange { later, ..Exchange::default() };
        let copy = exchange.clone();
        assert_eq!(copy, exchange);
        assert_eq!((format!("{exchange:?}").contains("Later"), made.load(Ordering::Relaxed)), (true, 0));
        let (sent, received) = exchange.texts();
        assert_eq!((sent.chars().count(), received.chars().count(), made.load(Ordering::Relaxed)), (4097, 4097, 1));
        // What an adapter has noted needs no making.
        let noted = Exchange { sent: "noted".to_owned(), ..Exchange::default() };
        assert_eq!(noted.texts().0, "noted");
    }
}
