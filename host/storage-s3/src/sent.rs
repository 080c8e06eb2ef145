//! Parts on their way to the store.

use tokio::sync::mpsc::UnboundedSender;

use crate::budget::PartMemory;

/// A part on its way to the store; its memory goes back to the upload afterwards.
pub struct Sent {
    pub data: Vec<u8>,
    pub taken: Option<PartMemory>,
    pub sender: UnboundedSender<PartMemory>,
}

impl AsRef<[u8]> for Sent {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.data = Vec::new();
        if let Some(taken) = self.taken.take() {
            // Without the upload the memory is free for others.
            let _ = self.sender.send(taken);
        }
    }
}
