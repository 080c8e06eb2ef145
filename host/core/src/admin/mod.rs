//! Administration: the use cases behind every door (the control socket, the command line, and those to
//! come). Each takes an [`Actor`], checks the permission that it needs, and writes one audit record for each
//! change. A door only authenticates and translates.

mod actor;
mod audit;
mod authentication;
mod backup;
mod bans;
mod counted;
mod error;
mod hook_runs;
#[cfg(test)]
mod moving_tests;
#[cfg(test)]
mod object_tests;
mod objects;
mod plugins;
mod scans;
mod sessions;
mod storage;
#[cfg(test)]
mod user_tests;
mod users;

pub use actor::{Actor, AdminPermission, Permissions};
pub use audit::Audit;
pub use authentication::{Authentication, AuthenticationError, DoorClient, IssuedToken};
pub use backup::BackupAdministration;
pub use bans::{BanAdministration, BannedAddress};
pub use error::{AdminError, AdminErrorKind};
pub use hook_runs::HookRunAdministration;
pub use objects::{ObjectAdministration, ShownObject};
pub use plugins::{HookInventory, HookLink, PluginAdministration, PluginState};
pub use scans::ScanAdministration;
pub use sessions::SessionAdministration;
pub use storage::{CheckedFileSystem, CheckedStep, StepOutcome, StorageAdministration, StorageStep, check_storage};
pub use users::{DocumentChange, ShownUser, UserAdministration, problem_of};

use std::sync::Arc;

use crate::account::Accounts;
use crate::guard::Defender;
use crate::ports::{AuditStore, Clock, Directory, HookRunStore, UsageStore};
use crate::quota::QuotaScans;
use crate::session::SessionRegistry;

/// The most objects of a page.
const PAGE: u32 = 500;

/// All use cases, by their objects.
pub struct Administration {
    /// Accounts.
    pub users: Arc<UserAdministration>,
    /// Folders, groups and roles.
    pub objects: ObjectAdministration,
    /// Open sessions.
    pub sessions: SessionAdministration,
    /// Banned addresses.
    pub bans: BanAdministration,
    /// Quota scans.
    pub scans: ScanAdministration,
    /// The file systems of accounts.
    pub storage: StorageAdministration,
    /// Records of hook calls.
    pub hook_runs: HookRunAdministration,
    /// Hooks and plugins.
    pub plugins: PluginAdministration,
    /// Dumps and loads of all accounts.
    pub backups: BackupAdministration,
    /// Audit records.
    pub audit: Audit,
}

/// The ports and services that the use cases work on.
pub struct AdministrationPorts {
    /// The accounts.
    pub accounts: Arc<Accounts>,
    /// The store of folders, groups and roles.
    pub directory: Arc<dyn Directory>,
    /// The store of usages.
    pub usages: Arc<dyn UsageStore>,
    /// The open sessions of this server.
    pub sessions: Arc<SessionRegistry>,
    /// The scores and bans of this server.
    pub defender: Arc<Defender>,
    /// Counts used quotas again.
    pub scans: Arc<QuotaScans>,
    /// The records of hook calls.
    pub hook_runs: Arc<dyn HookRunStore>,
    /// The hooks and plugins of this server.
    pub inventory: Arc<dyn HookInventory>,
    /// The store of audit records.
    pub audit: Arc<dyn AuditStore>,
    /// Gives the times of audit records.
    pub clock: Arc<dyn Clock>,
}

impl Administration {
    /// The use cases on these ports.
    pub fn new(ports: AdministrationPorts) -> Self {
        let audit = Audit { store: ports.audit, clock: ports.clock };
        let objects = ObjectAdministration { directory: ports.directory.clone(), accounts: ports.accounts.clone() };
        let users = Arc::new(UserAdministration { accounts: ports.accounts });
        Self {
            objects,
            sessions: SessionAdministration { sessions: ports.sessions, audit: audit.clone() },
            bans: BanAdministration { defender: ports.defender, audit: audit.clone() },
            storage: StorageAdministration {
                directory: ports.scans.directory.clone(),
                storage: ports.scans.storage.clone(),
                audit: audit.clone(),
            },
            scans: ScanAdministration { scans: ports.scans, audit: audit.clone() },
            hook_runs: HookRunAdministration { runs: ports.hook_runs },
            plugins: PluginAdministration { inventory: ports.inventory, audit: audit.clone() },
            backups: BackupAdministration {
                users: users.clone(),
                directory: ports.directory,
                usages: ports.usages,
                audit: audit.clone(),
            },
            users,
            audit,
        }
    }
}
