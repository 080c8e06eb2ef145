//! The key: 32 random bytes in a file that the server's user alone reads, made when the first secret is stored.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tidegate_core::ports::{Sealing, SealingError};
use tidegate_core::secret::Secret;
use zeroize::Zeroizing;

/// Bytes of the key.
const KEY: usize = 32;

/// Seals secrets under the key in a file, which is read once.
pub struct KeyFile {
    path: PathBuf,
    key: OnceLock<LessSafeKey>,
    /// Held while the file is read or made.
    reading: Mutex<()>,
}

impl KeyFile {
    /// The key in the file `path`, which need not be there yet.
    pub fn new(path: PathBuf) -> Self {
        Self { path, key: OnceLock::new(), reading: Mutex::new(()) }
    }

    /// The key; none: there is no file.
    fn read(&self) -> Result<Option<&LessSafeKey>, SealingError> {
        if let Some(key) = self.key.get() {
            return Ok(Some(key));
        }
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.problem(&format!("cannot be read: {error}"))),
        };
        let length = bytes.len();
        let key = UnboundKey::new(&AES_256_GCM, &bytes);
        let key = key.map_err(|_| self.problem(&format!("has {length} bytes and not {KEY}; restore it")))?;
        Ok(Some(self.key.get_or_init(|| LessSafeKey::new(key))))
    }

    fn read_or_make(&self) -> Result<&LessSafeKey, SealingError> {
        if let Some(key) = self.key.get() {
            return Ok(key);
        }
        let _reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = self.read()? {
            return Ok(key);
        }
        make(&self.path).map_err(|error| self.problem(&format!("cannot be made: {error}")))?;
        self.read()?.ok_or_else(|| self.missing())
    }

    fn problem(&self, what: &str) -> SealingError {
        SealingError(format!("the key file {} {what}", self.path.display()))
    }

    fn missing(&self) -> SealingError {
        self.problem("is missing; restore it, copy it from another server of this database, or set the secret anew")
    }
}

/// Makes the file whole or not at all; one that another process has made meanwhile stays.
fn make(path: &Path) -> io::Result<()> {
    let random = |bytes: &mut [u8]| rand::fill(bytes).map_err(|_| io::Error::other("no random bytes"));
    let mut key = Zeroizing::new([0; KEY]);
    random(&mut *key)?;
    let mut number = [0; 8];
    random(&mut number)?;
    let beside = path.with_added_extension(format!("{:016x}", u64::from_ne_bytes(number)));
    let directory = File::open(path.parent().unwrap_or(Path::new(".")))?;
    let made = write(&beside, &directory, &*key).and_then(|()| match std::fs::hard_link(&beside, path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => directory.sync_all(),
    });
    let removed = std::fs::remove_file(&beside);
    made.and(removed)
}

fn write(path: &Path, directory: &File, key: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let (own, above) = (file.metadata()?, directory.metadata()?);
    if own.uid() != above.uid() {
        // A command of root makes it for the server, which has the directory. Other users cannot give files away.
        let _ = fchown(&file, Some(above.uid()), Some(above.gid()));
    }
    file.write_all(key)?;
    file.sync_all()
}

impl Sealing for KeyFile {
    fn seal(&self, place: &str, clear: &Secret) -> Result<String, SealingError> {
        let key = self.read_or_make()?;
        let failed = || self.problem("could not be used to encrypt a secret");
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| failed())?;
        let mut sealed = clear.expose().as_bytes().to_vec();
        let aad = Aad::from(place.as_bytes());
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed).map_err(|_| failed())?;
        Ok(STANDARD.encode([&nonce[..], &sealed].concat()))
    }

    fn open(&self, place: &str, sealed: &str) -> Result<Secret, SealingError> {
        let key = self.read()?.ok_or_else(|| self.missing())?;
        let other = "does not fit: the secret was stored under the key of another server, or for another account or \
                     field, or was changed; copy the key file from the server that stored it, or set the secret anew";
        let other = || self.problem(other);
        let bytes = STANDARD.decode(sealed).map_err(|_| other())?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN).ok_or_else(other)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| other())?;
        let mut buffer = Zeroizing::new(sealed.to_vec());
        let clear = key.open_in_place(nonce, Aad::from(place.as_bytes()), &mut buffer).map_err(|_| other())?;
        Ok(Secret::new(std::str::from_utf8(clear).map_err(|_| other())?))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_was_sealed_is_opened_in_its_place_alone() {
        // A8-15
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| KeyFile::new(directory.path().join(name));
        let key = file("key");
        let sealed = key.seal("place", &Secret::new("hush")).unwrap();
        let mode = std::fs::metadata(directory.path().join("key")).unwrap().permissions().mode();
        assert_eq!((mode & 0o777, std::fs::read_dir(directory.path()).unwrap().count()), (0o600, 1));
        assert_ne!(sealed, key.seal("place", &Secret::new("hush")).unwrap());
        file("other").seal("place", &Secret::new("hush")).unwrap();
        std::fs::write(directory.path().join("short"), "short").unwrap();
        std::fs::create_dir(directory.path().join("directory")).unwrap();
        let check = |name: &str, place: &str, sealed: &str, expected: Result<&str, &str>| {
            let opened = file(name).open(place, sealed);
            match expected {
                Ok(clear) => assert_eq!(opened.unwrap().expose(), clear),
                Err(part) => {
                    let error = opened.unwrap_err().to_string();
                    assert!(error.contains(part) && error.contains(&format!("/{name}")), "{error}");
                }
            }
        };
        check("key", "place", &sealed, Ok("hush"));
        check("key", "elsewhere", &sealed, Err("does not fit"));
        check("key", "place", &sealed[4..], Err("does not fit"));
        check("key", "place", "AAAA", Err("does not fit"));
        check("key", "place", "no base64", Err("does not fit"));
        check("other", "place", &sealed, Err("does not fit"));
        check("short", "place", &sealed, Err("has 5 bytes"));
        check("directory", "place", &sealed, Err("cannot be read"));
        check("none", "place", &sealed, Err("is missing"));
        // A key is made for a secret to store, and not to look for one.
        assert!(!directory.path().join("none").exists());
        let nowhere = KeyFile::new(directory.path().join("missing/key"));
        assert!(nowhere.seal("place", &Secret::new("hush")).unwrap_err().to_string().contains("cannot be made"));
    }

    #[test]
    fn of_several_that_make_the_key_at_once_all_have_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let sealed: Vec<_> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| KeyFile::new(path.clone()).seal("place", &Secret::new("hush")).unwrap()))
                .collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).collect()
        });
        let key = KeyFile::new(path);
        assert!(sealed.iter().all(|sealed| key.open("place", sealed).unwrap().expose() == "hush"));
    }
}
