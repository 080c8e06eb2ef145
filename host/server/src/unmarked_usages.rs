//! A file of the state directory with the accounts and folders whose usages went on while the database was away, each as
//! JSON on a line (A10-08). They are of this server alone, as the marks in the database are.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use async_trait::async_trait;
use tidegate_core::ports::UnmarkedUsages;
use tidegate_core::quota::Scope;

const FILE: &str = "unmarked_usages";

/// The accounts and folders in the file.
#[derive(Debug)]
pub struct UnmarkedUsagesFile {
    kept: Arc<Kept>,
}

#[derive(Debug)]
struct Kept {
    path: PathBuf,
    scopes: Mutex<BTreeSet<Scope>>,
    /// Held while the file is written, by one change after the other.
    writing: Mutex<()>,
}

impl UnmarkedUsagesFile {
    /// # Errors
    /// The file cannot be read.
    pub fn open(directory: &Path) -> anyhow::Result<Self> {
        let path = directory.join(FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", path.display())),
        };
        // A crash may have cut off a line, and then nothing has relied on it.
        let scopes = text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
        Ok(Self { kept: Arc::new(Kept { path, scopes: Mutex::new(scopes), writing: Mutex::default() }) })
    }

    /// Works on a thread that may wait for the disk.
    async fn on_thread(&self, work: impl FnOnce(&Kept) -> std::io::Result<()> + Send + 'static) -> Result<(), String> {
        let kept = self.kept.clone();
        let done = tokio::task::spawn_blocking(move || {
            let _turn = kept.writing.lock().unwrap_or_else(PoisonError::into_inner);
            work(&kept).map_err(|error| format!("{} cannot be written: {error}", kept.path.display()))
        });
        done.await.map_err(|error| format!("the usage could not be kept: {error}"))?
    }
}

impl Kept {
    fn scopes(&self) -> MutexGuard<'_, BTreeSet<Scope>> {
        self.scopes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line, after an end of line that an incomplete one may lack.
    fn add(&self, scope: Scope) -> std::io::Result<()> {
        if self.scopes().contains(&scope) {
            return Ok(());
        }
        let is_new = !self.path.exists();
        let line = format!("\n{}\n", serde_json::to_string(&scope)?);
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?;
        file.write_all(line.as_bytes())?;
        file.sync_data()?;
        if is_new {
            self.sync_directory()?;
        }
        self.scopes().insert(scope);
        Ok(())
    }

    /// Writes a file beside the one that it replaces; none where nothing is left.
    fn remove(&self, scopes: &[Scope]) -> std::io::Result<()> {
        let mut left = self.scopes().clone();
        let before = left.len();
        left.retain(|scope| !scopes.contains(scope));
        if left.len() == before {
            return Ok(());
        }
        if left.is_empty() {
            fs::remove_file(&self.path)?;
        } else {
            let beside = self.path.with_extension("new");
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
            for scope in &left {
                writeln!(file, "{}", serde_json::to_string(scope)?)?;
            }
            file.sync_data()?;
            fs::rename(&beside, &self.path)?;
        }
        self.sync_directory()?;
        *self.scopes() = left;
        Ok(())
    }

    fn sync_directory(&self) -> std::io::Result<()> {
        self.path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
    }
}

#[async_trait]
impl UnmarkedUsages for UnmarkedUsagesFile {
    fn all(&self) -> Vec<Scope> {
        self.kept.scopes().iter().cloned().collect()
    }

    fn has(&self, scope: &Scope) -> bool {
        self.kept.scopes().contains(scope)
    }

    async fn add(&self, scope: &Scope) -> Result<(), String> {
        let scope = scope.clone();
        self.on_thread(move |kept| kept.add(scope)).await
    }

    async fn remove(&self, scopes: &[Scope]) -> Result<(), String> {
        if !scopes.iter().any(|scope| self.has(scope)) {
            return Ok(());
        }
        let scopes = scopes.to_vec();
        self.on_thread(move |kept| kept.remove(&scopes)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn usages_are_kept_over_restarts() {
        // A10-08
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        let open = || UnmarkedUsagesFile::open(directory.path()).unwrap();
        let (odd, folder) = (Scope::Account("a\n\"ü".into()), Scope::Folder("f".into()));
        let file = open();
        assert!(file.all().is_empty() && !path.exists());
        for scope in [&odd, &folder, &odd] {
            file.add(scope).await.unwrap();
            assert!(open().has(scope));
        }
        assert_eq!(open().all(), [odd.clone(), folder.clone()]);
        // A line that a crash has cut off.
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"kind\":\"acc").unwrap();
        let file = open();
        file.add(&Scope::Account("b".into())).await.unwrap();
        assert_eq!(open().all().len(), 3);
        file.remove(&[odd, Scope::Folder("other".into())]).await.unwrap();
        assert_eq!(open().all(), [Scope::Account("b".into()), folder.clone()]);
        file.remove(&[folder, Scope::Account("b".into())]).await.unwrap();
        assert!(open().all().is_empty() && !path.exists());
        // What cannot be kept is not relied on.
        fs::create_dir(&path).unwrap();
        let scope = Scope::Account("c".into());
        assert!(file.add(&scope).await.unwrap_err().contains("cannot be written") && !file.has(&scope));
    }
}
