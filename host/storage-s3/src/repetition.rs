//! Lists that have no end: stores that name the page that was just read as the next one, or the same names again and again.

use http::Uri;
use opendal::{Buffer, Error, ErrorKind};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use tidegate_core::ports::storage::{StorageError, StorageErrorKind};

use crate::errors::failed;

/// Says of a store that its lists have no end.
const REPEATS: &str = "the object store lists the same page again and again";
/// How often a name comes again before a list repeats itself. Some stores have the same directory on two pages.
const TIMES: u32 = 3;
/// How often a name follows itself. Some stores have a directory on every page of what is in it.
const IN_A_ROW: u32 = 1000;

/// Whether an error is that of a store whose lists have no end.
pub fn is_repeated_page(error: &Error) -> bool {
    error.kind() == ErrorKind::Unexpected && error.message() == REPEATS
}

/// The error of a list that repeats itself.
pub fn repeated() -> StorageError {
    failed(StorageErrorKind::Other, REPEATS)
}

/// What is read of a page, as ListObjectsV2 of Amazon S3 names it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Page {
    is_truncated: Option<bool>,
    next_continuation_token: Option<String>,
}

/// The token of the page that a request asks for; none: it asks for the first one.
pub fn page_of(uri: &Uri) -> Option<String> {
    let token = uri.query()?.split('&').find_map(|pair| pair.strip_prefix("continuation-token="))?;
    percent_decode_str(token).decode_utf8().ok().map(|token| token.into_owned()).filter(|token| !token.is_empty())
}

/// Requires that the page after the one with this token is another one.
///
/// # Errors
/// `Unexpected`: the list would be read for ever.
pub fn require_other_page(token: &str, answer: &Buffer) -> opendal::Result<()> {
    let bytes = answer.to_bytes();
    // What cannot be read is an error elsewhere.
    let page: Page = quick_xml::de::from_reader(&*bytes).unwrap_or_default();
    if page.is_truncated != Some(false) && page.next_continuation_token.as_deref() == Some(token) {
        return Err(Error::new(ErrorKind::Unexpected, REPEATS));
    }
    Ok(())
}

/// The names of a list as they come. One that repeats itself is noticed whatever its order and however many names come before
/// they repeat, since one name at a time is kept, for twice as long each time (Brent's algorithm).
#[derive(Debug, Default)]
pub struct Repetition {
    last: String,
    in_a_row: u32,
    kept: Option<String>,
    times: u32,
    /// How many names came since that one was kept.
    since: u64,
    /// After how many another one is kept.
    until: u64,
}

impl Repetition {
    /// Takes the next name. Whether the list repeats itself.
    pub fn is_seen_in(&mut self, name: &str) -> bool {
        if self.last == name {
            self.in_a_row += 1;
            return self.in_a_row >= IN_A_ROW;
        }
        self.in_a_row = 0;
        self.last.clear();
        self.last.push_str(name);
        if self.kept.as_deref() == Some(name) {
            self.times += 1;
            return self.times >= TIMES;
        }
        if self.since == self.until {
            self.kept = Some(name.to_owned());
            self.until = self.until.saturating_mul(2).max(1);
            (self.since, self.times) = (0, 0);
        }
        self.since += 1;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many names of the first that come once, and of the others that come again and again, it is noticed.
    fn noticed(first: usize, again: usize) -> Option<usize> {
        let mut repetition = Repetition::default();
        let first = (0..first).map(|number| format!("first {number}"));
        let again = (0..again).map(|number| format!("again {number}")).collect::<Vec<_>>();
        let mut names = first.chain(again.into_iter().cycle()).take(200_000);
        names.position(|name| repetition.is_seen_in(&name))
    }

    #[test]
    fn a_list_that_repeats_itself_is_noticed() {
        for (first, again) in [(0, 1), (5, 1), (0, 2), (1, 2), (0, 1000), (3000, 1000), (0, 1001), (7000, 3), (0, 4096)]
        {
            assert!(noticed(first, again).is_some(), "{first} {again}");
        }
        assert_eq!(noticed(200_000, 1), None);
        // A directory on two pages, and on each of many.
        let mut repetition = Repetition::default();
        let pages = ["d/", "f", "d/", "g"].into_iter().chain(std::iter::repeat_n("h/", 900)).chain(["i"]);
        assert!(!pages.into_iter().any(|name| repetition.is_seen_in(name)));
    }

    #[test]
    fn a_page_is_another_one_than_the_one_before() {
        let list = |truncated: &str, next: &str| {
            let token = format!("<NextContinuationToken>{next}</NextContinuationToken>");
            format!(
                "<ListBucketResult xmlns=\"x\">{truncated}{token}<Contents><Key>k</Key></Contents></ListBucketResult>"
            )
        };
        let (more, last) = ("<IsTruncated>true</IsTruncated>", "<IsTruncated>false</IsTruncated>");
        let check = |token: &str, answer: String, expected: bool| {
            let outcome = require_other_page(token, &Buffer::from(answer.clone()));
            assert_eq!(outcome.is_ok(), expected, "{token} {answer}");
            assert!(outcome.err().is_none_or(|error| is_repeated_page(&error) && !error.is_temporary()));
        };
        check("a&b", list(more, "a&amp;b"), false);
        check("a", list("", "a"), false);
        check("a", list(more, "b"), true);
        check("a", list(last, "a"), true);
        check("a", "no list".to_owned(), true);
    }

    #[test]
    fn the_page_of_a_request_is_that_of_its_token() {
        let check = |url: &str, expected: Option<&str>| {
            assert_eq!(page_of(&url.parse().unwrap()).as_deref(), expected, "{url}");
        };
        check("http://store/b?list-type=2&prefix=a", None);
        check("http://store/b", None);
        check("http://store/b?list-type=2&continuation-token=", None);
        check("http://store/b?list-type=2&continuation-token=a%3D%2Fb", Some("a=/b"));
    }
}
