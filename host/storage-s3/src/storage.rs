//! The storage itself: what is asked of a file tree, and what a bucket answers.

use std::any::Any;
use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join;
use opendal::layers::{RetryLayer, TimeoutLayer};
use opendal::services::S3;
use opendal::{HttpTransporter, OperationContext, Operator};
use tidegate_core::metrics::Metrics;
use tidegate_core::path::VirtualPath;
use tidegate_core::ports::storage::{
    Canonical, Capabilities, DirectoryReader, FileKind, FileSystem, Location, Metadata, OBJECT_STORAGE, OpenOptions,
    S3Location, SetAttributes, Space, Storage, StorageError, StorageErrorKind, StorageFile, Swept, Upload, Uploads,
};

use crate::above::Directories;
use crate::budget::{AccountBudget, MemoryBudget, MemoryLimits, SMALLEST_PART};
use crate::claims::{Claims, Kind};
use crate::client::StoreClient;
use crate::counted::CountedTransport;
use crate::directory::S3Directory;
use crate::errors::{failed, from_store, unsupported};
use crate::key::{Key, KeyPrefix};
use crate::listed::Expectation;
use crate::missing::MissingNames;
use crate::missing_bucket::SeenBuckets;
use crate::object::Bucket;
use crate::patience::bounded;
use crate::reading::{S3File, set_attributes};
use crate::signed::region_of;
use crate::unfinished::UnfinishedUploads;
use crate::unkept::UnkeptDirectories;
use crate::upload::S3Upload;

const MIB: usize = 1 << 20;
/// The size of the first parts of accounts that name none.
const USUAL_PART: usize = 8 * MIB;
const CONCURRENCY: usize = 4;
/// The pause before a request is repeated for the first time; each next one is twice as long.
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);
/// The longest time of one request with all of its answer; one that is not answered at all fails earlier (`patience`).
const TIMEOUT: Duration = Duration::from_secs(300);

/// What all buckets of a server have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct S3Settings {
    /// The memory for transfers.
    pub memory: MemoryLimits,
    /// The most objects that the rename of a directory moves; 0: only empty directories are renamed.
    pub rename_limit: usize,
    /// Whether a bucket is made that is missing (A16-02).
    pub makes_buckets: bool,
    /// How often a request is repeated that failed for a while. With four, and pauses that grow from a quarter of a second by
    /// the double and a random part, that takes four to eight seconds.
    pub retries: usize,
    /// The longest pause before a request is repeated.
    pub longest_pause: Duration,
}

impl Default for S3Settings {
    fn default() -> Self {
        let (memory, longest_pause) = (MemoryLimits::default(), Duration::from_secs(10));
        Self { memory, rename_limit: 0, makes_buckets: false, retries: 4, longest_pause }
    }
}

/// Opens buckets; their transfers share one budget of memory, and all know what is being made in them.
pub struct S3FileSystems {
    settings: S3Settings,
    budget: Arc<MemoryBudget>,
    directories: Arc<Directories>,
    unkept: UnkeptDirectories,
    claims: Arc<Claims>,
    seen: SeenBuckets,
    transport: HttpTransporter,
}

impl S3FileSystems {
    /// Buckets with these settings. `metrics`: counts their requests.
    pub fn new(settings: S3Settings, metrics: Arc<Metrics>) -> Self {
        // What opendal sends without a transport of ours, as to services that give credentials.
        HttpTransporter::install_default(StoreClient);
        Self::by(HttpTransporter::new(StoreClient), settings, metrics)
    }

    /// Buckets that are reached in another way.
    pub(crate) fn by(transport: HttpTransporter, settings: S3Settings, metrics: Arc<Metrics>) -> Self {
        let budget = Arc::new(MemoryBudget::new(settings.memory));
        let (directories, claims) = (Arc::default(), Arc::default());
        let (unkept, transport) = (UnkeptDirectories::default(), CountedTransport::transporter(transport, metrics));
        Self { settings, budget, directories, unkept, claims, seen: SeenBuckets::default(), transport }
    }

    /// Opens the bucket of a file system. No request is made: whether the bucket is there is seen when it is used.
    ///
    /// # Errors
    /// The description is wrong, or is of another kind of file system.
    pub fn open(&self, file_system: &FileSystem) -> Result<S3Storage, StorageError> {
        match &file_system.location {
            Location::S3(location) => self.open_bucket(location, file_system),
            Location::Directory(_) | Location::Sftp(_) => Err(unsupported("this storage has no files of that kind")),
        }
    }

    /// As [`open`](Self::open). Where the settings say so, and the file system's root is to be made if it is missing, a missing
    /// bucket is made.
    ///
    /// # Errors
    /// The description is wrong, or is of another kind of file system.
    pub async fn open_or_make(&self, file_system: &FileSystem) -> Result<S3Storage, StorageError> {
        let storage = self.open(file_system)?;
        if self.settings.makes_buckets && file_system.make_missing {
            self.seen.require(&storage.bucket.identity, &storage.location, &self.transport).await;
        }
        Ok(storage)
    }

    fn open_bucket(&self, location: &S3Location, file_system: &FileSystem) -> Result<S3Storage, StorageError> {
        let wrong = |text: &str| failed(StorageErrorKind::Invalid, text);
        if location.bucket.is_empty() || location.bucket.contains('/') {
            return Err(wrong("s3config.bucket is not the name of a bucket"));
        }
        if location.access_key.is_empty() != location.access_secret.is_empty() {
            return Err(wrong("s3config.access_key and s3config.access_secret are set together, or neither is"));
        }
        let part_size = match location.upload_part_size {
            0 => USUAL_PART,
            size => usize::try_from(size).unwrap_or(usize::MAX).saturating_mul(MIB).max(SMALLEST_PART),
        };
        let concurrency = match location.upload_concurrency {
            0 => CONCURRENCY,
            parts => usize::try_from(parts).unwrap_or(CONCURRENCY).min(64),
        };
        let once = operator(location).map_err(|error| from_store(&error))?;
        let operator = once.clone().layer(repetitions(self.settings));
        let context = || OperationContext::new().with_http_transport(self.transport.clone());
        let identity = format!("{}\0{}", location.endpoint, location.bucket);
        let bucket = Bucket {
            operator: operator.with_context(context()),
            once: once.with_context(context()),
            prefix: KeyPrefix::new(&location.key_prefix)?,
            url: format!("s3://{}", location.bucket),
            unkept: self.unkept.of(&identity),
            identity,
            owner: file_system.owner,
            budget: AccountBudget::new(self.budget.clone(), &file_system.account),
            part_size,
            concurrency,
            rename_limit: self.settings.rename_limit,
            refuses_conditions: AtomicBool::new(false),
            keeps_directories: AtomicBool::new(false),
            missing: MissingNames::default(),
            directories: self.directories.clone(),
            claims: self.claims.clone(),
            expectation: Expectation::default(),
        };
        let (location, transport) = (location.clone(), self.transport.clone());
        Ok(S3Storage { bucket: Arc::new(bucket), location, transport })
    }
}

/// How requests are repeated that failed for a while.
fn repetitions(settings: S3Settings) -> RetryLayer {
    let repetitions = RetryLayer::new().with_jitter().with_max_times(settings.retries);
    repetitions.with_min_delay(SHORTEST_PAUSE.min(settings.longest_pause)).with_max_delay(settings.longest_pause)
}

/// The bucket's operations, each request of which is made once.
fn operator(location: &S3Location) -> Result<Operator, opendal::Error> {
    let region = region_of(location);
    let mut builder = S3::default().bucket(&location.bucket).region(region);
    if location.access_key.is_empty() {
        tracing::debug!(sender = "s3", message = "the bucket is used with the credentials of the environment");
    } else {
        let (name, secret) = (&location.access_key, location.access_secret.expose());
        builder = builder.access_key_id(name).secret_access_key(secret).disable_config_load().disable_ec2_metadata();
        if !location.session_token.is_empty() {
            builder = builder.session_token(location.session_token.expose());
        }
    }
    if location.endpoint.is_empty() {
        builder = builder.endpoint("https://s3.amazonaws.com");
    } else {
        builder = builder.endpoint(&location.endpoint);
    }
    if !location.path_style {
        builder = builder.enable_virtual_host_style();
    }
    if !location.storage_class.is_empty() {
        builder = builder.default_storage_class(&location.storage_class);
    }
    if !location.acl.is_empty() {
        builder = builder.default_acl(&location.acl);
    }
    let timeouts = TimeoutLayer::new().with_timeout(TIMEOUT).with_io_timeout(TIMEOUT);
    Ok(Operator::new(builder)?.layer(timeouts))
}

/// A part of a bucket as a file tree.
pub struct S3Storage {
    pub(crate) bucket: Arc<Bucket>,
    /// For the requests that opendal does not make.
    location: S3Location,
    transport: HttpTransporter,
}

impl S3Storage {
    fn key(&self, path: &VirtualPath) -> Result<Key, StorageError> {
        self.bucket.key(path)
    }

    /// Whether both are parts of one bucket, used in the same way.
    fn shares_bucket_with(&self, other: &Self) -> bool {
        let location = S3Location { key_prefix: self.location.key_prefix.clone(), ..other.location.clone() };
        location == self.location
    }
}

#[async_trait]
impl Storage for S3Storage {
    fn kind(&self, _path: &VirtualPath) -> &'static str {
        OBJECT_STORAGE
    }

    fn capabilities(&self, _path: &VirtualPath) -> Capabilities {
        Capabilities { in_place: false, uploads: Uploads::Sequential, keeps_old: true }
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn host_path(&self, path: &VirtualPath) -> OsString {
        match self.key(path) {
            Ok(key) => self.bucket.url_of(&key).into(),
            // No object has such a name: the operation will be refused.
            Err(_) => {
                let mut name = OsString::from(self.bucket.url.as_str());
                name.push(path.as_os_str());
                name
            }
        }
    }

    async fn open(&self, path: &VirtualPath) -> Result<Box<dyn StorageFile>, StorageError> {
        let key = self.key(path)?;
        let found = bounded("looking for a file", self.bucket.find(&key)).await?;
        Ok(Box::new(S3File::open(self.bucket.clone(), &key, found).await?))
    }

    async fn begin_upload(&self, path: &VirtualPath, options: OpenOptions) -> Result<Box<dyn Upload>, StorageError> {
        Ok(Box::new(S3Upload::begin(self.bucket.clone(), self.key(path)?, options).await?))
    }

    async fn metadata(&self, path: &VirtualPath) -> Result<Metadata, StorageError> {
        bounded("looking for a file", self.bucket.look(&self.key(path)?)).await
    }

    async fn metadata_for_upload(&self, path: &VirtualPath) -> Result<Metadata, StorageError> {
        bounded("looking for a file", self.bucket.look_for_upload(&self.key(path)?)).await
    }

    async fn symlink_metadata(&self, path: &VirtualPath) -> Result<Metadata, StorageError> {
        self.metadata(path).await
    }

    async fn read_directory(&self, path: &VirtualPath) -> Result<Box<dyn DirectoryReader>, StorageError> {
        let opened = S3Directory::open(self.bucket.clone(), path, self.key(path)?);
        Ok(Box::new(bounded("listing a directory", opened).await?))
    }

    async fn create_directory(&self, path: &VirtualPath, _mode: Option<u32>) -> Result<(), StorageError> {
        let key = self.key(path)?;
        let _making = self.bucket.missing.making(&key);
        let _claimed = self.bucket.claim(&key, Kind::Directory)?;
        let made = async {
            let (is_free, may_be_made) = join(self.bucket.require_free(&key), self.bucket.require_above(&key)).await;
            is_free?;
            may_be_made?;
            self.bucket.operator.create_dir(&key.directory()).await.map_err(|error| from_store(&error))?;
            self.bucket.remember_if_unkept(&key).await;
            Ok(())
        };
        bounded("making a directory", made).await
    }

    async fn remove_directory(&self, path: &VirtualPath) -> Result<(), StorageError> {
        let key = self.key(path)?;
        if key.is_root() {
            return Err(failed(StorageErrorKind::Invalid, "the root cannot be removed"));
        }
        let removed = async {
            if self.bucket.find(&key).await?.metadata.kind != FileKind::Directory {
                return Err(failed(StorageErrorKind::NotADirectory, "is not a directory"));
            }
            if !self.bucket.is_empty(&key).await? {
                return Err(failed(StorageErrorKind::NotEmpty, "the directory is not empty"));
            }
            self.bucket.remove_marker(&key).await
        };
        bounded("removing a directory", removed).await
    }

    async fn remove_file(&self, path: &VirtualPath) -> Result<Metadata, StorageError> {
        let key = self.key(path)?;
        let removed = async {
            let metadata = self.bucket.find(&key).await?.metadata;
            if metadata.kind == FileKind::Directory {
                return Err(failed(StorageErrorKind::IsADirectory, "is a directory"));
            }
            self.bucket.remove(key.file()).await?;
            Ok(metadata)
        };
        bounded("removing a file", removed).await
    }

    async fn rename(&self, from: &VirtualPath, to: &VirtualPath, replace: bool) -> Result<(), StorageError> {
        self.bucket.rename(&self.key(from)?, &self.key(to)?, replace).await
    }

    /// Into another part of the same bucket.
    async fn rename_into(
        &self,
        from: &VirtualPath,
        other: &Arc<dyn Storage>,
        to: &VirtualPath,
        replace: bool,
    ) -> Result<(), StorageError> {
        let other: &dyn Any = &**other;
        match other.downcast_ref::<Self>() {
            Some(other) if self.shares_bucket_with(other) => {
                let to = other.key(to)?;
                let _making = other.bucket.missing.making(&to);
                self.bucket.rename(&self.key(from)?, &to, replace).await
            }
            Some(_) | None => {
                Err(failed(StorageErrorKind::CrossDevice, "the paths are in different places of object storage"))
            }
        }
    }

    async fn hard_link(&self, _existing: &VirtualPath, _new: &VirtualPath) -> Result<(), StorageError> {
        Err(unsupported("object storage has no links"))
    }

    async fn create_symlink(&self, _target: &[u8], _link: &VirtualPath) -> Result<(), StorageError> {
        Err(unsupported("object storage has no links"))
    }

    async fn read_link(&self, path: &VirtualPath) -> Result<Vec<u8>, StorageError> {
        self.metadata(path).await?;
        Err(failed(StorageErrorKind::Invalid, "is not a symbolic link"))
    }

    /// Objects need no directory above them, so that none is looked for.
    async fn canonical(&self, path: &VirtualPath, _follow: bool) -> Result<Canonical, StorageError> {
        Ok(Canonical { path: path.clone(), lacks_parent: false })
    }

    async fn set_attributes(
        &self,
        path: &VirtualPath,
        attributes: &SetAttributes,
        _follow: bool,
    ) -> Result<(), StorageError> {
        self.metadata(path).await?;
        set_attributes(attributes)
    }

    async fn space(&self, path: &VirtualPath) -> Result<Space, StorageError> {
        self.metadata(path).await?;
        Ok(self.bucket.space())
    }

    async fn sweep(&self, before: i64) -> Result<Swept, StorageError> {
        UnfinishedUploads::new(&self.location, self.transport.clone()).sweep(&self.bucket.prefix, before).await
    }
}
