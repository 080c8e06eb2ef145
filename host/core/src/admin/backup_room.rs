//! Room for dumps, and for other large documents: several at once must take neither all of the memory nor all of the disk.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::AdminError;
use super::parsed_size::parsed_size;

/// Bytes of all texts that are loaded at the same time, most of them on the disk: twice the largest that a door takes.
const LOADED: u32 = 512 << 20;
/// Bytes of the values of what is parsed of all of them. A part that has more is parsed alone.
const PARSED: u32 = 1 << 30;
/// Dumps that are made at the same time: of each, a page of documents is in memory.
const MADE: usize = 4;
/// How long a request waits for room.
const WAIT: Duration = Duration::from_secs(10);

/// Gives dumps their room, for all doors of a server together.
#[derive(Debug, Clone)]
pub struct BackupRoom {
    loaded: Arc<Semaphore>,
    parsed: Arc<Semaphore>,
    made: Arc<Semaphore>,
}

/// The room of one dump, until it is dropped.
#[derive(Debug)]
#[must_use = "the room is free again when this is dropped"]
pub struct BackupPlace {
    _permit: OwnedSemaphorePermit,
}

impl Default for BackupRoom {
    fn default() -> Self {
        let of_bytes = |bytes: u32| {
            let permits = usize::try_from(bytes).unwrap_or(Semaphore::MAX_PERMITS);
            Arc::new(Semaphore::new(permits))
        };
        Self { loaded: of_bytes(LOADED), parsed: of_bytes(PARSED), made: Arc::new(Semaphore::new(MADE)) }
    }
}

impl BackupRoom {
    /// Room for a text that is loaded, which has at most so many bytes. It is taken before the text is read, and kept as
    /// long as it is in memory.
    ///
    /// # Errors
    /// Other loads have kept the room for ten seconds.
    pub async fn to_load(&self, bytes: u64) -> Result<BackupPlace, AdminError> {
        let bytes = u32::try_from(bytes).unwrap_or(LOADED).clamp(1, LOADED);
        place(&self.loaded, bytes, "loaded").await
    }

    /// Room for the values of JSON texts, those of a part of a dump. It is taken before they are parsed, and kept as long as
    /// their values are in memory. A load that has it must not wait for [room for a text](Self::to_load): loads that have
    /// that may wait for this.
    ///
    /// # Errors
    /// Other loads have kept the room for ten seconds.
    pub async fn to_parse<'a>(&self, texts: impl IntoIterator<Item = &'a [u8]>) -> Result<BackupPlace, AdminError> {
        let bytes = texts.into_iter().map(parsed_size).fold(0, u64::saturating_add);
        let bytes = u32::try_from(bytes).unwrap_or(PARSED).clamp(1, PARSED);
        place(&self.parsed, bytes, "loaded").await
    }

    /// Room for a dump that is made, until its last part was taken.
    ///
    /// # Errors
    /// Other dumps have kept the room for ten seconds.
    pub async fn to_make(&self) -> Result<BackupPlace, AdminError> {
        place(&self.made, 1, "made").await
    }
}

async fn place(room: &Arc<Semaphore>, permits: u32, what: &'static str) -> Result<BackupPlace, AdminError> {
    match timeout(WAIT, room.clone().acquire_many_owned(permits)).await {
        Ok(Ok(permit)) => Ok(BackupPlace { _permit: permit }),
        // It is never closed.
        Ok(Err(_)) | Err(_) => Err(AdminError::NoRoom(what)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_finds_no_room_is_refused_and_the_room_comes_back() {
        let room = BackupRoom::default();
        let large = u64::from(LOADED / 2);
        let first = room.to_load(large).await.unwrap();
        let small = room.to_load(1 << 20).await.unwrap();
        let refused = room.to_load(large).await.unwrap_err();
        assert!(refused.to_string().contains("try again"), "{refused}");
        // A small one finds room beside it.
        drop(room.to_load(1 << 20).await.unwrap());
        drop(small);
        let second = room.to_load(large).await.unwrap();
        assert!(room.to_load(0).await.is_err(), "a text of unknown or no length takes room, too");
        drop((first, second));
        // One that is larger than all room takes all of it, and does not wait for ever.
        drop(room.to_load(u64::MAX).await.unwrap());
        // Small texts of many values take as much as they will have in memory.
        let values = format!("[{}]", vec![r#"{"":0}"#; 1_500_000].join(","));
        let half = values.len() / 2;
        let first = room.to_parse(values.as_bytes().chunks(half)).await.unwrap();
        assert!(room.to_parse([values.as_bytes()]).await.is_err());
        drop((room.to_parse([b"{}".as_slice()]).await.unwrap(), room.to_load(large).await.unwrap()));
        drop(first);
        drop(room.to_parse([values.as_bytes()]).await.unwrap());
        let made: Vec<_> = [room.to_make().await, room.to_make().await, room.to_make().await, room.to_make().await]
            .into_iter()
            .map(Result::unwrap)
            .collect();
        assert!(room.to_make().await.is_err());
        drop(made);
        assert!(room.to_make().await.is_ok());
    }
}
