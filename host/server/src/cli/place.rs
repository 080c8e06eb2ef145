//! Where a command looks for a server: its directory and its configuration.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};

use super::filled_in_environment;
use crate::config::{Loaded, Settings, other_directories};
use crate::control::Control;
use crate::state_directory;

/// The directory of configuration and state, and the configuration file.
#[derive(Debug, Clone, clap::Args)]
pub struct Place {
    /// The directory of the configuration and the state [env: TIDEGATE_CONFIG_DIR]
    #[arg(short, long)]
    config_dir: Option<PathBuf>,
    /// The configuration file: a name without extension, or a path with one [env: TIDEGATE_CONFIG_FILE]
    #[arg(short = 'f', long)]
    config_file: Option<String>,
}

impl Place {
    pub fn directory(&self) -> PathBuf {
        self.chosen_directory().unwrap_or_else(|| PathBuf::from("."))
    }

    fn chosen_directory(&self) -> Option<PathBuf> {
        self.config_dir.clone().or_else(|| filled_in_environment("CONFIG_DIR").map(PathBuf::from))
    }

    /// The directories in which the file may be: other ones only if no directory was chosen (A3-04).
    fn directories(&self, directory: &Path) -> Vec<PathBuf> {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let others = if self.chosen_directory().is_none() { other_directories(home.as_deref()) } else { Vec::new() };
        std::iter::once(directory.to_owned()).chain(others).collect()
    }

    pub fn file(&self) -> Option<String> {
        self.config_file.clone().or_else(|| filled_in_environment("CONFIG_FILE"))
    }

    pub fn load(&self, directory: &Path) -> anyhow::Result<Loaded> {
        let environment: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Ok(Loaded::read(&self.directories(directory), self.file().as_deref(), &environment)?)
    }

    /// The server that runs in the directory; None: none does.
    ///
    /// # Errors
    /// A configuration file that was named cannot be read, as without a server; or the server does not answer.
    pub async fn server(&self) -> anyhow::Result<Option<Control>> {
        let directory = self.directory();
        Loaded::look_for(&self.directories(&directory), self.file().as_deref())?;
        Control::connect(&directory).await
    }

    /// The server that runs. `reason`: why nothing else will do.
    ///
    /// # Errors
    /// None runs, or it cannot be asked.
    pub async fn running_server(&self, reason: &str) -> anyhow::Result<Control> {
        let server = self.server().await?;
        server.with_context(|| format!("{reason}, and none runs in {}", self.directory().display()))
    }

    /// As [`settings`](Self::settings), for a command that only looks: it makes no place of a server where there is
    /// none.
    ///
    /// # Errors
    /// There is no directory, it has nothing of a server, or the configuration is not valid.
    pub fn settings_to_look_at(&self) -> anyhow::Result<(PathBuf, Settings)> {
        let directory = self.directory();
        let shown = directory.display();
        let advice = "name that of the server with --config-dir, or make one there with: tidegate initprovider, or \
                      tidegate serve";
        match directory.metadata() {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => bail!("{shown} is no directory; {advice}"),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                bail!("the directory {shown} does not exist; {advice}")
            }
            Err(error) => return Err(error).with_context(|| format!("the directory {shown} cannot be used")),
        }
        let loaded = self.load(&directory)?;
        let settings = loaded.validate(&directory, false)?;
        let is_of_server = loaded.source.path.is_some()
            || settings.database.file().is_none_or(Path::exists)
            || state_directory::is_used(&directory);
        ensure!(is_of_server, "the directory {shown} has neither a configuration nor a database of a server; {advice}");
        self.settings()
    }

    /// The directory, which is made if it is missing, and the checked configuration.
    pub fn settings(&self) -> anyhow::Result<(PathBuf, Settings)> {
        let directory = state_directory::prepare(&self.directory())?;
        let settings = self.load(&directory)?.validate(&directory, false)?;
        state_directory::make(&settings.backups)?;
        Ok((directory, settings))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(directory: &Path, file: Option<&str>) -> Place {
        Place { config_dir: Some(directory.to_owned()), config_file: file.map(str::to_owned) }
    }

    #[test]
    fn what_only_looks_makes_no_place_of_a_server() {
        // `made`: what is in the directory; None: it is not there.
        let check = |made: Option<&[(&str, &str)]>, file: Option<&str>, expected: Result<(), &str>| {
            let root = tempfile::tempdir().unwrap();
            let directory = root.path().join("state");
            for (name, text) in made.into_iter().flatten() {
                let path = directory.join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
            if made.is_some() {
                std::fs::create_dir_all(&directory).unwrap();
            }
            let found = place(&directory, file).settings_to_look_at().map(drop);
            match (found, expected) {
                (Ok(()), Ok(())) => {}
                (Err(error), Err(part)) => {
                    let error = format!("{error:#}");
                    assert!(error.contains(part), "{error}");
                    let names = [directory.display().to_string(), "initprovider".to_owned()];
                    assert!(file.is_some() || names.iter().all(|name| error.contains(name)), "{error}");
                    // It is as it was.
                    assert_eq!(directory.exists(), made.is_some(), "{made:?}");
                    assert!(!directory.join("plugins").exists(), "{made:?}");
                }
                (found, _) => panic!("{made:?}: {found:?}"),
            }
        };
        check(None, None, Err("does not exist"));
        check(Some(&[]), None, Err("neither a configuration nor a database"));
        check(Some(&[("notes.txt", "")]), None, Err("neither a configuration nor a database"));
        check(Some(&[("tidegate.toml", "")]), None, Ok(()));
        check(Some(&[("sftpgo.json", "{}")]), None, Ok(()));
        check(Some(&[("tidegate.db", "")]), None, Ok(()));
        check(Some(&[("plugins/a.toml", "")]), None, Ok(()));
        check(Some(&[("lock", "")]), None, Ok(()));
        check(Some(&[("other.toml", "")]), Some("other.toml"), Ok(()));
        check(Some(&[]), Some("other.toml"), Err("other.toml does not exist"));
    }

    #[tokio::test]
    async fn a_configuration_file_that_is_named_is_there() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("a.toml"), "").unwrap();
        std::fs::write(directory.path().join("bytes.toml"), b"\xff").unwrap();
        let check = async |file: Option<&str>, expected: Result<(), &str>| {
            let found = place(directory.path(), file).server().await.map(|server| assert!(server.is_none()));
            match (found, expected) {
                (Ok(()), Ok(())) => {}
                (Err(error), Err(part)) => assert!(format!("{error:#}").contains(part), "{error:#}"),
                (found, _) => panic!("{file:?}: {found:?}"),
            }
        };
        check(None, Ok(())).await;
        check(Some("a"), Ok(())).await;
        check(Some("a.toml"), Ok(())).await;
        check(Some("b"), Err("there is no configuration file")).await;
        check(Some("/nonexistent.toml"), Err("/nonexistent.toml does not exist")).await;
        check(Some("bytes.toml"), Err("not UTF-8")).await;
    }
}
