//! Private keys of the host, which move so that clients see the ones they know.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::{MigrateError, files};

/// Far above the size of any private key.
const MAX_KEY: usize = 64 << 10;

/// The outcome for one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOutcome {
    /// It is copied, or would be.
    Copied,
    /// The same key is there already.
    Same,
    /// Another file has its name; it stays as it is.
    Taken,
}

/// The name that a host key gets here. OpenSSH's names become those that this server looks for by itself.
pub fn name_for(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    Some(match name {
        "ssh_host_ed25519_key" => "id_ed25519".to_owned(),
        "ssh_host_ecdsa_key" => "id_ecdsa".to_owned(),
        "ssh_host_rsa_key" => "id_rsa".to_owned(),
        name => name.to_owned(),
    })
}

/// Copies a private key for its owner alone, unless the name is taken. `is_trial`: only says what would happen.
///
/// # Errors
/// The key cannot be read, is none, or cannot be written.
pub fn copy(from: &Path, to: &Path, is_trial: bool) -> Result<KeyOutcome, MigrateError> {
    let key = files::bytes(from)?;
    if key.len() > MAX_KEY || !key.windows(11).any(|window| window == b"PRIVATE KEY") {
        return Err(MigrateError::unusable(from, "it is no private key"));
    }
    if to.symlink_metadata().is_ok() {
        let is_same = files::bytes(to).is_ok_and(|there| there == key);
        return Ok(if is_same { KeyOutcome::Same } else { KeyOutcome::Taken });
    }
    if is_trial {
        return Ok(KeyOutcome::Copied);
    }
    write_new(to, &key)?;
    Ok(KeyOutcome::Copied)
}

/// Writes a file that is not there yet, for its owner alone: whole, or not at all.
///
/// # Errors
/// It is there, or cannot be written.
pub fn write_new(to: &Path, content: &[u8]) -> Result<(), MigrateError> {
    let unwritable = |error: std::io::Error| MigrateError::unusable(to, format!("it could not be written: {error}"));
    let directory =
        to.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or_else(|| PathBuf::from("."), Path::to_owned);
    let beside = tempfile::Builder::new().prefix(".migrate").tempdir_in(directory).map_err(unwritable)?;
    let part = beside.path().join("part");
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part).map_err(unwritable)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(unwritable)?;
    std::fs::hard_link(&part, to).map_err(unwritable)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    const KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\n";

    #[test]
    fn no_key_is_written_over() {
        // A4-02
        let place = tempfile::tempdir().unwrap();
        let (from, to) = (place.path().join("from"), place.path().join("to"));
        std::fs::write(&from, KEY).unwrap();
        let check = |is_trial, expected| assert_eq!(copy(&from, &to, is_trial).unwrap(), expected);
        check(true, KeyOutcome::Copied);
        assert!(!to.exists());
        check(false, KeyOutcome::Copied);
        assert_eq!(to.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        check(false, KeyOutcome::Same);
        std::fs::write(&from, format!("{KEY}other")).unwrap();
        check(false, KeyOutcome::Taken);
        assert_eq!(std::fs::read_to_string(&to).unwrap(), KEY);
        std::fs::remove_file(&to).unwrap();
        symlink(place.path().join("nowhere"), &to).unwrap();
        check(false, KeyOutcome::Taken);
        assert!(!place.path().join("nowhere").exists());
        std::fs::write(&from, "ssh-ed25519 AAAA").unwrap();
        assert!(copy(&from, &to, false).unwrap_err().to_string().contains("no private key"));
        assert!(copy(place.path(), &to, false).unwrap_err().to_string().contains("not a file"));
    }
}
