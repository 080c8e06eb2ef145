//! The hook points: the moments at which the server asks or tells hooks.

use std::fmt;

/// A hook point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HookKind {
    /// The server starts (B7-03).
    Startup,
    /// A client has connected; before the handshake (B7-01).
    Connect,
    /// An attempt to log in begins; before any credential (D-05).
    LoginPre,
    /// The credential of an attempt is to be decided (A11, B2).
    ExternalAuth,
    /// The account of an attempt may be made or changed (A13, B3).
    PreLogin,
    /// A password is about to be compared (B5).
    CheckPassword,
    /// A user may be asked questions (A12, B4).
    KeyboardInteractive,
    /// A login has passed all checks, and its session is about to begin (D-01).
    SessionCreate,
    /// An attempt to log in has ended (A14).
    PostLogin,
    /// A file operation is about to happen (B10-05).
    PreAction,
    /// A file operation has ended (A15, B10).
    PostAction,
    /// A session has ended (D-03).
    SessionDestroy,
    /// A connection has ended (B7-02).
    Disconnect,
    /// An account or another object was added, changed or deleted (A15-20, B11).
    ObjectChanges,
    /// An API key or a one-time login URL was made or changed (D-07).
    CredentialChanged,
    /// A user asks for a new password on the web pages (D-10).
    PasswordResetPre,
    /// A user was logged in to another application (D-11).
    OneClickLoginPost,
    /// An address was banned (B14).
    AddressBanned,
}

/// The two kinds of hook points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Hooks answer while the client waits, and may deny.
    Gate,
    /// Hooks get events afterwards.
    Observer,
}

impl HookKind {
    /// All hook points, in the order in which a session meets them.
    pub const ALL: [Self; 18] = [
        Self::Startup,
        Self::Connect,
        Self::LoginPre,
        Self::ExternalAuth,
        Self::PreLogin,
        Self::KeyboardInteractive,
        Self::CheckPassword,
        Self::SessionCreate,
        Self::PostLogin,
        Self::PreAction,
        Self::PostAction,
        Self::SessionDestroy,
        Self::Disconnect,
        Self::ObjectChanges,
        Self::CredentialChanged,
        Self::PasswordResetPre,
        Self::OneClickLoginPost,
        Self::AddressBanned,
    ];

    /// The name in configuration, logs and the WIT package.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Connect => "connect",
            Self::LoginPre => "login-pre",
            Self::ExternalAuth => "external-auth",
            Self::PreLogin => "pre-login",
            Self::CheckPassword => "check-password",
            Self::KeyboardInteractive => "keyboard-interactive",
            Self::SessionCreate => "session-create",
            Self::PostLogin => "post-login",
            Self::PreAction => "pre-action",
            Self::PostAction => "post-action",
            Self::SessionDestroy => "session-destroy",
            Self::Disconnect => "disconnect",
            Self::ObjectChanges => "object-changes",
            Self::CredentialChanged => "credential-changed",
            Self::PasswordResetPre => "password-reset-pre",
            Self::OneClickLoginPost => "one-click-login-post",
            Self::AddressBanned => "address-banned",
        }
    }

    /// The hook point of that name. `_` counts as `-`, because not all configuration formats allow `-` in keys.
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.replace('_', "-");
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Whether hooks of the point are asked or told.
    pub fn family(self) -> Family {
        match self {
            Self::Startup
            | Self::PostLogin
            | Self::PostAction
            | Self::SessionDestroy
            | Self::Disconnect
            | Self::ObjectChanges
            | Self::CredentialChanged
            | Self::OneClickLoginPost
            | Self::AddressBanned => Family::Observer,
            Self::Connect
            | Self::LoginPre
            | Self::ExternalAuth
            | Self::PreLogin
            | Self::CheckPassword
            | Self::KeyboardInteractive
            | Self::SessionCreate
            | Self::PreAction
            | Self::PasswordResetPre => Family::Gate,
        }
    }

    /// Whether a verdict of the point can prove who a user is. A failure of such a hook never counts as an approval
    /// unless the operator writes that it is unsafe (B17-01, B17-02).
    pub fn proves_users(self) -> bool {
        match self {
            Self::ExternalAuth | Self::PreLogin | Self::CheckPassword | Self::KeyboardInteractive => true,
            Self::Startup
            | Self::Connect
            | Self::LoginPre
            | Self::SessionCreate
            | Self::PostLogin
            | Self::PreAction
            | Self::PostAction
            | Self::SessionDestroy
            | Self::Disconnect
            | Self::ObjectChanges
            | Self::CredentialChanged
            | Self::PasswordResetPre
            | Self::OneClickLoginPost
            | Self::AddressBanned => false,
        }
    }

    /// Whether a verdict of the point can have an account, for which the hook needs rights (G-05).
    pub fn makes_accounts(self) -> bool {
        match self {
            Self::ExternalAuth | Self::PreLogin | Self::KeyboardInteractive => true,
            Self::Startup
            | Self::Connect
            | Self::LoginPre
            | Self::CheckPassword
            | Self::SessionCreate
            | Self::PostLogin
            | Self::PreAction
            | Self::PostAction
            | Self::SessionDestroy
            | Self::Disconnect
            | Self::ObjectChanges
            | Self::CredentialChanged
            | Self::PasswordResetPre
            | Self::OneClickLoginPost
            | Self::AddressBanned => false,
        }
    }

    /// How the verdicts of several links become one, in words for people.
    pub fn composition(self) -> &'static str {
        match self {
            Self::ExternalAuth | Self::KeyboardInteractive | Self::CheckPassword => {
                "the first verdict other than defer decides"
            }
            Self::PreLogin => "each link gets the result of the link before it",
            Self::Connect | Self::LoginPre | Self::SessionCreate | Self::PreAction | Self::PasswordResetPre => {
                "all must allow"
            }
            Self::Startup
            | Self::PostLogin
            | Self::PostAction
            | Self::SessionDestroy
            | Self::Disconnect
            | Self::ObjectChanges
            | Self::CredentialChanged
            | Self::OneClickLoginPost
            | Self::AddressBanned => "all get the event",
        }
    }
}

impl fmt::Display for HookKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
