//! Track 0.1 of the contract. Types that are generated from WIT stay in this module.

mod account;
pub mod bindings;
mod connection;
mod conversation;
mod draft;
mod gates;
pub mod guest;
mod kept;
mod objects;
mod observers;
mod services;
mod session;
pub mod state;

pub use guest::{Guest, GuestEvent};
pub use state::{CallState, Shared};

use tidegate_core::hook::HookKind;
use wasmtime::Engine;
use wasmtime::component::{HasSelf, InstancePre, Linker};

use self::bindings::EveryHook;
use self::bindings::exports::tidegate::hooks as exports;

/// Offers everything that a component may import. WASI is there because guests' C libraries need it: it
/// opens no file, and requests and datagrams go only where the plugin's settings allow (`http`, `udp`).
pub fn linker(engine: &Engine) -> wasmtime::Result<Linker<CallState>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    EveryHook::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut CallState| state)?;
    Ok(linker)
}

macro_rules! exports {
    ($($module:ident: $kind:ident),* $(,)?) => {
        /// The functions of a component, for the hooks that it exports.
        #[derive(Default)]
        pub struct Exports {
            $(pub $module: Option<exports::$module::GuestIndices>,)*
        }

        impl Exports {
            /// Finds the functions of these hooks. `kinds`: what the component's type says that it exports.
            pub fn find(instance: &InstancePre<CallState>, kinds: &[HookKind]) -> wasmtime::Result<Self> {
                let mut found = Self::default();
                $(if kinds.contains(&HookKind::$kind) {
                    found.$module = Some(exports::$module::GuestIndices::new(instance)?);
                })*
                Ok(found)
            }
        }
    };
}

exports!(
    startup: Startup,
    connect: Connect,
    login_pre: LoginPre,
    external_auth: ExternalAuth,
    pre_login: PreLogin,
    check_password: CheckPassword,
    keyboard_interactive: KeyboardInteractive,
    session_create: SessionCreate,
    post_login: PostLogin,
    pre_action: PreAction,
    post_action: PostAction,
    session_destroy: SessionDestroy,
    disconnect: Disconnect,
    object_changes: ObjectChanges,
    credential_changed: CredentialChanged,
    password_reset_pre: PasswordResetPre,
    one_click_login_post: OneClickLoginPost,
    address_banned: AddressBanned,
);
