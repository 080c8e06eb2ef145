//! What the older server leaves: dumps, and databases of all its eras.

mod administrators;
mod database;
mod documents;
mod dump;
mod joined;
mod others;
mod secrets;
mod sqlite;
mod tables;
mod views;

pub use database::{Names, read_tables};
pub use dump::{read_dump, read_dump_text};
pub use others::of_other_programs;
#[cfg(test)]
pub(crate) use secrets::tests::sealed as sealed_for_tests;
pub use secrets::{decrypt_file_systems, decrypted_file_system};
pub(crate) use sqlite::{beside, followed};
pub use sqlite::{is_ours, read_sqlite};
pub use tables::{NOT_UTF8, Row, Tables};
