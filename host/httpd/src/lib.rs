//! HTTP: metrics on a port, and the server's own control on a socket that only its user can
//! reach.

mod answer;
mod control;
mod exposition;
mod inventory;
mod requests;
mod serving;

use std::sync::Arc;

use tidegate_core::metrics::Metrics;
use tidegate_core::ports::HookRunStore;
use tidegate_core::quota::QuotaScans;
use tidegate_core::session::SessionRegistry;

pub use control::{ConnectionView, control};
pub use exposition::metrics;
pub use inventory::{HookInventory, HookLinkView, PluginView};
pub use serving::{serve_socket, serve_tcp};

/// What the requests are about.
#[derive(Clone)]
pub struct Subjects {
    pub sessions: Arc<SessionRegistry>,
    pub scans: Arc<QuotaScans>,
    pub metrics: Arc<Metrics>,
    pub hook_runs: Arc<dyn HookRunStore>,
    pub inventory: Arc<dyn HookInventory>,
}
