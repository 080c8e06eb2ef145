//! Administration: the use cases behind every door (the control socket, the command line, and
//! what comes next). Each takes an [`Actor`], asks for the permission that it needs, and writes one
//! audit record for what it changes. A door authenticates and translates, and does nothing else.

mod actor;
mod audit;
mod backup;
mod error;
mod folders;
mod hook_runs;
mod plugins;
mod scans;
mod sessions;
#[cfg(test)]
mod user_tests;
mod users;

pub use actor::{Actor, AdminPermission, Permissions};
pub use audit::Audit;
pub use backup::BackupAdministration;
pub use error::{AdminError, AdminErrorKind};
pub use folders::FolderAdministration;
pub use hook_runs::HookRunAdministration;
pub use plugins::{HookInventory, HookLink, PluginAdministration, PluginState};
pub use scans::ScanAdministration;
pub use sessions::SessionAdministration;
pub use users::{ShownUser, UserAdministration, UserChange, problem_of};

use std::sync::Arc;

use crate::account::Accounts;
use crate::ports::{AuditStore, Clock, Directory, HookRunStore};
use crate::quota::QuotaScans;
use crate::session::SessionRegistry;

/// All use cases, by what they are about.
pub struct Administration {
    pub users: Arc<UserAdministration>,
    pub folders: FolderAdministration,
    pub sessions: SessionAdministration,
    pub scans: ScanAdministration,
    pub hook_runs: HookRunAdministration,
    pub plugins: PluginAdministration,
    pub backups: BackupAdministration,
    pub audit: Audit,
}

/// What the use cases are carried out on.
pub struct AdministrationPorts {
    pub accounts: Arc<Accounts>,
    pub directory: Arc<dyn Directory>,
    pub sessions: Arc<SessionRegistry>,
    pub scans: Arc<QuotaScans>,
    pub hook_runs: Arc<dyn HookRunStore>,
    pub inventory: Arc<dyn HookInventory>,
    pub audit: Arc<dyn AuditStore>,
    pub clock: Arc<dyn Clock>,
}

impl Administration {
    pub fn new(ports: AdministrationPorts) -> Self {
        let audit = Audit { store: ports.audit, clock: ports.clock };
        let users = Arc::new(UserAdministration { accounts: ports.accounts });
        Self {
            folders: FolderAdministration { directory: ports.directory },
            sessions: SessionAdministration { sessions: ports.sessions, audit: audit.clone() },
            scans: ScanAdministration { scans: ports.scans, audit: audit.clone() },
            hook_runs: HookRunAdministration { runs: ports.hook_runs },
            plugins: PluginAdministration { inventory: ports.inventory, audit: audit.clone() },
            backups: BackupAdministration { users: users.clone(), audit: audit.clone() },
            users,
            audit,
        }
    }
}
