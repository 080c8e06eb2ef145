//! What a load does with each document of a dump.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::draft::invalid;
use super::objects::take_folder_paths;
use super::packed::Planned;
use super::registry::{note_creation, note_password_change};
use super::stored::{complete_folders, has_credential, stored_of, unknown_restriction};
use super::view::redacted_object;
use super::write::{PlannedChanges, changed_fields, changed_of, is_unset};
use super::{
    AccountDraft, AccountError, Accounts, Audience, CredentialRule, ObjectKind, ObjectWriting, User, check_given,
    check_new_name, unserved,
};
use crate::hook::observation::Change as Told;
use crate::ports::{Author, GROUPS, StoreError, StoredDocument};
use crate::turns::Waiter;

/// The age of an account and of its password, which decide whether they have expired: what a document says of them holds,
/// since nothing is younger for having been loaded.
const AGES: [&str; 2] = ["created_at", PASSWORD_AGE];
const PASSWORD_AGE: &str = "last_password_change";

/// Documents that are looked at together. What is made of one takes ten times the memory of its text.
const PART: usize = 500;

/// The documents of a dump.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dump {
    /// Accounts.
    pub users: Vec<Map<String, Value>>,
    /// Folders, groups and roles, which are loaded in the order of [`ObjectKind::ALL`] before the accounts.
    pub objects: Vec<(ObjectKind, Map<String, Value>)>,
    /// Whether the documents are those of another server whose place this one takes: no credential is needed, groups that
    /// give an account something have to be there, and file systems that this version does not serve are stored whole,
    /// though logins to them are refused.
    pub moves_in: bool,
    /// Whether the documents are those of a dump of this server: as what they were made of, accounts need no
    /// credential, and file systems that this version does not serve are stored whole.
    pub restores: bool,
    /// Whether the documents were in this store before and were only away, as those of a store in memory while the server was
    /// stopped: their names stay as they are, though new objects may not have such names. What a dump says of itself is not
    /// enough: the text of a dump can be made up.
    pub keeps_names: bool,
    /// Whether documents that are not valid stay behind, with what refers to them, and the others are stored; else
    /// nothing is. What is stored already of those that stay behind is left as it is.
    pub skips_invalid: bool,
}

/// Documents of one kind; None: accounts.
type Part = (Option<ObjectKind>, Vec<Map<String, Value>>);

impl Dump {
    /// A dump of accounts, and of objects by their kinds.
    pub fn new(
        users: Vec<Map<String, Value>>,
        objects: impl IntoIterator<Item = (ObjectKind, Vec<Map<String, Value>>)>,
    ) -> Self {
        let of_kind = |(kind, documents): (ObjectKind, Vec<_>)| documents.into_iter().map(move |one| (kind, one));
        Self { users, objects: objects.into_iter().flat_map(of_kind).collect(), ..Self::default() }
    }

    /// What it says of its documents, without them; and the documents in parts, in the order in which they are loaded.
    pub(crate) fn into_parts(mut self) -> (Self, impl Iterator<Item = Part>) {
        let mut others = std::mem::take(&mut self.objects);
        let mut lists = Vec::new();
        for kind in ObjectKind::ALL {
            let (of_kind, rest): (Vec<_>, Vec<_>) = others.into_iter().partition(|(of, _)| *of == kind);
            others = rest;
            let documents: Vec<_> = of_kind.into_iter().map(|(_, document)| document).collect();
            lists.push((Some(kind), documents));
        }
        lists.push((None, std::mem::take(&mut self.users)));
        let parts = lists.into_iter().flat_map(|(kind, documents)| {
            let mut documents = documents.into_iter();
            std::iter::from_fn(move || {
                let part: Vec<_> = documents.by_ref().take(PART).collect();
                (!part.is_empty()).then_some((kind, part))
            })
        });
        (self, parts)
    }
}

/// The outcome of one document of a load.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The kind of the object; None: an account.
    pub kind: Option<ObjectKind>,
    /// The object's name; `users.INDEX`, from 0, for a document without one.
    pub name: String,
    /// What became of the object, or would become of it.
    pub outcome: LoadOutcome,
}

/// What a load does with one document.
#[derive(Debug, Clone, PartialEq)]
pub enum LoadOutcome {
    /// The object is new.
    Added,
    /// These fields of the stored object change.
    Updated(Vec<String>),
    /// The stored object is the same already.
    Unchanged,
    /// The object cannot be loaded, for a reason that is given in a sentence.
    Failed(String),
}

/// The outcomes so far, and what is to be stored if all accounts can be loaded.
#[derive(Default)]
pub(super) struct Plan {
    pub is_trial: bool,
    moves_in: bool,
    /// Whether the load stores accounts again that the server once stored, although it refuses logins to them now.
    is_whole: bool,
    /// Whether the documents are those of a dump of this server.
    pub restores: bool,
    /// Whether objects keep names that the server refuses for new objects.
    keeps_names: bool,
    pub skips_invalid: bool,
    /// Whether observers get what is stored.
    is_told: bool,
    pub loaded: Vec<Loaded>,
    pub changes: PlannedChanges,
    pub planned: Vec<Planned>,
    /// Groups that are stored, or about to be.
    groups: HashSet<String>,
    /// The folders, groups and roles so far.
    seen: HashSet<(ObjectKind, String)>,
    /// Folders and groups that are not valid.
    left_behind: HashSet<(ObjectKind, String)>,
}

impl Plan {
    pub fn of(dump: &Dump, is_trial: bool, is_told: bool) -> Self {
        Self {
            is_trial,
            moves_in: dump.moves_in,
            is_whole: dump.moves_in || dump.restores,
            restores: dump.restores,
            keeps_names: dump.keeps_names,
            skips_invalid: dump.skips_invalid,
            is_told: is_told && !is_trial,
            ..Self::default()
        }
    }

    /// Notes the outcome. Another object of that name may be stored here: what refers to one that stays behind would get
    /// that instead.
    pub fn note(&mut self, loaded: Loaded) {
        if let (Some(kind @ (ObjectKind::Folder | ObjectKind::Group)), LoadOutcome::Failed(_)) =
            (loaded.kind, &loaded.outcome)
        {
            self.left_behind.insert((kind, loaded.name.clone()));
        }
        self.loaded.push(loaded);
    }

    /// Why the document of an account or group stays behind although it is valid itself.
    fn reference_left_behind(&self, document: &Map<String, Value>) -> Option<String> {
        if !self.skips_invalid {
            return None;
        }
        let is_named = |(kind, name): &&(ObjectKind, String)| kind.is_referred_to(document, name);
        let (kind, name) = self.left_behind.iter().find(is_named)?;
        Some(format!("it refers to the {} \"{name}\", which could not be loaded", kind.collection().noun))
    }
}

impl Accounts {
    pub(super) async fn load_object(
        &self,
        plan: &mut Plan,
        kind: ObjectKind,
        index: usize,
        document: &Map<String, Value>,
        author: &Author,
    ) -> Result<Loaded, AccountError> {
        let merged = kind.merged(Map::new(), document);
        let stored = match merged.as_ref().ok().and_then(|merged| merged.get("name")).and_then(Value::as_str) {
            None => None,
            Some(name) => self.directory().find(kind.collection(), name).await?,
        };
        let validated = merged.map_err(|error| error.to_string()).and_then(|mut merged| {
            kind.keep_secrets(stored.as_ref(), &mut merged);
            let validated = if plan.is_whole { unserved::validated(kind, merged) } else { kind.accepted(merged) };
            validated.map_err(|error| error.to_string())
        });
        let (name, document) = match validated {
            Ok(valid) => valid,
            Err(problem) => {
                let named = document.iter().find(|(field, _)| field.eq_ignore_ascii_case("name"));
                let named = named.and_then(|(_, name)| name.as_str()).filter(|name| !name.is_empty());
                let named = named.map_or_else(|| format!("{}s.{index}", kind.collection().kind), str::to_owned);
                plan.seen.insert((kind, named.clone()));
                return Ok(failed(Some(kind), &named, problem));
            }
        };
        if !plan.seen.insert((kind, name.clone())) {
            return Ok(failed(Some(kind), &name, "it is in the document twice"));
        }
        if stored.is_none()
            && !plan.keeps_names
            && let Err(problem) = check_new_name("name", &name)
        {
            return Ok(failed(Some(kind), &name, problem));
        }
        if let Some(problem) = plan.reference_left_behind(&document) {
            return Ok(failed(Some(kind), &name, problem));
        }
        match self.plan_object(plan, kind, &name, (document, stored), author).await {
            Ok(outcome) => Ok(Loaded { kind: Some(kind), name, outcome }),
            Err(StoreError::Refused(problem)) => Ok(failed(Some(kind), &name, problem)),
            Err(StoreError::Field(problem)) => Ok(failed(Some(kind), &name, problem)),
            Err(error) => Err(error.into()),
        }
    }

    async fn plan_object(
        &self,
        plan: &mut Plan,
        kind: ObjectKind,
        name: &str,
        (document, stored): (Map<String, Value>, Option<StoredDocument>),
        author: &Author,
    ) -> Result<LoadOutcome, StoreError> {
        let outcome = match &stored {
            None => LoadOutcome::Added,
            Some(stored) => {
                let mut compared = document.clone();
                if kind == ObjectKind::Group {
                    take_folder_paths(&mut compared);
                }
                let changed = changed_of(kind.fields(), &stored.document, &compared);
                if changed.is_empty() {
                    return Ok(LoadOutcome::Unchanged);
                }
                LoadOutcome::Updated(changed.into_iter().map(str::to_owned).collect())
            }
        };
        let told = if stored.is_some() { Told::Update } else { Told::Add };
        let redacted = plan.is_told.then(|| redacted_object(document.clone()));
        let writing = ObjectWriting { directory: self.directory(), author, now: self.now() };
        let changes = writing.changes(kind, name, document, stored.as_ref(), &plan.changes).await?;
        plan.changes.extend(changes);
        let planned = |document| Planned { kind: Some(kind), told, name: name.to_owned(), document };
        plan.planned.extend(redacted.map(planned));
        Ok(outcome)
    }

    pub(super) async fn plan(
        &self,
        plan: &mut Plan,
        draft: AccountDraft,
        author: &Author,
    ) -> Result<LoadOutcome, AccountError> {
        if let Some(problem) = plan.reference_left_behind(&draft.document) {
            return Err(StoreError::Refused(problem).into());
        }
        let stored = self.stored(draft.username()).await?;
        match stored {
            None => self.plan_new(plan, draft, author).await,
            Some(stored) => self.plan_replacement(plan, draft, Arc::new(stored), author).await,
        }
    }

    async fn plan_new(
        &self,
        plan: &mut Plan,
        mut draft: AccountDraft,
        author: &Author,
    ) -> Result<LoadOutcome, AccountError> {
        if plan.moves_in {
            self.check_groups_are_there(plan, &draft).await?;
        }
        let ages = ages_in(&draft.document);
        draft.keep_maintained_fields_of(None);
        draft.keep_secrets_in(None);
        if !plan.keeps_names {
            check_new_name("username", draft.username())?;
        }
        let rule = if plan.is_whole { CredentialRule::Optional } else { CredentialRule::Required };
        let mut user = self.prepare_load(plan, draft, rule).await?;
        note_creation(&mut user, self.now());
        note_password_change(&mut user, None, self.now());
        user.other.extend(ages);
        let changes = self.writing(author).changes_to_add(&user, &plan.changes).await?;
        plan.changes.extend(changes);
        plan.planned.extend(plan.is_told.then(|| planned(Told::Add, &user)));
        Ok(LoadOutcome::Added)
    }

    /// A group that is not stored gives nothing. That of another server may have restricted the account, which must
    /// not become more open than it was.
    async fn check_groups_are_there(&self, plan: &mut Plan, draft: &AccountDraft) -> Result<(), AccountError> {
        let groups = draft.document.get("groups").and_then(Value::as_array).into_iter().flatten();
        for (index, group) in groups.enumerate() {
            let name = group.get("name").and_then(Value::as_str).unwrap_or_default();
            let kind = group.get("type").and_then(Value::as_i64).unwrap_or_default();
            let gives_something = kind == 1 || kind == 2;
            if kind == 3 || (gives_something && self.has_group(plan, name).await?) {
                continue;
            }
            let problem = match gives_something {
                true => format!("the group \"{name}\", which may restrict the account, is not there"),
                false => format!("the group \"{name}\" needs a type: 1, 2 or 3"),
            };
            return Err(AccountError::Invalid(invalid(format!("groups.{index}"), problem)));
        }
        Ok(())
    }

    async fn has_group(&self, plan: &mut Plan, name: &str) -> Result<bool, StoreError> {
        if plan.groups.contains(name) {
            return Ok(true);
        }
        let is_there =
            plan.changes.document(&GROUPS, name).is_some() || self.directory().find(&GROUPS, name).await?.is_some();
        if is_there {
            plan.groups.insert(name.to_owned());
        }
        Ok(is_there)
    }

    async fn plan_replacement(
        &self,
        plan: &mut Plan,
        mut draft: AccountDraft,
        stored: Arc<StoredDocument>,
        author: &Author,
    ) -> Result<LoadOutcome, AccountError> {
        draft.base = Some(stored.clone());
        let ages = ages_in(&draft.document);
        draft.keep_maintained_fields_in(Some(&stored.document));
        draft.keep_secrets_in(Some(&stored.document));
        let rule =
            if has_credential(&stored) && !plan.is_whole { CredentialRule::Required } else { CredentialRule::Optional };
        let mut user = self.prepare_load(plan, draft, rule).await?;
        if note_password_change(&mut user, stored.document.get("password").and_then(Value::as_str), self.now()) {
            user.other.extend(ages.into_iter().filter(|(field, _)| field == PASSWORD_AGE));
        }
        let mut given = stored_of(&user);
        let mut completed = [given.clone()];
        complete_folders(self.directory(), &mut completed).await?;
        let [completed] = completed;
        // Entries of folders need not name what the stored folders know. In an own dump the folders themselves say it.
        if plan.restores || names_no_other_directory(&given.document, &completed.document) {
            given = completed;
        }
        let changed = changed_fields(&stored.document, &given.document);
        if changed.is_empty() {
            return Ok(LoadOutcome::Unchanged);
        }
        let changed = changed.into_iter().map(str::to_owned).collect();
        let changes = self.writing(author).changes_to_replace(&mut user, &stored, &plan.changes).await?;
        plan.changes.extend(changes);
        plan.planned.extend(plan.is_told.then(|| planned(Told::Update, &user)));
        Ok(LoadOutcome::Updated(changed))
    }

    /// A trial hashes no passwords, which would take most of its time. A hash of an own dump was stored before, and is
    /// again.
    async fn prepare_load(
        &self,
        plan: &Plan,
        mut draft: AccountDraft,
        rule: CredentialRule,
    ) -> Result<User, AccountError> {
        let unserved = if plan.is_whole { unserved::take(&mut draft.document) } else { None };
        let base = draft.base.clone();
        let validated = self.validate(draft, rule)?;
        if !plan.restores {
            self.check_hash(&validated.account, base.as_deref())?;
        }
        let mut user = if plan.is_trial { validated.account } else { self.hash(validated, Waiter::SERVER).await? };
        if let Some(unserved) = unserved {
            user.filesystem = unserved;
        }
        Ok(user)
    }
}

/// The ages that a document has; 0 says that one is not known.
fn ages_in(document: &Map<String, Value>) -> Vec<(String, Value)> {
    let age = |field: &str| Some((field.to_owned(), document.get(field).filter(|at| !is_unset(at))?.clone()));
    AGES.into_iter().filter_map(age).collect()
}

/// Whether no entry of a folder names another directory than the stored folders have.
fn names_no_other_directory(given: &Map<String, Value>, completed: &Map<String, Value>) -> bool {
    let paths = |document: &Map<String, Value>| -> Vec<String> {
        let entries = document.get("virtual_folders").and_then(Value::as_array).into_iter().flatten();
        let path = |entry: &Value| entry.get("mapped_path").and_then(Value::as_str).unwrap_or_default().to_owned();
        entries.map(path).collect()
    };
    paths(given).into_iter().zip(paths(completed)).all(|(given, stored)| given.is_empty() || given == stored)
}

fn planned(told: Told, user: &User) -> Planned {
    Planned { kind: None, told, name: user.username.clone(), document: user.to_document(Audience::Redacted) }
}

/// Decodes a document; in errors, `users.INDEX` stands for an account without a name.
pub(super) fn draft_of(
    index: usize,
    mut document: Map<String, Value>,
    &Plan { restores, moves_in, .. }: &Plan,
) -> Result<AccountDraft, Loaded> {
    let named = document.get("username").and_then(Value::as_str).filter(|name| !name.is_empty());
    let named = named.map_or_else(|| format!("users.{index}"), str::to_owned);
    if restores && unknown_restriction(&document).is_some() {
        // Its logins were refused, and would not be without the restriction.
        document.insert("status".to_owned(), Value::from(0));
    }
    if !restores
        && !moves_in
        && let Err(problem) = check_given(&document)
    {
        return Err(failed(None, &named, problem));
    }
    // The dump has the folders themselves, which say where their files are.
    let folders = document.get_mut("virtual_folders").filter(|_| restores).and_then(Value::as_array_mut);
    for folder in folders.into_iter().flatten().filter_map(Value::as_object_mut) {
        folder.remove("filesystem");
    }
    let mut draft = AccountDraft::default();
    draft.merge_document(document).map_err(|error| failed(None, &named, error))?;
    if draft.username().is_empty() { Err(failed(None, &named, "it has no username")) } else { Ok(draft) }
}

pub(super) fn failed(kind: Option<ObjectKind>, name: &str, problem: impl ToString) -> Loaded {
    Loaded { kind, name: name.to_owned(), outcome: LoadOutcome::Failed(problem.to_string()) }
}

/// Whether the error is about this account alone, so that the load goes on to the others.
pub(super) fn is_about_the_account(error: &AccountError) -> bool {
    match error {
        AccountError::Invalid(_) => true,
        AccountError::Password(_) => false,
        AccountError::Store(error) => match error {
            StoreError::Field(_) | StoreError::Refused(_) | StoreError::Invalid { .. } => true,
            StoreError::Exists(_)
            | StoreError::NotFound(_)
            | StoreError::Conflict(_)
            | StoreError::Busy(_)
            | StoreError::Unavailable(_)
            | StoreError::ReadOnly(_)
            | StoreError::Full(_)
            | StoreError::Failed(_) => false,
        },
    }
}
