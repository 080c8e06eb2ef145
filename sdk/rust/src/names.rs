//! The names of the contract's enumerations, for messages.

use crate::{ActionKind, ChangeKind, ObjectKind};

impl ActionKind {
    /// The name in the contract, such as `first-upload`.
    pub fn name(&self) -> &str {
        match self {
            Self::Download => "download",
            Self::FirstDownload => "first-download",
            Self::Upload => "upload",
            Self::FirstUpload => "first-upload",
            Self::Delete => "delete",
            Self::Rename => "rename",
            Self::Copy => "copy",
            Self::Mkdir => "mkdir",
            Self::Rmdir => "rmdir",
            Self::SshCommand => "ssh-command",
            Self::Other(name) => name,
        }
    }
}

impl ObjectKind {
    /// The name in the contract, such as `api-key`.
    pub fn name(&self) -> &str {
        match self {
            Self::Account => "account",
            Self::Group => "group",
            Self::Folder => "folder",
            Self::Admin => "admin",
            Self::ApiKey => "api-key",
            Self::Other(name) => name,
        }
    }
}

impl ChangeKind {
    /// The name in the contract: `add`, `update` or `delete`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}
