//! The points at which the server asks or tells hooks.

use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HookKind {
    Startup,
    Connect,
    LoginPre,
    ExternalAuth,
    PreLogin,
    CheckPassword,
    KeyboardInteractive,
    SessionCreate,
    PostLogin,
    PreAction,
    PostAction,
    SessionDestroy,
    Disconnect,
    ObjectChanges,
    CredentialChanged,
    PasswordResetPre,
    OneClickLoginPost,
}

/// Gates answer while the client waits and may refuse; observers are told and change nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    Gate,
    Observer,
}

impl HookKind {
    /// In the order in which a session meets them.
    pub const ALL: [Self; 17] = [
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
        }
    }

    /// `_` is as good as `-`: configuration formats differ in what a key may hold.
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.replace('_', "-");
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    pub fn family(self) -> Family {
        match self {
            Self::Startup
            | Self::PostLogin
            | Self::PostAction
            | Self::SessionDestroy
            | Self::Disconnect
            | Self::ObjectChanges
            | Self::CredentialChanged
            | Self::OneClickLoginPost => Family::Observer,
            _ => Family::Gate,
        }
    }

    /// How the verdicts of several links become one, in words.
    pub fn composition(self) -> &'static str {
        match self {
            Self::ExternalAuth | Self::KeyboardInteractive | Self::CheckPassword => {
                "the first verdict other than defer decides"
            }
            Self::PreLogin => "each link sees what the one before left",
            _ if self.family() == Family::Observer => "all are told",
            _ => "all must allow",
        }
    }
}

impl fmt::Display for HookKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
