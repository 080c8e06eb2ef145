//! The host's side of one call.

use std::sync::{Arc, Mutex};

use tidegate_core::account::{Account, AccountDraft};
use tidegate_core::connection::Connection;
use tidegate_core::hook::external_auth::ExternalAuth;
use tidegate_core::ports::{Passwords, PluginStore};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::capability::output::{LineBudget, LineStream};
use crate::limits::{self, Memory};
use crate::settings::PluginSettings;

/// Handles that a guest may hold at once.
const MAX_RESOURCES: usize = 10_000;
const MAX_RANDOM: u64 = 64 << 10;

// What the guest's handles stand for.
pub type ConnectionHandle = Arc<Connection>;
pub type AttemptHandle = Arc<ExternalAuth>;
pub type AccountHandle = Arc<Account>;
pub type DraftHandle = AccountDraft;

/// What all calls of a plugin share.
pub struct Shared {
    pub name: String,
    pub settings: PluginSettings,
    pub passwords: Arc<dyn Passwords>,
    pub store: Arc<dyn PluginStore>,
}

pub struct CallState {
    pub shared: Arc<Shared>,
    pub table: ResourceTable,
    pub memory: Memory,
    pub ticks_left: u64,
    pub lines: Arc<Mutex<LineBudget>>,
    /// For the log lines of this call.
    pub connection_id: String,
    stdout: LineStream,
    stderr: LineStream,
    wasi: WasiCtx,
}

impl CallState {
    pub fn new(shared: Arc<Shared>, connection_id: String) -> Self {
        let lines = Arc::new(Mutex::new(LineBudget::new(&shared.name, shared.settings.limits.log_lines)));
        let stdout = LineStream::new(&shared.name, false, lines.clone());
        let stderr = LineStream::new(&shared.name, true, lines.clone());
        let wasi = WasiCtx::builder().stdout(stdout.clone()).stderr(stderr.clone()).max_random_size(MAX_RANDOM).build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        let limits = shared.settings.limits;
        Self {
            table,
            memory: Memory::new(&limits),
            ticks_left: limits::ticks(&limits),
            lines,
            connection_id,
            stdout,
            stderr,
            wasi,
            shared,
        }
    }

    /// After the call: what was printed without a newline at the end.
    pub fn finish_output(&self) {
        self.stdout.finish();
        self.stderr.finish();
    }
}

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
