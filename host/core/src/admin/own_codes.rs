//! The second factor of users, as they change it themselves. A new secret is kept with the session for which it was made,
//! for a while, until an authenticator has it.

use serde_json::{Map, Value, json};

use super::admin_codes::{new_recovery_codes, new_secret};
use super::credential_text::digest_of;
use super::tokens::number_of;
use super::user_credential::outlast;
use super::{AdminError, Confirmation, NewCodes, OwnAccount, OwnChange, Person};
use crate::login::CodeRefusal;
use crate::ports::{Change, StoreError, StoredDocument, TOKENS, Write};
use crate::secret::Secret;

/// The member of a session's document with a secret that is not in force yet. It is sealed in the store.
const OFFER: &str = "offered_codes";
/// Milliseconds for which a secret is kept that is not in force yet.
const OFFER_LIFETIME: i64 = 10 * 60_000;
/// Tries to write a session's document while the session is in use.
const TRIES: u32 = 5;

impl OwnAccount {
    /// A secret for one-time codes, which is not in force before [`confirm_codes`](Self::confirm_codes) in the same
    /// session and within ten minutes. It takes the place of one that was offered before; codes that the account has are
    /// good until then.
    ///
    /// # Errors
    /// The user may not change them, what it gives to confirm that is wrong or was tried too often, the system gives no
    /// random numbers, or the store fails.
    pub async fn offer_codes(&self, person: &Person, given: &Confirmation) -> Result<NewCodes, AdminError> {
        self.may(person, OwnChange::SecondFactor).await?;
        self.confirm(person, given).await?;
        let (secret, url) = new_secret(&person.account.username)?;
        let until = self.clock.now().saturating_add(OFFER_LIFETIME);
        let offer = json!({ "secret": secret, "expires_at": until });
        self.change_session(person, |session| drop(session.insert(OFFER.to_owned(), offer.clone()))).await?;
        Ok(NewCodes { secret: Secret::new(secret), url: Secret::new(url), recovery_codes: Vec::new() })
    }

    /// Puts the secret into force that was offered to the session, if the authenticator that `code` is of has it. Gives
    /// recovery codes, each good for one log-in in a browser. The other sessions of the user end.
    ///
    /// # Errors
    /// The user may not change them, no secret was offered to the session or it has expired, the code is wrong, or the
    /// store fails.
    pub async fn confirm_codes(&self, person: &Person, code: &Secret) -> Result<Vec<Secret>, AdminError> {
        self.may(person, OwnChange::SecondFactor).await?;
        let begin_again = "no secret was made for this session within the last ten minutes; begin again";
        let account = &person.account;
        let session = self.session(person).await?;
        let offer = session.document.get(OFFER);
        let is_good = |offer: &&Value| offer.get("expires_at").and_then(Value::as_i64) > Some(self.clock.now());
        let secret = offer.filter(is_good).and_then(|offer| offer.get("secret")).and_then(Value::as_str);
        let Some(secret) = secret.map(Secret::new) else { return Err(self.refused(person, begin_again).await) };
        let right = match self.codes.right(&account.username, &secret, code) {
            Ok(right) => right,
            Err(refusal @ CodeRefusal::Paused(_)) => return Err(AdminError::NotForActor(refusal.to_string())),
            Err(_) => return Err(AdminError::NotForActor("the code is wrong; scan the QR code again".to_owned())),
        };
        let (recovery, kept) = recovery_codes()?;
        let payload = json!({ "status": "Plain", "payload": secret.expose() });
        let config =
            json!({ "enabled": true, "config_name": "Default", "secret": payload, "protocols": ["SSH", "HTTP"] });
        let mut draft = self.draft(person).await?;
        let before = draft.document().clone();
        draft.set_filter("totp_config", config);
        draft.set_filter("recovery_codes", kept);
        // Of two that come with one offer, one finds it gone.
        let mut document = session.document.clone();
        document.remove(OFFER);
        outlast(&mut document, &before, draft.document());
        match self.replace_session(&session, document).await {
            Err(StoreError::Conflict(_) | StoreError::NotFound(_)) => {
                return Err(self.refused(person, begin_again).await);
            }
            outcome => outcome?,
        }
        self.store(person, draft).await?;
        // The code that was shown here opens nothing afterwards.
        if let Err(error) = self.codes.accept(account, right).await {
            tracing::warn!(sender = "web_sessions", message = error.to_string());
        }
        Ok(recovery)
    }

    /// New recovery codes in the place of those that are left.
    ///
    /// # Errors
    /// The user may not change them, the account has no one-time codes, what the user gives to confirm the change is
    /// wrong or was tried too often, or the store fails.
    pub async fn renew_recovery_codes(&self, person: &Person, given: &Confirmation) -> Result<Vec<Secret>, AdminError> {
        self.may(person, OwnChange::SecondFactor).await?;
        if !self.has_codes(person) {
            return Err(self.refused(person, "the account has no one-time codes, whose place others could take").await);
        }
        self.confirm(person, given).await?;
        let (recovery, kept) = recovery_codes()?;
        let mut draft = self.draft(person).await?;
        draft.set_filter("recovery_codes", kept);
        self.store(person, draft).await?;
        Ok(recovery)
    }

    /// Takes the one-time codes away. The other sessions of the user end.
    ///
    /// # Errors
    /// The user may not change them, or has to have them; what it gives to confirm the change is wrong or was tried too
    /// often, or the store fails.
    pub async fn remove_codes(&self, person: &Person, given: &Confirmation) -> Result<(), AdminError> {
        self.may(person, OwnChange::SecondFactor).await?;
        if super::user_policy::demands_any_codes(&person.account) {
            return Err(self.refused(person, "the administrator of the account demands a second factor").await);
        }
        if !self.has_codes(person) {
            return Err(self.refused(person, "the account has no one-time codes").await);
        }
        self.confirm(person, given).await?;
        let mut draft = self.draft(person).await?;
        let before = draft.document().clone();
        draft.set_filter("totp_config", Value::Object(Map::from_iter([("enabled".to_owned(), json!(false))])));
        draft.set_filter("recovery_codes", json!([]));
        let after = draft.document().clone();
        self.change_session(person, |session| outlast(session, &before, &after)).await?;
        self.store(person, draft).await
    }

    /// The document of the user's session.
    async fn session(&self, person: &Person) -> Result<StoredDocument, AdminError> {
        let stored = self.directory.find(&TOKENS, &person.token).await?;
        // It may have been ended meanwhile.
        let stored = stored.filter(|stored| number_of(stored, "expires_at") > self.clock.now());
        Ok(stored.ok_or_else(|| StoreError::NotFound(TOKENS.object(&person.session)))?)
    }

    async fn replace_session(&self, stored: &StoredDocument, document: Map<String, Value>) -> Result<(), StoreError> {
        let write = Write::Replace { document, expected: stored.version, reset: Vec::new() };
        let change = Change { collection: &TOKENS, name: stored.name.clone(), write, announce: false, audit: None };
        self.directory.commit(vec![change]).await.map(drop)
    }

    async fn change_session(
        &self,
        person: &Person,
        change: impl Fn(&mut Map<String, Value>),
    ) -> Result<(), AdminError> {
        let mut tries = TRIES;
        loop {
            let stored = self.session(person).await?;
            let mut document = stored.document.clone();
            change(&mut document);
            tries -= 1;
            match self.replace_session(&stored, document).await {
                // Another request of the session has made it good for longer.
                Err(StoreError::Conflict(_)) if tries > 0 => {}
                outcome => return Ok(outcome?),
            }
        }
    }
}

/// New recovery codes, and what is stored of them.
fn recovery_codes() -> Result<(Vec<Secret>, Value), AdminError> {
    let codes = new_recovery_codes()?;
    let kept = |code: &String| json!({ "secret": {"status": "Plain", "payload": digest_of(code)}, "used": false });
    let kept = codes.iter().map(kept).collect();
    Ok((codes.into_iter().map(Secret::new).collect(), kept))
}
