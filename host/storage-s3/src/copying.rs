//! Copies inside the store: a large object in parts, which the store forgets if the copy fails or its client is gone.

use opendal::options::CopyOptions;
use opendal::{Copier, Error, ErrorKind, Operator};
use tidegate_core::ports::storage::{StorageError, StorageErrorKind};
use tokio::sync::oneshot;

use crate::errors::{failed, from_store};

/// Copies an object. Without its caller a copy goes on to the end of the requests under way, and is given up then: in the
/// middle of a request the library cannot abort it.
///
/// # Errors
/// The store failed.
pub async fn copy(operator: &Operator, from: &str, to: &str, options: CopyOptions) -> Result<(), StorageError> {
    let copier = operator.copier_options(from, to, options).await.map_err(|error| from_store(&error))?;
    let (sender, answer) = oneshot::channel();
    tokio::spawn(run(copier, sender));
    let outcome = answer.await.map_err(|_| failed(StorageErrorKind::Other, "the copy was cut off"))?;
    outcome.map_err(|error| from_store(&error))
}

async fn run(mut copier: Copier, caller: oneshot::Sender<opendal::Result<()>>) {
    let outcome = loop {
        match copier.next().await {
            Ok(Some(_)) if caller.is_closed() => break Err(Error::new(ErrorKind::Unexpected, "the client is gone")),
            Ok(Some(_)) => {}
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    if outcome.is_err()
        && let Err(error) = copier.abort().await
    {
        let message = format!("parts of an unfinished copy may be left in the object store: {error}");
        tracing::warn!(sender = "s3", message);
    }
    let _ = caller.send(outcome);
}
