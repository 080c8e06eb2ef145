//! Where a program may work: paths of the account, resolved and granted to the sandbox.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use tidegate_core::files::{FileError, FileService};
use tidegate_core::path::VirtualPath;
use tidegate_core::permission::Permission;
use tidegate_core::ports::storage::FileKind;

/// A7-05
const NEEDED: [Permission; 6] = [
    Permission::Download,
    Permission::Upload,
    Permission::CreateDirs,
    Permission::List,
    Permission::Overwrite,
    Permission::Delete,
];
const READING: [Permission; 2] = [Permission::Download, Permission::List];

/// A path, and what of it a program may reach.
#[derive(Debug, Clone)]
pub struct Place {
    pub path: VirtualPath,
    /// As the client wrote it; links may lead elsewhere.
    pub written: VirtualPath,
    /// The client wrote a slash behind it: the content of the directory is meant.
    has_slash: bool,
    is_file: bool,
    /// The path itself, or the nearest directory above it in which it will be made.
    pub directory: VirtualPath,
}

/// What is above a path that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The directory it is in has to be there.
    LastName,
    /// Directories above it may be missing as well.
    AnyName,
}

impl Place {
    /// Without links: the rules of where it is hold, and programs are confined to it.
    pub async fn find(
        files: &FileService,
        path: VirtualPath,
        has_slash: bool,
        missing: Missing,
    ) -> Result<Self, FileError> {
        let written = path.clone();
        let mut path = match files.without_links(&path).await {
            Ok(path) => path,
            // A directory on the way is missing.
            Err(FileError::NotFound) => path,
            Err(error) => return Err(error),
        };
        let kind = kind_of(files, &path).await?;
        let is_directory = kind == Some(FileKind::Directory);
        let mut directory = if is_directory { path.clone() } else { path.parent() };
        if missing == Missing::AnyName && kind.is_none() {
            while !directory.is_root() && kind_of(files, &directory).await?.is_none() {
                directory = directory.parent();
            }
            let there = files.without_links(&directory).await?;
            let names: Vec<_> = path.names().skip(directory.names().count()).collect();
            path = VirtualPath::resolve(&there, &names.join(&b'/'))?;
            directory = there;
        }
        Ok(Self {
            path,
            written,
            has_slash: has_slash && is_directory,
            is_file: kind.is_some() && !is_directory,
            directory,
        })
    }

    /// Where relative names begin, for a program that works there.
    pub fn base(&self) -> VirtualPath {
        if self.is_file { self.path.parent() } else { self.path.clone() }
    }

    pub fn is_there(&self) -> bool {
        self.is_file || self.path == self.directory
    }

    pub fn is_file(&self) -> bool {
        self.is_file
    }

    /// What the operating system calls the directory, links followed; and then the path.
    pub async fn host_paths(&self, files: &FileService) -> Result<(PathBuf, PathBuf), FileError> {
        let directory = files.confined_host_path(&self.directory).await?;
        let mut path = directory.clone();
        path.extend(self.path.names().skip(self.directory.names().count()).map(OsStr::from_bytes));
        if self.has_slash {
            path.push("");
        }
        Ok((directory, path))
    }

    /// Programs do not ask for permissions, so all must be there, and no rule may hold below.
    pub fn require_everything(&self, files: &FileService) -> Result<(), FileError> {
        let renames = [Permission::Rename, Permission::RenameFiles];
        for path in [&self.path, &self.directory] {
            let all = NEEDED.iter().all(|permission| files.allows_at(path, *permission));
            if !all || !renames.iter().any(|permission| files.allows_at(path, *permission)) {
                return Err(FileError::Denied);
            }
        }
        if files.account().filters.max_upload_file_size > 0 || !is_uniform(files, &self.directory) {
            return Err(FileError::Denied);
        }
        Ok(())
    }

    /// No hook has to be asked about what `program` writes here, by either way to write the path.
    pub fn require_unasked_writes(&self, program: &str, files: &FileService) -> Result<(), FileError> {
        files.require_unasked_writes(program, &self.directory)?;
        files.require_unasked_writes(program, &self.written)
    }

    /// The same for a program that only looks.
    pub fn require_reading(&self, files: &FileService) -> Result<(), FileError> {
        if may_read_all(files, &self.directory) { Ok(()) } else { Err(FileError::Denied) }
    }

    /// One path of a file, which may be read.
    pub fn require_file(&self, files: &FileService) -> Result<(), FileError> {
        let readable = files.allows_at(&self.directory, Permission::Download);
        if readable && !files.account().filters.file_patterns.concern(&self.directory) {
            Ok(())
        } else {
            Err(FileError::Denied)
        }
    }

    /// Of two places that a program writes to: what it moves from one to the other stays where it
    /// is counted.
    pub fn is_counted_with(&self, other: &Place, files: &FileService) -> bool {
        let account = files.account();
        let folder = |place: &Place| account.folders.at(&place.directory).map(|folder| folder.name.clone());
        folder(self) == folder(other)
    }
}

/// All of the account's files, if it may read every one of them: links may lead anywhere.
pub fn readable_root(files: &FileService) -> Option<VirtualPath> {
    Some(VirtualPath::root()).filter(|root| may_read_all(files, root))
}

fn may_read_all(files: &FileService, directory: &VirtualPath) -> bool {
    READING.iter().all(|permission| files.allows_at(directory, *permission)) && is_uniform(files, directory)
}

/// No other rule, and no other storage, is below.
fn is_uniform(files: &FileService, directory: &VirtualPath) -> bool {
    let account = files.account();
    let other_storage = account.folders.any_below(directory) && account.folders.at(directory).is_none();
    !account.permissions.differ_within(directory) && !account.filters.file_patterns.concern(directory) && !other_storage
}

/// None if it is not there.
async fn kind_of(files: &FileService, path: &VirtualPath) -> Result<Option<FileKind>, FileError> {
    match files.metadata(path).await {
        Ok(metadata) => Ok(Some(metadata.kind)),
        Err(FileError::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}
