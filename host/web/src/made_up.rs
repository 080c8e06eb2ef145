//! Made-up events, about which the configured hooks are asked: all of a point, or one beside them.

use axum::response::Response;
use serde_json::{Map, Value, json};
use tidegate_core::admin::{HookLink, UseCase};
use tidegate_core::connection::LoginMethod;
use tidegate_core::hook::HookKind;
use tidegate_core::hook::events::ActionKind;

use crate::difference::flat;
use crate::guard::Need;
use crate::problem::Problem;
use crate::request::{Asked, Fields, address};
use crate::route::Route;
use crate::text::microseconds;
use crate::view::{Block, Cell, Control, Form, Input, InputKind, Step, Tab, Table, Tone};

const PATH: &str = "/web/hooks/test";
const LOGIN_POINTS: [HookKind; 8] = [
    HookKind::Connect,
    HookKind::LoginPre,
    HookKind::ExternalAuth,
    HookKind::PreLogin,
    HookKind::KeyboardInteractive,
    HookKind::CheckPassword,
    HookKind::SessionCreate,
    HookKind::PostLogin,
];
const FILE_POINTS: [HookKind; 2] = [HookKind::PreAction, HookKind::PostAction];
const METHODS: [LoginMethod; 3] = [LoginMethod::Password, LoginMethod::PublicKey, LoginMethod::KeyboardInteractive];

pub fn routes() -> Vec<Route> {
    vec![Route::get(PATH, Need::For(UseCase::TestHooks), form), Route::post(PATH, Need::For(UseCase::TestHooks), test)]
}

/// What a form is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    Login,
    File,
    Anything,
}

impl About {
    const ALL: [Self; 3] = [Self::Login, Self::File, Self::Anything];

    fn of(fields: &Fields) -> Self {
        let named = Self::ALL.into_iter().find(|about| about.name() == fields.text("about"));
        named.unwrap_or(if fields.given("event").is_some() { Self::Anything } else { Self::Login })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::File => "file",
            Self::Anything => "json",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Login => "A login",
            Self::File => "A file operation",
            Self::Anything => "Any event, as JSON",
        }
    }

    fn points(self) -> Vec<HookKind> {
        match self {
            Self::Login => LOGIN_POINTS.into(),
            Self::File => FILE_POINTS.into(),
            Self::Anything => HookKind::ALL.into(),
        }
    }

    fn controls(self, fields: &Fields) -> Vec<Input> {
        let text = |name: &str, label: &str, usual: &str| {
            Input::text(name, label, fields.given(name).as_deref().unwrap_or(usual))
        };
        let choice = |name: &str, label: &str, known: Vec<&'static str>| {
            let options = known.into_iter().map(|known| (known.to_owned(), known.to_owned())).collect();
            Input::new(name, label, fields.text(name), InputKind::Choice { options })
        };
        let area = |name: &str, label: &str, rows| Input::new(name, label, fields.text(name), InputKind::Area { rows });
        let user = text("username", "User", "alice");
        let from = text("address", "Address", "127.0.0.1");
        match self {
            Self::Login => {
                let hidden = InputKind::Password { complete: "off", is_needed: false };
                vec![
                    user,
                    from,
                    choice("method", "Method", METHODS.map(LoginMethod::as_str).into()),
                    Input::new("password", "Password", "", hidden).about("For the method password."),
                    area("public_key", "Public key", 2)
                        .about("For the method publickey: one line, as in authorized_keys."),
                    area("answers", "Answers", 2).about(
                        "For the method keyboard-interactive: a line for each round of questions, with commas between \
                         answers.",
                    ),
                ]
            }
            Self::File => vec![
                user,
                from,
                choice("action", "Operation", ActionKind::ALL.map(ActionKind::as_str).into()),
                text("path", "Path", "/file").about("As the client sees it."),
                text("target", "Second path", "").about("Of a rename or a copy."),
                Input::new(
                    "size",
                    "Size",
                    fields.text("size"),
                    InputKind::Number { min: "0".into(), max: String::new() },
                )
                .about("Of the file, in bytes."),
                text("failure", "Failure", "").about("Why the operation failed, for post-action. Empty: it did not."),
            ],
            Self::Anything => {
                let event = fields.given("event").unwrap_or_else(|| "{\n  \"user\": \"alice\"\n}".to_owned());
                vec![Input::new("event", "Event", &event, InputKind::Area { rows: 10 }).about(
                    "With the keys of “tidegate hook test --file”: user, ip, password, public_key, answers, account, \
                     action, path, target, size and failure. What is left out is made up.",
                )]
            }
        }
    }

    fn event(self, fields: &Fields) -> Result<Map<String, Value>, Problem> {
        let mut event = Map::new();
        let mut set = |name: &str, value: Value| event.insert(name.to_owned(), value);
        if self == Self::Anything {
            let text = fields.given("event").unwrap_or_else(|| "{}".to_owned());
            return serde_json::from_str(&text)
                .map_err(|error| Problem::wrong(format!("The event is no JSON object: {error}.")));
        }
        for (field, name) in [("username", "user"), ("address", "ip")] {
            if let Some(text) = fields.given(field) {
                set(name, text.into());
            }
        }
        if self == Self::Login {
            let method = METHODS.into_iter().find(|method| method.as_str() == fields.text("method"));
            match method.unwrap_or(LoginMethod::Password) {
                LoginMethod::PublicKey => set("public_key", fields.text("public_key").trim().into()),
                LoginMethod::KeyboardInteractive => set("answers", answers(fields.text("answers"))),
                LoginMethod::Password
                | LoginMethod::PublicKeyThenPassword
                | LoginMethod::PublicKeyThenKeyboardInteractive => set("password", fields.text("password").into()),
            };
            return Ok(event);
        }
        for name in ["action", "path", "target", "failure"] {
            if let Some(text) = fields.given(name) {
                set(name, text.into());
            }
        }
        if let Some(size) = fields.given("size") {
            let size: u64 = size.parse().map_err(|_| Problem::wrong("The size is no number of bytes."))?;
            set("size", size.into());
        }
        Ok(event)
    }
}

/// The answers of each round, a line for each. One round without answers where nothing was written: their presence makes
/// the method keyboard-interactive.
fn answers(text: &str) -> Value {
    let round = |line: &str| line.split(',').map(|answer| answer.trim().to_owned()).collect::<Vec<_>>();
    let rounds: Vec<_> = text.lines().map(round).collect();
    if rounds.is_empty() { json!([[]]) } else { json!(rounds) }
}

/// The point that was chosen, and the one hook of it.
fn chosen(fields: &Fields) -> (&str, Option<&str>) {
    match fields.text("hook").split_once(' ') {
        Some((point, hook)) => (point, Some(hook)),
        None => (fields.text("hook"), None),
    }
}

/// The points to choose among, and their hooks. `links`: None where the administrator may not see them.
fn choices(points: Vec<HookKind>, links: Option<&[HookLink]>) -> Vec<(String, String)> {
    let mut options = Vec::new();
    for point in points {
        let of_point = |link: &&HookLink| link.hook == point.as_str();
        let links_of = || links.unwrap_or_default().iter().filter(of_point);
        if links.is_none() || links_of().next().is_some() {
            options.push((point.to_string(), format!("{point}: all hooks")));
        }
        let mut targets: Vec<_> = links_of().map(|link| link.target.as_str()).collect();
        targets.dedup();
        for target in targets {
            options.push((format!("{point} {target}"), format!("{point}: {target}, beside all hooks")));
        }
    }
    options
}

/// The form, below links to the others.
async fn inputs(asked: &Asked, fields: &Fields) -> Result<Vec<Block>, Problem> {
    let about = About::of(fields);
    let links = match asked.may(UseCase::ListHooks) {
        true => Some(asked.web.administration.plugins.links(asked.actor()?).await?),
        false => None,
    };
    let tab = |of: About| {
        let address = address(PATH, &[("about", of.name()), ("username", fields.text("username"))]);
        Tab { text: of.title(), address, is_current: of == about }
    };
    let mut blocks = vec![Block::Tabs(About::ALL.map(tab).into())];
    let options = choices(about.points(), links.as_deref());
    if options.is_empty() {
        blocks.push(Block::Text("No hook is configured that could be asked about that.".to_owned()));
        return Ok(blocks);
    }
    let hook = Input::new("hook", "Hooks", fields.text("hook"), InputKind::Choice { options });
    let controls = std::iter::once(hook).chain(about.controls(fields)).map(Control::Input).collect();
    let mut form = Form::post("test", PATH, controls, "Ask the configured hooks");
    form.hidden.push(("about", about.name().to_owned()));
    blocks.push(Block::Form(form));
    Ok(blocks)
}

async fn form(asked: Asked) -> Result<Response, Problem> {
    let text = "The server really asks the configured hooks. What they do besides, such as sending mail, takes place; with a \
                hook that is asked beside all hooks of its point, it takes place twice.";
    let mut blocks = vec![Block::Note(Tone::Warning, text.to_owned())];
    blocks.extend(inputs(&asked, &asked.query).await?);
    Ok(asked.page("Ask about a made-up event", blocks))
}

async fn test(asked: Asked) -> Result<Response, Problem> {
    let (point, hook) = chosen(&asked.form);
    let mut event = About::of(&asked.form).event(&asked.form)?;
    let named = event.remove("only").and_then(|only| only.as_str().map(str::to_owned));
    let hook = hook.map(str::to_owned).or(named);
    event.insert("hook".to_owned(), point.into());
    let (plugins, actor) = (&asked.web.administration.plugins, asked.actor()?);
    let mut answers = vec![(format!("All hooks of {point}"), false, plugins.test(actor, event.clone()).await?)];
    if let Some(hook) = hook {
        let asked = format!("{hook} alone");
        event.insert("only".to_owned(), hook.into());
        answers.push((asked, true, plugins.test(actor, event).await?));
    }
    let head = ["Asked", "Verdict", "Decided by", "Reason or error"];
    let mut table = Table::new("verdicts", "Verdicts", &head, "");
    for (asked, is_alone, report) in &answers {
        let (verdict, reason) = judged(report, *is_alone);
        table.rows.push(vec![
            Cell::text(asked.clone()),
            Cell::mark(tone(&verdict), verdict),
            Cell::text(text_of(report, "decided_by")),
            Cell::text(reason),
        ]);
    }
    let mut blocks = vec![Block::Table(table)];
    for (asked, is_alone, report) in answers {
        blocks.push(Block::Heading(asked));
        blocks.extend(told(report, is_alone));
    }
    blocks.push(Block::Heading("Ask again".to_owned()));
    blocks.extend(inputs(&asked, &asked.form).await?);
    Ok(asked.page(format!("What the hooks of {point} say"), blocks))
}

fn text_of(report: &Value, name: &str) -> String {
    report.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Whether no hook was asked. A failure before the first one was asked is shown as a failure.
fn has_asked_none(report: &Value) -> bool {
    let runs = report.get("runs").and_then(Value::as_array);
    runs.is_some_and(Vec::is_empty) && report.get("verdict").and_then(Value::as_str) != Some("failed")
}

/// The verdict and its reason. A hook that was not asked gave none: the report has what the server does without.
fn judged(report: &Value, is_alone: bool) -> (String, String) {
    match (has_asked_none(report), is_alone) {
        (true, true) => ("not asked".to_owned(), "its selectors do not match".to_owned()),
        (true, false) => {
            (text_of(report, "verdict"), "no hook was asked: the selectors of all hooks exclude the event".to_owned())
        }
        (false, _) => (text_of(report, "verdict"), text_of(report, "detail")),
    }
}

fn tone(verdict: &str) -> Tone {
    match verdict {
        "deny" | "reject" | "failed" => Tone::Bad,
        "allow" | "accept" => Tone::Good,
        _ => Tone::Plain,
    }
}

/// A report: each call as a step, and the outcome of all.
fn told(report: Value, is_alone: bool) -> Vec<Block> {
    let whole = serde_json::to_string_pretty(&report).unwrap_or_default();
    let is_unasked = is_alone && has_asked_none(&report);
    let Value::Object(mut fields) = report else { return Vec::new() };
    if is_unasked {
        fields.remove("verdict");
    }
    let runs = fields.remove("runs");
    let mut blocks = Vec::new();
    match runs.as_ref().and_then(Value::as_array) {
        Some(runs) if runs.is_empty() => {
            let text = match is_unasked {
                true => "Not asked: its selectors do not match.",
                false => "No hook was asked: none is selected for this event.",
            };
            blocks.push(Block::Text(text.to_owned()));
        }
        Some(runs) => blocks.push(Block::Steps(runs.iter().map(step).collect())),
        None => {}
    }
    blocks.push(Block::Facts(flat(&fields).into_iter().map(|(name, text)| (name, Cell::Text(text))).collect()));
    blocks.push(Block::Fold { summary: "The whole answer".to_owned(), text: whole });
    blocks
}

fn step(run: &Value) -> Step {
    let text = |name: &str| run.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let is = |name: &str| run.get(name).and_then(Value::as_bool).unwrap_or_default();
    let took = run.get("duration_us").and_then(Value::as_i64).unwrap_or_default();
    let mut facts = vec![("Took".to_owned(), Cell::Number(microseconds(took)))];
    if !text("detail").is_empty() {
        let name = if is("is_error") { "Error" } else { "Reason" };
        facts.push((name.to_owned(), Cell::Text(text("detail"))));
    }
    if is("decided") {
        facts.push(("Decided".to_owned(), Cell::text("the answer of this call decided")));
    }
    let folds = [("Sent", "sent"), ("Received", "received"), ("Standard error", "standard_error")];
    let folds = folds.map(|(title, name)| (title, text(name)));
    let verdict = text("outcome");
    Step {
        title: text("hook"),
        tone: if is("is_error") { Tone::Warning } else { tone(&verdict) },
        verdict,
        facts,
        folds: folds.into_iter().filter(|(_, text)| !text.trim().is_empty()).collect(),
        links: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(of: &[(&str, &str)]) -> Fields {
        Fields(of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn forms_make_events() {
        let check = |of: &[(&str, &str)], expected: Option<Value>| {
            let fields = fields(of);
            assert_eq!(About::of(&fields).event(&fields).ok().map(Value::Object), expected, "{of:?}");
        };
        check(&[], Some(json!({"password": ""})));
        check(
            &[("about", "login"), ("username", " ann "), ("address", "::1"), ("password", " pw "), ("public_key", "x")],
            Some(json!({"user": "ann", "ip": "::1", "password": " pw "})),
        );
        check(
            &[("method", "publickey"), ("password", "pw"), ("public_key", "ssh-ed25519 A \n")],
            Some(json!({"public_key": "ssh-ed25519 A"})),
        );
        let asked = ("method", "keyboard-interactive");
        check(&[asked, ("password", "pw"), ("answers", "")], Some(json!({"answers": [[]]})));
        check(&[asked, ("answers", "1, 2\r\n3")], Some(json!({"answers": [["1", "2"], ["3"]]})));
        let file = ("about", "file");
        check(
            &[file, ("action", "rename"), ("path", "/a"), ("target", "/b"), ("size", "7"), ("password", "pw")],
            Some(json!({"action": "rename", "path": "/a", "target": "/b", "size": 7})),
        );
        check(&[file, ("path", "/a"), ("failure", "full")], Some(json!({"path": "/a", "failure": "full"})));
        check(&[file, ("size", "many")], None);
        check(&[file, ("size", "-1")], None);
        check(&[("about", "json"), ("event", ""), ("user", "x")], Some(json!({})));
        check(&[("event", "{\"ip\": \"::1\"}")], Some(json!({"ip": "::1"})));
        check(&[("event", "[]")], None);
    }

    #[test]
    fn a_hook_that_was_not_asked_has_no_verdict() {
        let check = |report: Value, is_alone: bool, expected: (&str, &str)| {
            let (verdict, reason) = judged(&report, is_alone);
            assert_eq!((verdict.as_str(), reason.as_str()), expected, "{report}");
        };
        let none = json!({"verdict": "allow", "detail": "", "runs": []});
        check(none.clone(), true, ("not asked", "its selectors do not match"));
        check(none, false, ("allow", "no hook was asked: the selectors of all hooks exclude the event"));
        let failed = json!({"verdict": "failed", "detail": "the file is gone", "runs": []});
        check(failed, true, ("failed", "the file is gone"));
        let denied = json!({"verdict": "deny", "detail": "no", "runs": [{"hook": "a", "outcome": "deny"}]});
        check(denied.clone(), true, ("deny", "no"));
        check(denied, false, ("deny", "no"));
    }

    #[test]
    fn hooks_are_chosen_among_those_that_are_configured() {
        let link = |point: HookKind, target: &str| HookLink {
            hook: point.as_str(),
            adapter: "program",
            target: target.to_owned(),
            deadline: std::time::Duration::ZERO,
            on_error: "deny",
            selectors: Vec::new(),
            limits: String::new(),
            version: None,
            grants: Vec::new(),
            health: "ready".to_owned(),
        };
        let (login, file) = (HookKind::LoginPre, HookKind::PreAction);
        let links = [link(login, "/opt/a b"), link(login, "/opt/a b"), link(login, "c"), link(file, "d")];
        let check = |about: About, links: Option<&[HookLink]>, expected: &[&str]| {
            let found: Vec<_> = choices(about.points(), links).into_iter().map(|(value, _)| value).collect();
            assert_eq!(found, expected, "{about:?}");
        };
        check(About::Login, Some(&links), &["login-pre", "login-pre /opt/a b", "login-pre c"]);
        check(About::File, Some(&links), &["pre-action", "pre-action d"]);
        check(About::Anything, Some(&[]), &[]);
        check(About::File, None, &["pre-action", "post-action"]);
        assert_eq!(chosen(&fields(&[("hook", "login-pre /opt/a b")])), ("login-pre", Some("/opt/a b")));
        assert_eq!(chosen(&fields(&[("hook", "login-pre")])), ("login-pre", None));
    }
}
