//! Descriptors of the process, of which the system gives it so many and no more.

use core::fmt;

/// For what a descriptor is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DescriptorUse {
    /// For a connection, a file, or a program of a client.
    Client,
    /// For a connection over HTTP: of monitoring, of administrators, and of any other client of the port.
    Http,
}

/// Keeps descriptors for administration. Clients could take all of them, and then no administrator could see who has
/// them, or end a connection.
pub trait Descriptors: fmt::Debug + Send + Sync {
    /// Whether one may be taken for this. Asked before a file is opened, or right after a connection was accepted, which
    /// is closed again if there is no room. A refusal is logged, though not each time.
    fn has_room(&self, wanted: DescriptorUse) -> bool;

    /// Whether the one with this number, which was opened for this just now, may stay open. It costs less than to ask
    /// before, where nothing is left of what is closed again.
    fn may_keep(&self, _number: u64, wanted: DescriptorUse) -> bool {
        self.has_room(wanted)
    }
}

/// Any number of descriptors.
#[derive(Debug, Clone, Copy, Default)]
pub struct UnlimitedDescriptors;

impl Descriptors for UnlimitedDescriptors {
    fn has_room(&self, _wanted: DescriptorUse) -> bool {
        true
    }
}
