//! Whether a store has answered what it was asked. Some ignore ranges or conditions, and what they send would be handed on
//! as another part, or another version, of a file: bytes are read while the rest of an answer is on its way, so this is seen
//! before the first of them.

use http::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, IF_MATCH, RANGE};
use http::{HeaderMap, HeaderName, StatusCode};
use opendal::{Error, ErrorKind};

/// Says of a store that it has sent another part of an object than was asked for.
const OTHER_PART: &str = "the object store has sent another part of the file than it was asked for";

/// Whether an error is that of a store that has sent another part of an object than was asked for, mostly all of it.
pub fn is_of_other_part(error: &Error) -> bool {
    error.kind() == ErrorKind::Unexpected && error.message() == OTHER_PART
}

/// What was asked of a request for content.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// The first and the last byte.
    range: Option<(u64, u64)>,
    /// The version, as an ETag.
    version: Option<String>,
}

impl Question {
    /// What a request asks for. Those that send content ask for nothing.
    pub fn of(headers: &HeaderMap) -> Self {
        let Some(range) = text(headers, RANGE).and_then(|range| bounds(range.strip_prefix("bytes=")?)) else {
            return Self::default();
        };
        Self { range: Some(range), version: text(headers, IF_MATCH).map(str::to_owned) }
    }

    /// Requires that an answer is of the version, and is the part, that was asked for.
    ///
    /// # Errors
    /// `ConditionNotMatch`: it is another version; `Unexpected`: it is another part.
    pub fn require_answered(&self, status: StatusCode, headers: &HeaderMap) -> opendal::Result<()> {
        let Some((first, last)) = self.range.filter(|_| status.is_success()) else { return Ok(()) };
        if let (Some(asked), Some(sent)) = (&self.version, text(headers, ETAG))
            && strong(asked) != strong(sent)
        {
            return Err(Error::new(ErrorKind::ConditionNotMatch, "the object store has sent another version"));
        }
        let is_part = match text(headers, CONTENT_RANGE) {
            Some(sent) => sent.strip_prefix("bytes ").and_then(bounds) == Some((first, last)),
            // Without it an answer is the whole object, which may be what was asked for.
            None => {
                let length = text(headers, CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
                first == 0 && length == last.checked_add(1)
            }
        };
        if is_part {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unexpected, OTHER_PART))
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// The numbers of `first-last`, and of `first-last/size`.
fn bounds(text: &str) -> Option<(u64, u64)> {
    let (first, last) = text.split('/').next()?.split_once('-')?;
    Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
}

/// Some stores call a version weak in one answer and not in another.
fn strong(etag: &str) -> &str {
    let etag = etag.trim();
    etag.strip_prefix("W/").unwrap_or(etag).trim_matches('"')
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(all: &[(HeaderName, &str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn an_answer_is_what_was_asked_for() {
        let asked = Question::of(&headers(&[(RANGE, "bytes=10-19"), (IF_MATCH, "\"a\"")]));
        let whole = Question::of(&headers(&[(RANGE, "bytes=0-19"), (IF_MATCH, "\"a\"")]));
        let check = |question: &Question, answer: &[(HeaderName, &str)], expected: Option<ErrorKind>| {
            let outcome = question.require_answered(StatusCode::OK, &headers(answer));
            assert_eq!(outcome.as_ref().err().map(Error::kind), expected, "{answer:?}");
            let is_other_part = outcome.as_ref().is_err_and(is_of_other_part);
            assert_eq!(is_other_part, expected == Some(ErrorKind::Unexpected), "{answer:?}");
        };
        for etag in ["\"a\"", "W/\"a\"", "a"] {
            check(&asked, &[(CONTENT_RANGE, "bytes 10-19/500"), (ETAG, etag)], None);
        }
        check(&asked, &[(CONTENT_RANGE, "bytes 10-19/*")], None);
        check(&whole, &[(CONTENT_LENGTH, "20"), (ETAG, "\"a\"")], None);
        let (part, version) = (Some(ErrorKind::Unexpected), Some(ErrorKind::ConditionNotMatch));
        check(&asked, &[(CONTENT_RANGE, "bytes 10-19/500"), (ETAG, "\"b\"")], version);
        check(&asked, &[(CONTENT_RANGE, "bytes 0-9/500")], part);
        check(&asked, &[(CONTENT_RANGE, "bytes 10-18/500")], part);
        check(&asked, &[(CONTENT_RANGE, "nothing")], part);
        // The whole object, by a store that knows no ranges.
        check(&asked, &[(CONTENT_LENGTH, "10")], part);
        check(&whole, &[(CONTENT_LENGTH, "500")], part);
        check(&whole, &[], part);
    }

    #[test]
    fn other_requests_and_refusals_are_left_alone() {
        for asked in [&[][..], &[(IF_MATCH, "\"a\"")], &[(RANGE, "bytes=-5")]] {
            assert_eq!(Question::of(&headers(asked)), Question::default());
        }
        assert!(Question::default().require_answered(StatusCode::OK, &headers(&[(ETAG, "\"b\"")])).is_ok());
        let asked = Question::of(&headers(&[(RANGE, "bytes=10-19")]));
        for status in [StatusCode::PRECONDITION_FAILED, StatusCode::NOT_FOUND, StatusCode::SERVICE_UNAVAILABLE] {
            assert!(asked.require_answered(status, &HeaderMap::new()).is_ok());
        }
    }
}
