//! Sends the requests to stores, and counts them by what they are for (A20-06). A request that a store has taken and does
//! not answer fails for its time, and is made once more at most.

use std::sync::Arc;

use http::{Request, Response, StatusCode};
use opendal::raw::ServiceOperation;
use opendal::{Buffer, Error, ErrorKind, HttpBody, HttpTransport, HttpTransporter};
use tidegate_core::metrics::{Metrics, ObjectRequest};
use tokio::time::Instant;

use crate::absence::Absences;
use crate::answered::Question;
use crate::patience::{is_worth_another_try, until_answer};

/// Sends the requests of all buckets.
pub struct CountedTransport {
    transport: HttpTransporter,
    metrics: Arc<Metrics>,
    absences: Absences,
}

impl CountedTransport {
    /// Sends through the transport that is installed.
    pub fn transporter(metrics: Arc<Metrics>) -> HttpTransporter {
        HttpTransporter::new(Self { transport: HttpTransporter::default(), metrics, absences: Absences::default() })
    }
}

impl HttpTransport for CountedTransport {
    async fn fetch(&self, request: Request<Buffer>) -> opendal::Result<Response<HttpBody>> {
        // Requests for credentials have none, and are not counted.
        let operation = request.extensions().get::<ServiceOperation>().map(|operation| operation.0);
        let store = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let name = format!("{} {}", request.method(), request.uri());
        let question = Question::of(request.headers());
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
                question.require_answered(answer.status(), answer.headers())?;
                return Ok(answer);
            }
            Err(error) => error,
        };
        // The request itself counts as well, where the store answers others. An error that is not temporary is not repeated.
        let is_hopeless = is_late && (self.absences.is_away(&name, sent) || !is_worth_another_try(operation));
        let is_away = self.absences.is_away(&store, sent);
        Err(if is_hopeless || is_away { error.set_persistent() } else { error })
    }
}

/// Whether the store could not, or would not, do what it was asked. That something is not there, or is another version,
/// is an answer.
fn is_failure(status: StatusCode) -> bool {
    let is_answer =
        matches!(status, StatusCode::NOT_FOUND | StatusCode::PRECONDITION_FAILED | StatusCode::RANGE_NOT_SATISFIABLE);
    (status.is_client_error() || status.is_server_error()) && !is_answer
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
        [400, 401, 403, 409, 429, 500, 501, 503].into_iter().for_each(|status| check(status, true));
    }
}
