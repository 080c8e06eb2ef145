//! One trait for each hook point, with one function: the interfaces of `wit/`.

use crate::{
    Account, AddressBan, AuthVerdict, Connection, Conversation, CredentialChange, Failure, FileAction,
    InteractiveVerdict, LoginAttempt, ObjectChange, PasswordVerdict, PreLoginVerdict, Review, Session, WebRequest,
};

/// Decides a login from its credentials. The first verdict other than `Defer` is final; if
/// all plugins defer, the server checks the credentials itself.
pub trait ExternalAuth {
    /// Decides one attempt.
    ///
    /// # Errors
    /// If the hook cannot decide: the server refuses the login, unless `on_error` says otherwise.
    fn authenticate(attempt: &LoginAttempt) -> Result<AuthVerdict, Failure>;
}

/// Reviews a new connection, before the first byte of the handshake.
pub trait Connect {
    /// Decides whether the connection may go on.
    ///
    /// # Errors
    /// If the hook cannot decide: the server refuses the connection, unless `on_error` says otherwise.
    fn review(connection: &Connection) -> Result<Review, Failure>;
}

/// Reviews every attempt, before any credential is checked. A denial counts as a failed login.
pub trait LoginPre {
    /// Decides whether the attempt may go on.
    ///
    /// # Errors
    /// If the hook cannot decide: the server refuses the attempt, unless `on_error` says otherwise.
    fn review(attempt: &LoginAttempt) -> Result<Review, Failure>;
}

/// Creates or changes the account just before the server checks the credentials.
pub trait PreLogin {
    /// `account`: the account as the hooks before left it; `None` if there is none of this name.
    ///
    /// # Errors
    /// If the hook cannot decide: the server refuses the login, unless `on_error` says otherwise.
    fn prepare(attempt: &LoginAttempt, account: Option<&Account>) -> Result<PreLoginVerdict, Failure>;
}

/// Checks a password before it is compared with the stored hash.
pub trait CheckPassword {
    /// Decides about one password; the first verdict other than `Defer` is final.
    ///
    /// # Errors
    /// If the hook cannot decide: the server refuses the login, unless `on_error` says otherwise.
    fn check(attempt: &LoginAttempt) -> Result<PasswordVerdict, Failure>;
}

/// Asks the user questions in one round or more (SSH method `keyboard-interactive`, RFC 4256).
pub trait KeyboardInteractive {
    /// Holds the conversation; the call is suspended while the user types.
    ///
    /// # Errors
    /// If the hook cannot decide: the server refuses the login, unless `on_error` says otherwise.
    fn converse(attempt: &LoginAttempt, conversation: &Conversation) -> Result<InteractiveVerdict, Failure>;
}

/// Reviews a login after all its checks, before its session begins.
pub trait SessionCreate {
    /// Decides whether the session may begin.
    ///
    /// # Errors
    /// If the hook cannot decide: the server refuses the login, unless `on_error` says otherwise.
    fn review(session: &Session) -> Result<Review, Failure>;
}

/// Reviews a file operation before it happens.
pub trait PreAction {
    /// Decides whether the operation may happen.
    ///
    /// # Errors
    /// If the hook cannot decide: the server refuses the operation, unless `on_error` says otherwise.
    fn review(action: &FileAction) -> Result<Review, Failure>;
}

/// Reviews a request for a new password on the web pages. The user sees the same answer whatever the verdict is.
pub trait PasswordResetPre {
    /// Decides whether the request may go on.
    ///
    /// # Errors
    /// If the hook cannot decide: the server refuses the request, unless `on_error` says otherwise.
    fn review(request: &WebRequest) -> Result<Review, Failure>;
}

/// Is told that the server starts; its listeners may not be up yet.
pub trait Startup {
    /// `server_version`: such as `0.1.0`.
    ///
    /// # Errors
    /// If the hook could not do its work; the server logs that.
    fn notify(server_version: String) -> Result<(), Failure>;
}

/// Is told that a login succeeded, failed, or ran out of time.
pub trait PostLogin {
    /// `attempt`: `None` if the client made none. `outcome`: the new session, or why there is none, for the log.
    ///
    /// # Errors
    /// If the hook could not do its work; the server logs that.
    fn notify(
        connection: &Connection,
        attempt: Option<&LoginAttempt>,
        outcome: Result<&Session, String>,
    ) -> Result<(), Failure>;
}

/// Is told that a session has ended, exactly once for each session that was created.
pub trait SessionDestroy {
    /// `reason`: `logout`, `expired`, `idle`, `admin-closed`, `server-stop` or `error`.
    ///
    /// # Errors
    /// If the hook could not do its work; the server logs that.
    fn notify(session: &Session, reason: String, duration_milliseconds: u64) -> Result<(), Failure>;
}

/// Is told that a connection has ended.
pub trait Disconnect {
    /// `session`: `None` if no login on this connection succeeded.
    ///
    /// # Errors
    /// If the hook could not do its work; the server logs that.
    fn notify(connection: &Connection, session: Option<&Session>, duration_milliseconds: u64) -> Result<(), Failure>;
}

/// Is told that a file operation was done, or failed.
pub trait PostAction {
    /// The action's `status` says whether it was done.
    ///
    /// # Errors
    /// If the hook could not do its work; the server logs that.
    fn notify(action: &FileAction) -> Result<(), Failure>;
}

/// Is told that an account, group, folder, admin or API key was added, updated or deleted.
pub trait ObjectChanges {
    /// `change`: what was changed, how, and by which actor.
    ///
    /// # Errors
    /// If the hook could not do its work; the server logs that.
    fn notify(change: &ObjectChange) -> Result<(), Failure>;
}

/// Is told that an API key or a one-time login URL was made or changed.
pub trait CredentialChanged {
    /// `change`: the key or URL, without its secret.
    ///
    /// # Errors
    /// If the hook could not do its work; the server logs that.
    fn notify(change: &CredentialChange) -> Result<(), Failure>;
}

/// Is told that a one-click login of the web pages logged a user in at another application.
pub trait OneClickLoginPost {
    /// `token`: of the login; `username`: the account; `name`: of the login, as configured.
    ///
    /// # Errors
    /// If the hook could not do its work; the server logs that.
    fn notify(token: String, username: String, name: String) -> Result<(), Failure>;
}

/// Is told that an address was banned: its score was too high, or an administrator has said so.
pub trait AddressBanned {
    /// `ban`: what is banned, why, and until when.
    ///
    /// # Errors
    /// If the hook could not do its work; the server logs that.
    fn notify(ban: &AddressBan) -> Result<(), Failure>;
}
