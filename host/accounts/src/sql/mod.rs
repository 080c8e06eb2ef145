//! What the databases that speak SQL share: documents as cells, and the texts of statements.

mod cell;
mod dialect;
pub mod documents;
pub mod logins;
pub mod text;

pub use cell::Cell;
pub use dialect::placeholders;
