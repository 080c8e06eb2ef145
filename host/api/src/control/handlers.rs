//! Hands each request of the interface to its use case.

use std::net::IpAddr;
use std::time::Duration;

use tidegate_api_types::{
    AddBan, AddExemptNetwork, AddUser, AuditEntries, Ban, Bans, CheckStorage, ClearPassword, CloseSession,
    ClosedSession, DeleteUser, DeletedUser, DocumentChange as Change, DumpUsers, Dumped, ExemptNetwork, ExemptNetworks,
    ExplainLogin, ExplainedLogin, FileEvents, ForgetCredentials, ForgetPlugin, ForgottenCredentials, ForgottenPlugin,
    HookCounters, HookLinks, HookRun, HookRuns, ListAudit, ListBans, ListExemptNetworks, ListFileEvents,
    ListHookCounters, ListHookLinks, ListHookRuns, ListPlugins, ListScans, ListSessions, ListUsers, Plugins,
    ReloadPlugins, RemoveBan, RemoveExemptNetwork, RemovedBan, Scan, ScanProgress, ScanReport, Scans, ServerStatus,
    Sessions, SetUsage, ShowHookRun, ShowStatus, ShowUser, StorageReport, SweepStorage, SweptStorage, UpdateUser, User,
    Users,
};
use tidegate_core::admin::{Actor, AdminError, DocumentChange, LoginQuestion};
use tidegate_core::connection::{ConnectionId, LoginMethod};
use tidegate_core::file_history::FileRecordFilter;
use tidegate_core::ports::{AccountFilter, AuditQuery, DURATION_BOUNDS, PageRequest, RunFilter};
use tidegate_core::quota::{NewUsage, RunningScan, UsedQuota};
use tidegate_core::secret::Secret;

use super::{AdminApi, Handle, answers};

impl Handle<ShowStatus> for AdminApi {
    async fn handle(&self, _: &Actor, _: ShowStatus) -> Result<ServerStatus, AdminError> {
        Ok(ServerStatus { version: self.version.to_owned() })
    }
}

impl Handle<ListSessions> for AdminApi {
    async fn handle(&self, actor: &Actor, _: ListSessions) -> Result<Sessions, AdminError> {
        let sessions = self.administration.sessions.list(actor).await?;
        Ok(Sessions { sessions: sessions.iter().map(|session| answers::session(session)).collect() })
    }
}

impl Handle<CloseSession> for AdminApi {
    async fn handle(&self, actor: &Actor, request: CloseSession) -> Result<ClosedSession, AdminError> {
        let closed = request.connection_id;
        self.administration.sessions.close(actor, &ConnectionId::new(closed.clone())).await?;
        Ok(ClosedSession { closed })
    }
}

impl Handle<ListBans> for AdminApi {
    async fn handle(&self, actor: &Actor, request: ListBans) -> Result<Bans, AdminError> {
        Ok(answers::bans(self.administration.bans.list(actor).await?, &request))
    }
}

impl Handle<AddBan> for AdminApi {
    async fn handle(&self, actor: &Actor, request: AddBan) -> Result<Ban, AdminError> {
        let time = request.seconds.map(Duration::from_secs);
        Ok(answers::ban(self.administration.bans.add(actor, &request.ip, time).await?))
    }
}

impl Handle<RemoveBan> for AdminApi {
    async fn handle(&self, actor: &Actor, request: RemoveBan) -> Result<RemovedBan, AdminError> {
        Ok(RemovedBan { removed: self.administration.bans.remove(actor, &request.ip).await? })
    }
}

impl Handle<ListExemptNetworks> for AdminApi {
    async fn handle(&self, actor: &Actor, _: ListExemptNetworks) -> Result<ExemptNetworks, AdminError> {
        Ok(answers::exempt_networks(self.administration.bans.exempt_networks(actor).await?))
    }
}

impl Handle<AddExemptNetwork> for AdminApi {
    async fn handle(&self, actor: &Actor, request: AddExemptNetwork) -> Result<ExemptNetwork, AdminError> {
        Ok(ExemptNetwork { network: self.administration.bans.exempt(actor, &request.network).await? })
    }
}

impl Handle<RemoveExemptNetwork> for AdminApi {
    async fn handle(&self, actor: &Actor, request: RemoveExemptNetwork) -> Result<ExemptNetwork, AdminError> {
        Ok(ExemptNetwork { network: self.administration.bans.exempt_no_longer(actor, &request.network).await? })
    }
}

impl Handle<ListScans> for AdminApi {
    async fn handle(&self, actor: &Actor, _: ListScans) -> Result<Scans, AdminError> {
        let scans = self.administration.scans.list(actor).await?.into_iter();
        let scans = scans.map(|RunningScan { scope, files, directories, .. }| {
            let scope = answers::scope(scope);
            ScanProgress { scope, files, directories }
        });
        Ok(Scans { scans: scans.collect() })
    }
}

impl Handle<Scan> for AdminApi {
    async fn handle(&self, actor: &Actor, request: Scan) -> Result<ScanReport, AdminError> {
        let report = self.administration.scans.scan(actor, &answers::scope_of(request.scope)).await?;
        Ok(answers::scan_report(report))
    }
}

impl Handle<SetUsage> for AdminApi {
    async fn handle(&self, actor: &Actor, request: SetUsage) -> Result<ScanReport, AdminError> {
        let SetUsage { scope, usage, is_added } = request;
        let usage = UsedQuota { size: usage.size, files: usage.files };
        let usage = if is_added { NewUsage::Add(usage) } else { NewUsage::Is(usage) };
        let report = self.administration.scans.set_usage(actor, &answers::scope_of(scope), usage).await?;
        Ok(answers::scan_report(report))
    }
}

impl Handle<CheckStorage> for AdminApi {
    async fn handle(&self, actor: &Actor, request: CheckStorage) -> Result<StorageReport, AdminError> {
        let checked = self.administration.storage.check(actor, &request.username).await?;
        let file_systems = checked.into_iter().map(answers::file_system).collect();
        Ok(StorageReport { username: request.username, file_systems })
    }
}

impl Handle<SweepStorage> for AdminApi {
    async fn handle(&self, actor: &Actor, request: SweepStorage) -> Result<SweptStorage, AdminError> {
        let age = Duration::from_secs(request.older_than_seconds);
        let swept = self.administration.storage.sweep(actor, request.username.as_deref(), age).await?;
        Ok(SweptStorage { file_systems: swept.into_iter().map(answers::swept).collect() })
    }
}

impl Handle<ListHookLinks> for AdminApi {
    async fn handle(&self, actor: &Actor, _: ListHookLinks) -> Result<HookLinks, AdminError> {
        let links = self.administration.plugins.links(actor).await?;
        Ok(HookLinks { links: links.into_iter().map(answers::hook_link).collect() })
    }
}

impl Handle<ExplainLogin> for AdminApi {
    async fn handle(&self, actor: &Actor, request: ExplainLogin) -> Result<ExplainedLogin, AdminError> {
        let ExplainLogin { username, method, address } = request;
        let no_method = || AdminError::InvalidForHooks(format!("\"{method}\" is not a login method"));
        let no_address = |_| AdminError::InvalidForHooks(format!("\"{address}\" is not an address"));
        let login = LoginQuestion {
            username,
            method: LoginMethod::ALL.into_iter().find(|known| known.as_str() == method).ok_or_else(no_method)?,
            address: address.parse().map_err(no_address)?,
        };
        Ok(answers::explained_login(self.administration.plugins.explain(actor, &login).await?))
    }
}

impl Handle<ListHookRuns> for AdminApi {
    async fn handle(&self, actor: &Actor, request: ListHookRuns) -> Result<HookRuns, AdminError> {
        let ListHookRuns { kind, username, address, connection, hook, outcome, since, until, after, limit } = request;
        // Records have addresses in one spelling.
        let no_address = |text: String| AdminError::InvalidForHooks(format!("\"{text}\" is not an address"));
        let address = address.map(|text| text.parse::<IpAddr>().map(|ip| ip.to_string()).map_err(|_| no_address(text)));
        let filter = RunFilter {
            kind,
            username,
            hook,
            outcome,
            address: address.transpose()?,
            connection,
            since,
            until,
            after,
            limit,
            ..RunFilter::default()
        };
        let runs = self.administration.hook_runs.list(actor, filter).await?;
        Ok(HookRuns { runs: runs.into_iter().map(answers::hook_run).collect() })
    }
}

impl Handle<ShowHookRun> for AdminApi {
    async fn handle(&self, actor: &Actor, request: ShowHookRun) -> Result<HookRun, AdminError> {
        Ok(answers::hook_run(self.administration.hook_runs.show(actor, request.id).await?))
    }
}

impl Handle<ListHookCounters> for AdminApi {
    async fn handle(&self, actor: &Actor, _: ListHookCounters) -> Result<HookCounters, AdminError> {
        let counters = self.administration.hook_runs.counters(actor).await?;
        let counters = counters.into_iter().map(answers::hook_counter).collect();
        Ok(HookCounters { duration_bounds_us: DURATION_BOUNDS.to_vec(), counters })
    }
}

impl Handle<ForgetCredentials> for AdminApi {
    async fn handle(&self, actor: &Actor, request: ForgetCredentials) -> Result<ForgottenCredentials, AdminError> {
        let forgotten = self.administration.credentials.forget(actor, request.username.as_deref()).await?;
        Ok(ForgottenCredentials { forgotten: u64::try_from(forgotten).unwrap_or(u64::MAX) })
    }
}

impl Handle<ListPlugins> for AdminApi {
    async fn handle(&self, actor: &Actor, _: ListPlugins) -> Result<Plugins, AdminError> {
        let plugins = self.administration.plugins.list(actor).await?;
        Ok(Plugins { plugins: plugins.into_iter().map(answers::plugin).collect() })
    }
}

impl Handle<ReloadPlugins> for AdminApi {
    async fn handle(&self, actor: &Actor, _: ReloadPlugins) -> Result<Plugins, AdminError> {
        self.administration.plugins.reload(actor).await?;
        self.handle(actor, ListPlugins {}).await
    }
}

impl Handle<ForgetPlugin> for AdminApi {
    async fn handle(&self, actor: &Actor, request: ForgetPlugin) -> Result<ForgottenPlugin, AdminError> {
        self.administration.plugins.forget(actor, &request.name).await?;
        Ok(ForgottenPlugin { forgotten: request.name })
    }
}

impl Handle<ListAudit> for AdminApi {
    async fn handle(&self, actor: &Actor, request: ListAudit) -> Result<AuditEntries, AdminError> {
        let ListAudit { before, actor: author, kind, name, action, outcome, address, since, until, limit } = request;
        let outcome = outcome.map(answers::audit_outcome_of);
        let (actions, kinds) = (action.into_iter().collect(), kind.into_iter().collect());
        let query = AuditQuery {
            before,
            since,
            until,
            actions,
            outcome,
            address,
            author,
            kinds,
            name,
            limit,
            ..AuditQuery::default()
        };
        let entries = self.administration.audit.list(actor, query).await?;
        Ok(AuditEntries { entries: entries.into_iter().map(answers::audit_entry).collect() })
    }
}

impl Handle<ListFileEvents> for AdminApi {
    async fn handle(&self, actor: &Actor, request: ListFileEvents) -> Result<FileEvents, AdminError> {
        let ListFileEvents { before, since, until, username, address, connection, actions, path, limit } = request;
        let filter = FileRecordFilter {
            before,
            since,
            until,
            username,
            address,
            connection,
            actions,
            path,
            ..FileRecordFilter::default()
        };
        let found = self.administration.file_events.list(actor, &filter, limit).await?;
        Ok(FileEvents { events: found.iter().map(|record| answers::file_event(record)).collect() })
    }
}

impl Handle<ListUsers> for AdminApi {
    async fn handle(&self, actor: &Actor, request: ListUsers) -> Result<Users, AdminError> {
        let ListUsers { after, prefix, role, group, enabled, contains, limit } = request;
        let filter = AccountFilter { role, group, enabled, contains };
        let page = self.administration.users.list(actor, &filter, PageRequest { after, prefix, limit }).await?;
        Ok(answers::users(page))
    }
}

impl Handle<ShowUser> for AdminApi {
    async fn handle(&self, actor: &Actor, request: ShowUser) -> Result<User, AdminError> {
        Ok(answers::user(self.administration.users.show(actor, &request.username).await?))
    }
}

impl Handle<DumpUsers> for AdminApi {
    async fn handle(&self, actor: &Actor, request: DumpUsers) -> Result<Dumped, AdminError> {
        let DumpUsers { username, after, limit } = request;
        let backups = &self.administration.backups;
        Ok(answers::dumped(match username {
            Some(username) => backups.dump_one(actor, &username).await?,
            None => backups.dump(actor, after, limit).await?,
        }))
    }
}

pub(super) fn change_of(change: Change) -> DocumentChange {
    match change {
        Change::Fields { patches, replaced } => DocumentChange::Fields { patches, replaced },
        Change::Document { document, revision } => DocumentChange::Document { document, revision },
    }
}

pub(super) fn secret(password: Option<ClearPassword>) -> Option<Secret> {
    password.map(|ClearPassword(text)| Secret::new(text))
}

impl Handle<AddUser> for AdminApi {
    async fn handle(&self, actor: &Actor, request: AddUser) -> Result<User, AdminError> {
        let AddUser { document, clear_password } = request;
        Ok(answers::user(self.administration.users.add(actor, document, secret(clear_password)).await?))
    }
}

impl Handle<UpdateUser> for AdminApi {
    async fn handle(&self, actor: &Actor, request: UpdateUser) -> Result<User, AdminError> {
        let UpdateUser { username, change, clear_password } = request;
        let change = change_of(change);
        let updated = self.administration.users.update(actor, &username, change, secret(clear_password)).await?;
        Ok(answers::user(updated))
    }
}

impl Handle<DeleteUser> for AdminApi {
    async fn handle(&self, actor: &Actor, request: DeleteUser) -> Result<DeletedUser, AdminError> {
        self.administration.users.delete(actor, &request.username).await?;
        Ok(DeletedUser { deleted: request.username })
    }
}
