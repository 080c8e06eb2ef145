//! Where accounts of tests have their files: the same tests run on storage of every kind.

use std::ops::Deref;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::object_store::Store;
use crate::openssh_server::Sshd;
use crate::server::Site;
use crate::waiting;

/// What an account keeps its files in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A directory of the host.
    Local,
    /// A bucket, whose objects are files in a directory, and which has no directories.
    S3,
    /// A directory of another SFTP server, OpenSSH's.
    Sftp,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Local, Self::S3, Self::Sftp];
}

/// What has the files, as long as it runs.
enum Keeper {
    Host,
    Store { _store: Store },
    Server { _server: Sshd },
}

/// The directory in which an account's files are found, whatever keeps them.
pub struct Home {
    path: PathBuf,
    keeper: Keeper,
}

impl Home {
    /// Whether the name is gone. Another SFTP server may remove what was refused a moment after the client was told.
    pub fn loses(&self, name: &str) -> bool {
        let is_gone = || !self.path.join(name).exists();
        match self.keeper {
            Keeper::Host | Keeper::Store { .. } => is_gone(),
            Keeper::Server { .. } => waiting::look_for(|| is_gone().then_some(())).is_some(),
        }
    }
}

impl Deref for Home {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.path
    }
}

impl AsRef<Path> for Home {
    fn as_ref(&self) -> &Path {
        &self.path
    }
}

impl Site {
    /// An account with all permissions and the password `pw`, whose files are of this kind.
    pub fn user_of(&self, kind: Kind, name: &str, arguments: &[&str]) -> Home {
        let arguments = [&["--password", "pw"], arguments].concat();
        let (path, keeper) = match kind {
            Kind::Local => (self.user_with(name, &arguments), Keeper::Host),
            Kind::S3 => {
                let store = Store::start(self);
                let file_system = serde_json::from_str(&format!("{{{}}}", store.file_system())).unwrap();
                self.user_elsewhere(name, file_system, &arguments);
                (store.bucket.join("home"), Keeper::Store { _store: store })
            }
            Kind::Sftp => {
                let server = Sshd::start(self);
                self.user_elsewhere(name, json!({"filesystem": server.filesystem(|_| {})}), &arguments);
                (server.home(), Keeper::Server { _server: server })
            }
        };
        std::fs::create_dir_all(&path).unwrap();
        Home { path, keeper }
    }

    /// An account that has its files where `document` says.
    fn user_elsewhere(&self, name: &str, mut document: Value, arguments: &[&str]) {
        document["username"] = name.into();
        document["status"] = 1.into();
        document["permissions"] = json!({"/": ["*"]});
        let file = self.write(&format!("{name}-files.json"), document.to_string());
        self.user_with(name, &[&["--from-json", file.to_str().unwrap()], arguments].concat());
    }
}
