//! Counts the requests to stores by what they are for (A20-06).

use std::sync::Arc;

use http::{Request, Response, StatusCode};
use opendal::raw::ServiceOperation;
use opendal::{Buffer, HttpBody, HttpTransport, HttpTransporter};
use tidegate_core::metrics::{Metrics, ObjectRequest};

use crate::absence::Absences;
use crate::answered::Question;

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
        let operation = request.extensions().get::<ServiceOperation>().map(|operation| kind_of(operation.0));
        let store = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let question = Question::of(request.headers());
        let answer = self.transport.fetch(request).await;
        if let Some(operation) = operation {
            let is_failed = answer.as_ref().map_or(true, |answer| is_failure(answer.status()));
            self.metrics.object_request(operation, is_failed);
        }
        match answer {
            Ok(answer) => {
                self.absences.answered(&store);
                question.require_answered(answer.status(), answer.headers())?;
                Ok(answer)
            }
            // An error that is not temporary is not repeated.
            Err(error) if self.absences.is_away(&store) => Err(error.set_persistent()),
            Err(error) => Err(error),
        }
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
