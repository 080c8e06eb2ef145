//! The file `httpd.auth_user_file`: lines `NAME:HASH`, as htpasswd(1) writes them (A3-53).

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use tidegate_api_types::ErrorCode;
use tidegate_core::password::PasswordHash;
use tidegate_core::ports::Passwords;
use tidegate_core::secret::Secret;
use tidegate_core::turns::Waiter;

use crate::answer::Refusal;

/// The users of the file, each with all permissions. It is read at each log-in: whom htpasswd removes from it may not go
/// on until the server's next start.
#[derive(Debug)]
pub struct AuthUsers(PathBuf);

type Users = HashMap<String, PasswordHash>;

impl AuthUsers {
    /// The users of a file that can be read now.
    ///
    /// # Errors
    /// A sentence: the file cannot be read, or a line is not valid.
    pub fn read(path: &Path) -> Result<Self, String> {
        Self::users(path, text_of(path))?;
        Ok(Self(path.to_owned()))
    }

    fn users(path: &Path, text: io::Result<String>) -> Result<Users, String> {
        let text = text.map_err(|error| format!("the file {} cannot be read: {error}", path.display()))?;
        Self::parse(&text).map_err(|problem| format!("{}, {problem}", path.display()))
    }

    fn parse(text: &str) -> Result<Users, String> {
        let mut users = HashMap::new();
        for (index, line) in
            text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'))
        {
            let number = index + 1;
            let (name, hash) = line.split_once(':').ok_or_else(|| format!("line {number}: it is not NAME:HASH"))?;
            let is_served = ["$2", "$apr1$", "$1$"].iter().any(|prefix| hash.starts_with(prefix));
            let hash = PasswordHash::recognise(hash.trim()).filter(|_| is_served);
            let hash = hash.ok_or_else(|| {
                format!("line {number}: the hash is neither bcrypt nor MD5-crypt; make it with: htpasswd -B")
            })?;
            if name.is_empty() || users.insert(name.to_owned(), hash).is_some() {
                return Err(format!("line {number}: the name is empty, or is there already"));
            }
        }
        Ok(users)
    }

    /// Whether the file has the user with this password.
    ///
    /// # Errors
    /// The file cannot be used any more, or the password could not be compared: the credentials were not judged.
    pub async fn holds(
        &self,
        passwords: &dyn Passwords,
        name: &str,
        secret: &Secret,
        address: Option<IpAddr>,
    ) -> Result<bool, Refusal> {
        let path = self.0.clone();
        let text = tokio::task::spawn_blocking(move || text_of(&path)).await;
        let text = text.unwrap_or_else(|error| Err(error.into()));
        let users = Self::users(&self.0, text).map_err(|problem| {
            let message = format!("httpd.auth_user_file: {problem}; names with passwords are refused by /api/v1");
            tracing::error!(sender = "httpd", message);
            // The client is a stranger, whom paths are no business of.
            Refusal::new(ErrorCode::Unavailable, "the file of users cannot be used; the log says more")
        })?;
        // A name that is not there takes as long as one that is.
        let found = users.get(name);
        let Some(hash) = found.or_else(|| users.values().next()) else { return Ok(false) };
        let matches = passwords.matches(Waiter { address, account: name }, hash, secret).await;
        let matches = matches.map_err(|error| Refusal::new(ErrorCode::Unavailable, error.to_string()))?;
        Ok(matches && found.is_some())
    }
}

/// The text of a regular file. To open a FIFO would wait for a writer, each log-in with a thread of its own, and a server
/// does not stop before its threads; to open some devices has an effect. So the kind of file is looked at twice.
fn text_of(path: &Path) -> io::Result<String> {
    let check = |metadata: std::fs::Metadata| match metadata.is_file() {
        true => Ok(()),
        false => Err(io::Error::other("it is not a regular file")),
    };
    check(path.metadata()?)?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    check(file.metadata()?)?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<usize, &str>) {
        match (AuthUsers::parse(text), expected) {
            (Ok(users), Ok(expected)) => assert_eq!(users.len(), expected, "{text}"),
            (Err(problem), Err(expected)) => assert!(problem.contains(expected), "{text}: {problem}"),
            (outcome, _) => panic!("{text}: {outcome:?}"),
        }
    }

    #[test]
    fn files_of_htpasswd_are_read() {
        // A3-53
        let bcrypt = "$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC";
        let md5 = "$apr1$ZjTqBB3f$IF9gdYAGlMrs2fuINjHsz.";
        check(&format!("a:{bcrypt}\n\n# remark\nb:{md5}\n"), Ok(2));
        check("", Ok(0));
        check("a", Err("line 1"));
        check(&format!("a:{md5}\na:{md5}"), Err("line 2"));
        check("a:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", Err("bcrypt"));
        check("a:clear", Err("bcrypt"));
        check(&format!(":{md5}"), Err("line 1"));
    }

    #[test]
    fn regular_files_alone_are_read() {
        // A3-53
        let directory = tempfile::tempdir().unwrap();
        let place = |name: &str| directory.path().join(name);
        std::fs::write(place("file"), "").unwrap();
        std::fs::create_dir(place("directory")).unwrap();
        std::os::unix::fs::symlink("file", place("link")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, place("fifo"), Mode::RUSR | Mode::WUSR).unwrap();
        let check = |name: &str, expected: Result<(), &str>| match (AuthUsers::read(&place(name)), expected) {
            (Ok(_), Ok(())) => {}
            (Err(problem), Err(expected)) => assert!(problem.contains(expected), "{name}: {problem}"),
            (outcome, _) => panic!("{name}: {outcome:?}"),
        };
        check("file", Ok(()));
        check("link", Ok(()));
        check("fifo", Err("not a regular file"));
        check("directory", Err("not a regular file"));
        check("none", Err("cannot be read"));
    }
}
