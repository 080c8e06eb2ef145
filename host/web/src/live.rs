//! Parts of pages that browsers ask for again every two seconds. Many people leave the same page open: a part is made
//! once a second at most for all that may see the same, and is not sent again to browsers that have it. As long as it is
//! shown, the same request is answered before the router looks at it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use flate2::Compression;
use sha2::{Digest, Sha256};
use tidegate_api::Repeatable;
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
    /// When it was begun: what it shows is as it was then, or later.
    made: Instant,
    tag: Option<HeaderValue>,
    plain: Bytes,
    /// None: it is too small.
    compressed: Option<Bytes>,
}

/// The parts that were made last.
#[derive(Default)]
pub struct LiveParts(Mutex<HashMap<Key, Part>>);

impl Key {
    fn new(actor: &Actor, target: &str) -> Self {
        let rights = UseCase::ALL.iter().map(|case| actor.may(*case)).collect();
        Self { target: target.to_owned(), rights, role: actor.role.clone() }
    }
}

impl Part {
    fn new(text: String, made: Instant) -> Self {
        let digest: String = Sha256::digest(&text).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        // Weak, because the part is the same whether or not it is compressed.
        let tag = HeaderValue::from_str(&format!("W/\"{digest}\"")).ok();
        let compressed = (text.len() >= COMPRESSED_FROM).then(|| gzip(text.as_bytes(), Compression::fast()).into());
        Self { made, tag, plain: text.into(), compressed }
    }

    fn is_shown(&self) -> bool {
        self.made.elapsed() < SHOWN
    }

    fn answer(self, headers: &HeaderMap) -> Response {
        let mut about_body = vec![(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))];
        let body = match self.compressed.filter(|_| takes_gzip(headers)) {
            Some(compressed) => {
                about_body.push((CONTENT_ENCODING, HeaderValue::from_static("gzip")));
                compressed
            }
            None => self.plain,
        };
        let mut response = Response::new(Body::empty());
        response.headers_mut().insert(VARY, HeaderValue::from_static(VARIES));
        if self.tag.is_some() && headers.get(IF_NONE_MATCH) == self.tag.as_ref() {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            *response.body_mut() = Body::from(body.clone());
            response.headers_mut().extend(about_body.iter().cloned());
        }
        if let Some(tag) = self.tag {
            response.headers_mut().insert(ETAG, tag.clone());
            response.extensions_mut().insert(Repeatable { until: self.made + SHOWN, tag, about_body, body });
        }
        response
    }
}

impl LiveParts {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Part>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, key: &Key) -> Option<Part> {
        self.lock().get(key).filter(|part| part.is_shown()).cloned()
    }

    fn keep(&self, key: Key, part: &Part) {
        let mut known = self.lock();
        known.retain(|_, part| part.is_shown());
        if known.len() < KEPT && key.target.len() <= LONGEST {
            known.insert(key, part.clone());
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
    let made = Instant::now();
    let part = Part::new(Rendered::blocks(&[Block::Table(table.await?)]).html().to_owned(), made);
    parts.keep(key, &part);
    Ok(part.answer(headers))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use axum::http::HeaderName;
    use http_body_util::BodyExt;
    use tidegate_core::admin::{AdminPermission, Permissions};
    use tidegate_core::ports::Door;
    use tokio::time::advance;

    use super::*;

    fn actor(permissions: &[AdminPermission], role: Option<&str>) -> Actor {
        let permissions = Permissions::Only(BTreeSet::from_iter(permissions.iter().copied()));
        Actor { permissions, role: role.map(str::to_owned), ..Actor::local("ann", Door::Web) }
    }

    fn made(text: &str) -> Part {
        Part::new(text.to_owned(), Instant::now())
    }

    #[test]
    fn a_part_is_shared_by_those_who_may_see_the_same() {
        let (view, close) = (AdminPermission::ViewConnections, AdminPermission::CloseConnections);
        let actors = [
            actor(&[], None),
            actor(&[view], None),
            actor(&[view, close], None),
            actor(&[view], Some("sales")),
            actor(&[view, close], Some("sales")),
            actor(&[view], Some("support")),
            actor(&AdminPermission::ALL, None),
        ];
        for (number, of) in actors.iter().enumerate() {
            let parts = LiveParts::default();
            parts.keep(Key::new(of, "/a"), &made("shared"));
            for (other, actor) in actors.iter().enumerate() {
                let (permissions, role) = (&actor.permissions, &actor.role);
                let is_known = |target: &str| parts.known(&Key::new(actor, target)).is_some();
                assert_eq!(is_known("/a"), number == other, "{number}: {permissions:?} {role:?}");
                assert!(!is_known("/a?search=b"), "{number}: {permissions:?} {role:?}");
            }
            // Administrators with the same rights and the same role see the same.
            let bob = Actor { author: Actor::local("bob", Door::Web).author, ..of.clone() };
            assert!(parts.known(&Key::new(&bob, "/a")).is_some(), "{number}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn few_parts_are_kept() {
        let (parts, ann) = (LiveParts::default(), actor(&[], None));
        for number in 0..KEPT + 10 {
            parts.keep(Key::new(&ann, &format!("/{number}")), &made(""));
        }
        assert_eq!(parts.lock().len(), KEPT);
        // Those that are out of date make room.
        advance(SHOWN).await;
        assert!(parts.known(&Key::new(&ann, "/0")).is_none());
        parts.keep(Key::new(&ann, "/new"), &made(""));
        assert_eq!(parts.lock().len(), 1);
        let parts = LiveParts::default();
        parts.keep(Key::new(&ann, &"x".repeat(LONGEST + 1)), &made(""));
        assert!(parts.lock().is_empty());
    }

    /// A part that is made slowly is not shown for longer: it is as old as what it has looked at first.
    #[tokio::test(start_paused = true)]
    async fn a_part_is_as_old_as_its_beginning() {
        let (parts, ann, slow) = (LiveParts::default(), actor(&[], None), made("slow"));
        advance(SHOWN / 2).await;
        parts.keep(Key::new(&ann, "/"), &slow);
        let response = slow.clone().answer(&HeaderMap::new());
        let until = response.extensions().get::<Repeatable>().unwrap().until;
        assert_eq!(until - Instant::now(), SHOWN / 2);
        advance(SHOWN / 2).await;
        assert!(parts.known(&Key::new(&ann, "/")).is_none());
    }

    #[tokio::test]
    async fn what_a_browser_has_is_not_sent_again() {
        let part = made(&"text ".repeat(400));
        let small = made("text");
        let gzip = HeaderValue::from_static("gzip");
        let check = async |part: &Part, headers: &[(HeaderName, &HeaderValue)], status: StatusCode, is_gzip: bool| {
            let headers = headers.iter().map(|(name, value)| (name.clone(), (*value).clone())).collect();
            let mut response = part.clone().answer(&headers);
            let has = response.headers().contains_key(CONTENT_ENCODING);
            let whole = response.extensions_mut().remove::<Repeatable>().unwrap();
            let sent = response.status();
            let sent_bytes = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!((sent, has), (status, is_gzip && status == StatusCode::OK), "{headers:?}");
            assert_eq!(sent_bytes.is_empty(), status == StatusCode::NOT_MODIFIED, "{headers:?}");
            // Others who ask in the same way are given the whole of it, whether the first had it already or not.
            assert_eq!(whole.about_body.iter().any(|(name, _)| *name == CONTENT_ENCODING), is_gzip, "{headers:?}");
            assert!(!whole.body.is_empty() && (sent_bytes.is_empty() || sent_bytes == whole.body), "{headers:?}");
        };
        let (other, tag) = (HeaderValue::from_static("W/\"0\""), part.tag.clone().unwrap());
        let encoding = axum::http::header::ACCEPT_ENCODING;
        check(&part, &[], StatusCode::OK, false).await;
        check(&part, &[(encoding.clone(), &gzip)], StatusCode::OK, true).await;
        check(&small, &[(encoding.clone(), &gzip)], StatusCode::OK, false).await;
        check(&part, &[(IF_NONE_MATCH, &other)], StatusCode::OK, false).await;
        check(&part, &[(IF_NONE_MATCH, &tag)], StatusCode::NOT_MODIFIED, false).await;
        check(&part, &[(encoding, &gzip), (IF_NONE_MATCH, &tag)], StatusCode::NOT_MODIFIED, true).await;
        assert_ne!(made("a").tag, made("b").tag);
    }
}
