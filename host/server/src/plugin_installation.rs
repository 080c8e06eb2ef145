//! Puts plugins into the plugin directory, and takes them away, for administrators over the network. Only what a
//! trusted key has signed is put there.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tidegate_core::admin::InventoryError;
use tidegate_hooks_wasm::TrustedKeys;

/// Letters of the longest name.
const MAX_NAME: usize = 100;

/// Writes the component and its signature, each as a whole: the signature first, so that the watcher, which waits until
/// the directory is quiet, meets both.
///
/// # Errors
/// The name is none, no trusted key has made the signature, or a file cannot be written.
pub fn install(
    directory: &Path,
    keys: &TrustedKeys,
    name: &str,
    component: &[u8],
    signature: &str,
) -> Result<(), InventoryError> {
    check_name(name)?;
    if keys.is_empty() {
        return Err(InventoryError::Refused("no plugin can be installed without plugins.trusted_keys".to_owned()));
    }
    let signer = keys
        .verify(component, signature)
        .map_err(|error| InventoryError::Invalid(format!("the signature of the plugin is not accepted: {error}")))?;
    let written = write(&path(directory, name, ".wasm.sig"), signature.as_bytes())
        .and_then(|()| write(&path(directory, name, ".wasm"), component));
    written.map_err(|error| InventoryError::Failed(format!("the plugin \"{name}\" could not be written: {error}")))?;
    // A signature is for the bytes under any name: the log says which key has made it.
    tracing::info!(sender = "plugin", message = "a plugin was installed", plugin = name, signer);
    Ok(())
}

/// Removes the component and its signature; its settings stay.
///
/// # Errors
/// There is no such plugin, or a file cannot be removed.
pub fn remove(directory: &Path, name: &str) -> Result<(), InventoryError> {
    check_name(name)?;
    let failed =
        |error: io::Error| InventoryError::Failed(format!("the plugin \"{name}\" could not be removed: {error}"));
    match fs::remove_file(path(directory, name, ".wasm")) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(InventoryError::Missing(format!("there is no plugin \"{name}\"")));
        }
        Err(error) => return Err(failed(error)),
    }
    match fs::remove_file(path(directory, name, ".wasm.sig")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn path(directory: &Path, name: &str, suffix: &str) -> PathBuf {
    directory.join(format!("{name}{suffix}"))
}

fn check_name(name: &str) -> Result<(), InventoryError> {
    let is_known = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
    if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(is_known) {
        let problem = format!("\"{name}\" is not the name of a plugin: 1 to {MAX_NAME} letters, digits, - and _");
        return Err(InventoryError::Invalid(problem));
    }
    Ok(())
}

/// Writes a file beside the one that it replaces.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let written = File::create(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let renamed = written.and_then(|()| fs::rename(&beside, path));
    if renamed.is_err() {
        // What is left of it is no plugin: its name ends otherwise.
        let _ = fs::remove_file(&beside);
    }
    renamed
}

#[cfg(test)]
mod tests {
    use tidegate_hooks_wasm::sign;

    use super::*;

    // Made with ssh-keygen for tests.
    const KEY: &str = include_str!("../../hooks-wasm/src/testdata/key");
    const PUBLIC: &str = include_str!("../../hooks-wasm/src/testdata/key.pub");
    const OTHER: &str = include_str!("../../hooks-wasm/src/testdata/other.pub");

    #[test]
    fn only_what_a_trusted_key_has_signed_is_installed() {
        let directory = tempfile::tempdir().unwrap();
        let (keys, strangers) = (TrustedKeys::parse([PUBLIC]).unwrap(), TrustedKeys::parse([OTHER]).unwrap());
        let check = |name: &str, keys: &TrustedKeys, signature: &str, expected: Option<&str>| {
            let outcome = install(directory.path(), keys, name, b"component", signature);
            let error = outcome.err().map(|error| error.to_string()).unwrap_or_default();
            assert_eq!(error.is_empty(), expected.is_none(), "{name}: {error}");
            assert!(error.contains(expected.unwrap_or_default()), "{name}: {error}");
            let is_there = directory.path().join(format!("{name}.wasm")).exists();
            assert_eq!(is_there, expected.is_none(), "{name}");
        };
        let signature = sign(b"component", KEY).unwrap();
        check("other", &keys, "", Some("signature"));
        check("other", &keys, &sign(b"another", KEY).unwrap(), Some("signature"));
        check("other", &strangers, &signature, Some("none of the trusted keys"));
        check("other", &TrustedKeys::default(), &signature, Some("plugins.trusted_keys"));
        for name in ["", "..", "a/b", "../a", "a.wasm", "ä", &"a".repeat(101)] {
            check(name, &keys, &signature, Some("is not the name of a plugin"));
        }
        check("guard", &keys, &signature, None);
        let names = || fs::read_dir(directory.path()).unwrap().count();
        assert_eq!((names(), fs::read(directory.path().join("guard.wasm")).unwrap()), (2, b"component".to_vec()));
        assert!(matches!(remove(directory.path(), "other"), Err(InventoryError::Missing(_))));
        assert!(matches!(remove(directory.path(), "../guard"), Err(InventoryError::Invalid(_))));
        assert_eq!((remove(directory.path(), "guard"), names()), (Ok(()), 0));
    }
}
