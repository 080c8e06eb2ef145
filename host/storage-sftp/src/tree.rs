//! A directory at the other server that is the root of a file tree, and what all its files need.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tidegate_core::path::VirtualPath;
use tidegate_core::ports::storage::{FileId, FileKind, Metadata, SftpLocation};
use tokio::sync::OnceCell;

use crate::attributes::{kind_of, metadata};
use crate::errors::Fault;
use crate::packet::{Attributes, fxp};
use crate::remote::Remote;
use crate::session::Session;

/// What the temporary names of uploads begin with, before a number for the server that has them. It is not the prefix of names
/// on a host: where the other server is one of ours, they are ordinary files to it, which it neither refuses, hides nor sweeps.
const TEMPORARY: &[u8] = b".tidegate-transfer.";

/// How uploads and new files are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manner {
    /// Uploads get their name when they are complete.
    pub atomic: bool,
    /// An upload that is cut off gets its name as well.
    pub keep_partial: bool,
    /// Bits that are cleared in the mode of new files and directories.
    pub umask: u32,
}

/// A tree.
pub struct Tree {
    /// The connection.
    pub remote: Arc<Remote>,
    /// The root's path there, without `/` at its end.
    pub root: Vec<u8>,
    /// What the temporary names of uploads begin with.
    pub temporary: Vec<u8>,
    /// How uploads are made.
    pub manner: Manner,
    /// The bytes that a file reads or writes ahead.
    pub window: usize,
    /// Whether files are read ahead.
    pub reads_ahead: bool,
    /// Whether the root is made if it is missing.
    pub make_missing: bool,
    /// Set when the root was found or made.
    is_ready: OnceCell<()>,
    /// The root's path without symbolic links.
    real_root: OnceCell<Vec<u8>>,
}

impl Tree {
    /// The tree that the place of a connection names. `window`: the bytes that a file reads or writes ahead.
    pub fn new(remote: Arc<Remote>, place: &SftpLocation, manner: Manner, window: usize, make_missing: bool) -> Self {
        let (is_ready, real_root) = (OnceCell::new(), OnceCell::new());
        let root = place.prefix.trim_end_matches('/').as_bytes().to_vec();
        let reads_ahead = !place.one_read_at_a_time;
        let temporary = temporary_prefix(&place.fingerprints);
        Self { remote, root, temporary, manner, window, reads_ahead, make_missing, is_ready, real_root }
    }

    /// Whether a name is one that uploads have until they are complete, of all trees at that server.
    pub fn is_temporary(&self, name: &[u8]) -> bool {
        name.starts_with(&self.temporary)
    }

    /// The path there of a path in the tree that has no symbolic links.
    pub fn there(&self, path: &VirtualPath) -> Vec<u8> {
        if path.is_root() {
            return if self.root.is_empty() { b"/".to_vec() } else { self.root.clone() };
        }
        [&self.root, path.as_bytes()].concat()
    }

    /// A path as a URL, for logs and hooks.
    pub fn url(&self, path: &VirtualPath) -> OsString {
        let place = self.remote.place();
        let mut url = OsString::from(format!("sftp://{}@{}", place.username, place.endpoint));
        url.push(OsString::from_vec(self.there(path)));
        url
    }

    /// The id of what has the path now: the protocol has none, so that it is made of server, user and path.
    pub fn id(&self, path: &VirtualPath) -> FileId {
        let there = self.there(path);
        self.id_of(&there, self.remote.generation(&there))
    }

    /// The id of a file of this generation at a path there.
    pub fn id_of(&self, there: &[u8], generation: u64) -> FileId {
        let place = self.remote.place();
        let hash = Sha256::new()
            .chain_update(&place.endpoint)
            .chain_update([0])
            .chain_update(&place.username)
            .chain_update([0])
            .chain_update(there)
            .chain_update(generation.to_be_bytes())
            .finalize();
        FileId::new(hash.iter().take(16).fold(0_u128, |number, byte| (number << 8) | u128::from(*byte)))
    }

    /// The attributes of the file at a path, as clients see them.
    pub fn metadata(&self, path: &VirtualPath, attributes: &Attributes) -> Metadata {
        metadata(attributes, self.id(path))
    }

    /// Makes the root if it is missing and may be made. It is looked for once.
    ///
    /// # Errors
    /// The server cannot be used, or does not permit it.
    pub async fn ready(&self, session: &Session) -> Result<(), Fault> {
        let look = async || {
            let root = self.there(&VirtualPath::root());
            match session.about(fxp::STAT, &root).attributes().await {
                Ok(found) if kind_of(&found) == FileKind::Directory => Ok(()),
                Ok(_) => Err(Fault::Refused(crate::errors::not_a_directory())),
                Err(fault) if fault.is_missing() && self.make_missing => self.make_root(session, &root).await,
                Err(fault) => Err(fault),
            }
        };
        self.is_ready.get_or_try_init(look).await.map(drop)
    }

    async fn make_root(&self, session: &Session, root: &[u8]) -> Result<(), Fault> {
        let mut last = Ok(());
        for (at, _) in root.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/') {
            // The server refuses to make those that exist.
            let (above, _) = root.split_at(at);
            let _ = session
                .request(fxp::MKDIR, |packet| packet.text(above).attributes(&Attributes::default()))
                .done()
                .await;
        }
        if let Err(fault) =
            session.request(fxp::MKDIR, |packet| packet.text(root).attributes(&Attributes::default())).done().await
        {
            // Another session may have made it.
            last = session.about(fxp::STAT, root).attributes().await.map(drop).map_err(|_| fault);
        }
        last
    }

    /// The part in the tree of an absolute path there: empty, or with `/` at its beginning. None: it leads elsewhere.
    ///
    /// # Errors
    /// The other server does not tell the root's own path.
    pub async fn inside(&self, session: &Session, text: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        let below = |root: &[u8]| {
            let rest = text.strip_prefix(root)?;
            (rest.is_empty() || rest.starts_with(b"/")).then(|| rest.to_vec())
        };
        if let Some(rest) = below(&self.root) {
            return Ok(Some(rest));
        }
        let root = self.there(&VirtualPath::root());
        let real = self.real_root.get_or_try_init(|| session.about(fxp::REALPATH, &root).name()).await?;
        Ok(below(real.strip_suffix(b"/").unwrap_or(real)))
    }
}

/// What temporary names begin with at the server that has these host keys. A server between us and the one that has the files
/// has other names, by another key.
fn temporary_prefix(fingerprints: &[String]) -> Vec<u8> {
    let mut keys: Vec<_> = fingerprints.iter().map(String::as_str).collect();
    keys.sort_unstable();
    keys.dedup();
    let hash = Sha256::digest(keys.join("\n"));
    let mut prefix = TEMPORARY.to_vec();
    for byte in hash.iter().take(8) {
        prefix.extend_from_slice(format!("{byte:02x}").as_bytes());
    }
    prefix.push(b'.');
    prefix
}

#[cfg(test)]
mod tests {
    use tidegate_core::ports::storage::TEMPORARY_PREFIX;

    use super::*;

    #[test]
    fn temporary_names_are_those_of_one_server() {
        let prefix = |keys: &[&str]| temporary_prefix(&keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>());
        let own = prefix(&["SHA256:a", "SHA256:b"]);
        assert_eq!(own.len(), TEMPORARY.len() + 17);
        assert!(own.starts_with(TEMPORARY) && !own.starts_with(TEMPORARY_PREFIX));
        assert_eq!(own, prefix(&["SHA256:b", "SHA256:a", "SHA256:b"]));
        for other in [&["SHA256:a"][..], &["SHA256:b"], &[], &["SHA256:c"]] {
            assert_ne!(own, prefix(other), "{other:?}");
        }
    }
}
