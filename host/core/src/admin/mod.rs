//! Administration: the use cases behind every door (the control socket, the command line, and those to
//! come). Each takes an [`Actor`], checks the permission that it needs, and writes one audit record for each
//! change. A door only authenticates and translates.

mod acting;
#[cfg(test)]
mod acting_tests;
mod actor;
mod admin_changes;
mod admin_codes;
mod admin_document;
mod administrators;
mod api_keys;
mod audit;
mod authentication;
#[cfg(test)]
mod authentication_tests;
#[cfg(test)]
mod author_tests;
mod backup;
mod backup_room;
mod bans;
mod before_logins;
#[cfg(test)]
mod before_logins_tests;
mod counted;
#[cfg(test)]
mod credential_tests;
mod credential_text;
mod credentials;
mod effective;
mod error;
mod file_events;
mod first_administrator;
#[cfg(test)]
mod first_administrator_tests;
mod hook_runs;
mod hook_trials;
mod key_document;
mod known_credentials;
#[cfg(test)]
mod known_credentials_tests;
mod login_links;
mod moved_administrators;
#[cfg(test)]
mod moving_tests;
mod object_changes;
#[cfg(test)]
mod object_tests;
mod objects;
mod own_account;
mod own_changes;
mod own_codes;
mod own_confirmation;
mod parsed_size;
#[cfg(test)]
mod password_reset_tests;
mod password_resets;
mod plugins;
mod reach;
#[cfg(test)]
mod reach_tests;
#[cfg(test)]
mod record_tests;
mod scans;
mod session_claims;
mod session_forecast;
mod sessions;
mod status;
mod storage;
mod tokens;
mod told_logins;
mod use_case;
#[cfg(test)]
mod use_case_tests;
mod user_changes;
mod user_codes;
mod user_credential;
mod user_policy;
#[cfg(test)]
mod user_reset_tests;
mod user_sessions;
#[cfg(test)]
mod user_tests;
mod users;
#[cfg(test)]
mod web_session_tests;
mod web_sessions;

pub use actor::{Actor, AdminPermission, Identity, KeyScope, Permissions};
pub use admin_codes::NewCodes;
pub use admin_document::ADMIN_OBJECT;
pub use administrators::{Administrators, PasswordTries};
pub use api_keys::{ApiKeys, NewKey};
pub use audit::Audit;
pub use authentication::{Authentication, AuthenticationError, DoorClient, IssuedToken, login_at_door};
pub use backup::{BackupAdministration, BackupLoad};
pub use backup_room::{BackupPlace, BackupRoom};
pub use bans::{BanAdministration, BannedAddress, ExemptNetworks, ScoredAddress};
pub use before_logins::{BeforeLogins, LoginPreScope};
pub use credentials::CredentialAdministration;
pub use effective::{GivingGroup, ShownEffective};
pub use error::{AdminError, AdminErrorKind};
pub use file_events::FileEventAdministration;
pub use first_administrator::{FirstAdministrator, FirstAdministratorError};
pub use hook_runs::HookRunAdministration;
pub use hook_trials::{ExplainedPoint, InventoryError, LoginExplanation, LoginQuestion, SignedPlugin};
pub use key_document::KEY_OBJECT;
pub use login_links::{LinkWish, LoginLinks, NewLink, ShownLink};
pub use moved_administrators::{MovedAdministrator, moved_administrator};
pub use objects::{ObjectAdministration, ShownObject};
pub use own_account::{OwnAccount, Person};
pub use own_changes::OwnChange;
pub use own_confirmation::{Confirmation, NeededConfirmation};
pub use password_resets::{PasswordOwner, PasswordResets, Requests, ResetError, TakenRequest};
pub use plugins::{HookInventory, HookLink, KeptValue, PluginAdministration, PluginDetails, PluginState};
pub use scans::ScanAdministration;
pub use session_forecast::{SessionForecast, SessionForecasts};
pub use sessions::SessionAdministration;
pub use status::StatusAdministration;
pub use storage::{
    CheckedFileSystem, CheckedStep, StepOutcome, StorageAdministration, StorageStep, SweptFileSystem, check_storage,
};
pub use tokens::{ShownToken, Tokens};
pub use use_case::{Reach, UseCase};
pub use user_changes::{ExpectedUser, UserEdit};
pub use user_codes::UserCodes;
pub use user_policy::UserPolicy;
pub use user_sessions::{UserActor, UserSessions};
pub use users::{DocumentChange, ShownUser, UserAdministration, problem_of};
pub use web_sessions::{SessionHooks, WebSessions};

use std::sync::Arc;

use crate::account::{Accounts, AddressRule};
use crate::file_history::FileHistory;
use crate::guard::Defender;
use crate::hook::observation::{CredentialChanged, OneClickLoginPost, PostLogin};
use crate::hook::review::{LoginPre, PasswordResetPre};
use crate::hook::{Chain, Observers};
use crate::login::{ExternalAuthCache, OneTimeCodes};
use crate::ports::{AuditStore, Clock, Directory, HookRunStore, Passwords, Spools, UsageStore};
use crate::quota::QuotaScans;
use crate::session::SessionRegistry;

/// The most objects of a page.
const PAGE: u32 = 500;
/// The most objects that one request lists: a page, and one by which it is known that there are more.
const PAGE_AND_ONE: u32 = PAGE + 1;

/// All use cases, by their objects.
pub struct Administration {
    /// Accounts.
    pub users: Arc<UserAdministration>,
    /// Folders, groups and roles.
    pub objects: ObjectAdministration,
    /// Open sessions.
    pub sessions: SessionAdministration,
    /// What changes would do to open sessions.
    pub forecasts: SessionForecasts,
    /// Banned addresses.
    pub bans: BanAdministration,
    /// Credentials that external authentication has decided about.
    pub credentials: CredentialAdministration,
    /// Quota scans.
    pub scans: ScanAdministration,
    /// The file systems of accounts.
    pub storage: StorageAdministration,
    /// Records of hook calls.
    pub hook_runs: HookRunAdministration,
    /// What sessions did to files.
    pub file_events: FileEventAdministration,
    /// Hooks and plugins.
    pub plugins: PluginAdministration,
    /// Dumps and loads of all accounts.
    pub backups: BackupAdministration,
    /// Administrators.
    pub admins: Administrators,
    /// The first of them, where there is none.
    pub first_administrator: FirstAdministrator,
    /// API keys.
    pub api_keys: ApiKeys,
    /// Tokens of administrators.
    pub tokens: Arc<Tokens>,
    /// Sessions of browsers, and of users at the doors over HTTP.
    pub web_sessions: Arc<WebSessions>,
    /// Users at the doors over HTTP.
    pub user_sessions: Arc<UserSessions>,
    /// What users do with their own account.
    pub own: OwnAccount,
    /// Login links.
    pub login_links: LoginLinks,
    /// Lost passwords.
    pub password_resets: PasswordResets,
    /// Makes actors of credentials.
    pub authentication: Authentication,
    /// Audit records.
    pub audit: Audit,
    /// The state of the server.
    pub status: StatusAdministration,
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
    /// What external authentication has decided a short time ago.
    pub external_auth_cache: Arc<ExternalAuthCache>,
    /// Checks the one-time codes of users: that of the logins over SSH, where this process has them.
    pub one_time_codes: Arc<OneTimeCodes>,
    /// Counts used quotas again.
    pub scans: Arc<QuotaScans>,
    /// The records of hook calls.
    pub hook_runs: Arc<dyn HookRunStore>,
    /// What sessions of this server did to files.
    pub file_history: Arc<FileHistory>,
    /// The hooks and plugins of this server.
    pub inventory: Arc<dyn HookInventory>,
    /// The store of audit records.
    pub audit: Arc<dyn AuditStore>,
    /// Where texts are kept that are too large for memory.
    pub spools: Arc<dyn Spools>,
    /// Hashes and compares the passwords of administrators.
    pub passwords: Arc<dyn Passwords>,
    /// Hooks that are asked about requests for a lost password; None: there are none.
    pub password_resets: Option<Arc<Chain<PasswordResetPre>>>,
    /// Observers of API keys and login links that are made or changed; None: there are none.
    pub credential_changes: Option<Arc<Observers<CredentialChanged>>>,
    /// Observers of logins by one click; None: there are none.
    pub one_click_logins: Option<Arc<Observers<OneClickLoginPost>>>,
    /// Hooks that are asked before the server checks credentials; None: there are none.
    pub login_pre: Option<Arc<Chain<LoginPre>>>,
    /// Observers of the logins of users; None: there are none.
    pub post_login: Option<Arc<Observers<PostLogin>>>,
    /// The requests that hooks of `login_pre` are asked about.
    pub login_pre_scope: LoginPreScope,
    /// The hooks that decide about web sessions and observe them; None: this process calls none.
    pub session_hooks: Option<SessionHooks>,
    /// Decides about an address that an account both allows and denies.
    pub address_rule: AddressRule,
    /// Gives the times of audit records, and that of one-time codes and expiries.
    pub clock: Arc<dyn Clock>,
}

impl Administration {
    /// The use cases on these ports.
    pub fn new(ports: AdministrationPorts) -> Self {
        let audit = Audit::new(ports.audit, ports.clock.clone());
        let (directory, clock) = (ports.directory.clone(), ports.clock.clone());
        let web_sessions = WebSessions::new(directory, ports.accounts.clone(), clock, ports.session_hooks);
        let web_sessions = Arc::new(web_sessions);
        let (directory, clock) = (ports.directory.clone(), ports.clock.clone());
        let tokens = Arc::new(Tokens::new(directory, audit.clone(), clock, web_sessions.clone()));
        let objects = ObjectAdministration {
            directory: ports.directory.clone(),
            accounts: ports.accounts.clone(),
            audit: audit.clone(),
        };
        let users = Arc::new(UserAdministration { accounts: ports.accounts.clone(), audit: audit.clone() });
        let admins = Administrators {
            directory: ports.directory.clone(),
            passwords: ports.passwords.clone(),
            accounts: ports.accounts.clone(),
            audit: audit.clone(),
            clock: ports.clock.clone(),
            defender: ports.defender.clone(),
            tries: Arc::default(),
        };
        let before = BeforeLogins {
            hooks: ports.login_pre,
            scope: ports.login_pre_scope,
            defender: ports.defender.clone(),
            audit: audit.clone(),
        };
        let policy = Arc::new(UserPolicy {
            accounts: ports.accounts.clone(),
            inventory: ports.inventory.clone(),
            passwords: ports.passwords.clone(),
            address_rule: ports.address_rule,
            clock: ports.clock.clone(),
        });
        let forecasts = SessionForecasts {
            users: users.clone(),
            directory: ports.directory.clone(),
            sessions: ports.sessions.clone(),
            audit: audit.clone(),
            address_rule: ports.address_rule,
            clock: ports.clock.clone(),
        };
        let codes = Arc::new(UserCodes::new(ports.accounts.clone(), ports.one_time_codes, ports.clock.clone()));
        let password_resets = PasswordResets {
            directory: ports.directory.clone(),
            admins: admins.clone(),
            users: users.clone(),
            policy: policy.clone(),
            hooks: ports.password_resets,
            before: before.clone(),
            audit: audit.clone(),
            clock: ports.clock.clone(),
            requests: Requests::default(),
        };
        let first_administrator = FirstAdministrator {
            directory: ports.directory.clone(),
            admins: admins.clone(),
            before: before.clone(),
            clock: ports.clock.clone(),
            requests: Requests::default(),
        };
        let user_sessions = Arc::new(UserSessions {
            directory: ports.directory.clone(),
            users: users.clone(),
            policy: policy.clone(),
            tokens: tokens.clone(),
            sessions: web_sessions.clone(),
            before: before.clone(),
            observers: ports.post_login,
            audit: audit.clone(),
            clock: ports.clock.clone(),
        });
        let own = OwnAccount {
            directory: ports.directory.clone(),
            accounts: ports.accounts.clone(),
            users: user_sessions.clone(),
            sessions: web_sessions.clone(),
            before: before.clone(),
            policy,
            audit: audit.clone(),
            codes: codes.clone(),
            tries: PasswordTries::default(),
            clock: ports.clock.clone(),
        };
        let login_links = LoginLinks {
            directory: ports.directory.clone(),
            users: users.clone(),
            sessions: user_sessions.clone(),
            codes,
            before: before.clone(),
            audit: audit.clone(),
            observers: ports.credential_changes.clone(),
            one_click: ports.one_click_logins,
            clock: ports.clock.clone(),
        };
        let api_keys = ApiKeys {
            directory: ports.directory.clone(),
            accounts: ports.accounts,
            audit: audit.clone(),
            observers: ports.credential_changes,
            clock: ports.clock.clone(),
        };
        let directory = ports.directory.clone();
        let authentication = Authentication::new(directory, ports.passwords, tokens.clone(), before, ports.clock);
        Self {
            status: StatusAdministration { directory: ports.directory.clone() },
            admins,
            first_administrator,
            api_keys,
            tokens,
            web_sessions,
            user_sessions,
            own,
            login_links,
            password_resets,
            authentication,
            objects,
            sessions: SessionAdministration { sessions: ports.sessions, audit: audit.clone() },
            forecasts,
            bans: BanAdministration { defender: ports.defender, audit: audit.clone() },
            credentials: CredentialAdministration { cache: ports.external_auth_cache, audit: audit.clone() },
            storage: StorageAdministration {
                directory: ports.scans.directory.clone(),
                storage: ports.scans.storage.clone(),
                audit: audit.clone(),
            },
            scans: ScanAdministration { scans: ports.scans, audit: audit.clone() },
            hook_runs: HookRunAdministration { runs: ports.hook_runs, audit: audit.clone() },
            file_events: FileEventAdministration { history: ports.file_history, audit: audit.clone() },
            plugins: PluginAdministration { inventory: ports.inventory, audit: audit.clone() },
            backups: BackupAdministration {
                users: users.clone(),
                directory: ports.directory,
                usages: ports.usages,
                room: BackupRoom::default(),
                spools: ports.spools,
                audit: audit.clone(),
            },
            users,
            audit,
        }
    }
}
