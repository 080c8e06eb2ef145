//! What databases share that are reached over a connection: which host is used, the pool, one statement and one
//! transaction with its deadline, and what errors are called. A database brings a [`Driver`].

mod certificates;
mod connector;
mod driver;
mod executor;
mod foreign;
#[cfg(test)]
pub mod harm_cases;
mod reader;
mod settings;
#[cfg(test)]
pub mod step_cases;
#[cfg(test)]
pub mod test_cases;
#[cfg(test)]
pub mod test_files;
#[cfg(test)]
pub mod test_proxy;
mod transaction;
mod trouble;

pub use certificates::{certificates, private_key, unreadable};
pub use connector::{Connected, Connector};
pub use driver::Driver;
pub use executor::{Remote, apart};
pub use foreign::{ForeignTable, read_foreign};
pub use reader::read_only;
pub use settings::{DatabaseServerSettings, TlsMode, is_path};
pub use transaction::RemoteTransaction;
pub use trouble::{Fate, Trouble, away, given_up, of_commit, stalled, unreachable};
