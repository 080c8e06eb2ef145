//! One trait for each hook point, with one function: the interfaces of `wit/`.

use crate::{
    Account, AuthVerdict, Connection, Conversation, CredentialChange, Failure, FileAction, InteractiveVerdict,
    LoginAttempt, ObjectChange, PasswordVerdict, PreLoginVerdict, Review, Session, WebRequest,
};

/// Decides a login from its credentials. The first verdict other than `Defer` is final; if
/// all plugins defer, the server checks the credentials itself.
pub trait ExternalAuth {
    fn authenticate(attempt: &LoginAttempt) -> Result<AuthVerdict, Failure>;
}

/// A new connection, before the first byte of the handshake.
pub trait Connect {
    fn review(connection: &Connection) -> Result<Review, Failure>;
}

/// Every attempt, before any credential is looked at. A denial counts as a failed login.
pub trait LoginPre {
    fn review(attempt: &LoginAttempt) -> Result<Review, Failure>;
}

/// Creates or changes the account just before the server checks the credentials.
pub trait PreLogin {
    /// `account`: what the plugins before left; none if nobody knows the user.
    fn prepare(attempt: &LoginAttempt, account: Option<&Account>) -> Result<PreLoginVerdict, Failure>;
}

/// Looks at a password before it is compared with the stored hash.
pub trait CheckPassword {
    fn check(attempt: &LoginAttempt) -> Result<PasswordVerdict, Failure>;
}

/// Talks with the user in as many rounds as it likes.
pub trait KeyboardInteractive {
    fn converse(attempt: &LoginAttempt, conversation: &Conversation) -> Result<InteractiveVerdict, Failure>;
}

/// After all checks of a login, before its session exists.
pub trait SessionCreate {
    fn review(session: &Session) -> Result<Review, Failure>;
}

/// Reviews a file operation before it happens.
pub trait PreAction {
    fn review(action: &FileAction) -> Result<Review, Failure>;
}

/// Somebody says to have lost the password. The answer they see is the same either way.
pub trait PasswordResetPre {
    fn review(request: &WebRequest) -> Result<Review, Failure>;
}

/// The server starts.
pub trait Startup {
    fn notify(server_version: String) -> Result<(), Failure>;
}

/// A login succeeded, failed, or ran out of time.
pub trait PostLogin {
    /// `attempt`: none if the client never tried. `outcome`: the new session, or why there is
    /// none.
    fn notify(
        connection: &Connection,
        attempt: Option<&LoginAttempt>,
        outcome: Result<&Session, String>,
    ) -> Result<(), Failure>;
}

/// A session that was created has ended; exactly once for each.
pub trait SessionDestroy {
    /// `reason`: `logout`, `expired`, `idle`, `admin-closed`, `server-stop` or `error`.
    fn notify(session: &Session, reason: String, duration_milliseconds: u64) -> Result<(), Failure>;
}

/// A connection ended.
pub trait Disconnect {
    /// `session`: none if nobody had logged in.
    fn notify(connection: &Connection, session: Option<&Session>, duration_milliseconds: u64) -> Result<(), Failure>;
}

/// A file operation was done, or failed.
pub trait PostAction {
    fn notify(action: &FileAction) -> Result<(), Failure>;
}

/// An account, group, folder, admin or API key was added, updated or deleted.
pub trait ObjectChanges {
    fn notify(change: &ObjectChange) -> Result<(), Failure>;
}

/// An API key or a one-time login URL was made or changed.
pub trait CredentialChanged {
    fn notify(change: &CredentialChange) -> Result<(), Failure>;
}

/// Somebody was logged in elsewhere by one click.
pub trait OneClickLoginPost {
    fn notify(token: String, username: String, name: String) -> Result<(), Failure>;
}
