//! How a file is opened, as the upload mode says (A3-16): in place, or as a replacement that
//! gets its name later.

use rustix::fs::{self, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use tidegate_core::files::storage::{FileKind, Metadata, OpenOptions, StorageError, StorageErrorKind};
use tidegate_core::path::VirtualPath;

use super::errors::from_errno;
use super::file::LocalFile;
use super::replacement::{Replacement, Temporaries};
use super::{LocalStorage, OverwriteMode, attributes};

/// Looks for a file that others make or remove meanwhile.
const LOOKS: usize = 2;

impl LocalStorage {
    pub(super) fn open_file(&self, path: &VirtualPath, options: OpenOptions) -> Result<LocalFile, StorageError> {
        if !self.is_atomic() || !options.write || path.is_root() {
            return self.open_in_place(path, options);
        }
        let found = self.existing(path)?;
        let existing = found.filter(|found| found.kind == FileKind::File);
        if existing.is_some() && options.create && options.exclusive {
            return Err(from_errno(Errno::EXIST));
        }
        let overwrites = existing.is_some() && options.truncate;
        let is_new = found.is_none() && options.create;
        if overwrites || is_new {
            return self.replacement(path, options, existing);
        }
        self.open_in_place(path, options)
    }

    /// Every upload appears when it is complete.
    pub(super) fn is_atomic(&self) -> bool {
        self.settings.overwrite != OverwriteMode::Standard
    }

    /// As open(2) does; a file that is made gets the account's owner.
    fn open_in_place(&self, path: &VirtualPath, options: OpenOptions) -> Result<LocalFile, StorageError> {
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
        // A link whose target is not there yet.
        self.make_with(path, options, OFlags::CREATE)
    }

    fn open_existing(&self, path: &VirtualPath, options: OpenOptions) -> Result<LocalFile, StorageError> {
        let file = self.root.open(path, flags_of(options), Mode::empty()).map_err(from_errno)?;
        LocalFile::new(file, options)
    }

    /// Fails if something has the name.
    pub(super) fn make(&self, path: &VirtualPath, options: OpenOptions) -> Result<LocalFile, StorageError> {
        self.make_with(path, options, OFlags::CREATE | OFlags::EXCL)
    }

    fn make_with(&self, path: &VirtualPath, options: OpenOptions, how: OFlags) -> Result<LocalFile, StorageError> {
        let mode = self.new_mode(options.mode, 0o666);
        let file = self.root.open(path, flags_of(options) | how, mode).map_err(from_errno)?;
        self.owner.apply(&self.settings, &file)?;
        LocalFile::new(file, options)
    }

    /// What an upload would write over, links followed; none: the name is free.
    fn existing(&self, path: &VirtualPath) -> Result<Option<Metadata>, StorageError> {
        match self.root.open_path_only(path) {
            Ok(file) => Ok(Some(attributes::metadata_of(&file)?)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(from_errno(errno)),
        }
    }

    fn temporaries(&self) -> Temporaries<'_> {
        let super::LocalStorageSettings { leftovers, unnamed_uploads, .. } = &self.settings;
        Temporaries { unnamed: *unnamed_uploads, leftovers: leftovers.as_deref(), root_path: &self.root_path }
    }

    fn replacement(
        &self,
        path: &VirtualPath,
        options: OpenOptions,
        existing: Option<Metadata>,
    ) -> Result<LocalFile, StorageError> {
        let mode = match existing {
            Some(existing) => Mode::from_raw_mode(existing.mode & 0o7777),
            None => self.new_mode(options.mode, 0o666),
        };
        let keep_partial = self.settings.overwrite == OverwriteMode::AtomicWithResume;
        // Of two that empty a file that was not there, the last one wins, as if both had written it.
        let must_be_new = options.exclusive || (existing.is_none() && !options.truncate);
        let (replacement, file) =
            Replacement::begin(&self.root, path, mode, must_be_new, keep_partial, &self.temporaries())?;
        match existing {
            // Only root may give a file to the owner of the one it replaces.
            Some(existing) if self.settings.set_owner => {
                let owner = (Uid::from_raw(existing.uid), Gid::from_raw(existing.gid));
                fs::fchown(&file, Some(owner.0), Some(owner.1)).map_err(from_errno)?;
                fs::fchmod(&file, mode).map_err(from_errno)?;
            }
            Some(_) => fs::fchmod(&file, mode).map_err(from_errno)?,
            None => self.owner.apply(&self.settings, &file)?,
        }
        LocalFile::replacing(file, options, replacement)
    }
}

fn flags_of(options: OpenOptions) -> OFlags {
    // Without blocking, because it may be a pipe.
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
