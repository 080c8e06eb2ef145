//! Open files and directories of one channel. A number is used once, so that a closed
//! handle never means another file.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tidegate_core::files::OpenFile;
use tidegate_core::path::VirtualPath;
use tidegate_core::ports::storage::DirectoryReader;
use tidegate_core::session::Session;

use crate::fields::Handle;
use crate::packet::Status;
use crate::protocol::{MAX_HANDLES, MAX_HANDLES_OF_SESSION, StatusCode};

/// What a handle is open on.
pub enum Target {
    /// A file, from OPEN.
    File(Box<OpenFile>),
    /// A directory, from OPENDIR.
    Directory(Box<dyn DirectoryReader>),
}

/// The open handles of one channel.
pub struct Handles {
    open: HashMap<u32, Target>,
    next: u32,
    /// The session, which counts the handles of all its channels.
    session: Arc<Session>,
}

impl Handles {
    /// No open handle yet.
    pub fn new(session: Arc<Session>) -> Self {
        Self { open: HashMap::new(), next: 0, session }
    }

    /// Opens a handle on `target`; gives it as it goes over the wire.
    pub fn insert(&mut self, target: Target) -> [u8; 4] {
        while self.open.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.put(number, target);
        number.to_be_bytes()
    }

    /// Whether one more handle may be opened; asked before a file is.
    ///
    /// # Errors
    /// `Failure` if the channel or the session has as many as it may.
    pub fn require_room(&self) -> Result<(), Status> {
        let too_many = |max| Err(Status::new(StatusCode::Failure, format!("more than {max} handles are open")));
        if self.open.len() >= MAX_HANDLES {
            return too_many(MAX_HANDLES);
        }
        if self.session.live.handles.load(Ordering::Relaxed) >= MAX_HANDLES_OF_SESSION {
            return too_many(MAX_HANDLES_OF_SESSION);
        }
        Ok(())
    }

    /// Closes a handle; gives what it was open on.
    pub fn remove(&mut self, handle: Handle) -> Result<Target, Status> {
        let target = handle.number().and_then(|number| self.open.remove(&number)).ok_or_else(Status::bad_handle)?;
        self.session.live.handles.fetch_sub(1, Ordering::Relaxed);
        Ok(target)
    }

    fn put(&mut self, number: u32, target: Target) {
        if self.open.insert(number, target).is_none() {
            self.session.live.handles.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// As [`remove`](Self::remove), but only for files: a directory stays open.
    pub fn take_file(&mut self, handle: Handle) -> Result<Box<OpenFile>, Status> {
        match self.remove(handle)? {
            Target::File(file) => Ok(file),
            directory @ Target::Directory(_) => {
                self.restore(handle, directory);
                Err(Status::bad_handle())
            }
        }
    }

    /// Puts back what [`remove`](Self::remove) took, under the same number.
    pub fn restore(&mut self, handle: Handle, target: Target) {
        if let Some(number) = handle.number() {
            self.put(number, target);
        }
    }

    /// The file that a handle is open on.
    pub fn file(&mut self, handle: Handle) -> Result<&mut OpenFile, Status> {
        match handle.number().and_then(|number| self.open.get_mut(&number)) {
            Some(Target::File(file)) => Ok(file),
            Some(Target::Directory(_)) | None => Err(Status::bad_handle()),
        }
    }

    /// As [`file`](Self::file), without changing the file.
    pub fn opened_file(&self, handle: Handle) -> Option<&OpenFile> {
        match self.open.get(&handle.number()?)? {
            Target::File(file) => Some(file),
            Target::Directory(_) => None,
        }
    }

    /// The upload that was begun last of those that get this name when they are closed, and have none until then.
    pub fn unnamed_at(&mut self, path: &VirtualPath) -> Option<&mut OpenFile> {
        let unnamed = self.open.iter_mut().filter_map(|(number, target)| match target {
            Target::File(file) if file.is_unnamed_at(path) => Some((*number, file.as_mut())),
            Target::File(_) | Target::Directory(_) => None,
        });
        unnamed.max_by_key(|(number, _)| *number).map(|(_, file)| file)
    }

    /// The directory that a handle is open on.
    pub fn directory(&mut self, handle: Handle) -> Result<&mut dyn DirectoryReader, Status> {
        match handle.number().and_then(|number| self.open.get_mut(&number)) {
            Some(Target::Directory(directory)) => Ok(directory.as_mut()),
            Some(Target::File(_)) | None => Err(Status::bad_handle()),
        }
    }
}

impl Drop for Handles {
    fn drop(&mut self) {
        self.session.live.handles.fetch_sub(self.open.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client_for_tests::{Client, files};
    use crate::protocol::StatusCode;

    async fn directory(handles: &mut Handles, files: &tidegate_core::files::FileService) -> Handle {
        let directory = files.read_directory(&VirtualPath::root()).await.unwrap();
        Handle::from_wire(&handles.insert(Target::Directory(directory)))
    }

    #[tokio::test]
    async fn a_number_is_used_once() {
        let files = files("");
        let mut handles = Handles::new(files.session().clone());
        let first = directory(&mut handles, &files).await;
        assert!(handles.directory(first).is_ok() && handles.file(first).is_err());
        assert!(handles.opened_file(first).is_none());
        assert!(matches!(handles.take_file(first), Err(status) if status == Status::bad_handle()));
        assert!(handles.directory(first).is_ok(), "a directory stays where it is");
        assert!(handles.remove(first).is_ok() && handles.remove(first).is_err());
        let second = directory(&mut handles, &files).await;
        assert_ne!(first, second);
        for wrong in [&b""[..], b"123", b"12345", &[0xff; 4]] {
            assert!(handles.directory(Handle::from_wire(wrong)).is_err(), "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn all_channels_of_a_session_are_counted() {
        let files = files("");
        let open = || files.session().live.handles.load(Ordering::Relaxed);
        let mut handles = Handles::new(files.session().clone());
        for _ in 0..MAX_HANDLES {
            assert_eq!(handles.require_room(), Ok(()));
            directory(&mut handles, &files).await;
        }
        assert_eq!(handles.require_room().unwrap_err().message, "more than 1000 handles are open");
        let mut others = Handles::new(files.session().clone());
        for _ in 0..MAX_HANDLES_OF_SESSION - MAX_HANDLES {
            assert_eq!(others.require_room(), Ok(()));
            directory(&mut others, &files).await;
        }
        assert_eq!(Handles::new(files.session().clone()).require_room().unwrap_err().code, StatusCode::Failure);
        assert_eq!(open(), MAX_HANDLES_OF_SESSION);
        drop(handles);
        assert_eq!(open(), MAX_HANDLES_OF_SESSION - MAX_HANDLES);
        drop(others);
        assert_eq!(open(), 0);
    }

    #[tokio::test]
    async fn what_is_taken_is_put_back_under_its_number() {
        let files = files("");
        Client::new(files.clone()).await.put("f", b"").await;
        let path = VirtualPath::resolve(&VirtualPath::root(), b"f").unwrap();
        let file = files.open_read(&path, tidegate_core::files::Protocol::Sftp).await.unwrap();
        let mut handles = Handles::new(files.session().clone());
        let handle = Handle::from_wire(&handles.insert(Target::File(Box::new(file))));
        let taken = handles.take_file(handle).unwrap();
        assert!(handles.file(handle).is_err());
        handles.restore(handle, Target::File(taken));
        assert!(handles.file(handle).is_ok() && handles.opened_file(handle).is_some());
        assert!(handles.directory(handle).is_err());
    }
}
