//! What the databases that speak SQL share: documents as cells, the texts of statements, and stores that are
//! written once over [`Database`]. A database that is reached over a connection brings a [`remote::Driver`] and a
//! [`Dialect`]. SQLite has stores of its own
//! on its own threads, and takes the documents and texts from here.

pub mod account_references;
mod cell;
mod database;
mod dialect;
pub mod documents;
pub mod logins;
pub mod remote;
pub mod store;
pub mod sums;
pub mod tables_version;
pub mod text;

pub use cell::{Cell, Row};
pub use database::{Database, Deadline, Failure, Patience, Transaction, transact};
pub use dialect::{Dialect, TableNames, placeholders};
