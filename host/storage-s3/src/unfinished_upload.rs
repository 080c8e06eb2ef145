//! An upload whose parts the store keeps, without a name. The store forgets them when it is dropped.

use bytes::Bytes;
use opendal::Writer;
use opendal::options::ReadOptions;
use tidegate_core::ports::storage::StorageError;
use tokio::sync::oneshot;

use crate::parts::over;

/// A request about an upload.
pub enum Request {
    /// Sends a part.
    Write(Bytes),
    /// Copies a part of the object that has this key.
    Copy(String, Box<ReadOptions>),
    /// Gives the upload its name.
    Close,
}

/// An upload that is aborted when it is dropped.
pub struct UnfinishedUpload {
    /// None: the upload has ended.
    writer: Option<Writer>,
}

impl UnfinishedUpload {
    pub fn new(writer: Writer) -> Self {
        Self { writer: Some(writer) }
    }

    /// Makes a request, and then aborts the upload if the caller is gone meanwhile. In the middle of a request the library
    /// cannot abort it: a store that does not answer has its parts until the request fails for its time.
    pub async fn request(mut self, request: Request) -> Result<(Self, opendal::Result<()>), StorageError> {
        let (sender, answer) = oneshot::channel();
        tokio::spawn(async move {
            let outcome = self.make(request).await;
            // Without a caller the upload is dropped here.
            let _ = sender.send((self, outcome));
        });
        answer.await.map_err(|_| over())
    }

    async fn make(&mut self, request: Request) -> opendal::Result<()> {
        let Some(writer) = &mut self.writer else {
            return Err(opendal::Error::new(opendal::ErrorKind::Unexpected, "the upload has ended"));
        };
        match request {
            Request::Write(part) => writer.write(part).await,
            Request::Copy(key, options) => writer.copy_from_options(&key, *options).await,
            Request::Close => {
                writer.close().await?;
                self.writer = None;
                Ok(())
            }
        }
    }

    /// Waits until the store has forgotten the parts.
    pub async fn abandon(mut self) {
        if let Some(writer) = self.writer.take() {
            abort(writer).await;
        }
    }
}

impl Drop for UnfinishedUpload {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(abort(writer));
        }
    }
}

async fn abort(mut writer: Writer) {
    if let Err(error) = writer.abort().await {
        let message = format!("parts of an unfinished upload may be left in the object store: {error}");
        tracing::warn!(sender = "s3", message);
    }
}
