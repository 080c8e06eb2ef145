//! A table of events with the verdicts that are expected.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;

use super::Case;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    /// The hook point of events that name none.
    #[serde(default)]
    hook: String,
    #[serde(default)]
    link: String,
    #[serde(default, rename = "event")]
    events: Vec<Case>,
}

/// Reads the cases of a table. Links that are relative paths are relative to the table's directory.
pub fn cases_of(path: &Path) -> anyhow::Result<Vec<Case>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let table: Table = toml::from_str(&text).with_context(|| format!("{} is not a table of events", path.display()))?;
    anyhow::ensure!(!table.events.is_empty(), "{} has no [[event]]", path.display());
    let directory = path.parent().unwrap_or(Path::new("."));
    let complete = |mut case: Case| {
        if case.hook.is_empty() {
            case.hook.clone_from(&table.hook);
        }
        if case.link.is_empty() {
            case.link.clone_from(&table.link);
        }
        case.link = beside(directory, &case.link);
        case
    };
    Ok(table.events.into_iter().map(complete).collect())
}

fn beside(directory: &Path, link: &str) -> String {
    let is_file = !link.is_empty() && !link.contains("://") && !link.starts_with("plugin:");
    if !is_file || Path::new(link).is_absolute() {
        return link.to_owned();
    }
    let path = directory.join(link);
    path.canonicalize().unwrap_or_else(|_| PathBuf::from(link)).display().to_string()
}
