//! Account documents from outside: [`AccountDraft`] is the only way from a document to a [`User`].

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{AccountRights, Audience, DocumentError, User, concurrent, document, fields, kept_secrets, view};
use crate::ports::StoredDocument;
use crate::public_key::PublicKey;
use crate::secret::Secret;

/// An account document under construction: decoded leniently, not yet validated.
#[derive(Debug, Clone)]
pub struct AccountDraft {
    pub(super) document: Map<String, Value>,
    /// A password as typed, kept apart from the document so that it is never taken for a hash (A8-18).
    pub(super) clear_password: Option<Secret>,
    /// The stored state that the draft was made from, by which changes that were made since are found; None:
    /// the draft was not made from a stored account.
    pub(super) base: Option<Arc<StoredDocument>>,
    /// The rights of the hooks that made the draft; None: an administrator made it.
    pub(super) rights: Option<Arc<AccountRights>>,
    /// The password of a login that a hook vouched for becomes the account's own (A11-22).
    pub(super) keeps_presented_password: bool,
}

impl Default for AccountDraft {
    fn default() -> Self {
        Self { document: Map::new(), clear_password: None, base: None, rights: None, keeps_presented_password: true }
    }
}

/// Whether an account must have a password or a public key (A8-02).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialRule {
    /// One of the two must be there, or a locked password: for accounts that administrators add.
    Required,
    /// Both may be missing: for stored accounts and for drafts of hooks.
    Optional,
}

/// A valid account whose clear password, if one was given, still has to be hashed.
#[derive(Debug, Clone)]
pub struct Validated {
    /// The account; its password is None where `clear_password` is still to be hashed.
    pub account: User,
    /// The password to hash and store.
    pub clear_password: Option<Secret>,
}

/// What is wrong with a draft: the field, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("field \"{field}\": {problem}")]
pub struct InvalidAccount {
    /// The path of the field in the document, such as `filters.allowed_ip` or `public_keys.0`.
    pub field: String,
    /// What is wrong with it, and what to do: for people.
    pub problem: String,
}

pub(crate) fn invalid(field: impl Into<String>, problem: impl Into<String>) -> InvalidAccount {
    InvalidAccount { field: field.into(), problem: problem.into() }
}

impl AccountDraft {
    /// A draft for a new account: enabled, without permissions.
    pub fn new(username: &str) -> Self {
        let mut draft = Self::default();
        draft.set("username", json!(username));
        draft.set("status", json!(1));
        draft
    }

    /// A copy of a stored account, to change a few things.
    pub fn of(account: &User) -> Self {
        Self { document: account.to_document(Audience::Trusted), ..Self::default() }
    }

    /// A draft of a stored account, valid or not, to change it. Changes that are made to the account meanwhile
    /// are noticed when the draft is stored.
    pub fn of_stored(stored: StoredDocument) -> Self {
        let mut document = stored.document.clone();
        document::modernise(&mut document);
        Self { document, base: Some(Arc::new(stored)), ..Self::default() }
    }

    /// A draft that replaces the stored account as a whole: fields that `document` omits get their defaults.
    ///
    /// # Errors
    /// The document cannot be read as an account.
    pub fn replacing(stored: StoredDocument, document: &Value) -> Result<Self, DocumentError> {
        let mut draft = Self { base: Some(Arc::new(stored)), ..Self::default() };
        draft.merge_value(document)?;
        Ok(draft)
    }

    /// The document so far, and the password that was set apart from it.
    pub fn into_parts(self) -> (Map<String, Value>, Option<Secret>) {
        (self.document, self.clear_password)
    }

    /// Applies the changes of the draft to the state that is stored now.
    pub(super) fn rebase(&mut self, stored: &Arc<StoredDocument>) {
        if let Some(base) = self.base.as_ref().filter(|base| base.version != stored.version) {
            self.document = concurrent::merged(&base.document, &self.document, &stored.document);
        }
        self.base = Some(stored.clone());
    }

    /// As [`of`](Self::of), without second factors where the hook has no right to see them.
    pub fn for_hook(account: &User, rights: &AccountRights) -> Self {
        let audience = if rights.second_factors { Audience::Trusted } else { Audience::LoginHook };
        Self { document: account.to_document(audience), ..Self::default() }
    }

    /// Notes that a hook with these rights has made the draft. A draft that several hooks made has the rights
    /// that all of them have.
    pub fn bind(&mut self, rights: &Arc<AccountRights>) {
        self.rights = Some(match &self.rights {
            Some(before) => Arc::new(before.and(rights)),
            None => rights.clone(),
        });
    }

    /// The password that the client logs in with is not stored: the hook is asked each time.
    pub fn forget_presented_password(&mut self) {
        self.keeps_presented_password = false;
    }

    /// The rights of the hooks that made the draft; None: an administrator made it.
    pub fn rights(&self) -> Option<&Arc<AccountRights>> {
        self.rights.as_ref()
    }

    /// Whether the document has the field with a value other than `null`.
    pub(super) fn says(&self, field: &str) -> bool {
        self.document.get(field).is_some_and(|value| !value.is_null())
    }

    /// A draft of a whole document: fields that it omits get their defaults (A11-21).
    ///
    /// # Errors
    /// The document cannot be read as an account.
    pub fn from_json(text: &str) -> Result<Self, DocumentError> {
        let mut draft = Self::default();
        draft.merge_json(text)?;
        Ok(draft)
    }

    /// Changes only the fields that the document names (A13-05).
    ///
    /// # Errors
    /// The document cannot be read as an account.
    pub fn merge_json(&mut self, text: &str) -> Result<(), DocumentError> {
        document::merge(&mut self.document, text)
    }

    /// As [`merge_json`](Self::merge_json), for a document that is parsed already.
    ///
    /// # Errors
    /// The document is not an object, or a field has the wrong type.
    pub fn merge_value(&mut self, value: &Value) -> Result<(), DocumentError> {
        document::merge_value(&mut self.document, value)
    }

    /// As [`merge_value`](Self::merge_value), for a document of which nothing else is needed.
    ///
    /// # Errors
    /// A field has the wrong type.
    pub fn merge_document(&mut self, document: Map<String, Value>) -> Result<(), DocumentError> {
        document::merge_owned(&mut self.document, document)
    }

    /// Replaces one field; its type is checked when the draft is validated.
    pub fn set(&mut self, field: &str, value: Value) {
        self.document.insert(field.to_owned(), value);
    }

    /// Replaces one restriction in `filters`.
    pub fn set_filter(&mut self, field: &str, value: Value) {
        let filters = self.document.entry("filters").or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(filters) = filters {
            filters.insert(field.to_owned(), value);
        }
    }

    /// Replaces the permissions of one directory; an empty list takes them away.
    pub fn set_permissions(&mut self, directory: &str, tokens: &[String]) {
        let permissions = self.document.entry("permissions").or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(permissions) = permissions {
            if tokens.is_empty() {
                permissions.remove(directory);
            } else {
                permissions.insert(directory.to_owned(), json!(tokens));
            }
        }
    }

    /// Sets a password as a person typed it: it is always hashed, even if it looks like a hash (A8-18).
    pub fn set_clear_password(&mut self, password: Secret) {
        self.document.remove("password");
        self.clear_password = Some(password);
    }

    /// As [`set_clear_password`](Self::set_clear_password), by the user of the account: a demand to change it is met.
    pub fn set_own_password(&mut self, password: Secret) {
        self.set_clear_password(password);
        let filters = self.document.get("filters");
        if filters.and_then(|filters| filters.get("require_password_change")).is_some() {
            self.set_filter("require_password_change", json!(false));
        }
    }

    /// Adds a key unless it is there already (A11-22).
    pub fn add_public_key(&mut self, key: &PublicKey) {
        let keys = self.document.entry("public_keys").or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(lines) = keys {
            let known = lines.iter().filter_map(Value::as_str).filter_map(|line| PublicKey::parse(line).ok());
            if !known.into_iter().any(|known| known == *key) {
                lines.push(json!(key.to_line_with_comment()));
            }
        }
    }

    /// The user name; empty if there is none.
    pub fn username(&self) -> &str {
        self.text("username")
    }

    /// The document so far.
    pub fn document(&self) -> &Map<String, Value> {
        &self.document
    }

    /// The role; empty if there is none.
    pub fn role(&self) -> &str {
        self.text("role")
    }

    /// The home directory; empty if there is none.
    pub fn home_dir(&self) -> &str {
        self.text("home_dir")
    }

    /// Mounts a stored folder at a path, in place of the folder that was mounted there.
    pub fn mount_folder(&mut self, virtual_path: &str, name: &str) {
        let folders = self.document.entry("virtual_folders").or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(folders) = folders {
            folders.retain(|folder| folder.get("virtual_path").and_then(Value::as_str) != Some(virtual_path));
            folders.push(json!({"name": name, "virtual_path": virtual_path}));
        }
    }

    /// The document as JSON without secrets; `second_factors`: with those of the second factor all the same.
    pub fn to_json(&self, second_factors: bool) -> String {
        super::compact_json(&view::without_secrets(&self.document, second_factors))
    }

    /// Takes the fields that only the server maintains from the stored account (A11-21); None: a new account,
    /// where they get their defaults (A9-06).
    pub fn keep_maintained_fields_of(&mut self, stored: Option<&User>) {
        let stored = stored.map(|stored| stored.to_document(Audience::Trusted));
        self.keep_maintained_fields_in(stored.as_ref());
    }

    pub(super) fn keep_maintained_fields_in(&mut self, stored: Option<&Map<String, Value>>) {
        for field in fields::maintained_by_server() {
            self.document.remove(field);
        }
        let Some(stored) = stored else { return };
        for field in fields::maintained_by_server() {
            if let Some(value) = stored.get(field) {
                self.document.insert(field.to_owned(), value.clone());
            }
        }
    }

    /// Takes the secrets that the draft does not show from the stored account (A8-15); None: a new account, where the
    /// marks in their places are taken away.
    pub(super) fn keep_secrets_in(&mut self, stored: Option<&Map<String, Value>>) {
        kept_secrets::keep(fields::ACCOUNT, stored.unwrap_or(&Map::new()), &mut self.document);
    }

    /// Keeps the stored values of fields that a bound hook has no grant for and has left out.
    pub(super) fn keep_ungranted(&mut self, rights: &AccountRights, stored: Option<&User>) {
        let Some(stored) = stored.filter(|_| rights.is_bound) else { return };
        let kept = [
            ("virtual_folders", rights.folders),
            ("groups", rights.groups),
            ("role", rights.groups),
            ("filesystem", rights.filesystems),
        ];
        let document = stored.to_document(Audience::Trusted);
        for (field, granted) in kept {
            if let Some(value) = document.get(field).filter(|_| !granted && !self.says(field)) {
                self.document.insert(field.to_owned(), value.clone());
            }
        }
    }
}

impl AccountDraft {
    /// Gives a hook's draft the second factor of the stored account (A11-21, B3-01), unless the hook has the
    /// right to change it. Without a stored account the hook's own is kept.
    pub fn keep_second_factor_of(&mut self, stored: Option<&User>) {
        if self.rights.as_ref().is_some_and(|rights| rights.second_factors) {
            return;
        }
        let Some(stored) = stored else { return };
        for field in fields::SECOND_FACTOR_RULES {
            self.keep_demanded(field, stored.filters.document.get(field));
        }
        for field in fields::second_factors() {
            match stored.filters.document.get(field) {
                Some(value) => self.set_filter(field, value.clone()),
                None => {
                    if let Some(Value::Object(filters)) = self.document.get_mut("filters") {
                        filters.remove(field);
                    }
                }
            }
        }
    }
}

impl AccountDraft {
    /// Adds the stored protocols to those for which the hook demands the second factor: it may demand it for
    /// more protocols, not for fewer.
    fn keep_demanded(&mut self, field: &str, stored: Option<&Value>) {
        let Some(Value::Array(demanded)) = stored else { return };
        let answered = self.document.get("filters").and_then(|filters| filters.get(field));
        let mut protocols = answered.and_then(Value::as_array).cloned().unwrap_or_default();
        for protocol in demanded {
            if !protocols.contains(protocol) {
                protocols.push(protocol.clone());
            }
        }
        if !protocols.is_empty() {
            self.set_filter(field, Value::Array(protocols));
        }
    }
}

#[cfg(test)]
#[path = "draft_tests.rs"]
mod tests;
