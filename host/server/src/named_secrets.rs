//! Secrets that accounts name instead of having them: `${secret:NAME}` as the secret of a file system means a value of the
//! section `[secrets]`. It is read each time, so that it can be changed while the server runs.

use std::collections::BTreeMap;

use tidegate_core::ports::storage::{Location, StorageError, StorageErrorKind};
use tidegate_core::secret::Secret;
use tidegate_hooks_wasm::SecretSource;

/// The values of `[secrets]`, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamedSecrets(pub BTreeMap<String, SecretSource>);

impl NamedSecrets {
    /// The place with the secret that it names; none: it names none.
    ///
    /// # Errors
    /// There is no such secret, or it cannot be read. Users are not told which.
    pub async fn resolve(&self, location: &Location) -> Result<Option<Location>, StorageError> {
        let mut resolved = location.clone();
        let secrets = match &mut resolved {
            Location::Directory(_) => Vec::new(),
            Location::S3(place) => vec![&mut place.access_secret, &mut place.session_token],
            Location::Sftp(place) => {
                vec![&mut place.password, &mut place.private_key, &mut place.key_passphrase]
            }
        };
        let mut names_one = false;
        for secret in secrets {
            if let Some(named) = self.read(secret).await? {
                *secret = named;
                names_one = true;
            }
        }
        Ok(names_one.then_some(resolved))
    }

    /// The secret that a text names; none: it is a secret itself.
    async fn read(&self, text: &Secret) -> Result<Option<Secret>, StorageError> {
        let Some(name) = name_in(text.expose()) else { return Ok(None) };
        let wrong = |detail: String| {
            let text = "a secret that the account names in the server's configuration cannot be read";
            StorageError::new(StorageErrorKind::Other, text).with_detail(detail)
        };
        let source = self.0.get(name).cloned();
        let source = source.ok_or_else(|| wrong(format!("there is no \"{name}\" in the section [secrets]")))?;
        let secret = tokio::task::spawn_blocking(move || source.read()).await;
        let secret = secret.unwrap_or_else(|error| Err(error.to_string()));
        let secret: Secret = secret.map_err(|problem| wrong(format!("secrets.{name}: {problem}")))?;
        Ok(Some(secret))
    }
}

/// The name in `${secret:NAME}`.
fn name_in(text: &str) -> Option<&str> {
    text.strip_prefix("${secret:")?.strip_suffix('}')
}

#[cfg(test)]
mod tests {
    use tidegate_core::ports::storage::{S3Location, SftpLocation};

    use super::*;

    #[tokio::test]
    async fn each_secret_of_a_place_may_be_named() {
        // A8-15
        let secrets = ["a", "b", "c"].map(|name| (name.to_owned(), SecretSource::Value(format!("value of {name}"))));
        let secrets = NamedSecrets(secrets.into());
        let named = |name: &str| Secret::new(format!("${{secret:{name}}}"));
        let s3 = S3Location { access_secret: named("a"), session_token: named("b"), ..S3Location::default() };
        let Ok(Some(Location::S3(found))) = secrets.resolve(&Location::S3(Box::new(s3))).await else { panic!("S3") };
        assert_eq!([&found.access_secret, &found.session_token].map(Secret::expose), ["value of a", "value of b"]);
        let (password, private_key, key_passphrase) = (named("a"), named("b"), named("c"));
        let sftp = SftpLocation { password, private_key, key_passphrase, ..SftpLocation::default() };
        let Ok(Some(Location::Sftp(found))) = secrets.resolve(&Location::Sftp(Box::new(sftp))).await else {
            panic!("SFTP")
        };
        let found = [&found.password, &found.private_key, &found.key_passphrase].map(Secret::expose);
        assert_eq!(found, ["value of a", "value of b", "value of c"]);
    }

    #[tokio::test]
    async fn a_named_secret_is_read_where_the_configuration_says() {
        // A8-15
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("key");
        std::fs::write(&file, "from the file\n").unwrap();
        let missing = SecretSource::File { file: directory.path().join("missing") };
        let secrets = [
            ("text", SecretSource::Value("clear".to_owned())),
            ("file", SecretSource::File { file: file.clone() }),
            ("missing", missing),
        ];
        let secrets = NamedSecrets(secrets.map(|(name, source)| (name.to_owned(), source)).into());
        let resolve = async |text: &str| {
            let s3 = S3Location { bucket: "b".into(), access_secret: Secret::new(text), ..S3Location::default() };
            let sftp = SftpLocation { username: "b".into(), private_key: Secret::new(text), ..SftpLocation::default() };
            let mut outcomes = Vec::new();
            for location in [Location::S3(Box::new(s3)), Location::Sftp(Box::new(sftp))] {
                outcomes.push(match secrets.resolve(&location).await {
                    Ok(found) => Ok(found.map(|found| match found {
                        Location::S3(found) => (found.bucket, found.access_secret.expose().to_owned()),
                        Location::Sftp(found) => (found.username, found.private_key.expose().to_owned()),
                        Location::Directory(_) => panic!("{text}"),
                    })),
                    Err(error) => Err(error.detail.unwrap_or_default()),
                });
            }
            assert_eq!(outcomes[0], outcomes[1], "{text}");
            outcomes.remove(0)
        };
        let found = |text: &str| Ok(Some(("b".to_owned(), text.to_owned())));
        assert_eq!(resolve("${secret:text}").await, found("clear"));
        assert_eq!(resolve("${secret:file}").await, found("from the file"));
        std::fs::write(&file, "changed").unwrap();
        assert_eq!(resolve("${secret:file}").await, found("changed"));
        for own in ["", "a secret", "${secret:text", "x${secret:text}", "$secret:text"] {
            assert_eq!(resolve(own).await, Ok(None), "{own}");
        }
        assert!(resolve("${secret:other}").await.unwrap_err().contains("\"other\""));
        assert!(resolve("${secret:missing}").await.unwrap_err().contains("secrets.missing"));
        // A secret is not taken for the name of another.
        assert!(resolve("${secret:text}${secret:file}").await.is_err());
    }
}
