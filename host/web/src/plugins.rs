//! The plugins of the plugin directory, and those that are missing there.

use axum::response::Response;
use tidegate_core::admin::{PluginState, UseCase};
use tidegate_core::ports::RunFilter;

use crate::guard::Need;
use crate::problem::{Problem, sentence};
use crate::request::{Asked, address, see};
use crate::route::Route;
use crate::text::{bytes, microseconds, natural, seconds};
use crate::view::{Block, Button, Cell, Form, Table, Tone};

/// Values of a plugin that are shown.
const KEPT: u32 = 100;
/// Calls of a plugin whose use of memory and of the processor is looked at.
const CALLS: u32 = 100;

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/web/plugins", Need::For(UseCase::ListPlugins), list),
        Route::get("/web/plugins/show", Need::For(UseCase::ListPlugins), show),
        Route::post("/web/plugins/reload", Need::For(UseCase::ReloadPlugins), reload),
        Route::post("/web/plugins/forget", Need::For(UseCase::ForgetPlugin), forget),
    ]
}

fn state(plugin: &PluginState) -> Cell {
    let lacks = plugin.details.wants.iter().any(|(_, is_granted)| !is_granted);
    match (&plugin.error, plugin.closed_gates.is_empty()) {
        (None, true) if lacks => Cell::mark(Tone::Warning, "in service; it lacks a grant"),
        (None, true) => Cell::mark(Tone::Good, "in service"),
        (None, false) => Cell::mark(Tone::Warning, "missing; its gates refuse"),
        (Some(error), _) => Cell::mark(Tone::Bad, sentence(error)),
    }
}

/// Whether the server knows that the settings are right.
fn said_of_settings(plugin: &PluginState) -> (Tone, String) {
    match plugin.details.left_of_schema.as_deref() {
        Some([]) => (Tone::Good, "checked against the plugin's schema".to_owned()),
        Some(left) => {
            let left = left.join(", ");
            (Tone::Good, format!("checked against the plugin's schema, of which the plugin itself checks: {left}"))
        }
        None => (Tone::Plain, format!("not checked by the server: there is no {}.schema.json", plugin.name)),
    }
}

fn lines_or_none(lines: &[String]) -> Cell {
    if lines.is_empty() { Cell::text("none") } else { Cell::Lines(lines.to_vec()) }
}

async fn list(asked: Asked) -> Result<Response, Problem> {
    let plugins = asked.web.administration.plugins.list(asked.actor()?).await?;
    let head = ["Name", "State", "Digest", "Hooks", "Gates that refuse", "Grants"];
    let mut table = Table::new("plugins", "Plugins", &head, "There are no plugins.");
    for plugin in plugins {
        let digest = plugin.digest.clone().unwrap_or_default().chars().take(12).collect::<String>();
        table.rows.push(vec![
            Cell::link(plugin.name.clone(), address("/web/plugins/show", &[("name", &plugin.name)])),
            state(&plugin),
            Cell::Code(digest),
            Cell::Lines(plugin.hooks),
            Cell::Lines(plugin.closed_gates),
            Cell::Lines(plugin.grants),
        ]);
    }
    let mut blocks = Vec::new();
    match asked.query.text("done") {
        "reloaded" => blocks.push(Block::Note(Tone::Good, "The plugin directory was read again.".to_owned())),
        "forgotten" => blocks.push(Block::Note(Tone::Good, "The gates of the plugin no longer refuse.".to_owned())),
        _ => {}
    }
    if asked.may(UseCase::ReloadPlugins) {
        blocks.push(Block::Form(Form::post("reload", "/web/plugins/reload", Vec::new(), "Read the directory again")));
    }
    blocks.push(Block::Table(table));
    Ok(asked.page("Plugins", blocks))
}

/// What its last calls took, at most.
async fn used_lately(asked: &Asked, plugin: &str) -> Result<Vec<(String, Cell)>, Problem> {
    let filter = RunFilter { hook: Some(plugin.to_owned()), limit: CALLS, ..RunFilter::default() };
    let runs = asked.web.administration.hook_runs.list(asked.actor()?, filter).await?;
    let memory = runs.iter().filter_map(|run| run.memory).max().map(|most| bytes(natural(most)));
    let computing = runs.iter().filter_map(|run| run.cpu_us).max().map(microseconds);
    let facts = [("Memory used in its last calls, at most", memory), ("Computed for, at most", computing)];
    Ok(facts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), Cell::Number(text?)))).collect())
}

async fn show(asked: Asked) -> Result<Response, Problem> {
    let plugin = asked.web.administration.plugins.show(asked.actor()?, asked.query.text("name")).await?;
    let mut facts = vec![
        ("State".to_owned(), state(&plugin)),
        ("SHA-256".to_owned(), Cell::Code(plugin.digest.clone().unwrap_or_default())),
        ("Hooks".to_owned(), lines_or_none(&plugin.hooks)),
        ("Granted".to_owned(), lines_or_none(&plugin.grants)),
        ("Gates that refuse".to_owned(), lines_or_none(&plugin.closed_gates)),
    ];
    facts.extend(
        plugin.details.contract.clone().map(|version| ("Version of the contract".to_owned(), Cell::text(version))),
    );
    if plugin.digest.is_some() {
        let signer = plugin.details.signer.clone();
        let signer = signer.map_or_else(|| Cell::text("not needed (plugins.trusted_keys)"), Cell::Code);
        facts.push(("Signed by".to_owned(), signer));
        let (tone, text) = said_of_settings(&plugin);
        facts.push(("Settings".to_owned(), Cell::mark(tone, text)));
    }
    facts.extend(plugin.details.limits.iter().map(|(name, value)| ((*name).to_owned(), Cell::Number(value.clone()))));
    if asked.may(UseCase::ListRuns) {
        facts.extend(used_lately(&asked, &plugin.name).await?);
        facts.push(("Calls".to_owned(), Cell::link("show", address("/web/runs", &[("hook", &plugin.name)]))));
    }
    if !plugin.closed_gates.is_empty() && asked.may(UseCase::ForgetPlugin) {
        let cell = match asked.web.administration.plugins.may_forget(asked.actor()?) {
            Ok(()) => Cell::Buttons(vec![Button {
                id: "forget".to_owned(),
                text: "Let go of the gates",
                of: format!("of {}", plugin.name),
                address: "/web/plugins/forget".to_owned(),
                hidden: vec![("name", plugin.name.clone())],
                tone: Tone::Bad,
            }]),
            // A button that is always refused would say less.
            Err(error) => {
                let command = format!("tidegate plugin forget {}", plugin.name);
                Cell::text(format!("{} On the server: {command}", sentence(&error.to_string())))
            }
        };
        facts.push(("Without the plugin".to_owned(), cell));
    }
    let missing = plugin.details.wants.iter().filter(|(_, is_granted)| !is_granted).count();
    let mut blocks = Vec::new();
    if missing > 0 {
        let text = format!("The plugin asks for {missing} thing(s) that it was not granted; see below.");
        blocks.push(Block::Note(Tone::Warning, text));
    }
    blocks.push(Block::Facts(facts));
    if plugin.digest.is_some() {
        let mut table =
            Table::new("wants", "What the component asks for", &["What", "Granted"], "It asks for nothing.");
        for (what, is_granted) in plugin.details.wants {
            let mark =
                if is_granted { Cell::mark(Tone::Good, "granted") } else { Cell::mark(Tone::Warning, "not granted") };
            table.rows.push(vec![Cell::Text(what), mark]);
        }
        blocks.push(Block::Table(table));
    }
    // Settings may have what is for the plugin alone.
    if asked.may(UseCase::ShowConfiguration) && !plugin.details.config.is_null() {
        let text = serde_json::to_string_pretty(&plugin.details.config).unwrap_or_default();
        blocks.push(Block::Fold { summary: "Its settings ([config])".to_owned(), text });
    }
    let kept = asked.web.administration.plugins.kept(asked.actor()?, &plugin.name, KEPT).await?;
    let caption = match kept.len() {
        count if count >= KEPT as usize => format!("The first {KEPT} values that it keeps"),
        _ => "Values that it keeps".to_owned(),
    };
    let mut table = Table::new("kept", caption, &["Key", "Size", "Age"], "It keeps no values.");
    for value in kept {
        let age = value.age.map_or_else(|| Cell::text("not known"), |age| Cell::Number(seconds(natural(age) / 1000)));
        table.rows.push(vec![Cell::Code(value.key), Cell::Number(bytes(value.size)), age]);
    }
    blocks.push(Block::Table(table));
    if asked.may(UseCase::ReloadPlugins) {
        blocks.push(Block::Form(Form::post("reload", "/web/plugins/reload", Vec::new(), "Read the directory again")));
    }
    Ok(asked.page(format!("Plugin {}", plugin.name), blocks))
}

async fn reload(asked: Asked) -> Result<Response, Problem> {
    asked.web.administration.plugins.reload(asked.actor()?).await?;
    Ok(see("/web/plugins?done=reloaded"))
}

async fn forget(asked: Asked) -> Result<Response, Problem> {
    asked.web.administration.plugins.forget(asked.actor()?, asked.form.text("name")).await?;
    Ok(see("/web/plugins?done=forgotten"))
}

#[cfg(test)]
mod tests {
    use tidegate_core::admin::PluginDetails;

    use super::*;

    #[test]
    fn settings_are_checked_where_there_is_a_schema() {
        let check = |left: Option<&[&str]>, expected: (Tone, &str)| {
            let left_of_schema = left.map(|left| left.iter().map(|word| (*word).to_owned()).collect());
            let plugin = PluginState {
                name: "guard".to_owned(),
                digest: Some("ab".to_owned()),
                hooks: Vec::new(),
                grants: Vec::new(),
                closed_gates: Vec::new(),
                error: None,
                details: PluginDetails { left_of_schema, ..PluginDetails::default() },
            };
            let (tone, text) = said_of_settings(&plugin);
            assert_eq!((tone, text.as_str()), expected);
        };
        check(None, (Tone::Plain, "not checked by the server: there is no guard.schema.json"));
        check(Some(&[]), (Tone::Good, "checked against the plugin's schema"));
        let left = "checked against the plugin's schema, of which the plugin itself checks: oneOf, pattern";
        check(Some(&["oneOf", "pattern"]), (Tone::Good, left));
    }
}
