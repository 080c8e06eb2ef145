//! The outcome of an attempt to log in, from the records of its connection.

use tidegate_core::ports::StoredRun;

use crate::view::Tone;

/// The kind of the records that say how a try to log in ended.
pub const LOGIN: &str = "login";
/// The kind of the records of connections that were closed before any hook was asked.
pub const ACCEPT: &str = "accept";

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement<'a> {
    /// The last try was accepted.
    Accepted(&'a StoredRun),
    /// This call or check refused.
    Refused(&'a StoredRun),
    /// The server could not decide.
    Undecided(&'a StoredRun),
    /// No record says how it ended.
    Open,
}

/// Whether the outcome lets a client go on. What is not known here is shown without a judgement.
pub fn tone(run: &StoredRun) -> Tone {
    match run.outcome.as_str() {
        _ if run.is_error => Tone::Warning,
        "deny" | "denied" | "reject" | "rejected" | "refused" => Tone::Bad,
        "allow" | "accept" | "accepted" | "allowed" => Tone::Good,
        "unavailable" => Tone::Warning,
        _ => Tone::Plain,
    }
}

/// Whether a gate ended with this call, and not well. Other hooks that failed were passed over, or are observers.
fn refuses(run: &StoredRun) -> bool {
    run.decided && (tone(run) == Tone::Bad || run.is_error)
}

/// The last word on a log-in. What came before it, such as a key that was refused ahead of the password, and what
/// came after it, such as an observer that failed, is not judged.
pub fn judge(runs: &[StoredRun]) -> Judgement<'_> {
    let Some(at) = runs.iter().rposition(|run| run.kind == LOGIN) else {
        return runs.iter().rfind(|run| refuses(run)).map_or(Judgement::Open, Judgement::Refused);
    };
    let Some(last) = runs.get(at) else { return Judgement::Open };
    match last.outcome.as_str() {
        "accepted" => return Judgement::Accepted(last),
        "unavailable" => return Judgement::Undecided(last),
        _ => {}
    }
    // Earlier tries end with outcomes of their own. A hook whose failure lets clients pass has decided as well, but its
    // error is not the reason of the outcome.
    let mut of_this_try = runs.iter().take(at).rev().take_while(|run| run.kind != LOGIN);
    let hook = of_this_try.find(|run| refuses(run) && (!run.is_error || last.detail.contains(&run.detail)));
    Judgement::Refused(hook.unwrap_or(last))
}

/// The last operation that a hook refused after the log-in.
pub fn refused_operation(runs: &[StoredRun]) -> Option<&StoredRun> {
    let at = runs.iter().rposition(|run| run.kind == LOGIN)?;
    runs.iter().skip(at).rfind(|run| refuses(run) && run.kind != LOGIN)
}

/// The judgement in words.
pub fn said_of(runs: &[StoredRun]) -> Option<(Tone, String)> {
    let words = match judge(runs) {
        Judgement::Accepted(last) => {
            let is_first = runs.iter().find(|run| run.kind == LOGIN) == Some(last);
            let before = if is_first { "" } else { ", after earlier attempts on the same connection were refused" };
            (Tone::Good, format!("The log-in was accepted{before}."))
        }
        Judgement::Refused(run) => (Tone::Bad, format!("It was refused {}.", reason_of(run))),
        Judgement::Undecided(run) => {
            let text = format!("It was neither accepted nor refused {}; the client may try again.", reason_of(run));
            (Tone::Warning, text)
        }
        Judgement::Open => return None,
    };
    Some(words)
}

/// What refused the attempt, and why.
pub fn reason_of(run: &StoredRun) -> String {
    let by = match (run.kind.as_str(), run.is_error) {
        (LOGIN, _) => "by the server".to_owned(),
        (ACCEPT, _) => "by the server as it connected".to_owned(),
        (kind, false) => format!("by the hook {} at {kind}", run.hook),
        (kind, true) => format!("because the hook {} failed at {kind}", run.hook),
    };
    let detail = if run.detail.is_empty() { "without a reason" } else { &run.detail };
    format!("{by}: {} ({detail})", run.outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(kind: &str, outcome: &str, decided: bool, is_error: bool) -> StoredRun {
        let text = |text: &str| text.to_owned();
        StoredRun { kind: text(kind), outcome: text(outcome), decided, is_error, ..StoredRun::default() }
    }

    fn because(detail: &str, run: StoredRun) -> StoredRun {
        StoredRun { detail: detail.to_owned(), ..run }
    }

    fn refused() -> StoredRun {
        run("login", "refused", true, false)
    }

    fn accepted() -> StoredRun {
        run("login", "accepted", true, false)
    }

    #[test]
    fn the_last_word_on_a_login_counts() {
        let check = |runs: &[StoredRun], expected: (&str, &str)| {
            let found = match judge(runs) {
                Judgement::Accepted(run) => ("accepted", run.kind.as_str()),
                Judgement::Refused(run) => ("refused", run.kind.as_str()),
                Judgement::Undecided(run) => ("undecided", run.kind.as_str()),
                Judgement::Open => ("open", ""),
            };
            assert_eq!(found, expected, "{runs:?}");
        };
        let away = || run("login", "unavailable", true, false);
        let failed = |kind: &str, decided: bool| because("took too long", run(kind, "timeout", decided, true));
        let failure = || because("the hook \"a\" took too long", refused());
        check(&[], ("open", ""));
        check(&[run("connect", "allow", false, false)], ("open", ""));
        check(&[run("connect", "deny", true, false)], ("refused", "connect"));
        check(&[run("accept", "refused", true, false)], ("refused", "accept"));
        check(&[run("login-pre", "allow", false, false), accepted()], ("accepted", "login"));
        check(&[run("session-create", "deny", true, false), refused()], ("refused", "session-create"));
        check(&[failed("external-auth", true), failure()], ("refused", "external-auth"));
        // Passed over (`on_error = "skip"`), or taken as an acceptance (`on_error = "allow"`).
        check(&[failed("external-auth", false), accepted()], ("accepted", "login"));
        check(&[failed("pre-login", false), refused()], ("refused", "login"));
        check(&[failed("check-password", true), because("wrong password", refused())], ("refused", "login"));
        // Of an earlier try.
        check(&[run("login-pre", "deny", true, false), refused(), refused()], ("refused", "login"));
        check(&[refused(), accepted()], ("accepted", "login"));
        check(&[accepted(), refused()], ("refused", "login"));
        check(&[refused(), away()], ("undecided", "login"));
        check(&[away(), accepted()], ("accepted", "login"));
        // After the log-in.
        check(
            &[accepted(), failed("post-login", false), run("pre-upload", "deny", true, false)],
            ("accepted", "login"),
        );
        check(&[refused(), failed("post-login", false)], ("refused", "login"));
    }

    #[test]
    fn refused_operations_are_shown_beside_the_log_in() {
        let check = |runs: &[StoredRun], expected: Option<&str>| {
            assert_eq!(refused_operation(runs).map(|run| run.kind.as_str()), expected, "{runs:?}");
        };
        let upload = || run("pre-upload", "deny", true, false);
        check(&[accepted(), upload(), run("pre-delete", "allow", true, false)], Some("pre-upload"));
        check(&[accepted(), run("post-upload", "timeout", false, true)], None);
        check(&[run("login-pre", "deny", true, false), refused()], None);
    }

    #[test]
    fn the_reason_is_shown_in_words() {
        let check = |runs: &[StoredRun], expected: &str| {
            let said = said_of(runs).map(|(_, text)| text).unwrap_or_default();
            assert_eq!(said, expected, "{runs:?}");
        };
        let deny = StoredRun { hook: "sundays".to_owned(), ..run("login-pre", "deny", true, false) };
        check(&[], "");
        check(&[accepted()], "The log-in was accepted.");
        let after = "The log-in was accepted, after earlier attempts on the same connection were refused.";
        check(&[refused(), accepted()], after);
        let closed = "It was refused by the hook sundays at login-pre: deny (closed).";
        check(&[because("closed", deny), because("closed", refused())], closed);
        check(&[refused()], "It was refused by the server: refused (without a reason).");
        check(
            &[because("the database is away", run("login", "unavailable", true, false))],
            "It was neither accepted nor refused by the server: unavailable (the database is away); the client may try again.",
        );
    }
}
