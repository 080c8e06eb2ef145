//! The configuration in force. It is read from files and the environment, and no page changes it.

use axum::response::Response;
use serde_json::{Map, Value};
use tidegate_core::admin::UseCase;

use crate::guard::Need;
use crate::problem::{Problem, sentence};
use crate::request::Asked;
use crate::route::Route;
use crate::view::{Block, Cell, Table, Tone};

pub fn routes() -> Vec<Route> {
    vec![Route::get("/web/configuration", Need::For(UseCase::ShowConfiguration), show)]
}

async fn show(asked: Asked) -> Result<Response, Problem> {
    let mut blocks = vec![Block::Text(
        "The values in force, without secrets, and the source of each value that is not the default. Change them in the \
         configuration file or the environment; the server reads them when it starts."
            .to_owned(),
    )];
    for remark in &asked.web.facts.remarks {
        blocks.push(Block::Note(Tone::Warning, sentence(remark)));
    }
    let (facts, empty) = (&asked.web.facts.configuration, Map::new());
    let object = |name: &str| facts.get(name).and_then(Value::as_object).unwrap_or(&empty);
    let origins = object("origins");
    for (section, value) in object("values") {
        let head = ["Key", "Value", "From"];
        let mut table =
            Table::new(format!("section-{section}"), format!("The keys of {section}"), &head, "Nothing is set here.");
        collect(section, value, origins, &mut table.rows);
        blocks.push(Block::Heading(section.clone()));
        blocks.push(Block::Table(table));
    }
    Ok(asked.page("Configuration", blocks))
}

fn collect(key: &str, value: &Value, origins: &Map<String, Value>, rows: &mut Vec<Vec<Cell>>) {
    if let (Value::Object(fields), None) = (value, origins.get(key)) {
        fields.iter().for_each(|(name, value)| collect(&format!("{key}.{name}"), value, origins, rows));
        return;
    }
    let origin = origins.get(key).map_or_else(|| "default".to_owned(), text);
    rows.push(vec![Cell::Code(key.to_owned()), Cell::text(text(value)), Cell::text(origin)]);
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}
