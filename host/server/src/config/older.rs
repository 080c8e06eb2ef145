//! The older server's configuration, as `tidegate migrate` needs it: the tree as it was written, the settings in our
//! words, and what is said of each key that has no counterpart.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::keys::Config;
use super::{ConfigErrors, format, known, legacy_keys, location, one};

/// A configuration of the older server.
#[derive(Debug)]
pub struct OlderConfig {
    /// The file; `None`: there is none, and the older server's defaults hold.
    pub path: Option<PathBuf>,
    /// What the file says.
    pub tree: Value,
    /// The same with our keys.
    pub config: Config,
    /// Keys that are ignored, and why.
    pub ignored: Vec<(String, String)>,
    /// Keys that cannot be ignored, and why, with what the file says of them.
    pub refused: Vec<(String, String, Value)>,
    /// Keys that no version had.
    pub unknown: Vec<(String, String)>,
}

impl OlderConfig {
    /// Reads `sftpgo.*` in the directory.
    pub fn read(directory: &Path) -> Result<Self, ConfigErrors> {
        let path = match location::find_older(directory).map_err(one)? {
            Some(path) => path,
            None => return Self::of(None, Value::Object(Map::new())),
        };
        let defaults = serde_json::to_value(Config::default()).map_err(|error| one(error.to_string()))?;
        let tree = format::parse(&path, &format::read(&path).map_err(one)?, &defaults).map_err(one)?;
        Self::of(Some(path), tree)
    }

    fn of(path: Option<PathBuf>, tree: Value) -> Result<Self, ConfigErrors> {
        let defaults = serde_json::to_value(Config::default()).map_err(|error| one(error.to_string()))?;
        let mut ours = tree.clone();
        let told = legacy_keys::translate(&mut ours, &defaults);
        let unknown = known::unknown_keys(&ours, &defaults);
        for unknown in &unknown {
            remove(&mut ours, &unknown.key);
        }
        let shown = path.as_ref().map_or_else(|| "the defaults".to_owned(), |path| path.display().to_string());
        let mut config: Config = serde_path_to_error::deserialize(ours)
            .map_err(|error| one(format!("{shown}, key \"{}\": {}", error.path(), error.inner())))?;
        if tree.get("data_provider").and_then(|provider| provider.get("name")).is_none() {
            config.data_provider.name = "sftpgo.db".to_owned();
        }
        let with_value = |(key, text): (String, String)| {
            let value = found(&tree, &key).cloned().unwrap_or(Value::Null);
            (key, text, value)
        };
        let unknown = unknown.into_iter().map(|unknown| (unknown.key, unknown.advice)).collect();
        let refused = told.refused.into_iter().map(with_value).collect();
        Ok(Self { path, tree, config, ignored: told.ignored, refused, unknown })
    }
}

/// The value of a dotted key.
fn found<'a>(tree: &'a Value, key: &str) -> Option<&'a Value> {
    key.split('.').try_fold(tree, |tree, part| tree.get(part))
}

/// Removes a dotted key. In lists, which the key does not show, it is removed from all elements.
fn remove(tree: &mut Value, key: &str) {
    match (tree, key.split_once('.')) {
        (Value::Object(fields), None) => drop(fields.remove(key)),
        (Value::Object(fields), Some((part, rest))) => {
            if let Some(inner) = fields.get_mut(part) {
                remove(inner, rest);
            }
        }
        (Value::Array(items), _) => items.iter_mut().for_each(|item| remove(item, key)),
        (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_), _) => {}
    }
}
