//! The storage itself: what is asked of a file tree, and what the other server answers.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tidegate_core::metrics::Metrics;
use tidegate_core::path::VirtualPath;
use tidegate_core::ports::storage::{
    Canonical, Capabilities, DirectoryReader, FileInPlace, FileKind, FileSystem, Location, Metadata, OpenOptions,
    SFTP_STORAGE, SetAttributes, SftpLocation, Space, Storage, StorageError, StorageErrorKind, StorageFile, Swept,
    TEMPORARY_PREFIX, Upload, Uploads,
};

use crate::attributes::{changes, last_error, new_mode, space, unknown_space};
use crate::connect::{Dial, OverSsh, Times};
use crate::directory::SftpDirectory;
use crate::errors::{Fault, exists, failed, is_directory, is_special, not_a_directory, not_found, unsupported};
use crate::file::{OpenDirectory, OpenFile};
use crate::handle::RemoteHandle;
use crate::in_place::SftpInPlace;
use crate::packet::{Attributes, fxf, fxp};
use crate::remote::Remotes;
use crate::reply::Reply;
use crate::session::Session;
use crate::tree::{Manner, Tree};
use crate::upload::SftpUpload;
use crate::walk::{Found, Links, walk};

const MIB: usize = 1 << 20;
/// The bytes that a file reads or writes ahead where the account says nothing, and the most, in MiB.
const WINDOWS: (usize, usize) = (2, 16);

/// What all file systems on other SFTP servers have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SftpSettings {
    /// Whether uploads get their name when they are complete, where the other server can replace a file.
    pub atomic: bool,
    /// Whether an upload that is cut off gets its name as well.
    pub keep_partial: bool,
    /// Bits that are cleared in the mode of new files and directories.
    pub umask: u32,
    /// The longest time until a connection can be used.
    pub connect_time: Duration,
    /// The longest time of one request.
    pub answer_time: Duration,
    /// How long a connection is silent before it is asked whether it still is one.
    pub keepalive: Duration,
    /// How long a server is left alone that could not be used.
    pub pause: Duration,
}

impl Default for SftpSettings {
    fn default() -> Self {
        Self {
            atomic: false,
            keep_partial: false,
            umask: 0o022,
            connect_time: Duration::from_secs(20),
            answer_time: Duration::from_secs(60),
            keepalive: Duration::from_secs(15),
            pause: Duration::from_secs(2),
        }
    }
}

/// Opens directories of other SFTP servers; those of one server and user share a connection.
pub struct SftpFileSystems {
    settings: SftpSettings,
    remotes: Remotes,
}

impl SftpFileSystems {
    /// File systems with these settings. `metrics`: counts requests.
    pub fn new(settings: SftpSettings, metrics: Arc<Metrics>) -> Self {
        Self::by(Arc::new(OverSsh(times(settings))), settings, metrics)
    }

    /// File systems that are reached in another way.
    pub fn by(dial: Arc<dyn Dial>, settings: SftpSettings, metrics: Arc<Metrics>) -> Self {
        Self { settings, remotes: Remotes::new(dial, times(settings), settings.pause, metrics) }
    }

    /// Opens the directory of a file system. The server is not asked: whether it can be used is seen when it is.
    ///
    /// # Errors
    /// The description is wrong, or is of another kind of file system.
    pub fn open(&self, file_system: &FileSystem) -> Result<SftpStorage, StorageError> {
        match &file_system.location {
            Location::Sftp(place) => self.open_place(place, file_system.make_missing),
            Location::Directory(_) | Location::S3(_) => Err(unsupported("this storage has no files of that kind")),
        }
    }

    fn open_place(&self, place: &SftpLocation, make_missing: bool) -> Result<SftpStorage, StorageError> {
        if !place.prefix.is_empty() && !place.prefix.starts_with('/') {
            return Err(failed(StorageErrorKind::Invalid, "sftpconfig.prefix does not begin with \"/\""));
        }
        let SftpSettings { atomic, keep_partial, umask, .. } = self.settings;
        let manner = Manner { atomic, keep_partial, umask };
        let tree = Tree::new(self.remotes.of(place), place, manner, window(place.buffer_size), make_missing);
        Ok(SftpStorage { tree: Arc::new(tree), refuses_links: false })
    }
}

/// The bytes that a file reads or writes ahead, by what the account says in MiB.
fn window(buffer_size: u32) -> usize {
    let (usual, most) = WINDOWS;
    let size = match usize::try_from(buffer_size).unwrap_or(most) {
        0 => usual,
        size => size.min(most),
    };
    size * MIB
}

fn times(settings: SftpSettings) -> Times {
    let SftpSettings { connect_time: connect, answer_time: answer, keepalive, .. } = settings;
    Times { connect, answer, keepalive }
}

/// A directory of another SFTP server as a file tree.
#[derive(Clone)]
pub struct SftpStorage {
    pub(crate) tree: Arc<Tree>,
    /// A symbolic link on the way is an error.
    refuses_links: bool,
}

impl SftpStorage {
    /// What the path leads to, and the session in which it was looked for.
    pub(crate) async fn find(&self, path: &VirtualPath, follow_last: bool) -> Result<(Arc<Session>, Found), Fault> {
        let links = Links { follow_last, are_refused: self.refuses_links };
        self.find_as(path, links).await
    }

    async fn find_as(&self, path: &VirtualPath, links: Links) -> Result<(Arc<Session>, Found), Fault> {
        let look = |session: Arc<Session>| async move {
            self.tree.ready(&session).await?;
            let found = walk(&self.tree, &session, path, links).await?;
            Ok((session, found))
        };
        self.tree.remote.look(look).await
    }

    async fn look(&self, path: &VirtualPath, follow: bool) -> Result<Metadata, StorageError> {
        let (_, found) = self.find(path, follow).await?;
        Ok(self.tree.metadata(&found.path, found.existing()?))
    }

    /// The place of a name that must be free.
    ///
    /// # Errors
    /// `AlreadyExists`, `NotFound`: there is no such directory.
    pub(crate) async fn free(&self, path: &VirtualPath) -> Result<(Arc<Session>, Found), Fault> {
        let (session, found) = self.find(path, false).await?;
        match (&found.attributes, found.lacks_parent) {
            (Some(_), _) => Err(exists().into()),
            (None, true) => Err(not_found().into()),
            (None, false) => Ok((session, found)),
        }
    }

    /// The path in the tree as a file at the other server.
    pub(crate) async fn open_to_read(&self, session: Arc<Session>, path: &VirtualPath) -> Result<OpenFile, Fault> {
        let there = self.tree.there(path);
        let none = Attributes::default();
        let pending = session.request(fxp::OPEN, |packet| packet.text(&there).u32(fxf::READ).attributes(&none));
        let handle = RemoteHandle::opened(session, pending).await?;
        Ok(OpenFile::to_read(self.tree.clone(), handle, path))
    }
}

#[async_trait]
impl Storage for SftpStorage {
    fn kind(&self, _path: &VirtualPath) -> &'static str {
        SFTP_STORAGE
    }

    /// A server that cannot replace a file in one step has no uploads without a name: a file must never be lost.
    fn capabilities(&self, _path: &VirtualPath) -> Capabilities {
        let is_atomic = self.tree.manner.atomic && self.tree.remote.can_replace();
        let uploads = if is_atomic { Uploads::AnyOrder } else { Uploads::None };
        Capabilities { in_place: true, uploads, keeps_old: is_atomic && !self.tree.manner.keep_partial }
    }

    fn is_remote(&self) -> bool {
        true
    }

    /// Names of a server of ours on that host as well, if it has the same files.
    fn is_unfinished(&self, _directory: &VirtualPath, name: &[u8]) -> bool {
        self.tree.is_temporary(name) || name.starts_with(TEMPORARY_PREFIX)
    }

    fn host_path(&self, path: &VirtualPath) -> OsString {
        self.tree.url(path)
    }

    async fn open(&self, path: &VirtualPath) -> Result<Box<dyn StorageFile>, StorageError> {
        let (session, found) = self.find(path, true).await?;
        found.existing()?;
        match found.kind() {
            Some(FileKind::Directory) => Ok(Box::new(OpenDirectory { storage: self.clone(), path: found.path })),
            Some(FileKind::File) => Ok(Box::new(self.open_to_read(session, &found.path).await?)),
            // Opening a pipe would stop the other server.
            Some(FileKind::Symlink | FileKind::Other) | None => Err(is_special()),
        }
    }

    async fn open_in_place(
        &self,
        path: &VirtualPath,
        options: OpenOptions,
    ) -> Result<Box<dyn FileInPlace>, StorageError> {
        Ok(Box::new(SftpInPlace::open(self, path, options).await?))
    }

    async fn begin_upload(&self, path: &VirtualPath, options: OpenOptions) -> Result<Box<dyn Upload>, StorageError> {
        Ok(Box::new(SftpUpload::begin(self, path, options).await?))
    }

    async fn begin_copy(
        &self,
        path: &VirtualPath,
        mode: Option<u32>,
        replaces: bool,
    ) -> Result<Box<dyn Upload>, StorageError> {
        Ok(Box::new(SftpUpload::begin_copy(self, path, OpenOptions::of_copy(mode, replaces)).await?))
    }

    async fn metadata(&self, path: &VirtualPath) -> Result<Metadata, StorageError> {
        self.look(path, true).await
    }

    async fn symlink_metadata(&self, path: &VirtualPath) -> Result<Metadata, StorageError> {
        self.look(path, false).await
    }

    async fn read_directory(&self, path: &VirtualPath) -> Result<Box<dyn DirectoryReader>, StorageError> {
        Ok(Box::new(SftpDirectory::open(self, path).await?))
    }

    async fn create_directory(&self, path: &VirtualPath, mode: Option<u32>) -> Result<(), StorageError> {
        let (session, found) = self.free(path).await?;
        let there = self.tree.there(&found.path);
        let mode = new_mode(mode, self.tree.manner.umask);
        Ok(session.request(fxp::MKDIR, |packet| packet.text(&there).attributes(&mode)).done().await?)
    }

    async fn remove_directory(&self, path: &VirtualPath) -> Result<(), StorageError> {
        let (session, found) = self.find(path, false).await?;
        found.existing()?;
        if found.path.is_root() {
            return Err(failed(StorageErrorKind::Invalid, "the root cannot be removed"));
        }
        if found.kind() != Some(FileKind::Directory) {
            return Err(not_a_directory());
        }
        let there = self.tree.there(&found.path);
        match session.about(fxp::RMDIR, &there).done().await {
            Ok(()) => {
                self.tree.remote.moved(&there);
                Ok(())
            }
            Err(fault) if fault.is_vague() => Err(failed(StorageErrorKind::NotEmpty, "the directory is not empty")),
            Err(fault) => Err(fault.into()),
        }
    }

    async fn remove_file(&self, path: &VirtualPath) -> Result<Metadata, StorageError> {
        let (session, found) = self.find(path, false).await?;
        let metadata = self.tree.metadata(&found.path, found.existing()?);
        if metadata.kind == FileKind::Directory {
            return Err(is_directory());
        }
        let there = self.tree.there(&found.path);
        session.about(fxp::REMOVE, &there).done().await?;
        self.tree.remote.moved(&there);
        Ok(metadata)
    }

    async fn rename(&self, from: &VirtualPath, to: &VirtualPath, replace: bool) -> Result<(), StorageError> {
        Ok(self.move_to(from, to, replace).await?)
    }

    async fn hard_link(&self, existing: &VirtualPath, new: &VirtualPath) -> Result<(), StorageError> {
        let (_, old) = self.find(existing, false).await?;
        old.existing()?;
        let (session, found) = self.free(new).await?;
        if old.kind() == Some(FileKind::Directory) {
            return Err(failed(StorageErrorKind::PermissionDenied, "directories have one name only"));
        }
        if !session.offers.hard_link {
            return Err(unsupported("the SFTP server that has the files has no hard links"));
        }
        let (old, new) = (self.tree.there(&old.path), self.tree.there(&found.path));
        let linked = session.extended(b"hardlink@openssh.com", |packet| packet.text(&old).text(&new));
        Ok(linked.done().await?)
    }

    async fn create_symlink(&self, target: &[u8], link: &VirtualPath) -> Result<(), StorageError> {
        if target.contains(&0) {
            return Err(failed(StorageErrorKind::Invalid, "the target of the link is not a path"));
        }
        let (session, found) = self.free(link).await?;
        let text = match target.first() {
            Some(b'/') => [&self.tree.root, target].concat(),
            Some(_) | None => target.to_vec(),
        };
        let there = self.tree.there(&found.path);
        // Servers have OpenSSH's order of the two, and not the draft's.
        Ok(session.request(fxp::SYMLINK, |packet| packet.text(&text).text(&there)).done().await?)
    }

    async fn read_link(&self, path: &VirtualPath) -> Result<Vec<u8>, StorageError> {
        let (session, found) = self.find(path, false).await?;
        found.existing()?;
        if found.kind() != Some(FileKind::Symlink) {
            return Err(failed(StorageErrorKind::Invalid, "is not a symbolic link"));
        }
        let text = session.about(fxp::READLINK, &self.tree.there(&found.path)).name().await?;
        if text.first() != Some(&b'/') {
            return Ok(text);
        }
        match self.tree.inside(&session, &text).await? {
            Some(inside) if inside.is_empty() => Ok(b"/".to_vec()),
            Some(inside) => Ok(inside),
            None => Err(failed(StorageErrorKind::PermissionDenied, "the link leads outside the directory")),
        }
    }

    async fn canonical(&self, path: &VirtualPath, follow: bool) -> Result<Canonical, StorageError> {
        let (_, found) = self.find_as(path, Links { follow_last: follow, are_refused: false }).await?;
        Ok(Canonical { path: found.path, lacks_parent: found.lacks_parent })
    }

    fn without_links(&self) -> Option<Arc<dyn Storage>> {
        Some(Arc::new(Self { tree: self.tree.clone(), refuses_links: true }))
    }

    async fn set_attributes(
        &self,
        path: &VirtualPath,
        attributes: &SetAttributes,
        follow: bool,
    ) -> Result<(), StorageError> {
        let (session, found) = self.find(path, follow).await?;
        found.existing()?;
        let kind = found.kind().unwrap_or(FileKind::Other);
        let there = self.tree.there(&found.path);
        let is_link = kind == FileKind::Symlink;
        if is_link && !session.offers.lsetstat {
            return Err(unsupported("the SFTP server that has the files cannot change attributes of symbolic links"));
        }
        let mut outcomes = Vec::new();
        let had = found.attributes.and_then(|found| found.owner);
        for change in changes(attributes, kind, had).into_iter().flatten() {
            outcomes.push(match change {
                Ok(change) => {
                    let done = match is_link {
                        true => {
                            session.extended(b"lsetstat@openssh.com", |packet| packet.text(&there).attributes(&change))
                        }
                        false => session.request(fxp::SETSTAT, |packet| packet.text(&there).attributes(&change)),
                    };
                    done.done().await.map_err(StorageError::from)
                }
                Err(error) => Err(error),
            });
        }
        last_error(outcomes)
    }

    async fn space(&self, path: &VirtualPath) -> Result<Space, StorageError> {
        let (session, found) = self.find(path, true).await?;
        found.existing()?;
        if !session.offers.statvfs {
            return Ok(unknown_space());
        }
        let there = self.tree.there(&found.path);
        match session.extended(b"statvfs@openssh.com", |packet| packet.text(&there)).answer().await? {
            Reply::Extended(answer) => Ok(space(&answer)?),
            _ => Err(Fault::odd("an answer of the wrong type").into()),
        }
    }

    async fn sweep(&self, before: i64) -> Result<Swept, StorageError> {
        self.remove_unfinished(before).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_two_mebibytes_ahead_unless_told_and_sixteen_at_most() {
        // C4-01
        for (buffer_size, expected) in
            [(0, 2_097_152), (1, 1_048_576), (15, 15_728_640), (16, 16_777_216), (17, 16_777_216), (5000, 16_777_216)]
        {
            assert_eq!(window(buffer_size), expected, "{buffer_size}");
        }
    }
}
