//! Stand-ins for the server, for hooks that are tested natively.
//!
//! ```
//! use tidegate_hook::testing::host;
//! use tidegate_hook::{AuthVerdict, LoginAttempt};
//!
//! host::reset();
//! host::set_config(r#"{"password_hash": "$2b$…"}"#);
//! let attempt = LoginAttempt::with_password("guest-1", "secret").whose_hash_is("$2b$…");
//! assert!(attempt.password_matches("$2b$…").unwrap());
//! ```
//!
//! The stand-ins do not check drafts as strictly as the server does, and they compare no real hashes.

mod account;
mod conversation;
mod events;
pub mod host;
mod login;

pub use account::{Account, AccountDraft};
pub use conversation::Conversation;
pub use events::{AddressBan, CredentialChange, FileAction, ObjectChange, Session, WebRequest};
pub use login::{Connection, LoginAttempt};
