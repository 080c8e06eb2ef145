//! Version, commit and build date.

/// `<version>-<commit>-<build date>` (A1-29).
pub const VERSION: &str =
    concat!(env!("CARGO_PKG_VERSION"), "-", env!("TIDEGATE_COMMIT"), "-", env!("TIDEGATE_BUILD_DATE"));

/// The version without commit and date.
pub const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// The commit that the server was built from.
pub const COMMIT: &str = env!("TIDEGATE_COMMIT");

/// When the server was built, in UTC (RFC 3339).
pub const BUILD_DATE: &str = env!("TIDEGATE_BUILD_DATE");

/// The server's name and version for clients, without the commit.
pub const IDENTIFICATION: &str = concat!("Tidegate_", env!("CARGO_PKG_VERSION"));
