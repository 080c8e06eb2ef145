//! A store that speaks as much S3 as the adapter needs, in the process of the test. It counts requests, and can
//! be told to fail.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use tokio::sync::watch;

#[derive(Clone, Default)]
pub struct Object {
    pub data: Vec<u8>,
    pub headers: BTreeMap<String, String>,
    etag: u64,
}

/// What a store does not mind.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ignored {
    Ranges,
    Versions,
}

/// Lists that have no end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Endless {
    /// Pages without names; each names itself as the next one.
    Empty,
    /// The first page, which names itself as the next one.
    Same,
    /// The first page again and again, under other names.
    Renamed,
}

/// An upload that is not complete.
#[derive(Default)]
pub struct Parts {
    pub key: String,
    pub parts: BTreeMap<u32, Vec<u8>>,
    pub headers: BTreeMap<String, String>,
    /// When it was begun (RFC 3339).
    pub initiated: String,
}

#[derive(Default)]
pub struct Content {
    pub objects: BTreeMap<String, Object>,
    /// Parts of uploads that are not complete, by their id.
    pub uploads: BTreeMap<String, Parts>,
    pub requests: Vec<String>,
    /// The first bytes and the lengths of what was read.
    pub ranges: Vec<(usize, usize)>,
    /// How many keys there are on a page.
    pub page: usize,
    /// How lists go on for ever.
    pub endless: Option<Endless>,
    /// The status with which requests of this kind are answered.
    pub failing: Option<(&'static str, u16)>,
    /// What begins here or later cannot be read.
    pub failing_from: Option<usize>,
    /// Whether what is read is the whole object, or its newest version, whatever was asked for, as some stores do.
    pub ignores: Option<Ignored>,
    /// Whether the bucket is missing.
    pub lacks_bucket: bool,
    /// Whether conditions of requests that store are refused, as some stores do.
    pub refuses_conditions: bool,
    /// The markers of directories that were stored and cannot be seen, as in stores that make directories of a host of them.
    pub swallowed: Option<BTreeSet<String>>,
    /// The kind of the next request whose answer is lost: it is done, and answered as if the store were away.
    pub lost_answer: Option<&'static str>,
    /// The kind of the requests that are done, and answered when the store is told to.
    pub held: Option<(&'static str, watch::Sender<usize>, watch::Receiver<bool>)>,
    number: u64,
    /// How many uploads are not complete.
    unfinished: watch::Sender<usize>,
}

impl Content {
    fn count(&self) {
        self.unfinished.send_replace(self.uploads.len());
    }
}

pub type Shared = Arc<Mutex<Content>>;

/// Requests that are done and not answered. Dropped, the store answers them.
pub struct Held {
    count: watch::Receiver<usize>,
    answers: watch::Sender<bool>,
}

impl Held {
    /// Returns when such a request has arrived.
    pub async fn arrived(&mut self) {
        self.reached(1).await;
    }

    /// Returns when so many have arrived.
    pub async fn reached(&mut self, number: usize) {
        let arrived = self.count.wait_for(|count| *count >= number);
        tokio::time::timeout(Duration::from_secs(10), arrived).await.unwrap().unwrap();
    }

    /// Lets the store answer these requests, and all that follow.
    pub fn answer(self) {
        self.answers.send_replace(true);
    }
}

pub struct Store {
    pub content: Shared,
    pub address: SocketAddr,
}

impl Store {
    pub async fn start() -> Self {
        let content = Shared::default();
        content.lock().unwrap().page = 1000;
        let app = axum::Router::new().fallback(answer).with_state(content.clone());
        let app = app.layer(axum::extract::DefaultBodyLimit::disable());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { content, address }
    }

    /// Puts an object into the bucket without the adapter.
    pub fn put(&self, key: &str, data: &[u8]) {
        let mut content = self.content.lock().unwrap();
        content.number += 1;
        let object = Object { data: data.to_vec(), etag: content.number, ..Object::default() };
        content.objects.insert(key.to_owned(), object);
    }

    pub fn keys(&self) -> Vec<String> {
        self.content.lock().unwrap().objects.keys().cloned().collect()
    }

    pub fn data(&self, key: &str) -> Option<Vec<u8>> {
        self.content.lock().unwrap().objects.get(key).map(|object| object.data.clone())
    }

    /// The kinds of the requests since the last call.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.content.lock().unwrap().requests)
    }

    /// What was read since the last call: where it begins, and how long it is.
    pub fn ranges(&self) -> Vec<(usize, usize)> {
        std::mem::take(&mut self.content.lock().unwrap().ranges)
    }

    pub fn unfinished(&self) -> usize {
        self.content.lock().unwrap().uploads.len()
    }

    /// Leaves requests of this kind without an answer.
    pub fn hold(&self, kind: &'static str) -> Held {
        let (counter, count) = watch::channel(0);
        let (answers, told) = watch::channel(false);
        self.content.lock().unwrap().held = Some((kind, counter, told));
        Held { count, answers }
    }

    /// Returns when no upload is unfinished.
    pub async fn is_clean(&self) {
        let mut unfinished = self.content.lock().unwrap().unfinished.subscribe();
        let clean = unfinished.wait_for(|uploads| *uploads == 0);
        tokio::time::timeout(Duration::from_secs(10), clean).await.unwrap().unwrap();
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match (first, tail) {
            (b'%', [a, b, tail @ ..]) => {
                bytes.push(u8::from_str_radix(&String::from_utf8(vec![*a, *b]).unwrap(), 16).unwrap());
                rest = tail;
            }
            (byte, _) => bytes.push(*byte),
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn error(status: u16, code: &str) -> Response {
    let xml = format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>");
    (StatusCode::from_u16(status).unwrap(), xml).into_response()
}

fn etag(object: &Object) -> String {
    format!("\"{}\"", object.etag)
}

async fn answer(State(shared): State<Shared>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let query = query_of(&uri);
    let kind = kind_of(&method, &key_of(&uri), &query, headers.contains_key("x-amz-copy-source"));
    let response = perform(&shared, kind, uri, headers, body);
    let held = {
        let mut content = shared.lock().unwrap();
        if content.lost_answer == Some(kind) {
            content.lost_answer = None;
            return error(503, "SlowDown");
        }
        content.held.clone().filter(|(held, ..)| *held == kind)
    };
    if let Some((_, counter, mut told)) = held {
        counter.send_modify(|count| *count += 1);
        let _ = told.wait_for(|told| *told).await;
    }
    response
}

fn key_of(uri: &Uri) -> String {
    decoded(uri.path()).strip_prefix("/bucket").unwrap_or_default().trim_start_matches('/').to_owned()
}

fn query_of(uri: &Uri) -> BTreeMap<String, String> {
    let pairs = uri.query().unwrap_or_default().split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(name, value)| (name.to_owned(), decoded(&value.replace('+', " ")))).collect()
}

fn kind_of(method: &Method, key: &str, query: &BTreeMap<String, String>, copies: bool) -> &'static str {
    match (method, key.is_empty(), query.contains_key("uploadId"), copies) {
        (&Method::GET, true, ..) if query.contains_key("uploads") => "unfinished",
        (&Method::GET, true, ..) => "list",
        (&Method::HEAD, true, ..) => "head bucket",
        (&Method::PUT, true, ..) => "make bucket",
        (&Method::GET, ..) => "get",
        (&Method::HEAD, ..) => "head",
        (&Method::DELETE, _, true, _) => "abort",
        (&Method::DELETE, ..) => "delete",
        (&Method::PUT, _, true, true) => "copy part",
        (&Method::PUT, _, true, false) => "part",
        (&Method::PUT, _, _, true) => "copy",
        (&Method::PUT, ..) => "put",
        (&Method::POST, _, true, _) => "complete",
        (&Method::POST, ..) => "begin",
        _ => panic!("{method} {key}"),
    }
}

fn perform(content: &Shared, kind: &'static str, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let mut content = content.lock().unwrap();
    let (key, query) = (key_of(&uri), query_of(&uri));
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let copied = header("x-amz-copy-source").map(|source| decoded(&source).replacen("bucket/", "", 1));
    let copied = copied.map(|source| source.trim_start_matches('/').to_owned());
    content.requests.push(kind.to_owned());
    if let Some((failing, status)) = content.failing
        && failing == kind
    {
        return error(status, "Failing");
    }
    if headers.get("authorization").is_none() {
        return error(403, "AccessDenied");
    }
    match kind {
        "make bucket" => {
            content.lacks_bucket = false;
            return StatusCode::OK.into_response();
        }
        _ if content.lacks_bucket => return error(404, "NoSuchBucket"),
        "head bucket" => return StatusCode::OK.into_response(),
        _ => {}
    }
    let kept: BTreeMap<String, String> = headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.to_str().unwrap_or_default().to_owned()))
        .filter(|(name, _)| name.starts_with("x-amz-meta") || name.contains("storage-class") || name.contains("acl"))
        .collect();
    let source = copied.map(|source| content.objects.get(&source).cloned());
    if let Some(None) = &source {
        return error(404, "NoSuchKey");
    }
    let source = source.flatten();
    if let Some(source) = &source
        && header("x-amz-copy-source-if-match").is_some_and(|wanted| wanted != etag(source))
    {
        return error(412, "PreconditionFailed");
    }
    let is_new_only = header("if-none-match").is_some();
    if is_new_only && content.refuses_conditions {
        return error(501, "NotImplemented");
    }
    if is_new_only && matches!(kind, "put" | "complete") && content.objects.contains_key(&key) {
        return error(412, "PreconditionFailed");
    }
    content.number += 1;
    let number = content.number;
    if let Some(swallowed) = &mut content.swallowed {
        match kind {
            "put" if key.ends_with('/') => {
                swallowed.insert(key);
                return ([("etag", "\"0\"")], "").into_response();
            }
            // What it makes for a file stays when the file is removed.
            "put" => swallowed.extend(key.rsplit_once('/').map(|(directory, _)| format!("{directory}/"))),
            "delete" if swallowed.remove(&key) => return StatusCode::NO_CONTENT.into_response(),
            "delete" if key.ends_with('/') => return error(500, "InternalError"),
            "head" if swallowed.contains(&format!("{}/", key.trim_end_matches('/'))) => {
                return error(500, "InternalError");
            }
            _ => {}
        }
    }
    match kind {
        "put" => {
            content.objects.insert(key, Object { data: body.to_vec(), headers: kept, etag: number });
            ([("etag", format!("\"{number}\""))], "").into_response()
        }
        "copy" => {
            let object = Object { etag: number, ..source.unwrap() };
            content.objects.insert(key, object);
            format!("<CopyObjectResult><ETag>\"{number}\"</ETag></CopyObjectResult>").into_response()
        }
        "get" | "head" => {
            let Some(object) = content.objects.get(&key) else { return error(404, "NoSuchKey") };
            let ignored = content.ignores;
            if ignored != Some(Ignored::Versions) && header("if-match").is_some_and(|wanted| wanted != etag(object)) {
                return error(412, "PreconditionFailed");
            }
            let range = header("range").filter(|_| ignored != Some(Ignored::Ranges));
            let range = range.map(|range| range.strip_prefix("bytes=").unwrap().to_owned());
            let (first, last) = match range.as_deref().and_then(|range| range.split_once('-')) {
                Some((first, last)) => (first.parse().unwrap(), last.parse().unwrap_or(object.data.len() - 1)),
                None => (0, object.data.len().saturating_sub(1)),
            };
            let part = object.data.get(first..(last + 1).min(object.data.len())).unwrap_or_default();
            if kind == "get" && content.failing_from.is_some_and(|from| first >= from) {
                return error(403, "Failing");
            }
            let status = if range.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
            let body = if kind == "get" { part.to_vec() } else { Vec::new() };
            let mut response = (status, body).into_response();
            let mut set = |name: &str, value: String| {
                let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
                response.headers_mut().insert(name, HeaderValue::from_str(&value).unwrap());
            };
            set("etag", etag(object));
            set("last-modified", "Wed, 21 Oct 2015 07:28:00 GMT".into());
            set("content-length", part.len().to_string());
            for (name, value) in object.headers.iter().filter(|(name, _)| name.starts_with("x-amz-meta-")) {
                set(name, value.clone());
            }
            if range.is_some() {
                set("content-range", format!("bytes {first}-{last}/{}", object.data.len()));
            }
            let read = (first, part.len());
            if kind == "get" {
                content.ranges.push(read);
            }
            response
        }
        "delete" => {
            content.objects.remove(&key);
            StatusCode::NO_CONTENT.into_response()
        }
        "list" => list(&content, &query),
        "unfinished" => unfinished(&content, &query),
        "begin" => {
            let upload = Parts { key, headers: kept, initiated: "2020-01-01T00:00:00Z".into(), ..Parts::default() };
            content.uploads.insert(number.to_string(), upload);
            content.count();
            format!("<R><UploadId>{number}</UploadId></R>").into_response()
        }
        "part" | "copy part" => {
            let data = match source {
                Some(source) => {
                    let range = header("x-amz-copy-source-range").unwrap();
                    let (first, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
                    source.data[first.parse().unwrap()..=last.parse().unwrap()].to_vec()
                }
                None => body.to_vec(),
            };
            let part = query["partNumber"].parse().unwrap();
            let Some(Parts { parts, .. }) = content.uploads.get_mut(&query["uploadId"]) else {
                return error(404, "NoSuchUpload");
            };
            parts.insert(part, data);
            if kind == "part" {
                return ([("etag", format!("\"{number}\""))], "").into_response();
            }
            format!("<CopyPartResult><ETag>\"{number}\"</ETag></CopyPartResult>").into_response()
        }
        "complete" => {
            let Some(Parts { key, parts, headers, .. }) = content.uploads.remove(&query["uploadId"]) else {
                return error(404, "NoSuchUpload");
            };
            let last = parts.keys().next_back().copied();
            content.count();
            if parts.iter().any(|(number, data)| Some(*number) != last && data.len() < 5 << 20) {
                return error(400, "EntityTooSmall");
            }
            let data = parts.into_values().flatten().collect();
            content.objects.insert(key, Object { data, headers, etag: number });
            format!("<R><ETag>\"{number}\"</ETag></R>").into_response()
        }
        "abort" => {
            content.uploads.remove(&query["uploadId"]);
            content.count();
            StatusCode::NO_CONTENT.into_response()
        }
        _ => unreachable!(),
    }
}

/// ListMultipartUploads, with keys in the form of queries.
fn unfinished(content: &Content, query: &BTreeMap<String, String>) -> Response {
    let get = |name: &str| query.get(name).cloned().unwrap_or_default();
    assert_eq!(get("encoding-type"), "url");
    let (prefix, after) = (get("prefix"), (get("key-marker"), get("upload-id-marker")));
    let mut uploads: Vec<_> =
        content.uploads.iter().map(|(id, parts)| ((parts.key.clone(), id.clone()), parts)).collect();
    uploads.sort_by(|(one, _), (other, _)| one.cmp(other));
    uploads.retain(|(place, _)| place.0.starts_with(&prefix) && (*place > after || content.endless.is_some()));
    let is_truncated = uploads.len() > content.page || content.endless.is_some();
    uploads.truncate(content.page);
    let mut xml = String::new();
    for ((key, id), parts) in &uploads {
        let (key, initiated) = (encoded(key), &parts.initiated);
        xml += &format!("<Upload><Key>{key}</Key><UploadId>{id}</UploadId><Initiated>{initiated}</Initiated></Upload>");
        if is_truncated {
            xml += &format!("<NextKeyMarker>{key}</NextKeyMarker><NextUploadIdMarker>{id}</NextUploadIdMarker>");
        }
    }
    // Only the last markers count.
    let markers = xml.rfind("<NextKeyMarker>").map(|at| xml[at..].to_owned()).unwrap_or_default();
    let uploads: String =
        xml.split("<NextKeyMarker>").map(|part| part.split("</NextUploadIdMarker>").last().unwrap()).collect();
    format!(
        "<ListMultipartUploadsResult><IsTruncated>{is_truncated}</IsTruncated>{markers}{uploads}</ListMultipartUploadsResult>"
    )
    .into_response()
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b' ' => "+".to_owned(),
            byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

/// ListObjectsV2.
fn list(content: &Content, query: &BTreeMap<String, String>) -> Response {
    let get = |name: &str| query.get(name).cloned().unwrap_or_default();
    let (prefix, delimiter, after) = (get("prefix"), get("delimiter"), get("continuation-token"));
    let after = if content.endless.is_some() { String::new() } else { after };
    let most = get("max-keys").parse().unwrap_or(1000).min(content.page);
    let (mut xml, mut count, mut last, mut is_truncated) = (String::new(), 0, String::new(), false);
    for (key, object) in content.objects.iter().filter(|(key, _)| key.starts_with(&prefix)) {
        let below = &key[prefix.len()..];
        let common = below.find('/').filter(|_| delimiter == "/").map(|end| format!("{prefix}{}/", &below[..end]));
        let listed = common.clone().unwrap_or_else(|| key.clone());
        if listed <= after || listed == last {
            continue;
        }
        if count == most {
            is_truncated = true;
            break;
        }
        count += 1;
        last = listed;
        xml += &match common {
            Some(common) => format!("<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", escaped(&common)),
            None => format!(
                "<Contents><Key>{}</Key><Size>{}</Size><ETag>{}</ETag><LastModified>2015-10-21T07:28:00.000Z</LastModified></Contents>",
                escaped(key),
                object.data.len(),
                escaped(&etag(object))
            ),
        };
    }
    let next = match content.endless {
        Some(Endless::Empty | Endless::Same) => Some("same".to_owned()),
        Some(Endless::Renamed) => Some(content.requests.len().to_string()),
        None => is_truncated.then(|| escaped(&last)),
    };
    let xml = if content.endless == Some(Endless::Empty) { String::new() } else { xml };
    let is_truncated = next.is_some();
    let token = next.map(|next| format!("<NextContinuationToken>{next}</NextContinuationToken>")).unwrap_or_default();
    format!("<ListBucketResult><IsTruncated>{is_truncated}</IsTruncated>{token}{xml}</ListBucketResult>")
        .into_response()
}
