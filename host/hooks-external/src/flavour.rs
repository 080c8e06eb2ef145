//! The era of the older server, and the dialect, for which a hook was written (section J).

use std::fmt;

use tidegate_core::account::Audience;
use tidegate_core::hook::HookKind;

/// An era: what a script or a web server expects of its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Compat {
    /// The version of January 2020.
    #[default]
    Seed,
    V1_0,
    V2_0,
    V2_4,
    Current,
}

impl Compat {
    pub const NAMES: [(&'static str, Self); 5] = [
        ("seed", Self::Seed),
        ("1.0", Self::V1_0),
        ("2.0", Self::V2_0),
        ("2.4", Self::V2_4),
        ("current", Self::Current),
    ];

    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, compat)| *compat)
    }

    /// Whether programs see the server's environment in this era, unless the operator says otherwise (J-03).
    pub fn inherits_environment(self) -> bool {
        self < Self::V2_4
    }
}

impl fmt::Display for Compat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(_, compat)| compat == self).map_or("", |(name, _)| name);
        f.write_str(name)
    }
}

/// A dialect: whose names the variables have (D-12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    #[default]
    Sftpgo,
    DirectAdmin,
}

impl Dialect {
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "sftpgo" => Some(Self::Sftpgo),
            "directadmin" => Some(Self::DirectAdmin),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flavour {
    pub compat: Compat,
    pub dialect: Dialect,
    /// Whether a URL gets file actions in the old way, by GET with a query (J-11).
    pub get: bool,
    /// Whether the hook may see and change one-time codes and recovery codes.
    pub second_factors: bool,
}

impl Flavour {
    /// How much of an account is shown to hooks that decide logins.
    pub fn audience(self) -> Audience {
        if self.second_factors { Audience::Trusted } else { Audience::LoginHook }
    }
}

impl Flavour {
    /// Whether a web server that is down gets the event again later (B0-08). The first era sent actions
    /// only once (A15-06, A15-23).
    pub fn retries(self, kind: HookKind) -> bool {
        match kind {
            HookKind::PostAction | HookKind::ObjectChanges => self.compat > Compat::Seed,
            HookKind::PostLogin
            | HookKind::SessionDestroy
            | HookKind::Disconnect
            | HookKind::CredentialChanged
            | HookKind::AddressBanned => true,
            HookKind::Startup
            | HookKind::Connect
            | HookKind::LoginPre
            | HookKind::ExternalAuth
            | HookKind::PreLogin
            | HookKind::CheckPassword
            | HookKind::KeyboardInteractive
            | HookKind::SessionCreate
            | HookKind::PreAction
            | HookKind::PasswordResetPre
            | HookKind::OneClickLoginPost => false,
        }
    }
}
