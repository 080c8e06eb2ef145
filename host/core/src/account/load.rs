//! Loading many accounts: all are stored in one transaction, or none is.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::registry::note_password_change;
use super::stored::has_credential;
use super::write::changed_fields;
use super::{AccountDraft, AccountError, Accounts, Audience, CredentialRule, User};
use crate::hook::observation::Change as Told;
use crate::ports::{Author, Change, StoreError, StoredDocument};

/// The outcome of one account of a load.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The account's name; `users.INDEX`, from 0, for a document without one.
    pub username: String,
    /// What became of the account, or would become of it.
    pub outcome: LoadOutcome,
}

/// What a load does with one account.
#[derive(Debug, Clone, PartialEq)]
pub enum LoadOutcome {
    /// The account is new.
    Added,
    /// These fields of the stored account change.
    Updated(Vec<String>),
    /// The stored account is the same already.
    Unchanged,
    /// The account cannot be loaded, for a reason that is given in a sentence.
    Failed(String),
}

/// One account that is ready to be stored, as observers will be told of it.
struct Planned {
    told: Told,
    document: Map<String, Value>,
    username: String,
}

/// The outcomes so far, and what is to be stored if all accounts can be loaded.
#[derive(Default)]
struct Plan {
    loaded: Vec<Loaded>,
    changes: Vec<Change>,
    planned: Vec<Planned>,
}

impl Accounts {
    /// Adds accounts, or replaces stored ones by what the documents say; fields that only the server maintains
    /// stay. If one account cannot be loaded, or for a trial, nothing is stored. The answer has the outcome of
    /// each account, and whether the load was stored.
    ///
    /// # Errors
    /// The store fails, or one of the accounts was changed at the same time.
    pub async fn load(
        &self,
        documents: Vec<Map<String, Value>>,
        is_trial: bool,
        author: &Author,
    ) -> Result<(Vec<Loaded>, bool), AccountError> {
        let mut plan = Plan::default();
        let mut seen = HashSet::new();
        for (index, document) in documents.into_iter().enumerate() {
            let loaded = match draft_of(index, document) {
                Ok(draft) if !seen.insert(draft.username().to_owned()) => {
                    failed(draft.username(), "it is in the document twice")
                }
                Ok(draft) => {
                    let username = draft.username().to_owned();
                    match self.plan(&mut plan, draft, is_trial, author).await {
                        Ok(outcome) => Loaded { username, outcome },
                        Err(error) if is_about_the_account(&error) => failed(&username, error),
                        Err(error) => return Err(error),
                    }
                }
                Err(failed) => failed,
            };
            plan.loaded.push(loaded);
        }
        let has_failed = plan.loaded.iter().any(|loaded| matches!(loaded.outcome, LoadOutcome::Failed(_)));
        if is_trial || has_failed {
            return Ok((plan.loaded, false));
        }
        self.writing(author).commit(plan.changes).await?;
        for Planned { told, username, document } in plan.planned {
            self.tell(told, &username, || document, author);
        }
        Ok((plan.loaded, true))
    }

    async fn plan(
        &self,
        plan: &mut Plan,
        draft: AccountDraft,
        is_trial: bool,
        author: &Author,
    ) -> Result<LoadOutcome, AccountError> {
        let stored = self.stored(draft.username()).await?;
        match stored {
            None => self.plan_new(plan, draft, is_trial, author).await,
            Some(stored) => self.plan_replacement(plan, draft, Arc::new(stored), is_trial, author).await,
        }
    }

    async fn plan_new(
        &self,
        plan: &mut Plan,
        mut draft: AccountDraft,
        is_trial: bool,
        author: &Author,
    ) -> Result<LoadOutcome, AccountError> {
        draft.keep_maintained_fields_of(None);
        let mut user = self.prepare_load(draft, CredentialRule::Required, is_trial).await?;
        note_password_change(&mut user, None);
        plan.changes.extend(self.writing(author).changes_to_add(&user, &plan.changes).await?);
        plan.planned.push(planned(Told::Add, &user));
        Ok(LoadOutcome::Added)
    }

    async fn plan_replacement(
        &self,
        plan: &mut Plan,
        mut draft: AccountDraft,
        stored: Arc<StoredDocument>,
        is_trial: bool,
        author: &Author,
    ) -> Result<LoadOutcome, AccountError> {
        draft.base = Some(stored.clone());
        draft.keep_maintained_fields_in(Some(&stored.document));
        let rule = if has_credential(&stored) { CredentialRule::Required } else { CredentialRule::Optional };
        let mut user = self.prepare_load(draft, rule, is_trial).await?;
        note_password_change(&mut user, stored.document.get("password").and_then(Value::as_str));
        let changed = changed_fields(&stored.document, &user.to_document(Audience::Trusted));
        if changed.is_empty() {
            return Ok(LoadOutcome::Unchanged);
        }
        let changed = changed.into_iter().map(str::to_owned).collect();
        plan.changes.extend(self.writing(author).changes_to_replace(&mut user, &stored, &plan.changes).await?);
        plan.planned.push(planned(Told::Update, &user));
        Ok(LoadOutcome::Updated(changed))
    }

    /// A trial hashes no passwords, which would take most of its time.
    async fn prepare_load(
        &self,
        draft: AccountDraft,
        rule: CredentialRule,
        is_trial: bool,
    ) -> Result<User, AccountError> {
        if is_trial { Ok(self.validate(draft, rule)?.account) } else { self.prepare(draft, rule).await }
    }
}

fn planned(told: Told, user: &User) -> Planned {
    Planned { told, username: user.username.clone(), document: user.to_document(Audience::Redacted) }
}

/// Decodes a document; in errors, `users.INDEX` stands for an account without a name.
fn draft_of(index: usize, document: Map<String, Value>) -> Result<AccountDraft, Loaded> {
    let named = document.get("username").and_then(Value::as_str).filter(|name| !name.is_empty());
    let named = named.map_or_else(|| format!("users.{index}"), str::to_owned);
    let mut draft = AccountDraft::default();
    draft.merge_value(&Value::Object(document)).map_err(|error| failed(&named, error))?;
    if draft.username().is_empty() { Err(failed(&named, "it has no username")) } else { Ok(draft) }
}

fn failed(username: &str, problem: impl ToString) -> Loaded {
    Loaded { username: username.to_owned(), outcome: LoadOutcome::Failed(problem.to_string()) }
}

/// Whether the error is about this account alone, so that the load goes on to the others.
fn is_about_the_account(error: &AccountError) -> bool {
    match error {
        AccountError::Invalid(_) => true,
        AccountError::Password(_) => false,
        AccountError::Store(error) => match error {
            StoreError::Refused(_) | StoreError::Invalid { .. } => true,
            StoreError::Exists(_)
            | StoreError::NotFound(_)
            | StoreError::Conflict(_)
            | StoreError::Busy(_)
            | StoreError::ReadOnly(_)
            | StoreError::Full(_)
            | StoreError::Failed(_) => false,
        },
    }
}
