//! When an upload becomes visible.

/// The setting `upload_mode` (A3-16).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OverwriteMode {
    /// An upload writes into the file that has the name, from the first byte on, as OpenSSH's server does.
    #[default]
    Standard,
    /// An upload gets its name when it is complete.
    Atomic,
    /// As `Atomic`, but an upload that was cut off gets the name as well, so that the client can resume it.
    AtomicWithResume,
}
