//! Opens files as the upload mode says (A3-16): in place, or as a replacement that gets its name later.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;
use tidegate_core::path::VirtualPath;
use tidegate_core::ports::storage::{FileKind, Metadata, OpenOptions, StorageError, StorageErrorKind};

use super::errors::from_errno;
use super::file::LocalFile;
use super::inherit::inherit;
use super::replacement::{Replacement, Wanted};
use super::upload::LocalUpload;
use super::{LocalStorage, OverwriteMode, attributes};

/// How often a file is looked for that other programs make or remove meanwhile.
const LOOKS: usize = 2;

impl LocalStorage {
    pub(super) fn open_to_read(&self, path: &VirtualPath) -> Result<LocalFile, StorageError> {
        self.open_existing(path, OpenOptions { read: true, ..OpenOptions::default() })
    }

    /// Begins an upload that replaces the file with this name, or is a new file. Returns the old file, if the upload
    /// begins with its content.
    pub(super) fn begin(
        &self,
        path: &VirtualPath,
        options: OpenOptions,
    ) -> Result<(LocalUpload, Option<File>), StorageError> {
        if !self.is_atomic() {
            return Err(from_errno(Errno::OPNOTSUPP));
        }
        self.begin_replacement(path, options)
    }

    /// As [`begin`](Self::begin), in every upload mode.
    pub(super) fn begin_replacement(
        &self,
        path: &VirtualPath,
        options: OpenOptions,
    ) -> Result<(LocalUpload, Option<File>), StorageError> {
        if path.is_root() {
            return Err(from_errno(Errno::ISDIR));
        }
        let is_exclusive = options.create && options.exclusive;
        match self.existing(path, !is_exclusive)? {
            Some(_) if is_exclusive => Err(from_errno(Errno::EXIST)),
            Some(found) => match found.metadata.kind {
                FileKind::File if options.truncate => Ok((self.replacement(path, options, Some(&found))?, None)),
                FileKind::File if options.begins_with_old() => {
                    let old = found.reopened()?;
                    Ok((self.replacement(path, options, Some(&found))?, Some(old)))
                }
                // Another program made the file after it was looked for; its content stays.
                FileKind::File => Err(from_errno(Errno::EXIST)),
                FileKind::Directory => Err(from_errno(Errno::ISDIR)),
                FileKind::Symlink | FileKind::Other => Err(from_errno(Errno::OPNOTSUPP)),
            },
            None if options.create => Ok((self.replacement(path, options, None)?, None)),
            None => Err(from_errno(Errno::NOENT)),
        }
    }

    /// Whether uploads get their names when they are complete.
    pub(super) fn is_atomic(&self) -> bool {
        self.settings.overwrite != OverwriteMode::Standard
    }

    /// Opens a file as open(2) does. A new file gets the account's owner.
    pub(super) fn open_under_name(&self, path: &VirtualPath, options: OpenOptions) -> Result<LocalFile, StorageError> {
        if path.is_root() && options.write {
            return Err(from_errno(Errno::ISDIR));
        }
        if !options.create {
            return self.open_existing(path, options);
        }
        if options.exclusive {
            return self.make(path, options);
        }
        let existing = OpenOptions { create: false, ..options };
        for _ in 0..LOOKS {
            match self.open_existing(path, existing) {
                Err(error) if error.kind == StorageErrorKind::NotFound => {}
                outcome => return outcome,
            }
            match self.make(path, options) {
                Err(error) if error.kind == StorageErrorKind::AlreadyExists => {}
                outcome => return outcome,
            }
        }
        // The name is a symbolic link to a file that does not exist yet.
        self.make_with(path, options, OFlags::CREATE)
    }

    fn open_existing(&self, path: &VirtualPath, options: OpenOptions) -> Result<LocalFile, StorageError> {
        let provisional = options.provisional && options.write;
        // An upload on trial empties the file only after a note was made.
        let truncate = options.truncate && !provisional;
        let flags = flags_of(OpenOptions { truncate, ..options });
        let file = self.root.open(path, flags, Mode::empty()).map_err(from_errno)?;
        let file = LocalFile::new(file, options, self.mapped_owner(), self.root.file_system())?;
        if provisional { file.on_trial(options, false, &self.settings.leftovers) } else { Ok(file) }
    }

    /// Makes a file; fails if something has the name.
    fn make(&self, path: &VirtualPath, options: OpenOptions) -> Result<LocalFile, StorageError> {
        self.make_with(path, options, OFlags::CREATE | OFlags::EXCL)
    }

    fn make_with(&self, path: &VirtualPath, options: OpenOptions, how: OFlags) -> Result<LocalFile, StorageError> {
        let mode = self.new_mode(options.mode, 0o666);
        let file = self.root.open(path, flags_of(options) | how, mode).map_err(from_errno)?;
        self.owner.apply(&self.settings, &file)?;
        let file = LocalFile::new(file, options, self.mapped_owner(), self.root.file_system())?;
        let provisional = options.provisional && options.write;
        if provisional { file.on_trial(options, true, &self.settings.leftovers) } else { Ok(file) }
    }

    /// The file that an upload would write over; `None` if the name is free.
    fn existing(&self, path: &VirtualPath, follow: bool) -> Result<Option<Existing>, StorageError> {
        let flags = OFlags::PATH | OFlags::CLOEXEC | if follow { OFlags::empty() } else { OFlags::NOFOLLOW };
        match self.root.open(path, flags, Mode::empty()) {
            Ok(file) => Ok(Some(Existing { metadata: attributes::metadata_of(&file)?, file })),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(from_errno(errno)),
        }
    }

    fn replacement(
        &self,
        path: &VirtualPath,
        options: OpenOptions,
        existing: Option<&Existing>,
    ) -> Result<LocalUpload, StorageError> {
        let keep_partial = self.settings.overwrite == OverwriteMode::AtomicWithResume && !options.provisional;
        let wanted = Wanted {
            mode: match existing {
                // Until the file has the owner of the old one.
                Some(_) => Mode::RUSR | Mode::WUSR,
                None => self.new_mode(options.mode, 0o666),
            },
            // Of two uploads that empty a file that did not exist, the last one wins, as if both
            // had written it in place.
            must_be_new: options.exclusive || (existing.is_none() && !options.truncate),
            continues: existing.filter(|_| !options.truncate).map(|existing| existing.metadata.id),
            keep_partial,
            keep_after_kill: keep_partial && existing.is_some(),
            unnamed: self.settings.unnamed_uploads,
        };
        let replacement = Replacement::begin(&self.root, path, wanted, &self.settings.leftovers)?;
        match existing {
            Some(existing) => inherit(&existing.file, &existing.metadata, replacement.file())?,
            None => self.owner.apply(&self.settings, replacement.file())?,
        }
        LocalUpload::new(options, self.mapped_owner(), self.root.file_system(), replacement)
    }
}

/// A file that exists, held by an `O_PATH` descriptor.
struct Existing {
    file: OwnedFd,
    metadata: Metadata,
}

impl Existing {
    /// Opens it as a write in place would, so that the same permissions are needed.
    fn reopened(&self) -> Result<File, StorageError> {
        let name = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(File::from(fs::open(name, flags, Mode::empty()).map_err(from_errno)?))
    }
}

fn flags_of(options: OpenOptions) -> OFlags {
    // Opened without blocking, because the file may be a pipe.
    let mut flags = OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    flags |= match (options.read, options.write) {
        (true, true) => OFlags::RDWR,
        (false, true) => OFlags::WRONLY,
        _ => OFlags::RDONLY,
    };
    flags.set(OFlags::APPEND, options.append);
    flags.set(OFlags::TRUNC, options.truncate);
    flags
}
