//! Who changed what.

use core::net::IpAddr;

use async_trait::async_trait;

use super::StoreError;

/// The way by which a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Door {
    /// The command line, without a running server.
    Cli,
    /// The control socket of a running server.
    Socket,
    Rest,
    Web,
    /// The answer of a hook.
    Hook,
    /// The server itself.
    System,
}

impl Door {
    pub const ALL: [Self; 6] = [Self::Cli, Self::Socket, Self::Rest, Self::Web, Self::Hook, Self::System];

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

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|door| door.as_str() == name)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuditOutcome {
    Done,
    /// By permissions, or because the request was wrong.
    Refused,
    Failed,
}

impl AuditOutcome {
    pub const ALL: [Self; 3] = [Self::Done, Self::Refused, Self::Failed];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == name)
    }
}

/// Who makes a change, from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// An administrator, a user of the host, or the user whose login a hook answered; empty for the server.
    pub name: String,
    pub door: Door,
    pub address: Option<IpAddr>,
}

impl Author {
    pub fn new(name: impl Into<String>, door: Door) -> Self {
        Self { name: name.into(), door, address: None }
    }

    /// The server itself.
    pub fn system() -> Self {
        Self::new("", Door::System)
    }

    /// A record of something that was done.
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

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// Milliseconds since 1970.
    pub at: i64,
    pub author: Author,
    /// `add`, `update`, `delete`, `load`, `close`, `scan`, …
    pub action: String,
    /// Of the object: `user`, `folder`, `session`, …
    pub kind: String,
    pub name: String,
    pub outcome: AuditOutcome,
    /// Never a secret; such as the names of the fields that were changed.
    pub detail: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAudit {
    /// Rises with each record.
    pub id: i64,
    pub record: AuditRecord,
    /// That the change made; none: there was no change of a document.
    pub revision: Option<i64>,
}

/// Which records; each that is set has to fit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditQuery {
    /// Only records with a smaller id.
    pub before: Option<i64>,
    pub author: Option<String>,
    pub kind: Option<String>,
    pub name: Option<String>,
    pub limit: u32,
}

/// Records of changes are written with them, by [`Directory::commit`](super::Directory::commit).
#[async_trait]
pub trait AuditStore: Send + Sync {
    /// Of what changes no document.
    async fn append_audit(&self, records: Vec<AuditRecord>) -> Result<(), StoreError>;

    /// The newest first.
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
}
