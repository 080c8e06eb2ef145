//! Where a program may work: paths of the account, resolved and granted to the sandbox.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use tidegate_core::files::{FileError, FileService};
use tidegate_core::path::VirtualPath;
use tidegate_core::permission::Permission;
use tidegate_core::ports::storage::FileKind;

/// Permissions that a program needs everywhere it may write (A7-05).
const NEEDED: [Permission; 6] = [
    Permission::Download,
    Permission::Upload,
    Permission::CreateDirs,
    Permission::List,
    Permission::Overwrite,
    Permission::Delete,
];
const READING: [Permission; 2] = [Permission::Download, Permission::List];

/// A path of a command, and what a program may reach because of it.
#[derive(Debug, Clone)]
pub struct Place {
    pub path: VirtualPath,
    /// The path as the client wrote it; symbolic links may lead elsewhere.
    pub written: VirtualPath,
    /// Whether the client wrote a slash after the path: the content of the directory is meant.
    has_slash: bool,
    is_file: bool,
    /// The path itself, or the nearest directory above it in which it will be made.
    pub directory: VirtualPath,
}

/// What may be missing above a path that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Nothing: the directory of the path has to exist.
    LastName,
    /// Directories above the path may be missing as well.
    AnyName,
}

impl Place {
    /// Resolves symbolic links first: the rules of the place to which the path leads apply, and the
    /// program is confined to that place.
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

    /// The directory at which relative names begin, for a program that works here.
    pub fn base(&self) -> VirtualPath {
        if self.is_file { self.path.parent() } else { self.path.clone() }
    }

    pub fn is_there(&self) -> bool {
        self.is_file || self.path == self.directory
    }

    pub fn is_file(&self) -> bool {
        self.is_file
    }

    /// The paths on the host, without symbolic links, of the directory and of the path itself.
    pub async fn host_paths(&self, files: &FileService) -> Result<(PathBuf, PathBuf), FileError> {
        let directory = files.confined_host_path(&self.directory).await?;
        let mut path = directory.clone();
        path.extend(self.path.names().skip(self.directory.names().count()).map(OsStr::from_bytes));
        if self.has_slash {
            path.push("");
        }
        Ok((directory, path))
    }

    /// Programs do not ask for permissions, so all of them are needed, and no other rule may apply below.
    pub fn require_everything(&self, files: &FileService) -> Result<(), FileError> {
        let renames = [Permission::Rename, Permission::RenameFiles];
        for path in [&self.path, &self.directory] {
            let all = NEEDED.iter().all(|permission| files.allows_at(path, *permission));
            if !all || !renames.iter().any(|permission| files.allows_at(path, *permission)) {
                return Err(FileError::Denied);
            }
        }
        if files.account().filters.max_upload_file_size.is_set() || !is_uniform(files, &self.directory) {
            return Err(FileError::Denied);
        }
        Ok(())
    }

    /// Requires that no hook has to be asked about what `program` writes here, by either spelling of the path.
    pub fn require_unasked_writes(&self, program: &str, files: &FileService) -> Result<(), FileError> {
        files.require_unasked_writes(program, &self.directory)?;
        files.require_unasked_writes(program, &self.written)
    }

    /// Requires that no hook has to be asked about what `program` reads here, by either spelling of the path.
    pub fn require_unasked_reads(&self, program: &str, files: &FileService) -> Result<(), FileError> {
        files.require_unasked_reads(program, &self.directory)?;
        files.require_unasked_reads(program, &self.written)
    }

    /// As [`Self::require_everything`], for a program that only reads.
    pub fn require_reading(&self, files: &FileService) -> Result<(), FileError> {
        if may_read_all(files, &self.directory) { Ok(()) } else { Err(FileError::Denied) }
    }

    /// Requires a single file that may be read.
    pub fn require_file(&self, files: &FileService) -> Result<(), FileError> {
        let readable = files.allows_at(&self.directory, Permission::Download);
        if readable && !files.account().filters.file_patterns.concern(&self.directory) {
            Ok(())
        } else {
            Err(FileError::Denied)
        }
    }

    /// Whether what is in both places counts for the same scope, so that a program may move files between them.
    pub fn is_counted_with(&self, other: &Place, files: &FileService) -> bool {
        let account = files.account();
        let folder = |place: &Place| account.folders.at(&place.directory).map(|folder| folder.name.clone());
        folder(self) == folder(other)
    }
}

/// The whole tree of the account, if it may read every file and no hook has to be asked about one: symbolic links may
/// lead anywhere.
pub fn readable_root(program: &str, files: &FileService) -> Option<VirtualPath> {
    let may_be_read =
        |root: &VirtualPath| may_read_all(files, root) && files.require_unasked_reads(program, root).is_ok();
    Some(VirtualPath::root()).filter(may_be_read)
}

fn may_read_all(files: &FileService, directory: &VirtualPath) -> bool {
    READING.iter().all(|permission| files.allows_at(directory, *permission)) && is_uniform(files, directory)
}

/// Whether no other rule, and no other storage, is below the directory.
fn is_uniform(files: &FileService, directory: &VirtualPath) -> bool {
    let account = files.account();
    let other_storage = account.folders.any_inside(directory);
    !account.permissions.differ_within(directory) && !account.filters.file_patterns.concern(directory) && !other_storage
}

/// `None` if nothing has the path.
async fn kind_of(files: &FileService, path: &VirtualPath) -> Result<Option<FileKind>, FileError> {
    match files.metadata(path).await {
        Ok(metadata) => Ok(Some(metadata.kind)),
        Err(FileError::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}
