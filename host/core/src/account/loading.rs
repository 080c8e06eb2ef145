//! Loading a dump: accounts, folders, groups and roles are stored in one transaction. Where one of them is not valid, none
//! is, or the others are; the dump says which. Documents come in parts, and what is to be stored of them is put away until
//! all were looked at, so that a load of any size takes the memory of a part.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::load::{Plan, draft_of, failed, is_about_the_account};
use super::packed::{PackedChanges, Planned};
use super::{AccountError, Accounts, Dump, LoadOutcome, Loaded, ObjectKind, PlannedChanges};
use crate::ports::{Author, Spool, TextInMemory};

/// A load that is under way.
pub struct Loading<'a> {
    accounts: &'a Accounts,
    author: &'a Author,
    plan: Plan,
    packed: PackedChanges,
    /// How many documents there were of each kind; None: accounts.
    counts: HashMap<Option<ObjectKind>, usize>,
    usernames: HashSet<String>,
}

/// A load that is ready to be stored.
pub struct PlannedLoad {
    plan: Plan,
    packed: PackedChanges,
}

impl PlannedLoad {
    /// The folders, groups and roles that are to be stored.
    pub(crate) fn objects(&self) -> &PlannedChanges {
        &self.plan.changes
    }

    /// All that is to be stored.
    pub(crate) fn parts(&self) -> &PackedChanges {
        &self.packed
    }

    /// The accounts that are to be stored.
    pub(crate) fn accounts(&self) -> HashSet<&str> {
        let is_stored = |loaded: &&Loaded| match loaded.outcome {
            LoadOutcome::Added | LoadOutcome::Updated(_) => loaded.kind.is_none(),
            LoadOutcome::Unchanged | LoadOutcome::Failed(_) => false,
        };
        self.plan.loaded.iter().filter(is_stored).map(|loaded| loaded.name.as_str()).collect()
    }
}

impl Loading<'_> {
    /// Looks at documents of a kind; None: at accounts. Those of the kinds come in the order of [`ObjectKind::ALL`], and
    /// accounts after them.
    ///
    /// # Errors
    /// The store fails, or what is to be stored cannot be put away.
    pub async fn add(
        &mut self,
        kind: Option<ObjectKind>,
        documents: Vec<Map<String, Value>>,
    ) -> Result<(), AccountError> {
        let count = self.counts.entry(kind).or_default();
        let first = *count;
        *count += documents.len();
        for (document, index) in documents.into_iter().zip(first..) {
            let loaded = match kind {
                Some(kind) => self.accounts.load_object(&mut self.plan, kind, index, &document, self.author).await?,
                None => self.account(index, document).await?,
            };
            self.plan.note(loaded);
        }
        let planned = std::mem::take(&mut self.plan.planned);
        self.packed.put(self.plan.changes.take(), planned).await?;
        Ok(())
    }

    async fn account(&mut self, index: usize, document: Map<String, Value>) -> Result<Loaded, AccountError> {
        let draft = match draft_of(index, document, &self.plan) {
            Ok(draft) => draft,
            Err(failed) => return Ok(failed),
        };
        let username = draft.username().to_owned();
        if !self.usernames.insert(username.clone()) {
            return Ok(failed(None, &username, "it is in the document twice"));
        }
        match self.accounts.plan(&mut self.plan, draft, self.author).await {
            Ok(outcome) => Ok(Loaded { kind: None, name: username, outcome }),
            Err(error) if is_about_the_account(&error) => Ok(failed(None, &username, error)),
            Err(error) => Err(error),
        }
    }

    /// All documents were there.
    pub fn finish(self) -> PlannedLoad {
        PlannedLoad { plan: self.plan, packed: self.packed }
    }
}

impl Accounts {
    /// Adds accounts, folders, groups and roles, or replaces stored ones by what the documents say; fields that
    /// only the server maintains stay. If one cannot be loaded, nothing is stored, unless the dump [says
    /// otherwise](Dump::skips_invalid); nor for a trial. The answer has the outcome of each document, and whether
    /// the load was stored.
    ///
    /// # Errors
    /// The store fails, or one of the objects was changed at the same time.
    pub async fn load(&self, dump: Dump, is_trial: bool, author: &Author) -> Result<(Vec<Loaded>, bool), AccountError> {
        let (rules, parts) = dump.into_parts();
        let mut loading = self.begin_load(&rules, is_trial, author, Box::new(TextInMemory::default()));
        for (kind, documents) in parts {
            loading.add(kind, documents).await?;
        }
        self.store_load(loading.finish(), author).await
    }

    /// Begins a load whose documents come in parts; nothing is stored yet. `rules`: what the dump says of its documents,
    /// without them. `spool`: keeps what is to be stored.
    pub fn begin_load<'a>(
        &'a self,
        rules: &Dump,
        is_trial: bool,
        author: &'a Author,
        spool: Box<dyn Spool>,
    ) -> Loading<'a> {
        Loading {
            accounts: self,
            author,
            plan: Plan::of(rules, is_trial, self.has_observers()),
            packed: PackedChanges::new(spool, author.clone()),
            counts: HashMap::new(),
            usernames: HashSet::new(),
        }
    }

    /// Stores a load that was planned. The answer is as that of [`load`](Self::load).
    ///
    /// # Errors
    /// The store fails, or one of the objects was changed at the same time.
    pub async fn store_load(&self, load: PlannedLoad, author: &Author) -> Result<(Vec<Loaded>, bool), AccountError> {
        let PlannedLoad { plan, packed } = load;
        let has_failed = plan.loaded.iter().any(|loaded| matches!(loaded.outcome, LoadOutcome::Failed(_)));
        if plan.is_trial || (has_failed && !plan.skips_invalid) {
            return Ok((plan.loaded, false));
        }
        let packed = Arc::new(packed);
        self.writing(author).commit_parts(packed.clone()).await?;
        for index in 0..packed.told_parts() {
            match packed.told(index).await {
                Ok(told) => told.into_iter().for_each(|planned| self.tell_planned(planned, author)),
                // The load was stored all the same.
                Err(error) => {
                    let message = format!("hooks are not told of a part of a load that was stored: {error}");
                    tracing::error!(sender = "hooks", message);
                }
            }
        }
        Ok((plan.loaded, true))
    }

    fn tell_planned(&self, planned: Planned, author: &Author) {
        let Planned { kind, told, name, document } = planned;
        match kind {
            None => self.tell(told, &name, || document, author),
            Some(kind) => self.tell_of(kind.collection().kind, told, &name, || document, author),
        }
    }
}
