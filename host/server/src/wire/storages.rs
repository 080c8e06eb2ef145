//! The file systems of every kind.

use std::io;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use async_trait::async_trait;
use tidegate_core::metrics::Metrics;
use tidegate_core::ports::storage::{FileSystem, Location, RootCheck, Storage, StorageError, TreeDescription};
use tidegate_core::ports::{Descriptors, StorageFactory};
use tidegate_storage::{
    Cleaned, FileSystems, Leftovers, LocalStorageFactory, LocalStorageSettings, OverwriteMode, open_tree,
};
use tidegate_storage_s3::{MemoryLimits, S3FileSystems, S3Settings};
use tidegate_storage_sftp::{SftpFileSystems, SftpSettings};

use super::rename_limit;
use crate::config::Settings;
use crate::named_secrets::NamedSecrets;

/// Where the files of accounts are.
pub struct Storages {
    pub factory: Arc<dyn StorageFactory>,
    leftovers: Arc<Leftovers>,
}

impl Storages {
    /// `state`: the directory in which uploads are noted; `None`: nowhere. `check`: is asked about roots that symbolic
    /// links lead to; `None`: they are not checked. `metrics`: counts requests to stores and other servers.
    /// `descriptors`: asked before local files are opened.
    pub fn open(
        settings: &Settings,
        state: Option<&Path>,
        check: Option<Arc<dyn RootCheck>>,
        metrics: Arc<Metrics>,
        descriptors: Arc<dyn Descriptors>,
    ) -> anyhow::Result<Self> {
        let leftovers = state.map(|state| Leftovers::in_directory(state.join("uploads"))).transpose();
        let leftovers = leftovers.context("the directory for notes of uploads could not be made")?.unwrap_or_default();
        let leftovers = Arc::new(leftovers);
        let rename_limit = rename_limit(settings);
        let secrets = settings.secrets.clone();
        let memory = MemoryLimits { uploads: settings.upload_memory, ..MemoryLimits::default() };
        let makes_buckets = settings.makes_buckets;
        let s3 = S3Settings { memory, rename_limit, makes_buckets, ..S3Settings::default() };
        let sftp = SftpSettings {
            atomic: settings.overwrite != OverwriteMode::Standard,
            keep_partial: settings.overwrite == OverwriteMode::AtomicWithResume,
            umask: settings.umask,
            ..SftpSettings::default()
        };
        let settings = LocalStorageSettings {
            overwrite: settings.overwrite,
            umask: settings.umask,
            leftovers: leftovers.clone(),
            descriptors,
            ..LocalStorageSettings::default()
        };
        let local = LocalStorageFactory { settings, check };
        let s3 = S3FileSystems::new(s3, metrics.clone());
        let factory = EveryFileSystem { local, s3, sftp: SftpFileSystems::new(sftp, metrics), secrets };
        Ok(Self { factory: Arc::new(factory), leftovers })
    }

    /// Cleans up the uploads that earlier servers left.
    pub fn clean(&self) -> io::Result<Cleaned> {
        self.leftovers.clean()
    }
}

/// File systems of every kind, alone or in one tree.
struct EveryFileSystem {
    local: LocalStorageFactory,
    s3: S3FileSystems,
    sftp: SftpFileSystems,
    secrets: NamedSecrets,
}

#[async_trait]
impl FileSystems for EveryFileSystem {
    async fn open_one(&self, file_system: &FileSystem) -> Result<Arc<dyn Storage>, StorageError> {
        if let Some(location) = self.secrets.resolve(&file_system.location).await? {
            return self.open_clear(&FileSystem { location, ..file_system.clone() }).await;
        }
        self.open_clear(file_system).await
    }
}

impl EveryFileSystem {
    /// Opens a file system whose secrets are its own.
    async fn open_clear(&self, file_system: &FileSystem) -> Result<Arc<dyn Storage>, StorageError> {
        match &file_system.location {
            Location::Directory(_) => self.local.open_one(file_system).await,
            Location::S3(_) => Ok(Arc::new(self.s3.open_or_make(file_system).await?)),
            Location::Sftp(_) => Ok(Arc::new(self.sftp.open(file_system)?)),
        }
    }
}

#[async_trait]
impl StorageFactory for EveryFileSystem {
    async fn open(&self, tree: &TreeDescription) -> Result<Arc<dyn Storage>, StorageError> {
        open_tree(self, tree).await
    }
}
