//! A file of the state directory with the networks that administrators have exempted from bans, one a line. They are of
//! this server alone, as its bans are: servers that share a database need not be reached from the same networks.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use async_trait::async_trait;
use ipnet::IpNet;
use tidegate_core::network;
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
    /// A line that cannot be used exempts nothing, which the log says.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn open(directory: &Path) -> anyhow::Result<Self> {
        let path = directory.join(FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", path.display())),
        };
        let (networks, problems) = read(&String::from_utf8_lossy(&text));
        for (number, problem) in problems {
            let message = format!(
                "line {number} of {} exempts nothing: {problem}; correct it, or remove the line: the next change of \
                 exempt networks leaves it out",
                path.display()
            );
            tracing::error!(sender = "defender", message);
        }
        Ok(Self { path, networks: Arc::new(ExemptionsInMemory::new(networks)), writing: Arc::default() })
    }
}

/// The networks of the lines, and what is wrong with other lines, by their numbers from 1. Empty lines and those that
/// begin with `#` say nothing.
fn read(text: &str) -> (Vec<IpNet>, Vec<(usize, String)>) {
    let (mut networks, mut problems) = (Vec::new(), Vec::new());
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        match network::parse(line).map(network::exemption) {
            Some(Ok(network)) if networks.contains(&network) => {}
            Some(Ok(network)) => networks.push(network),
            Some(Err(problem)) => problems.push((number, problem)),
            None => problems.push((number, "it is no network".to_owned())),
        }
    }
    (networks, problems)
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

    #[test]
    fn lines_are_networks_or_reported() {
        // B14-01
        let check = |text: &str, expected: &[&str], lines: &[usize]| {
            let (networks, problems) = read(text);
            let networks: Vec<_> = networks.iter().map(ToString::to_string).collect();
            let numbers: Vec<_> = problems.iter().map(|(number, _)| *number).collect();
            assert_eq!((networks, numbers.as_slice()), (expected.iter().map(ToString::to_string).collect(), lines));
        };
        check("", &[], &[]);
        check("192.0.2.9/24\r\n 2001:db8::1 \n192.0.2.0/24", &["192.0.2.0/24", "2001:db8::1/128"], &[]);
        check("# the office\n\n10.0.0.0/8\nhere\n10.1/16\n11.0.0.0/8", &["10.0.0.0/8", "11.0.0.0/8"], &[4, 5]);
        check("0.0.0.0/0\n0.0.0.0/1\n2000::/3\n::ffff:0:0/96", &[], &[1, 2, 3, 4]);
        check("::ffff:192.0.2.0/120", &["192.0.2.0/24"], &[]);
    }

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
        // B14: a line that cannot be used exempts nothing, and affects neither other lines nor the start.
        fs::write(&path, b"192.0.2.0/24\n\nhere\xff\n0.0.0.0/1\n2001:db8::/32\n").unwrap();
        assert_eq!((*open().unwrap().networks()).to_vec(), both);
        // What cannot be kept does not hold until the next start alone.
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(file.replace(&both, Vec::new()).await.unwrap_err().contains("cannot be written"));
        assert_eq!(file.networks().len(), 2);
    }
}
