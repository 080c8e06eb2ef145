//! Audit records: which author changed which object.

use core::net::IpAddr;

use async_trait::async_trait;

use super::StoreError;

/// The records that a store keeps; older ones are dropped.
pub const AUDIT_KEPT: i64 = 100_000;

/// Between the parts of a detail.
pub const DETAIL_SEPARATOR: &str = "; ";

/// The way in which administration is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Door {
    /// The command line, without a running server.
    Cli,
    /// The control socket of a running server.
    Socket,
    /// The REST interface.
    Rest,
    /// The web pages.
    Web,
    /// The answer of a hook.
    Hook,
    /// The server itself.
    System,
}

impl Door {
    /// Every door.
    pub const ALL: [Self; 6] = [Self::Cli, Self::Socket, Self::Rest, Self::Web, Self::Hook, Self::System];

    /// The name in stores and documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cli => "cli",
            Self::Socket => "socket",
            Self::Rest => "rest",
            Self::Web => "web",
            Self::Hook => "hook",
            Self::System => "system",
        }
    }

    /// The door with this [name](Self::as_str).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|door| door.as_str() == name)
    }
}

/// How a request for a change ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuditOutcome {
    /// The change was made.
    Done,
    /// The actor lacks the permission, or the request was wrong.
    Refused,
    /// An error of the server or its store.
    Failed,
}

impl AuditOutcome {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Done, Self::Refused, Self::Failed];

    /// The name in stores and documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    /// The outcome with this [name](Self::as_str).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == name)
    }
}

/// The author of a change: a name, a door and an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The name of an administrator, of a user of the host, or of the user whose login a hook answered; empty
    /// for the server itself.
    pub name: String,
    /// The way in which the change was asked for.
    pub door: Door,
    /// The author's address; none on the host itself.
    pub address: Option<IpAddr>,
    /// The role of the administrator or account, for hooks; records do not keep it.
    pub role: Option<String>,
    /// Whether what the author changes is its own account, for hooks; records do not keep it.
    pub is_self: bool,
}

impl Author {
    /// An author without an address and a role, who changes what is not its own account.
    pub fn new(name: impl Into<String>, door: Door) -> Self {
        Self { name: name.into(), door, address: None, role: None, is_self: false }
    }

    /// The server itself.
    pub fn system() -> Self {
        Self::new("", Door::System)
    }

    /// A record, with the outcome `Done` and no detail, of what the author did to the object of that kind and
    /// name. `at`: milliseconds since 1970.
    pub fn did(&self, action: &str, kind: &str, name: &str, at: i64) -> AuditRecord {
        AuditRecord {
            at,
            author: self.clone(),
            action: action.to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
            outcome: AuditOutcome::Done,
            detail: String::new(),
        }
    }
}

/// What is kept of one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// Milliseconds since 1970.
    pub at: i64,
    /// The author of the change.
    pub author: Author,
    /// `add`, `update`, `delete`, `load`, `close`, `scan`, …
    pub action: String,
    /// The kind of the object: `user`, `folder`, `session`, …
    pub kind: String,
    /// The name of the object, or the id of a session.
    pub name: String,
    /// How the request ended.
    pub outcome: AuditOutcome,
    /// More about the change, such as the names of the fields that it set; never a secret.
    pub detail: String,
}

impl AuditRecord {
    /// The parts of the detail, each of which says one thing. Of a refusal it is one text, whatever that repeats.
    pub fn parts(&self) -> Vec<&str> {
        match self.outcome {
            AuditOutcome::Done => self.detail.split(DETAIL_SEPARATOR).collect(),
            AuditOutcome::Refused | AuditOutcome::Failed => vec![self.detail.as_str()],
        }
    }
}

/// A text as a part of a detail: nothing in it looks like the end of the part. The escape is that of JSON, which the
/// values in details are.
pub fn detail_part(text: &str) -> String {
    text.replace(DETAIL_SEPARATOR, "\\u003b ")
}

/// An audit record as a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAudit {
    /// Rises with each record.
    pub id: i64,
    /// The record as it was appended.
    pub record: AuditRecord,
    /// The revision that the change gave to the document; none if it changed no document.
    pub revision: Option<i64>,
}

/// Selects audit records; each field that is set has to match.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditQuery {
    /// Only records with a smaller id.
    pub before: Option<i64>,
    /// Only records with a greater id.
    pub after: Option<i64>,
    /// Only records of that time or later, in milliseconds since 1970.
    pub since: Option<i64>,
    /// Only records of an earlier time, in milliseconds since 1970.
    pub until: Option<i64>,
    /// What was done, one of these; none: whatever it was.
    pub actions: Vec<String>,
    /// How the request ended.
    pub outcome: Option<AuditOutcome>,
    /// The author's address.
    pub address: Option<IpAddr>,
    /// The author's name.
    pub author: Option<String>,
    /// The kind of the object, one of these; none: of any kind.
    pub kinds: Vec<String>,
    /// The name of the object.
    pub name: Option<String>,
    /// Whether the oldest of them are given, and come first.
    pub oldest_first: bool,
    /// The most records to give.
    pub limit: u32,
}

impl AuditQuery {
    /// Whether the record matches; the limit is not looked at.
    pub fn lets_through(&self, stored: &StoredAudit) -> bool {
        let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        let is_one = |wanted: &[String], found: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == found);
        let record = &stored.record;
        self.before.is_none_or(|before| stored.id < before)
            && self.after.is_none_or(|after| stored.id > after)
            && self.since.is_none_or(|since| record.at >= since)
            && self.until.is_none_or(|until| record.at < until)
            && self.outcome.is_none_or(|outcome| record.outcome == outcome)
            && self.address.is_none_or(|address| record.author.address == Some(address))
            && is(&self.author, &record.author.name)
            && is_one(&self.actions, &record.action)
            && is_one(&self.kinds, &record.kind)
            && is(&self.name, &record.name)
    }
}

/// The audit log. Records of changes to documents are written with the change, by
/// [`Directory::commit`](super::Directory::commit).
#[async_trait]
pub trait AuditStore: Send + Sync {
    /// Appends records of actions that change no document.
    ///
    /// # Errors
    /// As those of [`Directory`](super::Directory) that write.
    async fn append_audit(&self, records: Vec<AuditRecord>) -> Result<(), StoreError>;

    /// The newest records that match, the newest first, unless the query wants the oldest.
    ///
    /// # Errors
    /// `Busy`, `Unavailable` and `Failed`.
    async fn audit(&self, query: AuditQuery) -> Result<Vec<StoredAudit>, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        assert!(Door::ALL.into_iter().all(|door| Door::from_name(door.as_str()) == Some(door)));
        assert!(
            AuditOutcome::ALL.into_iter().all(|outcome| AuditOutcome::from_name(outcome.as_str()) == Some(outcome))
        );
    }

    #[test]
    fn parts_of_details_are_those_that_were_put_together() {
        let check = |outcome, texts: &[&str], expected: &[&str]| {
            let detail = texts.iter().map(|text| detail_part(text)).collect::<Vec<_>>().join(DETAIL_SEPARATOR);
            let record = Author::system().did("update", "user", "a", 1);
            assert_eq!(AuditRecord { detail, outcome, ..record }.parts(), expected, "{texts:?}");
        };
        let done = AuditOutcome::Done;
        check(done, &["a: 1 -> 2", "b: changed"], &["a: 1 -> 2", "b: changed"]);
        check(done, &["a: \"x; b: 1 -> 2\"", "c;"], &["a: \"x\\u003b b: 1 -> 2\"", "c;"]);
        check(done, &["a;b", ";; ", "c"], &["a;b", ";\\u003b ", "c"]);
        check(done, &[], &[""]);
        let refusal = ["there is no \"x\"", "a: 1 -> 2"];
        check(AuditOutcome::Refused, &refusal, &["there is no \"x\"; a: 1 -> 2"]);
    }
}
