//! Sends the requests to stores, and counts them by what they are for (A20-06). A request that a store has taken and does
//! not answer fails for its time, and is made once more at most.

use std::sync::Arc;

use futures_util::stream;
use http::{Request, Response, StatusCode};
use opendal::raw::ServiceOperation;
use opendal::{Buffer, Error, ErrorKind, HttpBody, HttpTransport, HttpTransporter};
use tidegate_core::metrics::{Metrics, ObjectRequest};
use tokio::time::Instant;

use crate::absence::{Absences, FAILING, SILENT};
use crate::answered::Question;
use crate::client::require_no_redirect;
use crate::patience::{is_worth_another_try, until_answer};
use crate::repetition::{page_of, require_other_page};

/// How the error of a store begins that fails at everything.
const FAILS: &str = "the object store fails at all requests";

/// Sends the requests of all buckets.
pub struct CountedTransport {
    transport: HttpTransporter,
    metrics: Arc<Metrics>,
    /// Stores, and requests, without an answer.
    absences: Absences,
    /// Stores that answer all requests with failures of their own.
    failures: Absences,
}

impl CountedTransport {
    /// Sends through another transport.
    pub fn transporter(transport: HttpTransporter, metrics: Arc<Metrics>) -> HttpTransporter {
        let (absences, failures) = (Absences::after(SILENT), Absences::after(FAILING));
        HttpTransporter::new(Self { transport, metrics, absences, failures })
    }
}

impl HttpTransport for CountedTransport {
    async fn fetch(&self, request: Request<Buffer>) -> opendal::Result<Response<HttpBody>> {
        // Requests for credentials have none, and are not counted.
        let operation = request.extensions().get::<ServiceOperation>().map(|operation| operation.0);
        let store = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let name = format!("{} {}", request.method(), request.uri());
        let question = Question::of(request.headers());
        let page = if operation == Some("ListObjectsV2") { page_of(request.uri()) } else { None };
        let (sent, time) = (Instant::now(), until_answer(operation, request.body().len()));
        let fetched = tokio::time::timeout(time, self.transport.fetch(request)).await;
        let is_late = fetched.is_err();
        let answer = fetched.unwrap_or_else(|_| {
            let text = format!("the object store gave no answer in {} seconds", time.as_secs());
            Err(Error::new(ErrorKind::Unexpected, text).set_temporary())
        });
        if let Some(operation) = operation {
            let is_failed = answer.as_ref().map_or(true, |answer| is_failure(answer.status()));
            self.metrics.object_request(kind_of(operation), is_failed);
        }
        let error = match answer {
            Ok(answer) => {
                self.absences.answered(&store);
                self.absences.answered(&name);
                if !is_unavailable(answer.status()) {
                    self.failures.answered(&store);
                } else if self.failures.is_away(&store, sent) {
                    return Err(not_repeated(answer).await);
                }
                require_no_redirect(answer.status(), answer.headers())?;
                question.require_answered(answer.status(), answer.headers())?;
                return match page.filter(|_| answer.status().is_success()) {
                    Some(page) => read_page(&page, answer).await,
                    None => Ok(answer),
                };
            }
            Err(error) => error,
        };
        // The request itself counts as well, where the store answers others. An error that is not temporary is not repeated.
        let is_hopeless = is_late && (self.absences.is_away(&name, sent) || !is_worth_another_try(operation));
        let is_away = self.absences.is_away(&store, sent);
        Err(if is_hopeless || is_away { error.set_persistent() } else { error })
    }
}

/// Whether an answer is one of those for which a request is repeated.
fn is_unavailable(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 499 | 500 | 502 | 503 | 504)
}

/// The error of a store that has failed at everything for a while: the request is not repeated.
async fn not_repeated(answer: Response<HttpBody>) -> Error {
    let (parts, mut body) = answer.into_parts();
    let read = body.to_buffer().await.map(|body| body.to_vec()).unwrap_or_default();
    let text: String = String::from_utf8_lossy(&read).chars().take(500).collect();
    let kind = match parts.status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => ErrorKind::RateLimited,
        _ => ErrorKind::Unexpected,
    };
    Error::new(kind, format!("{FAILS}, now with status {}: {text}", parts.status))
}

/// Whether the store failed at a request, which is repeated or not. It may fail at that one only.
pub fn has_failed(error: &Error) -> bool {
    error.is_temporary() || error.message().starts_with(FAILS)
}

/// Reads a page of a list, which is to be another one than was asked for. `page`: its token.
async fn read_page(page: &str, answer: Response<HttpBody>) -> opendal::Result<Response<HttpBody>> {
    let (parts, mut body) = answer.into_parts();
    let read = body.to_buffer().await?;
    require_other_page(page, &read)?;
    let length = read.len() as u64;
    Ok(Response::from_parts(parts, HttpBody::new(stream::iter([Ok(read)]), Some(length))))
}

/// Whether the store could not, or would not, do what it was asked. That something is not there, or is another version,
/// is an answer.
fn is_failure(status: StatusCode) -> bool {
    let is_answer =
        matches!(status, StatusCode::NOT_FOUND | StatusCode::PRECONDITION_FAILED | StatusCode::RANGE_NOT_SATISFIABLE);
    let is_redirect = status.is_redirection() && status != StatusCode::NOT_MODIFIED;
    (status.is_client_error() || status.is_server_error() || is_redirect) && !is_answer
}

/// The kind of an operation of Amazon S3's interface.
fn kind_of(operation: &str) -> ObjectRequest {
    match operation {
        "HeadObject" => ObjectRequest::Head,
        "GetObject" => ObjectRequest::Get,
        "PutObject" => ObjectRequest::Put,
        "CreateMultipartUpload" | "UploadPart" | "CompleteMultipartUpload" | "AbortMultipartUpload" => {
            ObjectRequest::Multipart
        }
        "CopyObject" | "UploadPartCopy" => ObjectRequest::Copy,
        "DeleteObject" | "DeleteObjects" => ObjectRequest::Delete,
        "ListObjects" | "ListObjectsV2" | "ListMultipartUploads" => ObjectRequest::List,
        "HeadBucket" => ObjectRequest::HeadBucket,
        "CreateBucket" => ObjectRequest::CreateBucket,
        _ => ObjectRequest::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_no_failure() {
        let check = |status: u16, expected: bool| {
            assert_eq!(is_failure(StatusCode::from_u16(status).unwrap()), expected, "{status}");
        };
        [200, 204, 206, 304, 404, 412, 416].into_iter().for_each(|status| check(status, false));
        [301, 302, 307, 308, 400, 401, 403, 409, 429, 500, 501, 503].into_iter().for_each(|status| check(status, true));
    }
}
