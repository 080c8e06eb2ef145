//! A file of the state directory with the networks that administrators have exempted from bans, one a line. They are of
//! this server alone, as its bans are: servers that share a database need not be reached from the same networks.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail};
use async_trait::async_trait;
use ipnet::IpNet;
use tidegate_core::ports::{Exemptions, ExemptionsInMemory};

const FILE: &str = "exempt_networks";

/// The networks in the file. Readers of the list wait for no disk: what is in memory changes once the file is written.
#[derive(Debug)]
pub struct ExemptionsFile {
    path: PathBuf,
    networks: Arc<ExemptionsInMemory>,
    /// Held while the file is written, by one change after the other.
    writing: Arc<Mutex<()>>,
}

impl ExemptionsFile {
    /// # Errors
    /// The file cannot be read, or a line of it is no network.
    pub fn open(directory: &Path) -> anyhow::Result<Self> {
        let path = directory.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", path.display())),
        };
        let mut networks = Vec::new();
        for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
            let Ok(network) = line.trim().parse() else {
                bail!("line {number} of {} is no network; correct it, or remove the line", path.display());
            };
            networks.push(network);
        }
        Ok(Self { path, networks: Arc::new(ExemptionsInMemory::new(networks)), writing: Arc::default() })
    }
}

#[async_trait]
impl Exemptions for ExemptionsFile {
    fn networks(&self) -> Arc<[IpNet]> {
        self.networks.get()
    }

    async fn replace(&self, before: &[IpNet], after: Vec<IpNet>) -> Result<bool, String> {
        let (path, networks, before) = (self.path.clone(), self.networks.clone(), before.to_owned());
        let writing = self.writing.clone();
        let written = tokio::task::spawn_blocking(move || {
            let _turn = writing.lock().unwrap_or_else(PoisonError::into_inner);
            if *networks.get() != *before {
                return Ok(false);
            }
            write(&path, &after).map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
            networks.set(after);
            Ok(true)
        });
        written.await.map_err(|error| format!("the networks could not be kept: {error}"))?
    }
}

/// Writes a file beside the one that it replaces.
fn write(path: &Path, networks: &[IpNet]) -> std::io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    networks.iter().try_for_each(|network| writeln!(file, "{network}"))?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    path.parent().map_or(Ok(()), |directory| fs::File::open(directory)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn networks_are_kept_over_restarts() {
        let directory = tempfile::tempdir().unwrap();
        let open = || ExemptionsFile::open(directory.path());
        let networks = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpNet>>();
        let both = networks(&["192.0.2.0/24", "2001:db8::/32"]);
        let file = open().unwrap();
        assert!(file.networks().is_empty());
        assert_eq!(file.replace(&[], both.clone()).await, Ok(true));
        assert_eq!(file.replace(&[], Vec::new()).await, Ok(false), "another change was first");
        assert_eq!((*file.networks()).to_vec(), both);
        assert_eq!((*open().unwrap().networks()).to_vec(), both);
        let path = directory.path().join(FILE);
        fs::write(&path, "192.0.2.0/24\n\nhere\n").unwrap();
        assert!(open().unwrap_err().to_string().starts_with("line 3 of"));
        // What cannot be kept does not hold until the next start alone.
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(file.replace(&both, Vec::new()).await.unwrap_err().contains("cannot be written"));
        assert_eq!(file.networks().len(), 2);
    }
}
