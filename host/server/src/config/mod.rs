//! The configuration: the older server's sections and keys, and this server's own. It is read from
//! a file in one of six formats, overridden by the environment, and checked as a whole.

mod account_rights;
mod client_pages;
mod commands;
mod connection_string;
mod database;
mod database_server;
mod defender;
mod environment;
mod flag;
mod format;
mod homes;
mod hooks;
mod http;
mod http_bindings;
mod keys;
mod known;
mod legacy_hooks;
mod legacy_keys;
mod location;
mod mysql;
mod network;
mod network_disk;
mod older;
mod postgresql;
mod read_only;
mod selectors;
pub mod settings;
mod shown;
mod synchronous;
mod transport;
mod unique;
mod validate;

use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

pub use keys::{Config, DataProvider};
pub use location::{has_own_file, other_directories};
pub use older::OlderConfig;
pub use settings::Settings;
pub use shown::{shown, shown_url, with_origins};

/// Where a configuration comes from, for messages.
#[derive(Debug, Clone)]
pub struct Source {
    /// `None`: there is no file, only defaults and the environment.
    pub path: Option<PathBuf>,
    text: String,
}

impl Source {
    /// Whether the key's value is written with the digits `0o…` of an octal number, which the
    /// parsed number does not show.
    fn is_octal_number(&self, key: &str) -> bool {
        let line = known::line_of(&self.text, key).and_then(|number| self.text.lines().nth(number - 1));
        line.is_some_and(|line| !line.contains(['"', '\'']) && line.contains("0o"))
    }

    /// The place of a key: `FILE, line N, key "KEY"`.
    pub fn place(&self, key: &str) -> String {
        let Some(path) = &self.path else {
            return format!("key \"{key}\"");
        };
        match known::line_of(&self.text, key) {
            Some(line) => format!("{}, line {line}, key \"{key}\"", path.display()),
            None => format!("{}, key \"{key}\"", path.display()),
        }
    }
}

/// All problems, one sentence each.
#[derive(Debug)]
pub struct ConfigErrors(pub Vec<String>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for ConfigErrors {}

/// What was read, before it is validated.
#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    pub source: Source,
    /// Unknown keys, as sentences; errors unless the operator is lenient.
    pub unknown: Vec<String>,
    /// Other remarks for the operator: where the file was found, and what in it is not used.
    pub notes: Vec<String>,
}

impl Loaded {
    /// A configuration that the program makes itself.
    pub fn from_config(config: Config) -> Self {
        let source = Source { path: None, text: String::new() };
        Self { config, source, unknown: Vec::new(), notes: Vec::new() }
    }

    /// `directories`: the configuration directory, then others in which the file may be. `file`: a
    /// name without extension, or a path with one.
    pub fn read(
        directories: &[PathBuf],
        file: Option<&str>,
        environment: &[(String, String)],
    ) -> Result<Self, ConfigErrors> {
        let location::Found { path, notes } = location::find(directories, file).map_err(one)?;
        let text = path.as_deref().map(format::read).transpose().map_err(one)?.unwrap_or_default();
        Self::of(Source { path, text }, environment, notes)
    }

    /// Whether the file that `file` names, if it names one, is there and can be read. Arguments as of
    /// [`read`](Self::read).
    ///
    /// # Errors
    /// It is not there, or cannot be read.
    pub fn look_for(directories: &[PathBuf], file: Option<&str>) -> Result<(), ConfigErrors> {
        if file.is_none() {
            return Ok(());
        }
        let location::Found { path, notes: _ } = location::find(directories, file).map_err(one)?;
        path.as_deref().map(format::read).transpose().map(drop).map_err(one)
    }

    fn of(source: Source, environment: &[(String, String)], mut notes: Vec<String>) -> Result<Self, ConfigErrors> {
        let defaults = serde_json::to_value(Config::default()).map_err(|error| one(error.to_string()))?;
        let mut value = match &source.path {
            None => Value::Object(Map::new()),
            Some(path) => format::parse(path, &source.text, &defaults).map_err(one)?,
        };
        let variables = environment::apply(&mut value, &defaults, environment).map_err(one)?;
        notes.extend(variables.warnings);
        let with_nul = known::keys_with_nul(&value);
        if !with_nul.is_empty() {
            let say = |key: String| format!("{}: has a NUL character; remove it", source.place(&key));
            return Err(ConfigErrors(with_nul.into_iter().map(say).collect()));
        }
        let older = legacy_keys::translate(&mut value, &defaults);
        let say = |(key, text): (String, String)| format!("{}: {text}", source.place(&key));
        notes.extend(older.ignored.into_iter().map(say));
        let mut unknown: Vec<_> = older.refused.into_iter().map(say).collect();
        unknown.extend(variables.unknown);
        let others = known::unknown_keys(&value, &defaults);
        unknown.extend(others.into_iter().map(|unknown| say((unknown.key, unknown.advice))));
        let config = serde_path_to_error::deserialize(value)
            .map_err(|error| one(format!("{}: {}", source.place(&error.path().to_string()), error.inner())))?;
        Ok(Self { config, source, unknown, notes })
    }

    /// Checks the whole configuration. `lenient`: unknown keys are only warnings.
    pub fn validate(&self, directory: &Path, lenient: bool) -> Result<Settings, ConfigErrors> {
        let mut problems = if lenient { Vec::new() } else { self.unknown.clone() };
        match validate::settings(&self.config, &self.source, directory) {
            Ok(settings) if problems.is_empty() => Ok(settings),
            Ok(_) => Err(ConfigErrors(problems)),
            Err(ConfigErrors(more)) => {
                problems.extend(more);
                Err(ConfigErrors(problems))
            }
        }
    }
}

fn one(problem: String) -> ConfigErrors {
    ConfigErrors(vec![problem])
}

/// Reads and checks a configuration as the server does at its start, without starting anything.
/// `file`: where the text would be, whose extension says its format.
///
/// # Errors
/// Everything that is wrong, one sentence each.
pub fn check_text(file: &Path, text: &str) -> Result<(), ConfigErrors> {
    let source = Source { path: Some(file.to_owned()), text: text.to_owned() };
    let directory = file.parent().unwrap_or(file);
    Loaded::of(source, &[], Vec::new())?.validate(directory, false).map(drop)
}

#[cfg(test)]
mod hook_tests;
#[cfg(test)]
mod legacy_hook_tests;
#[cfg(test)]
mod link_tests;
#[cfg(test)]
mod mysql_tests;
#[cfg(test)]
mod postgresql_tests;
#[cfg(test)]
mod read_only_tests;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod transport_tests;
#[cfg(test)]
mod value_tests;
