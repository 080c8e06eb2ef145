//! Version, commit and build date.

/// `<version>-<commit>-<build date>` (A1-29).
pub const VERSION: &str =
    concat!(env!("CARGO_PKG_VERSION"), "-", env!("TIDEGATE_COMMIT"), "-", env!("TIDEGATE_BUILD_DATE"));

/// What the server calls itself to clients, who need not know the commit.
pub const IDENTIFICATION: &str = concat!("Tidegate_", env!("CARGO_PKG_VERSION"));
