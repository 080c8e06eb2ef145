//! Room in memory for dumps, and for other large documents: several at once must not take all of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::AdminError;

/// Bytes of all that is loaded at the same time: twice the largest document that a door takes.
const LOADED: u32 = 512 << 20;
/// Dumps that are made at the same time: of each, a page of documents is in memory.
const MADE: usize = 4;
/// How long a request waits for room.
const WAIT: Duration = Duration::from_secs(10);

/// Gives dumps their room, for all doors of a server together.
#[derive(Debug, Clone)]
pub struct BackupRoom {
    loaded: Arc<Semaphore>,
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
        let permits = usize::try_from(LOADED).unwrap_or(Semaphore::MAX_PERMITS);
        Self { loaded: Arc::new(Semaphore::new(permits)), made: Arc::new(Semaphore::new(MADE)) }
    }
}

impl BackupRoom {
    /// Room for a document that is loaded, which has at most so many bytes. It is taken before the document is read, and
    /// kept until the load is over.
    ///
    /// # Errors
    /// Other loads have kept the room for ten seconds.
    pub async fn to_load(&self, bytes: u64) -> Result<BackupPlace, AdminError> {
        let bytes = u32::try_from(bytes).unwrap_or(LOADED).clamp(1, LOADED);
        place(&self.loaded, bytes, "loaded").await
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
        let made: Vec<_> = [room.to_make().await, room.to_make().await, room.to_make().await, room.to_make().await]
            .into_iter()
            .map(Result::unwrap)
            .collect();
        assert!(room.to_make().await.is_err());
        drop(made);
        assert!(room.to_make().await.is_ok());
    }
}
