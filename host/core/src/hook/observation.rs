//! Events of observers, whose answers change nothing.

use core::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::events::FileAction;
use super::in_order::Order;
use super::{HookEvent, HookKind, LoginAttempt, Subject};
use crate::connection::Connection;
use crate::ports::USERS;
use crate::secret::Secret;
use crate::session::{EndReason, Session};
use crate::turns::Waiter;

/// Declares an event of observers.
macro_rules! observation {
    ($name:ident, $kind:ident, $subject:expr) => {
        observation!($name, $kind, $subject, |_| None);
    };
    ($name:ident, $kind:ident, $subject:expr, $order:expr) => {
        observation!($name, $kind, $subject, $order, |event| event.subject().waiter());
    };
    ($name:ident, $kind:ident, $subject:expr, $order:expr, $waiter:expr) => {
        impl HookEvent for $name {
            type Verdict = ();
            const KIND: HookKind = HookKind::$kind;

            fn subject(&self) -> Subject<'_> {
                let subject: fn(&$name) -> Subject<'_> = $subject;
                subject(self)
            }

            fn order(&self) -> Option<Order> {
                let order: fn(&$name) -> Option<Order> = $order;
                order(self)
            }

            fn waiter(&self) -> Waiter<'_> {
                let waiter: fn(&$name) -> Waiter<'_> = $waiter;
                waiter(self)
            }

            fn label(_: &()) -> (&'static str, &str) {
                ("told", "")
            }
        }
    };
}

/// A login succeeded, failed, or ran out of time (A14).
#[derive(Debug, Clone)]
pub struct PostLogin {
    /// The connection of the client.
    pub connection: Arc<Connection>,
    /// The last attempt; None: the client made none.
    pub attempt: Option<Arc<LoginAttempt>>,
    /// The session, or why there is none: in words, for the log.
    pub outcome: Result<Arc<Session>, String>,
}

/// A session ended. There is exactly one such event for each session that hooks have created (D-03, D-04).
#[derive(Debug, Clone)]
pub struct SessionDestroy {
    /// The session.
    pub session: Arc<Session>,
    /// Why it ended.
    pub reason: EndReason,
    /// How long it lasted.
    pub duration: Duration,
}

/// A connection ended (B7-02).
#[derive(Debug, Clone)]
pub struct Disconnect {
    /// The connection.
    pub connection: Arc<Connection>,
    /// The session of the connection; None: no login was complete.
    pub session: Option<Arc<Session>>,
    /// The protocol of the channel that was opened last: `SFTP`, `SCP` or `SSH`.
    pub protocol: &'static str,
    /// How long the connection lasted.
    pub duration: Duration,
}

/// A file operation was done, or failed (A15, B10).
#[derive(Debug, Clone)]
pub struct PostAction(pub Arc<FileAction>);

/// An account, a key or a group was added, updated or deleted (A15-20, B11).
#[derive(Debug, Clone)]
pub struct ObjectChange {
    /// The kind of the object: `user`, `folder`, `group`, `admin`, `api_key`, …
    pub kind: &'static str,
    /// What was done to the object.
    pub change: Change,
    /// The name of the object.
    pub name: String,
    /// The name of the administrator or account that made the change; None: the server.
    pub actor: Option<String>,
    /// Whether what the actor changed is its own account.
    pub by_itself: bool,
    /// The role of the actor; None: it has none.
    pub actor_role: Option<String>,
    /// The address from which the change was made, if it is known.
    pub actor_address: Option<IpAddr>,
    /// When the change was made, in nanoseconds since 1970.
    pub at: i64,
    /// The object's document, without secrets: after the change, or as it was when it was deleted.
    pub object: Map<String, Value>,
}

/// What was done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was added.
    Add,
    /// It was changed.
    Update,
    /// It was deleted.
    Delete,
}

impl Change {
    /// All changes.
    pub const ALL: [Self; 3] = [Self::Add, Self::Update, Self::Delete];

    /// The name in configuration and for hooks.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// An API key or a one-time login URL was made or changed (D-07).
#[derive(Debug, Clone, Default)]
pub struct CredentialChanged {
    /// The name of the key or URL.
    pub name: String,
    /// Whether it is a one-time login URL.
    pub is_login_url: bool,
    /// Whether it existed before.
    pub modifying: bool,
    /// Its text, if it was just made; for hooks with a grant for it.
    pub key: Secret,
    /// When it expires, in seconds since 1970; 0: never.
    pub expires_at: i64,
    /// How often it may be used; 0: without limit.
    pub max_uses: u32,
    /// Operations that it allows.
    pub allow: Vec<String>,
    /// Operations that it denies.
    pub deny: Vec<String>,
    /// Addresses that it may be used from; empty: any.
    pub ips: Vec<String>,
    /// Whether its use is notified, as the hosting panel has it: 0, 1 or 2.
    pub notify: u8,
    /// The account that it belongs to.
    pub username: String,
}

/// A user was logged in to another application by one click (D-11).
#[derive(Debug, Clone, Default)]
pub struct OneClickLoginPost {
    /// The name of the login's token, which is no secret.
    pub token: String,
    /// The user.
    pub username: String,
    /// The text by which the user is logged in; for hooks with a grant for it.
    pub password: Secret,
    /// What the login is for, such as a database.
    pub name: String,
}

/// An address was banned: by its score, or by an administrator (B14).
#[derive(Debug, Clone)]
pub struct AddressBanned {
    /// The address of the client whose offence led to the ban, or that the administrator named.
    pub address: IpAddr,
    /// What is banned: an IPv4 address, or the first 64 bits of an IPv6 address as `2001:db8:1:2::/64`.
    pub network: String,
    /// `SSH` or `HTTP`: where the last offence was; None: an administrator banned the address.
    pub protocol: Option<&'static str>,
    /// The score that led to the ban; 0: an administrator banned the address.
    pub score: u32,
    /// How often each offence was counted for the score.
    pub offences: Offences,
    /// When the ban began, in milliseconds since 1970.
    pub at: i64,
    /// When the ban ends, in milliseconds since 1970.
    pub until: i64,
}

/// How often an address did what scores, since its score was last 0 (B14-03).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offences {
    /// A login was denied.
    pub login_failed: u16,
    /// There was no such account.
    pub user_not_found: u16,
    /// A connection ended without an attempt to log in.
    pub no_login_tried: u16,
    /// There were too many connections.
    pub limit_exceeded: u16,
}

/// The server starts; its services may not be up yet (B7-03).
#[derive(Debug, Clone)]
pub struct Startup {
    /// The version of the server.
    pub version: &'static str,
}

fn order_of(action: &FileAction) -> Order {
    // No other session has the address while an event has this one.
    let session = Arc::as_ptr(&action.session).addr() as u64;
    Order { session, path: action.path.clone(), target: action.target.clone() }
}

/// The turn of an object: its events come in their order, by whichever administrator it was changed.
fn turn_of(name: &str) -> Waiter<'_> {
    Waiter { account: name, ..Waiter::default() }
}

observation!(
    PostLogin,
    PostLogin,
    |event| {
        let subject = match &event.attempt {
            Some(attempt) => attempt.subject(),
            None => Subject { connection: Some(&event.connection), ..Subject::default() },
        };
        // Of a login that succeeded, the account as hooks have left it.
        let account = event.outcome.as_ref().ok().map(|session| &*session.account).or(subject.account);
        Subject { succeeded: Some(event.outcome.is_ok()), account, ..subject }
    },
    |event| Some(Order::about(event.connection.id.as_str()))
);

impl HookEvent for SessionDestroy {
    type Verdict = ();
    const KIND: HookKind = HookKind::SessionDestroy;

    fn subject(&self) -> Subject<'_> {
        self.session.subject()
    }

    fn told_before(&self) -> &[String] {
        self.session.live.told_before()
    }

    fn told(&self, hook: &str) {
        self.session.end_was_told(hook);
    }

    fn settled(&self) {
        self.session.is_settled();
    }

    fn label(_: &()) -> (&'static str, &str) {
        ("told", "")
    }
}

observation!(Disconnect, Disconnect, |event| match &event.session {
    Some(session) => session.subject(),
    None => Subject { connection: Some(&event.connection), ..Subject::default() },
});
observation!(PostAction, PostAction, |event| event.0.subject(), |event| Some(order_of(&event.0)));
observation!(
    ObjectChange,
    ObjectChanges,
    |event| Subject {
        username: (event.kind == USERS.kind).then_some(&*event.name),
        object: Some(event.kind),
        address: event.actor_address,
        action: Some(event.change.as_str()),
        ..Subject::default()
    },
    |event| Some(Order::about((event.kind, &event.name))),
    |event| turn_of(&event.name)
);
observation!(
    CredentialChanged,
    CredentialChanged,
    |event| Subject {
        username: Some(&event.username),
        action: Some(if event.modifying { Change::Update.as_str() } else { Change::Add.as_str() }),
        ..Subject::default()
    },
    |event| Some(Order::about((event.is_login_url, &event.name))),
    |event| turn_of(&event.name)
);
observation!(OneClickLoginPost, OneClickLoginPost, |event| Subject {
    username: Some(&event.username),
    ..Subject::default()
});
observation!(
    AddressBanned,
    AddressBanned,
    |event| Subject { address: Some(event.address), ..Subject::default() },
    |event| Some(Order::about(&event.network)),
    |event| turn_of(&event.network)
);
observation!(Startup, Startup, |_| Subject::default());

#[cfg(test)]
mod tests {
    use super::super::queue::{EventQueue, Next, Pushed};
    use super::*;

    fn change(kind: &'static str, name: &str, change: Change, address: Option<&str>) -> ObjectChange {
        ObjectChange {
            kind,
            change,
            name: name.to_owned(),
            actor: None,
            by_itself: false,
            actor_role: None,
            actor_address: address.map(|address| address.parse().unwrap()),
            at: 0,
            object: Map::new(),
        }
    }

    #[test]
    fn changes_of_an_object_come_in_their_order_from_all_authors() {
        // B10-15
        let changes = [
            change("user", "ann", Change::Add, None),
            change("folder", "ann", Change::Add, None),
            change("user", "ann", Change::Update, Some("192.0.2.1")),
            change("user", "bob", Change::Add, None),
            change("user", "ann", Change::Delete, Some("2001:db8::1")),
        ];
        let queue = EventQueue::new();
        changes.into_iter().for_each(|change| assert_eq!(queue.push(change), Pushed::Waits));
        let mut rounds = Vec::new();
        loop {
            let mut taken = Vec::new();
            while let Next::Event(event, turn) = queue.next(64) {
                taken.push((format!("{} {} {}", event.kind, event.name, event.change.as_str()), turn));
            }
            if taken.is_empty() {
                break;
            }
            let mut names: Vec<_> = taken.iter().map(|(name, _)| name.clone()).collect();
            names.sort_unstable();
            rounds.push(names.join(", "));
            taken.into_iter().for_each(|(_, turn)| turn.told());
        }
        assert_eq!(rounds, ["folder ann add, user ann add, user bob add", "user ann update", "user ann delete"]);
    }
}
