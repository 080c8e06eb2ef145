//! `RevokedKeys` of `sshd_config`: keys that are refused, whatever the users' files say.

use std::collections::HashMap;
use std::path::Path;

use tidegate_core::public_key::PublicKey;

use super::sshd::Sshd;
use crate::files;

/// The keys of one file.
#[derive(Debug, Default)]
pub struct Revoked {
    pub keys: Vec<PublicKey>,
    /// Why no user's key can be believed.
    pub problem: Option<String>,
}

/// The files that lines of the configuration name, by their paths: one in a `Match` holds for its users only.
#[derive(Debug)]
pub struct RevokedLists(HashMap<String, Revoked>);

impl RevokedLists {
    /// `root`: what absolute paths are below.
    pub fn read(sshd: &Sshd, root: &Path) -> Self {
        let mut lists = HashMap::new();
        for named in sshd.everywhere("revokedkeys") {
            lists.entry(named).or_insert_with_key(|named| Revoked::read(named, root));
        }
        Self(lists)
    }

    /// What is revoked for a user in these groups.
    pub fn of(&self, sshd: &Sshd, user: &str, groups: &[&str]) -> Option<&Revoked> {
        self.0.get(&sshd.of("revokedkeys", user, groups)?.join(" "))
    }
}

impl Revoked {
    /// A file that cannot be read revokes every key, as on OpenSSH's server.
    fn read(named: &str, root: &Path) -> Self {
        if named.eq_ignore_ascii_case("none") {
            return Self::default();
        }
        let path = root.join(named.trim_start_matches('/'));
        let refused = |problem: String| Self { keys: Vec::new(), problem: Some(problem) };
        let Ok(text) = files::text(&path) else {
            return refused(format!("{} (RevokedKeys) is no list of keys that can be read here", path.display()));
        };
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        match lines.map(PublicKey::parse).collect() {
            Ok(keys) => Self { keys, problem: None },
            Err(_) => refused(format!("{} (RevokedKeys) has a line that is no key", path.display())),
        }
    }
}
