//! Audit records as an answer that is sent while they are read, a page at a time.

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, TryStreamExt, stream};
use tidegate_core::admin::{Actor, AdminError, Audit};
use tidegate_core::ports::{AuditQuery, StoredAudit};

/// How records are written.
#[derive(Debug, Clone, Copy)]
pub struct AuditShape {
    pub content_type: &'static str,
    /// The name under which browsers keep the answer.
    pub content_disposition: &'static str,
    pub begin: &'static str,
    /// What is before each record but the first.
    pub between: &'static str,
    pub end: &'static str,
    pub record: fn(StoredAudit) -> String,
}

/// All records that match, the newest first, whatever the limit of the query.
///
/// # Errors
/// The actor lacks the permission, or the store fails at the beginning; later, the answer breaks off.
pub async fn audit_as_answer(
    audit: &Audit,
    actor: &Actor,
    query: AuditQuery,
    shape: AuditShape,
) -> Result<Response, AdminError> {
    let mut pages = Box::pin(audit.pages(actor.clone(), query));
    // What keeps the first page from being read is said with a status.
    let first = pages.try_next().await?;
    let mut is_first = true;
    let text_of = move |page: Vec<StoredAudit>| {
        let mut text = String::new();
        for stored in page {
            text.push_str(if std::mem::take(&mut is_first) { "" } else { shape.between });
            text.push_str(&(shape.record)(stored));
        }
        Bytes::from(text)
    };
    let pages = stream::iter(first.map(Ok::<_, AdminError>)).chain(pages).map_ok(text_of);
    let part = |text: &'static str| stream::iter([Ok(Bytes::from_static(text.as_bytes()))]);
    let body = Body::from_stream(part(shape.begin).chain(pages).chain(part(shape.end)));
    let headers = [(CONTENT_TYPE, shape.content_type), (CONTENT_DISPOSITION, shape.content_disposition)];
    Ok((headers, body).into_response())
}
