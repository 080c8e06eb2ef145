//! The first administrator: a code that a server without any writes to its log once adds it over HTTP. The store has the
//! code's digest alone, beside the tokens, so that the code of one server of a database is good on each of them. There is
//! no other page or request that adds an administrator without one.

use std::cmp::Reverse;
use std::sync::Arc;

use serde_json::{Map, json};

use super::admin_document::{ADMIN_OBJECT, merged, not_valid};
use super::credential_text::{digest_of, is_token, new_token};
use super::password_resets::Requests;
use super::tokens::{number_of, text_of};
use super::{
    Actor, AdminError, Administrators, AuthenticationError, BeforeLogins, DoorClient, IssuedToken, PAGE, UseCase,
};
use crate::account::{added, check_new_name, invalid};
use crate::hook::observation::Change as Told;
use crate::ports::{ADMINS, Author, Change, Clock, Directory, PageRequest, StoreError, StoredDocument, TOKENS, Write};
use crate::presented::check_name;
use crate::secret::Secret;

/// Milliseconds for which a code is good.
const LIFETIME: i64 = 24 * 60 * 60_000;
/// The codes that are good at the same time: one of each server of a database, and those of starts before. A code that
/// was copied from the log goes on beside that of the next start.
const KEPT: usize = 16;
/// What the document of a code is for. It names no administrator as one of a token does, so that it is none.
const PURPOSE: &str = "first-administrator";
/// What the names of codes in the store begin with, before the digest: they are found without reading all tokens.
const PREFIX: &str = "first-administrator:";
/// The author in audit records. No administrator's name has a colon.
const AUTHOR: &str = "code:first-administrator";

/// Why no administrator was added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FirstAdministratorError {
    /// The code is of no use, whatever is wrong with it.
    #[error("the code is wrong, was used, has expired, or there is an administrator already")]
    Denied,
    /// A hook that decides about logins failed: the code was not looked at.
    #[error("a hook that decides about logins failed; the log says more")]
    Hook,
    /// The address asks too often.
    #[error("there were too many requests; try again in a minute")]
    TooMany,
    /// The administrator is not valid, or the store failed. The code is good still.
    #[error(transparent)]
    Admin(#[from] AdminError),
}

/// Use cases about the first administrator.
pub struct FirstAdministrator {
    /// The store of codes, beside the tokens.
    pub directory: Arc<dyn Directory>,
    /// Adds it.
    pub admins: Administrators,
    /// Asks hooks about those who come, and scores wrong codes.
    pub before: BeforeLogins,
    /// Gives the times.
    pub clock: Arc<dyn Clock>,
    /// The requests of each address.
    pub requests: Requests,
}

impl FirstAdministrator {
    /// Makes a code with which the first administrator can be added, within 24 hours and as long as there is none; None:
    /// there is one already.
    ///
    /// # Errors
    /// The system gives no random numbers, or the store fails.
    pub async fn make_code(&self) -> Result<Option<IssuedToken>, AdminError> {
        if self.is_there().await? {
            end_codes(&*self.directory).await;
            return Ok(None);
        }
        let (text, now) = (new_token()?, self.clock.now());
        // Those of a server that starts again and again do not stay good for a day, all of them.
        end_old_codes(&*self.directory, now).await;
        let expires_at = now.saturating_add(LIFETIME);
        let fields = [("purpose", json!(PURPOSE)), ("created_at", json!(now)), ("expires_at", json!(expires_at))];
        let document: Map<_, _> = fields.into_iter().map(|(field, value)| (field.to_owned(), value)).collect();
        let change = |collection, name, write| Change { collection, name, write, announce: false, audit: None };
        let add = change(&TOKENS, name_of(text.expose()), Write::Add(document));
        // One may have been added since the look, by an installation for one: its codes have ended already.
        match self.directory.commit(vec![change(&ADMINS, PURPOSE.to_owned(), Write::RequireEmpty), add]).await {
            Ok(_) => Ok(Some(IssuedToken { text, expires_at })),
            Err(StoreError::Conflict(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Adds the first administrator, who may do everything, with a code, which is used up. What is wrong with the name and
    /// the password is said to those alone whose code is good.
    ///
    /// # Errors
    /// See [`FirstAdministratorError`].
    pub async fn add(
        &self,
        client: &DoorClient,
        code: &str,
        username: &str,
        password: Secret,
    ) -> Result<(), FirstAdministratorError> {
        if !self.requests.take(client.address, self.clock.now()) {
            return Err(FirstAdministratorError::TooMany);
        }
        // Without a name that no hook can be given, which is said to those alone whose code is good, as of other names.
        let name = if check_name(username).is_ok() { username } else { "" };
        match self.before.login(ADMINS.kind, name, &Secret::new(""), client).await {
            Ok(()) => {}
            Err(AuthenticationError::Denied) => return Err(FirstAdministratorError::Denied),
            Err(AuthenticationError::Store(error)) => return Err(AdminError::from(error).into()),
            Err(_) => return Err(FirstAdministratorError::Hook),
        }
        let Some(code) = self.found(code).await? else {
            // Without the name, which may be anything: the code may have been typed there.
            let why = "the code for the first administrator is of no use";
            drop(self.before.deny(ADMINS.kind, "", client, why).await);
            return Err(FirstAdministratorError::Denied);
        };
        let author = Author { address: client.address, ..Author::new(AUTHOR, client.door) };
        // Of two that come with one code, one finds it gone; of two with different codes, one finds an administrator.
        let write = Write::Delete { expected: Some(code.version) };
        let used = Change { collection: &TOKENS, name: code.name, write, announce: false, audit: None };
        match self.admins.add_first(author, username, password, used).await {
            Ok(()) => {
                // Those of other servers.
                end_codes(&*self.directory).await;
                Ok(())
            }
            Err(AdminError::Store(StoreError::NotFound(_) | StoreError::Conflict(_) | StoreError::Exists(_))) => {
                Err(FirstAdministratorError::Denied)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The stored code; None: it is of no use.
    async fn found(&self, code: &str) -> Result<Option<StoredDocument>, AdminError> {
        if !is_token(code) {
            return Ok(None);
        }
        let found = self.directory.find(&TOKENS, &name_of(code)).await?;
        let is_good =
            |found: &StoredDocument| text_of(found, "purpose") == PURPOSE && !is_over(found, self.clock.now());
        let Some(found) = found.filter(is_good) else { return Ok(None) };
        if self.is_there().await? {
            // It does not come back if that administrator is deleted.
            end_codes(&*self.directory).await;
            return Ok(None);
        }
        Ok(Some(found))
    }

    /// Whether there is an administrator, valid or not, enabled or not.
    async fn is_there(&self) -> Result<bool, StoreError> {
        let one = PageRequest { limit: 1, ..PageRequest::default() };
        Ok(!self.directory.list(&ADMINS, one).await?.is_empty())
    }
}

impl Administrators {
    /// Adds the first administrator with all permissions. `used`: the change that uses up the code for it.
    async fn add_first(
        &self,
        author: Author,
        username: &str,
        password: Secret,
        used: Change,
    ) -> Result<(), AdminError> {
        if password.is_empty() {
            return Err(not_valid(invalid("password", "is empty")));
        }
        check_new_name("username", username).map_err(not_valid)?;
        let new = Map::from_iter([("status".to_owned(), json!(1)), ("created_at".to_owned(), json!(self.clock.now()))]);
        let given =
            Map::from_iter([("username".to_owned(), json!(username)), ("permissions".to_owned(), json!(["*"]))]);
        let document = merged(ADMIN_OBJECT, ADMINS.noun, new, &given)?;
        let (name, document) = self.validated(document, Some(password)).await?;
        let actor = Actor { author, ..Actor::system() };
        let detail = added(ADMIN_OBJECT, &document);
        let write = Write::RequireEmpty;
        let none = Change { collection: &ADMINS, name: name.clone(), write, announce: false, audit: None };
        let add = self.change(&actor, UseCase::AddAdmin, &name, Write::Add(document), detail);
        self.store(&actor, &name, vec![used, none, add], Told::Add).await.map(drop)
    }
}

/// Ends all codes, since there is an administrator. That it fails lets none be used: each is looked at again, and an
/// administrator as well.
pub(super) async fn end_codes(directory: &dyn Directory) {
    end(directory, |codes| codes).await;
}

/// Ends codes that have expired by that time, and of the others all but the newest, to which another one is added.
async fn end_old_codes(directory: &dyn Directory, now: i64) {
    let old = |mut codes: Vec<StoredDocument>| {
        codes.sort_by_key(|code| (is_over(code, now), Reverse(number_of(code, "created_at"))));
        let kept = codes.iter().take_while(|code| !is_over(code, now)).take(KEPT - 1).count();
        codes.split_off(kept)
    };
    end(directory, old).await;
}

/// Ends those codes that `which` gives of all.
async fn end(directory: &dyn Directory, which: impl FnOnce(Vec<StoredDocument>) -> Vec<StoredDocument> + Send) {
    let codes = match codes(directory).await {
        Ok(codes) => which(codes),
        Err(error) => return not_ended(&error),
    };
    for code in codes {
        let write = Write::Delete { expected: None };
        let change = Change { collection: &TOKENS, name: code.name, write, announce: false, audit: None };
        match directory.commit(vec![change]).await {
            // Another server was first.
            Ok(_) | Err(StoreError::NotFound(_)) => {}
            Err(error) => return not_ended(&error),
        }
    }
}

/// All codes in the store.
async fn codes(directory: &dyn Directory) -> Result<Vec<StoredDocument>, StoreError> {
    let mut request = PageRequest { after: None, prefix: Some(PREFIX.to_owned()), limit: PAGE };
    let mut codes: Vec<StoredDocument> = Vec::new();
    loop {
        let page = directory.list(&TOKENS, request.clone()).await?;
        let Some(last) = page.last() else { return Ok(codes) };
        request.after = Some(last.name.clone());
        codes.extend(page);
    }
}

fn not_ended(error: &StoreError) {
    let message = format!("codes for the first administrator stay in the store until they expire: {error}");
    tracing::warn!(sender = "admin", message);
}

fn is_over(code: &StoredDocument, now: i64) -> bool {
    number_of(code, "expires_at") <= now
}

/// The name of a code in the store.
fn name_of(code: &str) -> String {
    format!("{PREFIX}{}", digest_of(code))
}
