//! Track 0.1 of the contract. Types generated from WIT stay in here.

mod account;
pub mod bindings;
mod connection;
mod draft;
pub mod external_auth;
mod services;
pub mod state;

pub use state::{CallState, Shared};

use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};

use self::bindings::ExternalAuthHook;

/// Everything that a component may import. WASI is there because guests' C libraries want
/// it; it opens no file and no socket.
pub fn linker(engine: &Engine) -> wasmtime::Result<Linker<CallState>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    ExternalAuthHook::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut CallState| state)?;
    Ok(linker)
}
