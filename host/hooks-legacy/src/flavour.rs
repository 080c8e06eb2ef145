//! Which of the older server's eras, and whose names, a hook was written for (section J).

use std::fmt;

use tidegate_core::account::Audience;
use tidegate_core::hook::HookKind;

/// What a script or a web server expects of its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Compat {
    /// January 2020.
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

    /// J-03
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

/// Whose names the variables have (D-12).
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
    /// The old way of telling a URL of file actions: GET with a query (J-11).
    pub get: bool,
    /// It was granted to see and to change one-time codes and recovery codes.
    pub second_factors: bool,
}

impl Flavour {
    /// How an account is shown to hooks that decide logins.
    pub fn audience(self) -> Audience {
        if self.second_factors { Audience::Trusted } else { Audience::LoginHook }
    }
}

impl Flavour {
    /// Whether a web server that is down is told again later (B0-08). The first era told of actions
    /// once (A15-06, A15-23).
    pub fn retries(self, kind: HookKind) -> bool {
        match kind {
            HookKind::PostAction | HookKind::ObjectChanges => self.compat > Compat::Seed,
            HookKind::PostLogin | HookKind::SessionDestroy | HookKind::Disconnect | HookKind::CredentialChanged => true,
            _ => false,
        }
    }
}
