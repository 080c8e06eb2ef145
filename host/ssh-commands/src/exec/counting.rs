//! Counts what a program leaves behind, also when its client has gone.

use tidegate_core::files::{FileError, ProgramRoom};

/// Counts on a task of its own, so that the count goes on when the client leaves; also when this is dropped.
pub struct Counting(Option<ProgramRoom>);

impl Counting {
    pub fn new(room: ProgramRoom) -> Self {
        Self(Some(room))
    }

    pub fn room(&self) -> Option<&ProgramRoom> {
        self.0.as_ref()
    }

    pub async fn end(mut self) -> Result<(), FileError> {
        let Some(room) = self.0.take() else {
            return Ok(());
        };
        let counted = tokio::spawn(room.end());
        counted.await.unwrap_or_else(|_| Err(FileError::Failed("the files could not be counted".into())))
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        let Some(room) = self.0.take() else { return };
        tokio::spawn(async move {
            let path = room.path().clone();
            if let Err(error) = room.end().await {
                let message = format!("the files at \"{}\" could not be counted: {error}", path.display());
                tracing::warn!(sender = "quota", message);
            }
        });
    }
}
