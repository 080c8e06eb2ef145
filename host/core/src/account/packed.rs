//! The changes of a load, put away until all of its documents were looked at: as text, and where a [`Spool`] keeps them,
//! they take next to no memory.

use std::borrow::Cow;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ObjectKind;
use crate::hook::observation::Change as Told;
use crate::ports::{
    ADMINS, API_KEYS, AuditOutcome, AuditRecord, Author, Change, ChangeParts, Collection, FOLDERS, GROUPS, ROLES,
    Spool, StoreError, TOKENS, USERS, Version, Write,
};

/// One object that is about to be stored, as observers will be told of it.
pub(crate) struct Planned {
    pub kind: Option<ObjectKind>,
    pub told: Told,
    pub document: Map<String, Value>,
    pub name: String,
}

/// Changes that were put away, in parts, and what observers are told once they are made.
pub(crate) struct PackedChanges {
    spool: Box<dyn Spool>,
    /// Of all audit records.
    author: Author,
    count: usize,
    changes: Vec<Place>,
    told: Vec<Place>,
}

/// Where a part is in the spool.
struct Place {
    from: u64,
    length: usize,
}

/// A change without its document, which has a line of its own: inside of another value it would be nested deeper, and one
/// that is nested as deep as can be read could not be read again.
#[derive(Serialize, Deserialize)]
struct PackedChange<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    write: PackedWrite,
    announce: bool,
    #[serde(borrow)]
    audit: Option<PackedAudit<'a>>,
}

#[derive(Serialize, Deserialize)]
enum PackedWrite {
    Add,
    Replace { expected: (i64, i64), reset: Vec<String> },
    Delete { expected: Option<(i64, i64)> },
    RequireUnreferenced { kind: String },
    Require { expected: (i64, i64) },
    RequireEmpty,
}

#[derive(Serialize, Deserialize)]
struct PackedAudit<'a> {
    at: i64,
    #[serde(borrow)]
    action: Cow<'a, str>,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    outcome: Cow<'a, str>,
    #[serde(borrow)]
    detail: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
struct PackedTold {
    kind: Option<String>,
    name: String,
    is_new: bool,
}

impl PackedChanges {
    /// No changes, of this author.
    pub fn new(spool: Box<dyn Spool>, author: Author) -> Self {
        Self { spool, author, count: 0, changes: Vec::new(), told: Vec::new() }
    }

    /// Puts a part away, behind the others.
    ///
    /// # Errors
    /// There is no space for it.
    pub async fn put(&mut self, changes: Vec<Change>, told: Vec<Planned>) -> Result<(), StoreError> {
        self.count += changes.len();
        let mut text = Vec::new();
        for change in changes {
            line(&mut text, &packed(&change))?;
            line(&mut text, &change.document())?;
        }
        let place = self.append(text).await?;
        self.changes.extend(place);
        let mut text = Vec::new();
        for Planned { kind, told, document, name } in told {
            let kind = kind.map(|kind| kind.collection().kind.to_owned());
            line(&mut text, &PackedTold { kind, name, is_new: told == Told::Add })?;
            line(&mut text, &document)?;
        }
        let place = self.append(text).await?;
        self.told.extend(place);
        Ok(())
    }

    async fn append(&mut self, text: Vec<u8>) -> Result<Option<Place>, StoreError> {
        if text.is_empty() {
            return Ok(None);
        }
        let place = Place { from: self.spool.length(), length: text.len() };
        self.spool.append(text).await?;
        Ok(Some(place))
    }

    /// The number of parts of what observers are told.
    pub fn told_parts(&self) -> usize {
        self.told.len()
    }

    /// A part of what observers are told.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn told(&self, index: usize) -> Result<Vec<Planned>, StoreError> {
        let place = Place::known(self.told.get(index))?;
        let text = place.whole(self.spool.fetch(place.from, place.length).await?)?;
        let mut told = Vec::new();
        for (head, document) in entries(&text) {
            let PackedTold { kind, name, is_new } = parsed(head)?;
            let kind = kind.map(|kind| object_kind(&kind)).transpose()?;
            let change = if is_new { Told::Add } else { Told::Update };
            told.push(Planned { kind, told: change, document: parsed(document)?, name });
        }
        Ok(told)
    }

    fn changes_in(&self, text: &[u8]) -> Result<Vec<Change>, StoreError> {
        entries(text).map(|(head, document)| self.unpacked(parsed(head)?, document)).collect()
    }

    fn unpacked(&self, head: PackedChange<'_>, document: &[u8]) -> Result<Change, StoreError> {
        let PackedChange { kind, name, write, announce, audit } = head;
        let collection = collection(&kind)?;
        let version = |(id, revision): (i64, i64)| Version { id, revision };
        let write = match write {
            PackedWrite::Add => Write::Add(parsed(document)?),
            PackedWrite::Replace { expected, reset } => {
                let column = |field: String| collection.column(&field).map(|column| column.field);
                let reset = reset.into_iter().filter_map(column).collect();
                Write::Replace { document: parsed(document)?, expected: version(expected), reset }
            }
            PackedWrite::Delete { expected } => Write::Delete { expected: expected.map(version) },
            PackedWrite::RequireUnreferenced { kind } => Write::RequireUnreferenced(object_kind(&kind)?),
            PackedWrite::Require { expected } => Write::Require { expected: version(expected) },
            PackedWrite::RequireEmpty => Write::RequireEmpty,
        };
        let audit = audit.map(|PackedAudit { at, action, kind, name, outcome, detail }| {
            let outcome = AuditOutcome::from_name(&outcome).ok_or_else(|| broken("an outcome is not known"))?;
            Ok::<_, StoreError>(AuditRecord {
                at,
                author: self.author.clone(),
                action: action.into_owned(),
                kind: kind.into_owned(),
                name: name.into_owned(),
                outcome,
                detail: detail.into_owned(),
            })
        });
        Ok(Change { collection, name: name.into_owned(), write, announce, audit: audit.transpose()? })
    }
}

impl Place {
    fn known(place: Option<&Self>) -> Result<&Self, StoreError> {
        place.ok_or_else(|| broken("there is no such part"))
    }

    /// The text that was read there, if nothing of it is missing.
    fn whole(&self, text: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        if text.len() == self.length { Ok(text) } else { Err(broken("a part is too short")) }
    }
}

#[async_trait]
impl ChangeParts for PackedChanges {
    fn changes(&self) -> usize {
        self.count
    }

    fn parts(&self) -> usize {
        self.changes.len()
    }

    fn part(&self, index: usize) -> Result<Vec<Change>, StoreError> {
        let place = Place::known(self.changes.get(index))?;
        self.changes_in(&place.whole(self.spool.read(place.from, place.length)?)?)
    }

    async fn fetch(&self, index: usize) -> Result<Vec<Change>, StoreError> {
        let place = Place::known(self.changes.get(index))?;
        self.changes_in(&place.whole(self.spool.fetch(place.from, place.length).await?)?)
    }
}

fn packed(change: &Change) -> PackedChange<'_> {
    let version = |version: Version| (version.id, version.revision);
    let write = match &change.write {
        Write::Add(_) => PackedWrite::Add,
        Write::Replace { expected, reset, .. } => PackedWrite::Replace {
            expected: version(*expected),
            reset: reset.iter().map(|field| (*field).to_owned()).collect(),
        },
        Write::Delete { expected } => PackedWrite::Delete { expected: expected.map(version) },
        Write::RequireUnreferenced(kind) => {
            PackedWrite::RequireUnreferenced { kind: kind.collection().kind.to_owned() }
        }
        Write::Require { expected } => PackedWrite::Require { expected: version(*expected) },
        Write::RequireEmpty => PackedWrite::RequireEmpty,
    };
    let audit = change.audit.as_ref().map(|record| PackedAudit {
        at: record.at,
        action: Cow::Borrowed(&record.action),
        kind: Cow::Borrowed(&record.kind),
        name: Cow::Borrowed(&record.name),
        outcome: Cow::Borrowed(record.outcome.as_str()),
        detail: Cow::Borrowed(&record.detail),
    });
    let (kind, name) = (Cow::Borrowed(change.collection.kind), Cow::Borrowed(change.name.as_str()));
    PackedChange { kind, name, write, announce: change.announce, audit }
}

/// JSON has no line feed in its texts.
fn line(text: &mut Vec<u8>, value: &impl Serialize) -> Result<(), StoreError> {
    serde_json::to_writer(&mut *text, value).map_err(broken)?;
    text.push(b'\n');
    Ok(())
}

/// The lines of a part, two at a time: what is said of a document, and the document.
fn entries(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut lines = text.split(|byte| *byte == b'\n');
    std::iter::from_fn(move || Some((lines.next()?, lines.next()?)))
}

fn parsed<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, StoreError> {
    serde_json::from_slice(line).map_err(broken)
}

fn collection(kind: &str) -> Result<&'static Collection, StoreError> {
    let all = [&USERS, &FOLDERS, &GROUPS, &ROLES, &ADMINS, &API_KEYS, &TOKENS];
    all.into_iter().find(|known| known.kind == kind).ok_or_else(|| broken("a collection is not known"))
}

fn object_kind(kind: &str) -> Result<ObjectKind, StoreError> {
    let found = ObjectKind::ALL.into_iter().find(|known| known.collection().kind == kind);
    found.ok_or_else(|| broken("a kind is not known"))
}

fn broken(problem: impl ToString) -> StoreError {
    let problem = problem.to_string();
    StoreError::Failed(format!("the changes of the load could not be kept: {problem}; load the dump again"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ports::{Door, TextInMemory};

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[tokio::test]
    async fn changes_come_back_as_they_were() {
        // A18-11
        let author = Author::new("root", Door::Rest);
        let change = |collection: &'static Collection, name: &str, write| Change {
            collection,
            name: name.to_owned(),
            write,
            announce: collection == &USERS,
            audit: Some(AuditRecord { detail: "a; b\n".into(), ..author.did("add", collection.kind, name, 5) }),
        };
        let mut deep = json!(1.5);
        for _ in 0..120 {
            deep = json!([deep]);
        }
        let version = Version { id: 3, revision: 9 };
        let odd =
            map(json!({"b": 1, "a": [null, true, -1, i64::MIN, u64::MAX, 0.1], "line": "\n\u{0}ü\"", "deep": deep}));
        let reset = vec!["last_quota_update"];
        let parts = [
            vec![
                change(&FOLDERS, "f\n", Write::Add(map(json!({})))),
                change(&USERS, "u", Write::Add(odd.clone())),
                Change {
                    audit: None,
                    ..change(&USERS, "v", Write::Replace { document: odd, expected: version, reset })
                },
            ],
            vec![
                change(&GROUPS, "g", Write::Require { expected: version }),
                change(&ROLES, "r", Write::RequireUnreferenced(ObjectKind::Role)),
                change(&USERS, "w", Write::Delete { expected: None }),
                change(&USERS, "x", Write::Delete { expected: Some(version) }),
            ],
        ];
        let mut packed = PackedChanges::new(Box::new(TextInMemory::default()), author.clone());
        packed.put(Vec::new(), Vec::new()).await.unwrap();
        for (index, part) in parts.iter().enumerate() {
            let told = (index == 0).then(|| Planned {
                kind: Some(ObjectKind::Folder),
                told: Told::Update,
                document: map(json!({"a": 1})),
                name: "f".to_owned(),
            });
            packed.put(part.clone(), told.into_iter().collect()).await.unwrap();
        }
        assert_eq!((packed.changes(), packed.parts(), packed.told_parts()), (7, 2, 1));
        for (index, part) in parts.iter().enumerate() {
            assert_eq!(packed.part(index).unwrap(), *part);
            assert_eq!(packed.fetch(index).await.unwrap(), *part);
        }
        let told = packed.told(0).await.unwrap();
        let [Planned { kind: Some(ObjectKind::Folder), told: Told::Update, document, name }] = &*told else { panic!() };
        assert_eq!((name.as_str(), document), ("f", &map(json!({"a": 1}))));
        assert!(packed.part(2).is_err() && packed.fetch(2).await.is_err() && packed.told(1).await.is_err());
    }
}
