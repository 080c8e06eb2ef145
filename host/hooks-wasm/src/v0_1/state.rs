//! The host's side of one call.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tidegate_core::account::{AccountRights, EffectiveAccount};
use tidegate_core::connection::{Connection, ConnectionId};
use tidegate_core::hook::events::FileAction;
use tidegate_core::hook::keyboard_interactive::Conversation;
use tidegate_core::hook::observation::{CredentialChanged, ObjectChange};
use tidegate_core::hook::review::WebRequest;
use tidegate_core::hook::{LoginAttempt, Waiting};
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

// What the guest's handles stand for.
pub type ConnectionHandle = Arc<Connection>;
pub type AttemptHandle = Arc<LoginAttempt>;
pub type AccountHandle = Arc<EffectiveAccount>;
pub type SessionHandle = Arc<Session>;
pub type ActionHandle = Arc<FileAction>;
pub type ObjectChangeHandle = Arc<ObjectChange>;
pub type WebRequestHandle = Arc<WebRequest>;
pub type CredentialChangeHandle = Arc<CredentialChanged>;
pub type ConversationHandle = Arc<dyn Conversation>;
pub use super::draft::DraftHandle;

/// What all calls of a plugin share.
pub struct Shared {
    pub name: String,
    pub settings: PluginSettings,
    /// That the settings give to its answers.
    pub rights: Arc<AccountRights>,
    /// By name.
    pub secrets: BTreeMap<String, Secret>,
    pub passwords: Arc<dyn Passwords>,
    pub store: Arc<dyn PluginStore>,
    pub egress: Egress,
}

pub struct CallState {
    pub shared: Arc<Shared>,
    pub table: ResourceTable,
    pub memory: Memory,
    pub allowance: Allowance,
    pub lines: Arc<Mutex<LineBudget>>,
    /// For the log lines of this call.
    pub connection_id: Option<ConnectionId>,
    /// What the call waits for that is not the guest's doing.
    pub waiting: Waiting,
    /// Answers that a conversation was asked to compare with what is stored.
    pub verified: u32,
    stdout: LineStream,
    stderr: LineStream,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    egress: Egress,
}

impl CallState {
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
            stdout,
            stderr,
            wasi,
            http: WasiHttpCtx::new(),
            egress: shared.egress.for_call(),
            shared,
        }
    }

    /// In log lines; empty where there is no connection.
    pub fn connection_text(&self) -> &str {
        self.connection_id.as_ref().map_or("", ConnectionId::as_str)
    }

    /// Before a call, which may be on an instance that was made long before.
    pub fn begin(&mut self, connection_id: Option<ConnectionId>, waiting: Waiting) {
        let limits = self.shared.settings.limits;
        self.connection_id = connection_id;
        self.waiting = waiting;
        self.verified = 0;
        self.allowance.renew(limits.computing());
        self.lines.lock().unwrap_or_else(std::sync::PoisonError::into_inner).renew(limits.log_lines);
    }

    /// Whether the operator has given the plugin this.
    pub fn granted(&self, grant: Grant) -> Result<(), AccessError> {
        if self.shared.settings.grants(grant) {
            Ok(())
        } else {
            Err(AccessError::NotGranted(grant.as_str().to_owned()))
        }
    }

    /// After the call: what was printed without a newline at the end.
    pub fn finish_output(&self) {
        self.stdout.finish();
        self.stderr.finish();
    }
}

/// Datagrams go to granted addresses; a socket is bound to any port.
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
