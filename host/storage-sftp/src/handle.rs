//! An open handle at the other server, which is closed when it is not used any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::errors::{Fault, is_over};
use crate::packet::{Packet, fxp};
use crate::reply::Reply;
use crate::session::{Pending, Session};

/// A handle of a file or directory.
pub struct RemoteHandle {
    session: Arc<Session>,
    handle: Vec<u8>,
    is_closed: AtomicBool,
}

impl RemoteHandle {
    /// Waits for the answer of OPEN or OPENDIR.
    ///
    /// # Errors
    /// The other server refused.
    pub async fn opened(session: Arc<Session>, pending: Pending) -> Result<Self, Fault> {
        match pending.answer().await? {
            Reply::Handle(handle) => Ok(Self { session, handle, is_closed: AtomicBool::new(false) }),
            _ => Err(Fault::odd("an answer of the wrong type")),
        }
    }

    /// The session that has the handle.
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// Makes a request about the handle. Of one that is closed none is made: servers give the same handle to the next file.
    pub fn request(&self, kind: u8, fields: impl FnOnce(Packet) -> Packet) -> Pending {
        if self.is_closed.load(Ordering::Relaxed) {
            return self.session.refused(is_over().into());
        }
        self.session.request(kind, |packet| fields(packet.text(&self.handle)))
    }

    /// Makes a request of an extension about the handle.
    pub fn extended(&self, name: &[u8]) -> Pending {
        if self.is_closed.load(Ordering::Relaxed) {
            return self.session.refused(is_over().into());
        }
        self.session.extended(name, |packet| packet.text(&self.handle))
    }

    /// Closes the handle; None: it is closed.
    pub fn close(&self) -> Option<Pending> {
        let close = || self.session.request(fxp::CLOSE, |packet| packet.text(&self.handle));
        (!self.is_closed.swap(true, Ordering::Relaxed)).then(close)
    }
}

impl Drop for RemoteHandle {
    fn drop(&mut self) {
        // It is sent whether or not the answer is waited for.
        drop(self.close());
    }
}
