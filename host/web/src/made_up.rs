//! Made-up events, about which hooks are asked.

use axum::response::Response;
use serde_json::{Map, Value};
use tidegate_core::admin::UseCase;
use tidegate_core::hook::HookKind;

use crate::guard::Need;
use crate::problem::Problem;
use crate::request::Asked;
use crate::route::Route;
use crate::view::{Block, Cell, Control, Form, Input, InputKind, Tone};

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/web/hooks/test", Need::For(UseCase::TestHooks), form),
        Route::post("/web/hooks/test", Need::For(UseCase::TestHooks), test),
    ]
}

fn inputs(hook: &str, event: &str) -> Form {
    let kinds = HookKind::ALL.iter().map(|kind| (kind.to_string(), kind.to_string())).collect();
    let controls = vec![
        Control::Input(Input::new("hook", "Hook point", hook, InputKind::Choice { options: kinds })),
        Control::Input(Input::new("event", "Event", event, InputKind::Area { rows: 10 }).about(
            "As JSON, with the keys of “tidegate hook test --file”, such as username, password, method and ip. What is \
             left out is made up.",
        )),
    ];
    Form::post("test", "/web/hooks/test", controls, "Ask the configured hooks")
}

async fn form(asked: Asked) -> Response {
    let text = "The configured hooks are really asked. What they do themselves, such as sending mail, they do.";
    let event = "{\n  \"username\": \"alice\"\n}";
    asked.page(
        "Ask about a made-up event",
        vec![Block::Note(Tone::Warning, text.to_owned()), Block::Form(inputs("login-pre", event))],
    )
}

async fn test(asked: Asked) -> Result<Response, Problem> {
    let (hook, text) = (asked.form.text("hook"), asked.form.text("event"));
    let event = if text.trim().is_empty() { Ok(Map::new()) } else { serde_json::from_str::<Map<String, Value>>(text) };
    let mut event = event.map_err(|error| Problem::wrong(format!("The event is no JSON object: {error}.")))?;
    event.insert("hook".to_owned(), hook.into());
    let report = asked.web.administration.plugins.test(asked.actor()?, event).await?;
    let mut facts: Vec<_> = Vec::new();
    if let Value::Object(fields) = &report {
        facts.extend(crate::difference::flat(fields).into_iter().map(|(name, text)| (name, Cell::Text(text))));
    }
    let report = serde_json::to_string_pretty(&report).unwrap_or_default();
    let blocks = vec![
        Block::Facts(facts),
        Block::Fold { summary: "The whole answer".to_owned(), text: report },
        Block::Heading("Ask again".to_owned()),
        Block::Form(inputs(hook, text)),
    ];
    Ok(asked.page(format!("What the hooks of {hook} say"), blocks))
}
