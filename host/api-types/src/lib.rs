//! Requests and answers of administration: one type of each for every use case of `core::admin`.
//! The control socket and the command line use these types themselves. Their schemas ([`openapi`])
//! are generated, and kept in `openapi.json` beside this crate.

#[macro_use]
mod operation;

mod admins;
mod api_keys;
mod audit;
mod backup;
mod bans;
mod error;
mod file_events;
mod hooks;
mod login_links;
mod objects;
mod plugins;
mod scans;
mod schema;
mod sessions;
mod status;
mod storage;
mod users;

pub use admins::{
    AddAdmin, AdminCodes, Admins, DeleteAdmin, DeletedAdmin, ListAdmins, ListTokens, RevokeToken, RevokedToken,
    SetAdminCodes, ShowAdmin, Token, Tokens, UpdateAdmin,
};
pub use api_keys::{
    AddApiKey, ApiKeys, DeleteApiKey, DeletedApiKey, ListApiKeys, NewApiKey, RotateApiKey, ShowApiKey, UpdateApiKey,
};
pub use audit::{AuditEntries, AuditEntry, AuditOutcome, ListAudit};
pub use backup::{AccountOutcome, DumpUsers, Dumped, LoadDump, LoadReport, LoadedAccount, LoadedObject};
pub use bans::{
    AddBan, AddExemptNetwork, Ban, Bans, ExemptNetwork, ExemptNetworks, ListBans, ListExemptNetworks, RemoveBan,
    RemoveExemptNetwork, RemovedBan,
};
pub use error::{ErrorAnswer, ErrorCode};
pub use file_events::{FileEvent, FileEvents, ListFileEvents};
pub use hooks::{
    ExplainLogin, ExplainedLink, ExplainedLogin, ExplainedPoint, ForgetCredentials, ForgottenCredentials, HookCounter,
    HookCounters, HookLink, HookLinks, HookRun, HookRuns, ListHookCounters, ListHookLinks, ListHookRuns, ShowHookRun,
};
pub use login_links::{
    AddLoginLink, DeleteLoginLink, DeletedLoginLink, Impersonate, ListLoginLinks, LoginLink, LoginLinks, MakeResetCode,
    NewLoginLink, OneClickLogin, ResetCode, UserToken,
};
pub use objects::{
    AddObject, DeleteObject, DeletedObject, DumpObjects, DumpedObjects, ListObjects, ObjectKind, Objects, ShowObject,
    ShownObject, StoredObject, UpdateObject,
};
pub use operation::{Operation, path_of};
pub use plugins::{ForgetPlugin, ForgottenPlugin, ListPlugins, Plugin, PluginWant, Plugins, ReloadPlugins};
pub use scans::{ListScans, Scan, ScanProgress, ScanReport, ScanScope, Scans, SetUsage, UsedQuota};
pub use schema::openapi;
pub use sessions::{CloseSession, ClosedSession, ListSessions, Session, Sessions, Transfer};
pub use status::{ServerStatus, ShowStatus};
pub use storage::{
    CheckStorage, CheckedFileSystem, StepOutcome, StorageReport, StorageStep, SweepStorage, SweptFileSystem,
    SweptStorage,
};
pub use users::{
    AddUser, ClearPassword, DeleteUser, DeletedUser, DocumentChange, InvalidUser, ListUsers, ShowUser, UpdateUser,
    User, Users,
};
