//! Hooks of each kind give the same answers, alone and in the server. One binary: each has to be linked with the
//! engine that runs components.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod eras;
mod life;
mod logins;
mod names;
mod records;
mod table;
mod told;
mod watch;
