//! `md5sum` and its family, built in (A7-01).

use std::sync::Arc;

use md5::Md5;
use sha1::Sha1;
use sha2::digest::DynDigest;
use sha2::{Sha256, Sha384, Sha512};
use tidegate_core::files::{FileError, FileService, Protocol};
use tidegate_core::path::VirtualPath;

use super::Finished;

const PORTION: usize = 256 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digest {
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Digest {
    pub fn by_command(name: &str) -> Option<Self> {
        [Self::Md5, Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512]
            .into_iter()
            .find(|digest| digest.command() == name)
    }

    fn command(self) -> &'static str {
        match self {
            Self::Md5 => "md5sum",
            Self::Sha1 => "sha1sum",
            Self::Sha256 => "sha256sum",
            Self::Sha384 => "sha384sum",
            Self::Sha512 => "sha512sum",
        }
    }

    fn hasher(self) -> Box<dyn DynDigest + Send> {
        match self {
            Self::Md5 => Box::new(Md5::default()),
            Self::Sha1 => Box::new(Sha1::default()),
            Self::Sha256 => Box::new(Sha256::default()),
            Self::Sha384 => Box::new(Sha384::default()),
            Self::Sha512 => Box::new(Sha512::default()),
        }
    }
}

pub fn of_input(digest: Digest, input: &[u8]) -> Finished {
    let mut hasher = digest.hasher();
    hasher.update(input);
    Finished::ok(line(&hasher.finalize(), b"-"))
}

pub async fn of_file(digest: Digest, raw_path: &[u8], files: &Arc<FileService>) -> Finished {
    match hash(digest, raw_path, files).await {
        Ok((sum, path)) => {
            files.record_ssh_command(digest.command(), &path).await;
            Finished::ok(line(&sum, raw_path))
        }
        Err(error) => Finished::failed(digest.command(), raw_path, &error.to_string()),
    }
}

async fn hash(
    digest: Digest,
    raw_path: &[u8],
    files: &Arc<FileService>,
) -> Result<(Box<[u8]>, VirtualPath), FileError> {
    let path = VirtualPath::resolve(&files.start_directory(), raw_path)?;
    files.metadata(&path).await?;
    let mut file = files.open_read(&path, Protocol::Ssh).await?;
    let mut hasher = digest.hasher();
    let mut portion = Vec::with_capacity(PORTION);
    let mut offset = 0;
    loop {
        portion.clear();
        let count = file.read_at(offset, PORTION, &mut portion).await?;
        if count == 0 {
            break;
        }
        hasher.update(&portion);
        offset += count as u64;
        tokio::task::yield_now().await;
    }
    file.close().await?;
    Ok((hasher.finalize(), path))
}

fn line(sum: &[u8], path: &[u8]) -> Vec<u8> {
    let mut line: Vec<u8> = sum.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect();
    line.extend_from_slice(b"  ");
    line.extend_from_slice(path);
    line.push(b'\n');
    line
}
