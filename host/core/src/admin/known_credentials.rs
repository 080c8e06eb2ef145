//! What each request with a token or an API key asks of the store. It is read, decoded and checked again only when
//! something in the store has changed; what depends on the moment and the client is not known here. Nothing here is
//! secret: keys and tokens are their digests, and of administrators there is what they may do.

use core::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::Permissions;
use super::admin_document::{Administrator, is_within};
use super::administrators::credential_of;
use super::credential_text::{digest_of, is_token};
use super::key_document::ApiKey;
use super::tokens::Token;
use crate::ports::{ADMINS, API_KEYS, Directory, Stamp, StoreError, TOKENS};
use crate::remembered::Remembered;

/// Of each kind.
const KEPT: usize = 2048;
/// Bytes of each kind.
const KEPT_BYTES: usize = 1 << 20;
/// What a value takes beside its texts and lists, about.
const VALUE: usize = 256;

/// An administrator as its requests need it: without what proves who it is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Standing {
    /// Its name and the id of its document.
    pub admin: (String, i64),
    pub is_enabled: bool,
    pub permissions: Permissions,
    pub role: Option<String>,
    networks: Vec<IpNet>,
    /// The digest that its tokens have to have.
    pub credential: String,
}

impl Standing {
    pub fn of(administrator: Administrator) -> Self {
        let credential = credential_of(&administrator);
        let Administrator { username, version, is_enabled, permissions, role, networks, .. } = administrator;
        Self { admin: (username, version.id), is_enabled, permissions, role, networks, credential }
    }

    /// Whether a request from that address may come from it now; None: from the host itself. `id`: that of the document
    /// that a key or a token was made for.
    pub fn may_ask(&self, id: i64, address: Option<IpAddr>) -> bool {
        self.admin.1 == id && self.is_enabled && is_within(&self.networks, address)
    }

    fn bytes(&self) -> usize {
        VALUE + self.networks.len() * size_of::<IpNet>() + self.role.as_ref().map_or(0, String::len)
    }
}

/// Finds keys, tokens and administrators. Each look is given the stamp of the one before it, and leaves there that of the
/// next one: what is looked for later is never older than what was read before it.
pub(super) struct KnownCredentials {
    directory: Arc<dyn Directory>,
    keys: Remembered<Arc<ApiKey>>,
    tokens: Remembered<Arc<Token>>,
    administrators: Remembered<Arc<Standing>>,
}

impl KnownCredentials {
    pub fn new(directory: Arc<dyn Directory>) -> Self {
        Self {
            directory,
            keys: Remembered::new(KEPT, KEPT_BYTES),
            tokens: Remembered::new(KEPT, KEPT_BYTES),
            administrators: Remembered::new(KEPT, KEPT_BYTES),
        }
    }

    /// The stamp for the first look, and for one after something else was waited for.
    pub fn stamp(&self) -> Option<Stamp> {
        self.directory.stamp()
    }

    /// The valid key with this id.
    pub async fn key(&self, key_id: &str, stamp: &mut Option<Stamp>) -> Result<Option<Arc<ApiKey>>, StoreError> {
        if let Some(known) = self.keys.get(*stamp, key_id) {
            return Ok(Some(known));
        }
        let stored = self.directory.find(&API_KEYS, key_id).await?;
        let Some(found) = stored.and_then(|stored| ApiKey::of_stored(&stored).ok()).map(Arc::new) else {
            return Ok(None);
        };
        // Each use of another key is a change.
        if found.max_uses == 0 {
            let texts = found.scope.allow.iter().chain(&found.scope.deny).map(|text| VALUE + text.len()).sum::<usize>();
            let bytes = VALUE + texts + found.networks.len() * size_of::<IpNet>();
            self.keys.keep(*stamp, key_id, found.clone(), bytes);
        }
        *stamp = self.stamp();
        Ok(Some(found))
    }

    /// The token with this text, whatever it is good for.
    pub async fn token(&self, text: &str, stamp: &mut Option<Stamp>) -> Result<Option<Arc<Token>>, StoreError> {
        if !is_token(text) {
            return Ok(None);
        }
        let digest = digest_of(text);
        if let Some(known) = self.tokens.get(*stamp, &digest) {
            return Ok(Some(known));
        }
        let stored = self.directory.find(&TOKENS, &digest).await?;
        let Some(found) = stored.map(|stored| Arc::new(Token::of_stored(&stored))) else { return Ok(None) };
        let bytes = VALUE + found.digest.len() + found.admin.0.len() + found.credential.len();
        self.tokens.keep(*stamp, &digest, found.clone(), bytes);
        *stamp = self.stamp();
        Ok(Some(found))
    }

    /// The administrator of that name, if it is valid.
    pub async fn administrator(
        &self,
        username: &str,
        stamp: &mut Option<Stamp>,
    ) -> Result<Option<Arc<Standing>>, StoreError> {
        if let Some(known) = self.administrators.get(*stamp, username) {
            return Ok(Some(known));
        }
        let found = find_administrator(&*self.directory, username).await?;
        let Some(found) = found.map(|found| Arc::new(Standing::of(found))) else { return Ok(None) };
        self.administrators.keep(*stamp, username, found.clone(), found.bytes());
        *stamp = self.stamp();
        Ok(Some(found))
    }
}

/// The administrator of that name. One that is not valid cannot log in.
pub(super) async fn find_administrator(
    directory: &dyn Directory,
    username: &str,
) -> Result<Option<Administrator>, StoreError> {
    let Some(stored) = directory.find(&ADMINS, username).await? else { return Ok(None) };
    match Administrator::of_stored(&stored) {
        Ok(found) => Ok(Some(found)),
        Err(problem) => {
            let message = format!("the administrator \"{username}\" in the database is not valid: {problem}");
            tracing::error!(sender = "admin", message);
            Ok(None)
        }
    }
}
