//! The report of one test, for people and for programs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tidegate_core::hook::HookRun;
use tidegate_core::login::AccountCheck;

use super::{Case, Tested};

/// What stands above the verdict where it is what the server does without a hook.
const NONE_ASKED: &str = "no hook was asked: the selectors of all hooks exclude the event";
const NOT_ASKED: &str = "the hook was not asked: its selectors do not match; this is what the server does without it";

pub struct Report {
    case: Arc<Case>,
    tested: Tested,
    runs: Vec<HookRun>,
    before: Option<Value>,
    after: Option<Value>,
    checks: Vec<AccountCheck>,
    /// What is not as expected, one sentence each.
    pub problems: Vec<String>,
}

impl Report {
    pub fn new(
        case: Arc<Case>,
        tested: Tested,
        runs: Vec<HookRun>,
        before: Option<Value>,
        after: Option<Value>,
        invalid: Option<String>,
        checks: Vec<AccountCheck>,
    ) -> Self {
        let mut problems: Vec<_> =
            invalid.into_iter().map(|why| format!("the account would not be taken: {why}")).collect();
        match &case.expect {
            Some(expected) if *expected != tested.verdict => {
                problems.push(format!("the verdict is \"{}\", not \"{expected}\"", tested.verdict));
            }
            None if tested.failed => problems.push(format!("the hook failed: {}", tested.detail)),
            _ => {}
        }
        if !tested.detail.contains(&case.expect_detail) {
            problems.push(format!("\"{}\" does not contain \"{}\"", tested.detail, case.expect_detail));
        }
        for (field, expected) in case.expect_account.iter().flatten() {
            let found = after.as_ref().and_then(|account| account.get(field)).unwrap_or(&Value::Null);
            if found != expected {
                problems.push(format!("the account's {field} is {found}, not {expected}"));
            }
        }
        Self { case, tested, runs, before, after, checks, problems }
    }

    /// The verdict, with its reason.
    pub fn outcome(&self) -> String {
        match self.tested.detail.as_str() {
            "" => self.tested.verdict.clone(),
            detail => format!("{} ({detail})", self.tested.verdict),
        }
    }

    /// The time of all links together.
    pub fn took(&self) -> Duration {
        self.runs.iter().map(|run| run.duration).sum()
    }

    pub fn failed(&self) -> bool {
        self.tested.failed
    }

    pub fn to_json(&self) -> Value {
        let runs = self.runs.iter().map(run_as_json).collect::<Vec<_>>();
        let checks =
            self.checks.iter().map(|check| json!({"check": check.name, "problem": check.problem})).collect::<Vec<_>>();
        json!({
            "name": self.case.title(),
            "hook": self.case.hook,
            "verdict": self.tested.verdict,
            "detail": self.tested.detail,
            "decided_by": self.tested.decided_by,
            "runs": runs,
            "account_before": self.before,
            "account_after": self.after,
            "checks": checks,
            "passed": self.problems.is_empty(),
            "problems": self.problems,
        })
    }

    /// Prints one line, and the problems.
    fn print_line(&self) {
        let mark = if self.problems.is_empty() { "ok  " } else { "FAIL" };
        println!("{mark} {}: {}", self.case.title(), self.tested.verdict);
        self.problems.iter().for_each(|problem| println!("     {problem}"));
    }

    fn print_all(&self) {
        println!("{}", self.case.title());
        self.runs.iter().for_each(print_run);
        if let Some(after) = &self.after {
            println!("account:");
            difference(self.before.as_ref(), after).iter().for_each(|line| println!("  {line}"));
        }
        if !self.checks.is_empty() {
            println!("checks of a login with it:");
        }
        for check in &self.checks {
            println!("  {:<28} {}", check.name, check.problem.as_deref().unwrap_or("ok"));
        }
        let by = self.tested.decided_by.as_ref().map(|hook| format!(" (by {hook})")).unwrap_or_default();
        let detail = if self.tested.detail.is_empty() { String::new() } else { format!(": {}", self.tested.detail) };
        if self.runs.is_empty() && !self.tested.failed {
            println!("{}", if self.case.only.is_empty() { NONE_ASKED } else { NOT_ASKED });
        }
        println!("verdict: {}{by}{detail}", self.tested.verdict);
        self.problems.iter().for_each(|problem| println!("PROBLEM: {problem}"));
    }
}

/// Prints one test in full, or several with a line each.
pub fn print(reports: &[Report], json: bool) -> anyhow::Result<()> {
    match reports {
        _ if json => {
            println!("{}", serde_json::to_string_pretty(&reports.iter().map(Report::to_json).collect::<Vec<_>>())?)
        }
        [only] => only.print_all(),
        several => several.iter().for_each(Report::print_line),
    }
    Ok(())
}

fn print_run(run: &HookRun) {
    let version = run.exchange.version.as_ref().map(|version| format!(", version {version}")).unwrap_or_default();
    println!("{} {}{version}: {} in {:?}", run.adapter, run.hook, run.outcome, run.duration);
    if let (Some(cpu), Some(memory)) = (run.exchange.cpu, run.exchange.memory) {
        println!("  computing {cpu:?}, memory {} KiB", memory / 1024);
    }
    let exchange = &run.exchange;
    for (name, text) in
        [("sent", &exchange.sent), ("received", &exchange.received), ("standard error", &exchange.standard_error)]
    {
        if !text.trim().is_empty() {
            println!("  --- {name}");
            text.trim_end().lines().for_each(|line| println!("  {line}"));
        }
    }
    if run.is_error {
        println!("  error: {}", run.detail);
    }
}

fn run_as_json(run: &HookRun) -> Value {
    json!({
        "adapter": run.adapter,
        "hook": &*run.hook,
        "version": run.exchange.version.as_deref(),
        "outcome": run.outcome,
        "detail": run.detail,
        "is_error": run.is_error,
        "decided": run.decided,
        "duration_us": u64::try_from(run.duration.as_micros()).unwrap_or(u64::MAX),
        "cpu_us": run.exchange.cpu.map(|cpu| u64::try_from(cpu.as_micros()).unwrap_or(u64::MAX)),
        "memory": run.exchange.memory,
        "sent": run.exchange.sent,
        "received": run.exchange.received,
        "standard_error": run.exchange.standard_error,
    })
}

/// Lines with `-` and `+` for the fields that differ.
fn difference(before: Option<&Value>, after: &Value) -> Vec<String> {
    let empty = Map::new();
    let before = before.and_then(Value::as_object).unwrap_or(&empty);
    let after = after.as_object().unwrap_or(&empty);
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut lines = Vec::new();
    for name in names {
        let (old, new) = (before.get(name), after.get(name));
        if old == new {
            continue;
        }
        lines.extend(old.map(|value| format!("- {name}: {value}")));
        lines.extend(new.map(|value| format!("+ {name}: {value}")));
    }
    if lines.is_empty() {
        lines.push("as it was".to_owned());
    }
    lines
}
