//! `tidegate hook test`: sends a made-up event through one hook or through the whole chain, and
//! shows everything that happens.

mod case;
mod event;
mod file;
mod outcome;
mod report;
mod run;

pub use case::Case;
pub use event::Testable;
pub use file::cases_of;
pub use outcome::{Known, Tested, gate, observers};
pub use report::{Report, print};
pub use run::Bench;
