//! The server without a socket, a disk or a database: the rules of accounts, permissions, hooks, logins,
//! sessions and files, and the ports through which the outer rings serve them. See `host/ARCHITECTURE.md`.

#![deny(missing_docs)]

pub mod account;
pub mod admin;
pub mod connection;
pub mod dump_text;
pub mod file_history;
pub mod files;
pub mod guard;
pub mod history;
pub mod hook;
pub mod json;
pub mod key_options;
pub mod login;
pub mod memory;
pub mod metrics;
pub mod network;
pub mod pace;
pub mod password;
pub mod path;
pub mod pattern;
pub mod permission;
pub mod ports;
pub mod presented;
pub mod public_key;
pub mod quota;
pub mod recurring;
pub mod remembered;
pub mod secret;
pub mod session;
pub mod terminal;
pub mod trace;
pub mod turns;
