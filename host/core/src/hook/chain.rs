//! The links of a hook point, and the rules of every gate: which links are asked, how their verdicts become
//! one, and that a gate which cannot decide refuses.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use tracing::Instrument as _;

use super::{GateEvent, HookError, HookEvent, HookHost, HookRun, Link, OnError, Subject};

/// A gate refuses because a link could not decide. This is no denial, and does not count as a wrong login.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the hook \"{hook}\" {error}")]
pub struct GateFailure {
    /// The name of the hook that failed.
    pub hook: String,
    /// Why it failed.
    pub error: HookError,
}

/// The verdict of a gate.
#[derive(Debug)]
pub struct Decision<V> {
    /// The verdict; where no link decided, that of [`GateEvent::undecided`].
    pub verdict: V,
    /// The name of the hook that decided; None: no link did.
    pub decided_by: Option<String>,
}

/// The links of one hook point. They can be replaced at any time: a call that has begun goes on with the links
/// that it began with.
pub struct Chain<E: HookEvent> {
    links: ArcSwap<Vec<Arc<Link<E>>>>,
    /// Counts replacements of the links.
    generation: AtomicU64,
    host: Arc<HookHost>,
}

impl<E: HookEvent> Default for Chain<E> {
    fn default() -> Self {
        Self::new(Arc::default(), Vec::new())
    }
}

impl<E: HookEvent> Chain<E> {
    /// A chain of these links, in the order in which they are asked.
    pub fn new(host: Arc<HookHost>, links: Vec<Arc<Link<E>>>) -> Self {
        Self { links: ArcSwap::from_pointee(links), generation: AtomicU64::new(0), host }
    }

    /// Replaces all links, from the next call on.
    pub fn replace(&self, links: Vec<Arc<Link<E>>>) {
        self.links.store(Arc::new(links));
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// A chain of the links to the hook of that name alone. They share their places with those of this chain.
    pub fn only(&self, name: &str) -> Self {
        let links = self.links().iter().filter(|link| link.name() == name).cloned().collect();
        Self::new(self.host.clone(), links)
    }

    /// A number that is another one each time the links, or their plugins, were replaced: what earlier links have
    /// decided need not hold for later ones.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// The links at the moment.
    pub fn links(&self) -> Arc<Vec<Arc<Link<E>>>> {
        self.links.load_full()
    }

    /// Whether there is no link.
    pub fn is_empty(&self) -> bool {
        self.links.load().is_empty()
    }

    /// Whether any link is for events about the subject.
    pub fn concerns(&self, subject: &Subject<'_>) -> bool {
        self.links.load().iter().any(|link| link.selector().matches(subject))
    }

    /// The most calls that a link has under way at once; 1 without links.
    pub(super) fn calls_at_once(&self) -> usize {
        self.links.load().iter().map(|link| link.calls_at_once()).max().unwrap_or(1)
    }

    /// Whether any link [may wait](super::Hook::may_wait).
    pub fn may_wait(&self) -> bool {
        self.links.load().iter().any(|link| link.may_wait())
    }

    /// Whether any link [needs everything](super::Hook::needs_everything).
    pub fn needs_everything(&self) -> bool {
        self.links.load().iter().any(|link| link.needs_everything())
    }

    /// Whether any link that is for events about the subject [needs the password](super::Hook::needs_password).
    pub fn needs_password(&self, subject: &Subject<'_>) -> bool {
        self.links.load().iter().any(|link| link.needs_password() && link.selector().matches(subject))
    }

    /// Whether any link [relies on the last login](super::Hook::relies_on_last_login).
    pub fn relies_on_last_login(&self) -> bool {
        self.links.load().iter().any(|link| link.relies_on_last_login())
    }

    /// Whether all links that are for events about the subject [rely on the last
    /// login](super::Hook::relies_on_last_login).
    pub fn relies_on_last_login_alone(&self, subject: &Subject<'_>) -> bool {
        self.links.load().iter().all(|link| link.relies_on_last_login() || !link.selector().matches(subject))
    }

    /// Whether any link is selected by paths of files.
    pub fn selects_by_paths(&self) -> bool {
        self.links.load().iter().any(|link| !link.selector().paths.is_empty())
    }

    pub(super) fn host(&self) -> &HookHost {
        &self.host
    }
}

impl<E: GateEvent> Chain<E> {
    /// Asks the links that the event is for, in order, until one decides. A verdict that is not final may change
    /// the event for the next link.
    ///
    /// # Errors
    /// A link failed whose `on_error` is `deny`, or cannot take a name ([`HookError::NotText`]).
    pub async fn decide(&self, event: &mut E) -> Result<Decision<E::Verdict>, GateFailure> {
        let links = self.links();
        if links.is_empty() {
            return Ok(Decision { verdict: E::undecided(), decided_by: None });
        }
        self.ask(&links, event).instrument(super::span_of(E::KIND)).await
    }

    async fn ask(&self, links: &[Arc<Link<E>>], event: &mut E) -> Result<Decision<E::Verdict>, GateFailure> {
        let mut asked: Option<&Link<E>> = None;
        for link in links {
            if let Err(error) = event.complete().await {
                return Err(GateFailure { hook: asked.unwrap_or(link).name().to_owned(), error });
            }
            if !link.selector().matches(&event.subject()) {
                continue;
            }
            asked = Some(link);
            let refuses =
                |error: &HookError| link.on_error() == OnError::Deny || matches!(error, HookError::NotText(_));
            let mut answer = link.ask(&self.host, event, true).await;
            let outcome = match answer.outcome {
                Err(error) if link.on_error() == OnError::Allow && !refuses(&error) => Ok(E::allowed()),
                outcome => outcome,
            };
            let failed = match outcome {
                Ok(verdict) if E::is_final(&verdict) => {
                    answer.run.decided = true;
                    self.record(event, answer.run);
                    return Ok(Decision { verdict, decided_by: Some(link.name().to_owned()) });
                }
                Ok(verdict) => event.take_in(verdict).inspect_err(|error| {
                    answer.run.is_error = true;
                    answer.run.outcome = error.kind();
                    answer.run.detail = error.to_string();
                }),
                Err(error) => Err(error),
            };
            answer.run.decided = failed.as_ref().is_err_and(refuses);
            self.record(event, answer.run);
            if let Err(error) = failed
                && refuses(&error)
            {
                return Err(GateFailure { hook: link.name().to_owned(), error });
            }
        }
        Ok(Decision { verdict: E::undecided(), decided_by: None })
    }

    fn record(&self, event: &E, run: HookRun) {
        if let Some(decision) = event.subject().decision.filter(|_| run.decided) {
            decision.note(&run);
        }
        self.host.journal.record(run);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use async_trait::async_trait;

    use super::super::{Call, Hook, HookDescription, HookKind, LinkSettings};
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
        fn subject(&self) -> Subject<'_> {
            Subject::default()
        }
        fn label(_: &Answer) -> (&'static str, &str) {
            ("answer", "")
        }
    }

    impl GateEvent for Question {
        fn is_final(verdict: &Answer) -> bool {
            *verdict != Answer::Pass
        }
        fn undecided() -> Answer {
            Answer::Pass
        }
        fn allowed() -> Answer {
            Answer::Final("allowed")
        }
    }

    enum Behaviour {
        Says(Answer),
        Fails,
        Hangs,
        IsNotTold,
    }

    struct Scripted(&'static str, Behaviour);

    #[async_trait]
    impl Hook<Question> for Scripted {
        fn name(&self) -> &str {
            self.0
        }
        fn adapter(&self) -> &'static str {
            "test"
        }
        fn description(&self) -> HookDescription {
            HookDescription::new("", Duration::ZERO, "ready")
        }
        async fn call(&self, _: &Call, _: &Question) -> Result<Answer, HookError> {
            match &self.1 {
                Behaviour::Says(answer) => Ok(answer.clone()),
                Behaviour::Fails => Err(HookError::Failed("broken".into())),
                Behaviour::Hangs => std::future::pending().await,
                Behaviour::IsNotTold => Err(HookError::NotText("\"/\\xFF\"".into())),
            }
        }
    }

    fn settings(on_error: OnError) -> LinkSettings {
        LinkSettings { deadline: Duration::from_millis(20), on_error, concurrency: 1, ..LinkSettings::default() }
    }

    async fn check(links: Vec<(Scripted, OnError)>, expected: Result<(Answer, Option<&str>), &str>) {
        let links =
            links.into_iter().map(|(hook, on_error)| Arc::new(Link::new(Arc::new(hook), settings(on_error)))).collect();
        let outcome = Chain::new(Arc::default(), links).decide(&mut Question).await;
        match (outcome, expected) {
            (Ok(decision), Ok((verdict, by))) => {
                assert_eq!((decision.verdict, decision.decided_by.as_deref()), (verdict, by));
            }
            (Err(failure), Err(hook)) => assert_eq!(failure.hook, hook),
            (outcome, expected) => panic!("{outcome:?} is not {expected:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_final_verdict_decides() {
        // G-08
        use Behaviour::{Fails, Hangs, IsNotTold, Says};
        use OnError::{Allow, Deny, Skip};
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
        // B17-01
        for failing in [Fails, Hangs] {
            check(
                vec![(Scripted("a", failing), Allow), (Scripted("b", Fails), Deny)],
                Ok((Answer::Final("allowed"), Some("a"))),
            )
            .await;
        }
        check(vec![(Scripted("a", pass()), Allow), (Scripted("b", Fails), Deny)], Err("b")).await;
        // The client chooses names, and could otherwise choose who is asked.
        for on_error in [Deny, Skip, Allow] {
            check(vec![(Scripted("a", IsNotTold), on_error), (Scripted("b", yes()), Deny)], Err("a")).await;
        }
    }

    #[tokio::test]
    async fn links_are_replaced_and_selected() {
        let link = |name, answer| {
            Arc::new(Link::new(
                Arc::new(Scripted(name, Behaviour::Says(Answer::Final(answer)))) as Arc<dyn Hook<Question>>,
                LinkSettings::default(),
            ))
        };
        let chain = Chain::new(Arc::default(), vec![link("old", "old")]);
        chain.replace(vec![link("new", "new")]);
        assert_eq!(chain.decide(&mut Question).await.unwrap().verdict, Answer::Final("new"));
        let chain = Chain::new(Arc::default(), vec![link("a", "1"), link("b", "2"), link("a", "3")]);
        for (name, links, verdict) in
            [("a", 2, Answer::Final("1")), ("b", 1, Answer::Final("2")), ("none", 0, Answer::Pass)]
        {
            let only = chain.only(name);
            assert_eq!((only.links().len(), only.decide(&mut Question).await.unwrap().verdict), (links, verdict));
        }
        assert_eq!(chain.links().len(), 3);
    }
}
