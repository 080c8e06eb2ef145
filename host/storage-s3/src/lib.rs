//! Files in a bucket of a store that speaks S3 (A16).
//!
//! `key` is the guard between names and keys; `upload` writes objects in `parts` out of a `budget` that all
//! uploads of a server share, in `pool`s that no account empties, and `kept` is what stays of the old object; `reading`
//! reads one version of an object, `ahead` knows which `window`s of it are on their way, out of the `read_budget` of all
//! downloads; `directory` lists; `moving` renames by `copying`; `client` sends requests, `counted` counts them, `answered` refuses answers
//! to another question than was asked and `repetition` lists that have no end, `absence` knows stores that are away, and
//! `patience` how long one is waited for; `missing` are names that nothing had a moment ago, which `listed` finds; `above`
//! refuses names below a file, `unkept` are directories that the store does not keep, and `claims` are the names that sessions of this server make at the moment;
//! `unfinished_upload` is one in parts, and `unfinished` are the uploads that a killed server has left; those, and a
//! `missing_bucket`, take requests that opendal does not make, which are `signed` here.

mod above;
mod absence;
mod ahead;
mod answered;
mod budget;
mod claims;
mod client;
mod copying;
mod counted;
mod directory;
mod errors;
mod kept;
mod key;
mod listed;
mod missing;
mod missing_bucket;
mod moving;
mod object;
mod parts;
mod patience;
mod pool;
mod read_budget;
mod reading;
mod repetition;
mod sent;
mod sequence;
mod signed;
mod storage;
mod unfinished;
mod unfinished_upload;
mod unkept;
mod upload;
mod window;

pub use budget::{MemoryBudget, MemoryLimits};
pub use storage::{S3FileSystems, S3Settings, S3Storage};
pub use unfinished::{ListedUpload, listed_uploads};

#[cfg(test)]
mod tests;
