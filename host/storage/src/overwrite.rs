//! When an upload becomes visible.

/// `upload_mode` (A3-16).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OverwriteMode {
    /// Uploads write into the file that has the name, from the first byte on, as OpenSSH's
    /// server does.
    #[default]
    Standard,
    /// Every upload appears when it is complete.
    Atomic,
    /// As `Atomic`, but an upload that was cut off takes the name, for the client to resume.
    AtomicWithResume,
}
