//! Accounts. What comes from outside (a hook, the command line, an import) is an [`AccountDraft`]; its
//! one validation makes a [`User`], which is what is stored. Sessions have an [`EffectiveAccount`]: the
//! user with what its groups give it, which cannot be stored.

mod concurrent;
mod document;
mod draft;
mod effective;
mod field_table;
pub mod fields;
mod file_systems;
mod filesystem_table;
mod filter_table;
mod filter_validation;
mod filter_words;
mod filters;
mod folders;
mod group;
mod hashed_passwords;
mod home_check;
mod homes;
mod inheritance;
mod load;
mod placeholders;
mod policy;
mod registry;
mod rights;
mod schema;
mod second_factors;
mod size;
mod stored;
mod user;
mod validation;
mod values;
mod view;
mod write;

pub use document::DocumentError;
pub use draft::{AccountDraft, CredentialRule, InvalidAccount, Validated};
pub use effective::{EffectiveAccount, in_force};
pub use filters::{AccessWindow, BandwidthLimit, FilePatterns, Filters, NameVerdict, OneTimeCodes, PatternRule};
pub use folders::{FolderQuota, VirtualFolder, VirtualFolders};
pub use group::{Group, Membership, MembershipKind};
pub use home_check::HomeCheck;
pub use homes::{HomeRule, Occupied};
pub use load::{LoadOutcome, Loaded};
pub use policy::{AccountPolicy, AccountRule, Factors, LoginFacts};
pub use registry::{AccountError, AccountWrite, Accounts, OnConflict};
pub use rights::{AccountRights, MAX_CACHE_SECONDS};
pub use schema::json_schema;
pub use size::MAX_DOCUMENT;
pub use stored::{AccountPage, InvalidStored, find_stored, find_user, list_users, user_of};
pub use user::User;
pub use values::{AccountValues, AddressRule, Usage};
pub use view::{Audience, compact_json, redacted, unknown_account};
