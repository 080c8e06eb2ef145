//! The hook points of a login.

use std::sync::Arc;

use crate::hook::check_password::CheckPassword;
use crate::hook::external_auth::{ExternalAuth, Scope};
use crate::hook::keyboard_interactive::KeyboardInteractive;
use crate::hook::observation::{PostLogin, SessionDestroy};
use crate::hook::pre_login::PreLogin;
use crate::hook::review::{LoginPre, SessionCreate};
use crate::hook::{Chain, HookHost, Observers};
use crate::ports::{NoSessionRecords, SessionRecords};

/// The hooks of a login, in the order in which a login meets them.
#[derive(Clone)]
pub struct LoginHooks {
    /// Shared by all chains.
    pub host: Arc<HookHost>,
    /// Before any credential is looked at (D-05).
    pub login_pre: Arc<Chain<LoginPre>>,
    /// Decides about credentials (A11, B2).
    pub external_auth: Arc<Chain<ExternalAuth>>,
    /// The methods that external authentication is asked about (A3-42).
    pub external_auth_scope: Scope,
    /// Makes or changes accounts (A13, B3).
    pub pre_login: Arc<Chain<PreLogin>>,
    /// Asks users questions (A12, B4).
    pub keyboard_interactive: Arc<Chain<KeyboardInteractive>>,
    /// Decides about passwords before their comparison (B5).
    pub check_password: Arc<Chain<CheckPassword>>,
    /// After all checks, before the session begins (D-01).
    pub session_create: Arc<Chain<SessionCreate>>,
    /// Observers of the end of each attempt (A14).
    pub post_login: Arc<Observers<PostLogin>>,
    /// Observers of the end of each session (D-03).
    pub session_destroy: Arc<Observers<SessionDestroy>>,
    /// Keeps records of sessions, so that hooks are told of their end after a kill as well (D-04).
    pub session_records: Arc<dyn SessionRecords>,
}

impl LoginHooks {
    /// All hook points, without links.
    pub fn new(host: Arc<HookHost>) -> Self {
        fn chain<E: crate::hook::HookEvent>(host: &Arc<HookHost>) -> Arc<Chain<E>> {
            Arc::new(Chain::new(host.clone(), Vec::new()))
        }
        Self {
            login_pre: chain(&host),
            external_auth: chain(&host),
            external_auth_scope: Scope::default(),
            pre_login: chain(&host),
            keyboard_interactive: chain(&host),
            check_password: chain(&host),
            session_create: chain(&host),
            post_login: Observers::new(host.clone()),
            session_destroy: Observers::new(host.clone()),
            session_records: Arc::new(NoSessionRecords),
            host,
        }
    }

    /// Keeps records of sessions there.
    pub fn with_session_records(self, session_records: Arc<dyn SessionRecords>) -> Self {
        Self { session_records, ..self }
    }
}
