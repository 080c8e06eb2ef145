//! Bindings of the contract in `wit/` for hooks written in Rust.
//!
//! ```ignore
//! use tidegate_hook::external_auth::{AuthVerdict, Guest};
//! use tidegate_hook::types::{Failure, LoginAttempt};
//!
//! struct Hook;
//!
//! impl Guest for Hook {
//!     fn authenticate(attempt: &LoginAttempt) -> Result<AuthVerdict, Failure> {
//!         Ok(AuthVerdict::Defer)
//!     }
//! }
//!
//! tidegate_hook::export!(Hook with_types_in tidegate_hook);
//! ```

#[cfg(feature = "http")]
pub mod http;

wit_bindgen::generate!({
    path: "../../wit",
    world: "external-auth-hook",
    pub_export_macro: true,
    default_bindings_module: "tidegate_hook",
});

pub use exports::tidegate::hooks::external_auth;
pub use tidegate::hooks::{config, kv, log, types};
