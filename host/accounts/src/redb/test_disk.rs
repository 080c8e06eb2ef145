//! A disk in memory for tests: it fails when it is told to, and shows what a crash leaves at any time.

use std::io::{Error, ErrorKind};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;

use super::{OpenError, RedbDatabase, open};

#[derive(Debug, Clone, Default)]
pub struct Disk(Arc<Mutex<Platter>>);

#[derive(Debug, Default)]
pub struct Platter {
    /// What the process reads.
    bytes: Vec<u8>,
    /// What is sure to survive a power cut.
    synced: Vec<u8>,
    /// What was written since then.
    unsynced: Vec<Written>,
    /// How much the database has reported as done by now; noted in each crash.
    pub acknowledged: usize,
    /// What would be left by a crash before each step.
    pub crashes: Option<Vec<Crash>>,
    /// The most bytes.
    pub space: Option<u64>,
    /// Whether a file can be made longer than the space, which shows when it is written.
    pub is_sparse: bool,
    /// The error of each write.
    pub write_error: Option<ErrorKind>,
    /// The error of each read.
    pub read_error: Option<ErrorKind>,
}

#[derive(Debug, Clone)]
enum Written {
    Length(usize),
    Bytes(usize, Vec<u8>),
}

#[derive(Debug)]
pub struct Crash {
    pub acknowledged: usize,
    /// The file after the process was killed, and after power cuts that lost nothing, all and some of what
    /// was not synced.
    pub files: Vec<Vec<u8>>,
}

impl Disk {
    pub fn of(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(Platter { synced: bytes.clone(), bytes, ..Platter::default() })))
    }

    pub fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap()
    }

    pub fn open(&self) -> Result<RedbDatabase, OpenError> {
        let disk = self.clone();
        let open = move |path: &Path| open::open_with(path, |builder| builder.create_with_backend(disk.clone()));
        RedbDatabase::open_with(Path::new("/disk/tidegate.db"), open)
    }
}

impl Platter {
    fn step(&mut self) {
        let Some(mut crashes) = self.crashes.take() else { return };
        // Each write is lost or not, in another way in each crash.
        let mut random = crashes.len() as u64 + 1;
        let mut some = |written: &[Written]| -> Vec<Written> {
            let kept = written.iter().filter(|_| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                random >> 63 == 0
            });
            kept.cloned().collect()
        };
        let subsets = [Vec::new(), some(&self.unsynced), some(&self.unsynced)];
        let mut files = vec![self.bytes.clone()];
        files.extend(subsets.iter().map(|written| after(self.synced.clone(), written)));
        crashes.push(Crash { acknowledged: self.acknowledged, files });
        self.crashes = Some(crashes);
    }

    fn write(&mut self, written: Written) -> Result<(), Error> {
        self.step();
        if let Some(kind) = self.write_error {
            return Err(kind.into());
        }
        let end = match &written {
            Written::Length(_) if self.is_sparse => 0,
            Written::Length(length) => *length,
            Written::Bytes(offset, bytes) => offset + bytes.len(),
        };
        if self.space.is_some_and(|space| end as u64 > space) {
            return Err(ErrorKind::StorageFull.into());
        }
        self.bytes = after(std::mem::take(&mut self.bytes), std::slice::from_ref(&written));
        self.unsynced.push(written);
        Ok(())
    }
}

fn after(mut bytes: Vec<u8>, written: &[Written]) -> Vec<u8> {
    for written in written {
        match written {
            Written::Length(length) => bytes.resize(*length, 0),
            Written::Bytes(offset, new) => {
                let end = offset + new.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*offset..end].copy_from_slice(new);
            }
        }
    }
    bytes
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, Error> {
        Ok(self.platter().bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        let platter = self.platter();
        if let Some(kind) = platter.read_error {
            return Err(kind.into());
        }
        let begin = usize::try_from(offset).unwrap();
        let found = platter.bytes.get(begin..begin + out.len()).ok_or(ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, length: u64) -> Result<(), Error> {
        self.platter().write(Written::Length(usize::try_from(length).unwrap()))
    }

    fn sync_data(&self) -> Result<(), Error> {
        let mut platter = self.platter();
        platter.step();
        platter.synced = platter.bytes.clone();
        platter.unsynced.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        self.platter().write(Written::Bytes(usize::try_from(offset).unwrap(), data.to_vec()))
    }
}
