//! Hooks for the Tidegate SFTP server, in Rust.
//!
//! A hook is a type that implements the trait of each hook point that it serves, and one line that exports it:
//!
//! ```
//! use tidegate_hook::{AccountDraft, AuthVerdict, ExternalAuth, Failure, LoginAttempt, config};
//!
//! struct Guests;
//!
//! impl ExternalAuth for Guests {
//!     fn authenticate(attempt: &LoginAttempt) -> Result<AuthVerdict, Failure> {
//!         if !attempt.username().starts_with("guest-") {
//!             return Ok(AuthVerdict::Defer);
//!         }
//!         let hash = config::get("password_hash").ok_or_else(|| Failure::new("config.password_hash is needed"))?;
//!         if !attempt.password_matches(&hash).unwrap_or(false) {
//!             return Ok(AuthVerdict::reject("not the guests' password"));
//!         }
//!         let draft = AccountDraft::new(&attempt.username());
//!         draft.set_home_directory("/srv/guests").map_err(Failure::new)?;
//!         draft.set_permissions("/", &["list".to_owned(), "download".to_owned()]).map_err(Failure::new)?;
//!         Ok(AuthVerdict::Accept(Some(draft)))
//!     }
//! }
//!
//! tidegate_hook::export!(Guests: ExternalAuth);
//! # fn main() {}
//! ```
//!
//! The crate also builds natively: there, [`testing`] stands in for the server, and hooks are
//! tested with plain `cargo test`.

#![deny(missing_docs)]

#[cfg(target_family = "wasm")]
#[doc(hidden)]
#[allow(missing_docs, reason = "generated from the contract in `wit/`")]
pub mod bindings;
#[cfg(not(target_family = "wasm"))]
#[allow(missing_docs, reason = "generated from the contract in `wit/`")]
mod bindings;
#[cfg(feature = "clock")]
pub mod clock;
mod export;
mod hooks;
mod host;
#[cfg(feature = "http")]
pub mod http;
mod names;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
#[cfg(feature = "udp")]
pub mod udp;
mod verdicts;

pub use bindings::host::tidegate::hooks::types::{
    AccessError, ActionKind, ActionStatus, ChangeKind, Denial, Failure, LoginMethod, ObjectKind, Protocol, Quota,
    Timestamp,
};
pub use hooks::*;
pub use host::{config, kv, log, secrets};
pub use verdicts::*;

#[cfg(target_family = "wasm")]
pub use bindings::host::tidegate::hooks::conversations::Conversation;
pub use bindings::host::tidegate::hooks::conversations::{ConversationError, Prompt};
#[cfg(target_family = "wasm")]
pub use bindings::host::tidegate::hooks::types::{
    Account, AccountDraft, AddressBan, Connection, CredentialChange, FileAction, LoginAttempt, ObjectChange, Session,
    WebRequest,
};
#[cfg(not(target_family = "wasm"))]
pub use testing::{
    Account, AccountDraft, AddressBan, Connection, Conversation, CredentialChange, FileAction, LoginAttempt,
    ObjectChange, Session, WebRequest,
};
