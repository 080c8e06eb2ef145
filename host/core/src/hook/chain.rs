//! Links in order, with the rules that hold for every hook: a deadline, a bound on calls
//! under way, and refusal in any doubt.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;

use super::{GateEvent, Hook, HookDescription, HookError, HookEvent};

/// What happens when a link cannot decide. There is no "accept".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// The gate refuses.
    #[default]
    Deny,
    /// The next link is asked.
    Skip,
}

/// One hook in a chain, with its limits.
pub struct Link<E: HookEvent> {
    hook: Arc<dyn Hook<E>>,
    deadline: Duration,
    on_error: OnError,
    calls: Semaphore,
    /// Longest wait for a free call, part of the deadline.
    queue: Duration,
}

/// The gate could not decide, so it refuses. Not a denial: it feeds no brute-force score.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the hook \"{hook}\" {error}")]
pub struct GateFailure {
    pub hook: String,
    pub error: HookError,
}

/// A verdict and the link that gave it; none when no link decided.
#[derive(Debug)]
pub struct Decision<V> {
    pub verdict: V,
    pub decided_by: Option<String>,
}

impl<E: HookEvent> Link<E> {
    /// `concurrency`: calls that may be under way at once, at least one.
    pub fn new(hook: Arc<dyn Hook<E>>, deadline: Duration, on_error: OnError, concurrency: usize) -> Self {
        Self { hook, deadline, on_error, calls: Semaphore::new(concurrency.max(1)), queue: deadline }
    }

    pub fn name(&self) -> &str {
        self.hook.name()
    }

    pub fn on_error(&self) -> OnError {
        self.on_error
    }

    pub fn description(&self) -> HookDescription {
        let description = self.hook.description();
        HookDescription { deadline: description.deadline.min(self.deadline), ..description }
    }

    async fn call(&self, event: &E) -> Result<E::Verdict, HookError> {
        let permit = match tokio::time::timeout(self.queue, self.calls.acquire()).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) | Err(_) => return Err(HookError::Saturated),
        };
        let outcome = tokio::time::timeout(self.deadline, self.hook.call(event)).await;
        drop(permit);
        outcome.unwrap_or(Err(HookError::Timeout(self.deadline)))
    }
}

/// The links of one hook point. They can be replaced while calls are under way; a call
/// ends on the links it began with.
pub struct Chain<E: HookEvent> {
    links: ArcSwap<Vec<Arc<Link<E>>>>,
}

impl<E: HookEvent> Default for Chain<E> {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl<E: HookEvent> Chain<E> {
    pub fn new(links: Vec<Arc<Link<E>>>) -> Self {
        Self { links: ArcSwap::from_pointee(links) }
    }

    pub fn replace(&self, links: Vec<Arc<Link<E>>>) {
        self.links.store(Arc::new(links));
    }

    pub fn links(&self) -> Arc<Vec<Arc<Link<E>>>> {
        self.links.load_full()
    }

    pub fn is_empty(&self) -> bool {
        self.links.load().is_empty()
    }
}

impl<E: GateEvent> Chain<E> {
    /// Asks the links in order until one decides (first verdict that is final).
    pub async fn decide(&self, event: &E) -> Result<Decision<E::Verdict>, GateFailure> {
        for link in self.links().iter() {
            match link.call(event).await {
                Ok(verdict) if E::is_final(&verdict) => {
                    return Ok(Decision { verdict, decided_by: Some(link.name().to_owned()) });
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(
                        sender = "hook",
                        hook = link.name(),
                        kind = E::KIND.as_str(),
                        error_kind = error.kind(),
                        message = format!("the {} hook \"{}\" {error}", E::KIND, link.name())
                    );
                    if link.on_error == OnError::Deny {
                        return Err(GateFailure { hook: link.name().to_owned(), error });
                    }
                }
            }
        }
        Ok(Decision { verdict: E::undecided(), decided_by: None })
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::super::HookKind;
    use super::*;

    #[derive(Debug, Clone, PartialEq, Eq)]
    enum Answer {
        Pass,
        Final(&'static str),
    }

    struct Question;

    impl HookEvent for Question {
        type Verdict = Answer;
        const KIND: HookKind = HookKind::ExternalAuth;
    }

    impl GateEvent for Question {
        fn is_final(verdict: &Answer) -> bool {
            *verdict != Answer::Pass
        }
        fn undecided() -> Answer {
            Answer::Pass
        }
    }

    enum Behaviour {
        Says(Answer),
        Fails,
        Hangs,
    }

    struct Scripted(&'static str, Behaviour);

    #[async_trait]
    impl Hook<Question> for Scripted {
        fn name(&self) -> &str {
            self.0
        }
        fn description(&self) -> HookDescription {
            HookDescription { adapter: "test", target: String::new(), deadline: Duration::ZERO, health: "ready".into() }
        }
        async fn call(&self, _: &Question) -> Result<Answer, HookError> {
            match &self.1 {
                Behaviour::Says(answer) => Ok(answer.clone()),
                Behaviour::Fails => Err(HookError::Failed("broken".into())),
                Behaviour::Hangs => std::future::pending().await,
            }
        }
    }

    async fn check(links: Vec<(Scripted, OnError)>, expected: Result<(Answer, Option<&str>), &str>) {
        let links = links
            .into_iter()
            .map(|(hook, on_error)| Arc::new(Link::new(Arc::new(hook), Duration::from_millis(20), on_error, 1)))
            .collect();
        let outcome = Chain::new(links).decide(&Question).await;
        match (outcome, expected) {
            (Ok(decision), Ok((verdict, by))) => {
                assert_eq!((decision.verdict, decision.decided_by.as_deref()), (verdict, by));
            }
            (Err(failure), Err(hook)) => assert_eq!(failure.hook, hook),
            (outcome, expected) => panic!("{outcome:?} is not {expected:?}"),
        }
    }

    #[tokio::test]
    async fn the_first_final_verdict_decides() {
        use Behaviour::{Fails, Hangs, Says};
        use OnError::{Deny, Skip};
        let pass = || Says(Answer::Pass);
        let yes = || Says(Answer::Final("yes"));
        check(vec![], Ok((Answer::Pass, None))).await;
        check(vec![(Scripted("a", pass()), Deny)], Ok((Answer::Pass, None))).await;
        check(
            vec![(Scripted("a", pass()), Deny), (Scripted("b", yes()), Deny), (Scripted("c", Fails), Deny)],
            Ok((Answer::Final("yes"), Some("b"))),
        )
        .await;
        // B17: any failure of a gate refuses, unless the operator says to skip it.
        check(vec![(Scripted("a", Fails), Deny), (Scripted("b", yes()), Deny)], Err("a")).await;
        check(vec![(Scripted("a", Hangs), Deny), (Scripted("b", yes()), Deny)], Err("a")).await;
        check(vec![(Scripted("a", Hangs), Skip), (Scripted("b", yes()), Deny)], Ok((Answer::Final("yes"), Some("b"))))
            .await;
    }

    #[tokio::test]
    async fn replaced_links_hold_from_the_next_call() {
        let link = |name, answer| {
            Arc::new(Link::new(
                Arc::new(Scripted(name, Behaviour::Says(Answer::Final(answer)))) as Arc<dyn Hook<Question>>,
                Duration::from_secs(1),
                OnError::Deny,
                1,
            ))
        };
        let chain = Chain::new(vec![link("old", "old")]);
        chain.replace(vec![link("new", "new")]);
        assert_eq!(chain.decide(&Question).await.unwrap().verdict, Answer::Final("new"));
    }
}
