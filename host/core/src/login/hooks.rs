//! The hook points of a login.

use std::sync::Arc;

use crate::hook::check_password::CheckPassword;
use crate::hook::external_auth::{ExternalAuth, Scope};
use crate::hook::keyboard_interactive::KeyboardInteractive;
use crate::hook::observation::{PostLogin, SessionDestroy};
use crate::hook::pre_login::PreLogin;
use crate::hook::review::{LoginPre, SessionCreate};
use crate::hook::{Chain, HookHost, Observers};

/// The hooks of a login, in the order in which it meets them.
#[derive(Clone)]
pub struct LoginHooks {
    pub host: Arc<HookHost>,
    pub login_pre: Arc<Chain<LoginPre>>,
    pub external_auth: Arc<Chain<ExternalAuth>>,
    pub external_auth_scope: Scope,
    pub pre_login: Arc<Chain<PreLogin>>,
    pub keyboard_interactive: Arc<Chain<KeyboardInteractive>>,
    pub check_password: Arc<Chain<CheckPassword>>,
    pub session_create: Arc<Chain<SessionCreate>>,
    pub post_login: Arc<Observers<PostLogin>>,
    pub session_destroy: Arc<Observers<SessionDestroy>>,
}

impl LoginHooks {
    /// Without any link.
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
            host,
        }
    }
}
