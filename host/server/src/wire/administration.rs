//! Puts the use cases of administration and the interfaces to them together.

use std::path::Path;
use std::sync::Arc;

use tidegate_api::{AdminApi, AuthUsers, BackupDirectory, ClientPages, RestApi, RestSettings, ServerFacts};
use tidegate_core::account::{Accounts, AddressRule};
use tidegate_core::admin::{Administration, AdministrationPorts, HookInventory, LoginPreScope, SessionHooks};
use tidegate_core::file_history::FileHistory;
use tidegate_core::guard::Defender;
use tidegate_core::history::History;
use tidegate_core::login::{ExternalAuthCache, OneTimeCodes};
use tidegate_core::metrics::Metrics;
use tidegate_core::ports::SystemClock;
use tidegate_core::quota::QuotaScans;
use tidegate_core::session::SessionRegistry;
use tidegate_web::WebAdmin;

use super::{HookPoints, Stores};
use crate::config::Settings;
use crate::disks::HostDisks;
use crate::spools::TemporarySpools;
use crate::version;

/// What of a server is administered beside its stores and hooks.
pub struct Administered {
    pub sessions: Arc<SessionRegistry>,
    pub scans: Arc<QuotaScans>,
    pub defender: Arc<Defender>,
    pub external_auth_cache: Arc<ExternalAuthCache>,
    pub one_time_codes: Arc<OneTimeCodes>,
    pub login_pre_scope: LoginPreScope,
    pub address_rule: AddressRule,
    pub file_history: Arc<FileHistory>,
    pub client_pages: Option<ClientPages>,
}

/// The use cases of administration. `accounts`: with the hooks that get changes. `points`: those of hooks about
/// credentials; None: none is called. `directory`: the state of the server.
pub fn admin_api(
    stores: &Stores,
    accounts: Accounts,
    administered: Administered,
    inventory: Arc<dyn HookInventory>,
    points: Option<&HookPoints>,
    directory: &Path,
) -> AdminApi {
    let Administered {
        sessions,
        scans,
        defender,
        external_auth_cache,
        one_time_codes,
        login_pre_scope,
        address_rule,
        file_history,
        client_pages,
    } = administered;
    let administration = Administration::new(AdministrationPorts {
        accounts: Arc::new(accounts),
        directory: stores.directory.clone(),
        usages: stores.database.clone(),
        sessions,
        scans,
        defender,
        external_auth_cache,
        one_time_codes,
        hook_runs: stores.database.clone(),
        file_history,
        inventory,
        audit: stores.database.clone(),
        passwords: stores.passwords.clone(),
        one_click_logins: points.map(|points| points.one_click_logins.clone()),
        login_pre: points.map(|points| points.login.login_pre.clone()),
        post_login: points.map(|points| points.login.post_login.clone()),
        login_pre_scope,
        session_hooks: points.map(|points| SessionHooks {
            create: points.login.session_create.clone(),
            destroy: points.login.session_destroy.clone(),
        }),
        credential_changes: points.map(|points| points.credential_changes.clone()),
        password_resets: points.map(|points| points.password_resets.clone()),
        address_rule,
        spools: Arc::new(TemporarySpools::new(directory)),
        clock: Arc::new(SystemClock),
    });
    AdminApi { administration: Arc::new(administration), version: version::VERSION, client_pages }
}

/// The REST interfaces, on the use cases that commands use as well.
pub fn rest_api(api: &AdminApi, stores: &Stores, settings: &Settings) -> anyhow::Result<RestApi> {
    let access = &settings.http_access;
    let auth_users = access.auth_user_file.as_deref().map(AuthUsers::read).transpose();
    let auth_users = auth_users.map_err(|problem| anyhow::anyhow!("httpd.auth_user_file: {problem}"))?;
    Ok(RestApi {
        administration: api.administration.clone(),
        authentication: api.administration.clone(),
        passwords: stores.passwords.clone(),
        backups: Arc::new(BackupDirectory(settings.backups.clone())),
        settings: Arc::new(RestSettings {
            allowed_hosts: access.allowed_hosts.clone(),
            legacy_open: access.legacy_open,
            auth_users,
        }),
        facts: Arc::new(ServerFacts {
            version: version::RELEASE,
            commit: version::COMMIT,
            build_date: version::BUILD_DATE,
            driver: settings.database.driver().to_owned(),
            ssh_bindings: vec![(settings.bind_address.to_string(), settings.bind_port)],
            configuration: settings.shown.clone(),
            remarks: settings.warnings.clone(),
            client_pages: api.client_pages.clone(),
        }),
    })
}

/// The web admin, on the use cases that the REST interfaces use as well.
pub fn web_admin(rest: &RestApi, metrics: Arc<Metrics>, history: Arc<History>, disks: HostDisks) -> WebAdmin {
    WebAdmin {
        administration: rest.administration.clone(),
        metrics,
        history,
        disks: Arc::new(disks),
        facts: rest.facts.clone(),
        allowed_hosts: rest.settings.allowed_hosts.clone().into(),
        uploaded: Arc::default(),
        live_parts: Arc::default(),
    }
}
