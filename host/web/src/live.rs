//! Parts of pages that browsers ask for again every two seconds. Many people leave the same page open: a part is made
//! once a second at most for all that may see the same, and is not sent again to browsers that have it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use sha2::{Digest, Sha256};
use tidegate_core::admin::{Actor, UseCase};
use tokio::time::Instant;

use crate::assets::{gzip, takes_gzip};
use crate::guard::{COMPRESSED_FROM, VARIES};
use crate::problem::Problem;
use crate::request::Asked;
use crate::view::{Block, Rendered, Table};

/// How long a part is shown to others after it was made.
const SHOWN: Duration = Duration::from_secs(1);
/// Parts that are kept, each with its own filter or for other permissions.
const KEPT: usize = 32;
/// Bytes of an address whose part is kept.
const LONGEST: usize = 512;

/// What a part depends on, besides the moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    target: String,
    /// What the administrator may do, use case by use case.
    rights: Vec<bool>,
    role: Option<String>,
}

/// A part as it is sent.
#[derive(Clone)]
struct Part {
    tag: Option<HeaderValue>,
    plain: Bytes,
    /// None: it is too small.
    compressed: Option<Bytes>,
}

/// The parts that were made last.
#[derive(Default)]
pub struct LiveParts(Mutex<HashMap<Key, (Instant, Part)>>);

impl Key {
    fn new(actor: &Actor, target: &str) -> Self {
        let rights = UseCase::ALL.iter().map(|case| actor.require(*case).is_ok()).collect();
        Self { target: target.to_owned(), rights, role: actor.role.clone() }
    }
}

impl Part {
    fn new(text: String) -> Self {
        let digest: String = Sha256::digest(&text).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        // Weak, because the part is the same whether or not it is compressed.
        let tag = HeaderValue::from_str(&format!("W/\"{digest}\"")).ok();
        let compressed = (text.len() >= COMPRESSED_FROM).then(|| gzip(text.as_bytes(), Compression::fast()).into());
        Self { tag, plain: text.into(), compressed }
    }

    fn answer(self, headers: &HeaderMap) -> Response {
        let has_it = self.tag.is_some() && headers.get(IF_NONE_MATCH) == self.tag.as_ref();
        let kind = (CONTENT_TYPE, "text/html; charset=utf-8");
        let mut response = match self.compressed.filter(|_| takes_gzip(headers)) {
            _ if has_it => StatusCode::NOT_MODIFIED.into_response(),
            Some(compressed) => ([kind, (CONTENT_ENCODING, "gzip")], compressed).into_response(),
            None => ([kind], self.plain).into_response(),
        };
        let headers = response.headers_mut();
        headers.insert(VARY, HeaderValue::from_static(VARIES));
        headers.extend(self.tag.map(|tag| (ETAG, tag)));
        response
    }
}

impl LiveParts {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, (Instant, Part)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, key: &Key) -> Option<Part> {
        let known = self.lock();
        known.get(key).filter(|(at, _)| at.elapsed() < SHOWN).map(|(_, part)| part.clone())
    }

    fn keep(&self, key: Key, part: &Part) {
        let mut known = self.lock();
        known.retain(|_, (at, _)| at.elapsed() < SHOWN);
        if known.len() < KEPT && key.target.len() <= LONGEST {
            known.insert(key, (Instant::now(), part.clone()));
        }
    }
}

/// Answers with a part: the one that was made for others a moment ago, or `table`. What it shows depends on nothing but
/// the address and what the administrator may do.
pub async fn part(asked: &Asked, table: impl Future<Output = Result<Table, Problem>>) -> Result<Response, Problem> {
    let (parts, headers) = (&asked.web.live_parts, &asked.parts.headers);
    let target = asked.parts.uri.path_and_query().map(|target| target.as_str()).unwrap_or_default();
    let key = Key::new(asked.actor()?, target);
    if let Some(part) = parts.known(&key) {
        return Ok(part.answer(headers));
    }
    let part = Part::new(Rendered::blocks(&[Block::Table(table.await?)]).html().to_owned());
    parts.keep(key, &part);
    Ok(part.answer(headers))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tidegate_core::admin::{AdminPermission, Permissions};
    use tidegate_core::ports::Door;

    use super::*;

    fn actor(permissions: &[AdminPermission], role: Option<&str>) -> Actor {
        let permissions = Permissions::Only(BTreeSet::from_iter(permissions.iter().copied()));
        Actor { permissions, role: role.map(str::to_owned), ..Actor::local("ann", Door::Web) }
    }

    #[test]
    fn a_part_is_shared_by_those_who_may_see_the_same() {
        let parts = LiveParts::default();
        let (view, close) = (AdminPermission::ViewConnections, AdminPermission::CloseConnections);
        parts.keep(Key::new(&actor(&[view], None), "/a"), &Part::new("shared".to_owned()));
        let check = |permissions: &[AdminPermission], role, target: &str, expected: bool| {
            let part = parts.known(&Key::new(&actor(permissions, role), target));
            assert_eq!(part.is_some(), expected, "{permissions:?} {role:?} {target}");
        };
        check(&[view], None, "/a", true);
        check(&[view, close], None, "/a", false);
        check(&[], None, "/a", false);
        check(&[view], Some("sales"), "/a", false);
        check(&[view], None, "/a?search=b", false);
    }

    #[test]
    fn few_parts_are_kept() {
        let (parts, ann) = (LiveParts::default(), actor(&[], None));
        for number in 0..KEPT + 10 {
            parts.keep(Key::new(&ann, &format!("/{number}")), &Part::new(String::new()));
        }
        assert_eq!(parts.lock().len(), KEPT);
        let parts = LiveParts::default();
        parts.keep(Key::new(&ann, &"x".repeat(LONGEST + 1)), &Part::new(String::new()));
        assert!(parts.lock().is_empty());
        // One that is out of date makes room.
        let old = Instant::now().checked_sub(SHOWN).unwrap();
        parts.lock().insert(Key::new(&ann, "/old"), (old, Part::new(String::new())));
        assert!(parts.known(&Key::new(&ann, "/old")).is_none());
        parts.keep(Key::new(&ann, "/new"), &Part::new(String::new()));
        assert_eq!(parts.lock().len(), 1);
    }

    #[test]
    fn what_a_browser_has_is_not_sent_again() {
        let part = Part::new("text ".repeat(400));
        let answer = |headers: &[(axum::http::HeaderName, &HeaderValue)]| {
            let headers = headers.iter().map(|(name, value)| (name.clone(), (*value).clone())).collect();
            let response = part.clone().answer(&headers);
            (response.status().as_u16(), response.headers().contains_key(CONTENT_ENCODING))
        };
        let gzip = HeaderValue::from_static("gzip");
        let other = HeaderValue::from_static("W/\"0\"");
        assert_eq!(answer(&[]), (200, false));
        assert_eq!(answer(&[(axum::http::header::ACCEPT_ENCODING, &gzip)]), (200, true));
        assert_eq!(answer(&[(IF_NONE_MATCH, &other)]), (200, false));
        assert_eq!(answer(&[(IF_NONE_MATCH, part.tag.as_ref().unwrap())]), (304, false));
        assert_ne!(Part::new("a".to_owned()).tag, Part::new("b".to_owned()).tag);
    }
}
