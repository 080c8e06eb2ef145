//! The host's side of an instance and its current call.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tidegate_core::account::{AccountRights, EffectiveAccount};
use tidegate_core::connection::{Connection, ConnectionId};
use tidegate_core::hook::events::FileAction;
use tidegate_core::hook::keyboard_interactive::Conversation;
use tidegate_core::hook::observation::{AddressBanned, CredentialChanged, ObjectChange};
use tidegate_core::hook::review::WebRequest;
use tidegate_core::hook::{Call, HookError, LoginAttempt, Waiting};
use tidegate_core::ports::{Passwords, PluginStore};
use tidegate_core::secret::Secret;
use tidegate_core::session::Session;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::sockets::SocketAddrUse;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::bindings::tidegate::hooks::types::AccessError;
use crate::capability::egress::Egress;
use crate::capability::output::{LineBudget, LineStream};
use crate::computing::Allowance;
use crate::limits::Memory;
use crate::settings::{Grant, PluginSettings};

/// Handles that a guest may hold at once.
const MAX_RESOURCES: usize = 10_000;
const MAX_RANDOM: u64 = 64 << 10;

// What the guest's resource handles stand for.
/// Behind the resource `connection`.
pub type ConnectionHandle = Arc<Connection>;
/// Behind the resource `login-attempt`.
pub type AttemptHandle = Arc<LoginAttempt>;
/// Behind the resource `account`.
pub type AccountHandle = Arc<EffectiveAccount>;
/// Behind the resource `session`.
pub type SessionHandle = Arc<Session>;
/// Behind the resource `file-action`.
pub type ActionHandle = Arc<FileAction>;
/// Behind the resource `object-change`.
pub type ObjectChangeHandle = Arc<ObjectChange>;
/// Behind the resource `web-request`.
pub type WebRequestHandle = Arc<WebRequest>;
/// Behind the resource `credential-change`.
pub type CredentialChangeHandle = Arc<CredentialChanged>;
/// Behind the resource `address-ban`.
pub type AddressBanHandle = Arc<AddressBanned>;
/// Behind the resource `conversation`.
pub type ConversationHandle = Arc<dyn Conversation>;
pub use super::draft::DraftHandle;

/// What all calls of a plugin share.
pub struct Shared {
    /// The plugin's name.
    pub name: String,
    /// The settings with which the plugin was loaded.
    pub settings: PluginSettings,
    /// The rights that the settings give to the plugin's answers.
    pub rights: Arc<AccountRights>,
    /// The values of the settings' secrets, by name.
    pub secrets: BTreeMap<String, Secret>,
    /// Compares passwords with hashes.
    pub passwords: Arc<dyn Passwords>,
    /// Keeps the values of the interface `kv`.
    pub store: Arc<dyn PluginStore>,
    /// The HTTP clients.
    pub egress: Egress,
}

/// The data of a store: one instance, and its current call.
pub struct CallState {
    /// What all calls of the plugin share.
    pub shared: Arc<Shared>,
    /// The objects behind the guest's handles.
    pub table: ResourceTable,
    /// The instance's memory in use, and its bound.
    pub memory: Memory,
    /// The CPU time that the call has left.
    pub allowance: Allowance,
    /// The log lines that the call has left.
    pub lines: Arc<Mutex<LineBudget>>,
    /// The connection that the call's log lines name.
    pub connection_id: Option<ConnectionId>,
    /// What the call waits for, so that a late call is not put down to the guest.
    pub waiting: Waiting,
    /// Answers that the guest has had verified in this call.
    pub verified: u32,
    /// Whether the guest's answer can refuse something.
    decides: bool,
    /// The error of a call whose guest decides, and has asked for a path that it cannot take.
    pub told_wrongly: Option<HookError>,
    stdout: LineStream,
    stderr: LineStream,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    egress: Egress,
}

impl CallState {
    /// The state of a new instance, with the limits of the plugin's settings.
    pub fn new(shared: Arc<Shared>) -> Self {
        let lines = Arc::new(Mutex::new(LineBudget::new(&shared.name, shared.settings.limits.log_lines)));
        let stdout = LineStream::new(&shared.name, false, lines.clone());
        let stderr = LineStream::new(&shared.name, true, lines.clone());
        let mut wasi = WasiCtx::builder();
        wasi.stdout(stdout.clone()).stderr(stderr.clone()).max_random_size(MAX_RANDOM);
        wasi.allow_tcp(false).allow_udp(!shared.settings.udp.is_empty());
        if !shared.settings.udp.is_empty() {
            let shared = shared.clone();
            wasi.socket_addr_check(move |address, purpose| {
                let allowed = may_use(&shared.settings.udp, address, purpose);
                Box::pin(std::future::ready(allowed))
            });
        }
        let wasi = wasi.build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        let limits = shared.settings.limits;
        Self {
            table,
            memory: Memory::new(&limits),
            allowance: Allowance::new(limits.computing()),
            lines,
            connection_id: None,
            waiting: Waiting::default(),
            verified: 0,
            decides: true,
            told_wrongly: None,
            stdout,
            stderr,
            wasi,
            http: WasiHttpCtx::new(),
            egress: shared.egress.for_call(),
            shared,
        }
    }

    /// The connection's ID for log lines; empty if there is no connection.
    pub fn connection_text(&self) -> &str {
        self.connection_id.as_ref().map_or("", ConnectionId::as_str)
    }

    /// Prepares the state for a call, whose instance may have been made long before.
    pub fn begin(&mut self, connection_id: Option<ConnectionId>, call: &Call) {
        let limits = self.shared.settings.limits;
        self.connection_id = connection_id;
        self.waiting = call.waiting().clone();
        self.verified = 0;
        self.decides = call.decides();
        self.told_wrongly = None;
        self.allowance.renew(limits.computing());
        self.lines.lock().unwrap_or_else(std::sync::PoisonError::into_inner).renew(limits.log_lines);
    }

    /// A path of an action as the text that the guest is told. A path that is not UTF-8 is the name of another file then,
    /// about which no guest may decide.
    pub fn told(&mut self, action: &FileAction, path: &OsStr) -> String {
        if path.to_str().is_none() && self.decides && self.told_wrongly.is_none() {
            self.told_wrongly = action.not_text().map(HookError::not_text);
        }
        path.to_string_lossy().into_owned()
    }

    /// Checks that the operator gave this grant to the plugin.
    pub fn granted(&self, grant: Grant) -> Result<(), AccessError> {
        if self.shared.settings.grants(grant) {
            Ok(())
        } else {
            Err(AccessError::NotGranted(grant.as_str().to_owned()))
        }
    }

    /// Logs what the call printed without a newline at the end; gives what it printed to standard error.
    pub fn finish_output(&self) -> String {
        self.stdout.finish();
        self.stderr.finish();
        self.stderr.take_printed()
    }
}

/// Whether a socket may be used so: datagrams go to granted addresses only, and the system chooses
/// the local address and port.
fn may_use(granted: &[SocketAddr], address: SocketAddr, purpose: SocketAddrUse) -> bool {
    match purpose {
        SocketAddrUse::UdpBind => address.ip().is_unspecified() && address.port() == 0,
        SocketAddrUse::UdpSend => granted.contains(&address),
        _ => false,
    }
}

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for CallState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.egress }
    }
}
