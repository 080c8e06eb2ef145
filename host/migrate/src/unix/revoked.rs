//! `RevokedKeys` of `sshd_config`: keys that are refused, whatever the users' files say.

use std::path::Path;

use tidegate_core::public_key::PublicKey;

use super::sshd::Sshd;
use crate::files;

/// The keys of the file.
#[derive(Debug, Default)]
pub struct Revoked {
    pub keys: Vec<PublicKey>,
    /// Why no user's key can be believed.
    pub problem: Option<String>,
}

impl Revoked {
    /// `root`: what absolute paths are below. A file that cannot be read revokes every key, as on OpenSSH's server.
    pub fn read(sshd: &Sshd, root: &Path) -> Self {
        let named = sshd.global("revokedkeys").filter(|path| !path.eq_ignore_ascii_case("none"));
        let Some(named) = named else { return Self::default() };
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
