//! What the description of a bucket says, in the requests that the store gets.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::stream;
use http::{HeaderMap, Request, Response};
use opendal::raw::ServiceOperation;
use opendal::{Buffer, HttpBody, HttpTransport, HttpTransporter};

use super::*;
use crate::client::StoreClient;

/// Keeps what is sent.
#[derive(Default)]
struct Sent {
    requests: Mutex<Vec<(String, HeaderMap)>>,
    /// The sizes of parts.
    parts: Mutex<Vec<usize>>,
    under_way: AtomicUsize,
    /// The most parts that were under way at once.
    most: AtomicUsize,
}

/// Keeps what is sent, and sends it to a store, or answers that all is well.
struct Watched {
    sent: Arc<Sent>,
    has_store: bool,
}

impl HttpTransport for Watched {
    async fn fetch(&self, request: Request<Buffer>) -> opendal::Result<Response<HttpBody>> {
        let sent = &self.sent;
        sent.requests.lock().unwrap().push((request.uri().to_string(), request.headers().clone()));
        if !self.has_store {
            let body = HttpBody::new(stream::iter([Ok(Buffer::new())]), None);
            return Ok(Response::builder().header("etag", "\"1\"").body(body).unwrap());
        }
        let operation = request.extensions().get::<ServiceOperation>().map(|operation| operation.0);
        if operation != Some("UploadPart") {
            return StoreClient.fetch(request).await;
        }
        sent.parts.lock().unwrap().push(request.body().len());
        sent.most.fetch_max(sent.under_way.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        let answer = StoreClient.fetch(request).await;
        sent.under_way.fetch_sub(1, Ordering::Relaxed);
        answer
    }
}

fn watched(place: S3Location, has_store: bool) -> (Arc<Sent>, S3Storage) {
    let sent = Arc::new(Sent::default());
    let transport = HttpTransporter::new(Watched { sent: sent.clone(), has_store });
    let systems = S3FileSystems::by(transport, quick(), Arc::default());
    (sent, systems.open(&of_account("u", Location::S3(Box::new(place)))).unwrap())
}

/// The URL and the headers of the request that stores the file `/f`.
async fn stored(change: impl FnOnce(&mut S3Location)) -> (String, HeaderMap) {
    let mut place = S3Location {
        bucket: "bucket".into(),
        region: "eu-central-1".into(),
        access_key: "key".into(),
        access_secret: Secret::new("secret"),
        ..S3Location::default()
    };
    change(&mut place);
    let (sent, storage) = watched(place, false);
    let upload = storage.begin_upload(&path("/f"), OpenOptions { is_new: true, ..PUT }).await.unwrap();
    upload.write_at(0, b"x").await.unwrap();
    finish(&*upload).await.unwrap();
    let mut requests = sent.requests.lock().unwrap();
    assert_eq!(requests.len(), 1);
    requests.remove(0)
}

#[tokio::test]
async fn the_endpoint_is_asked_for_the_bucket_in_the_path_or_in_the_host() {
    // A16-01, A16-05
    let check = async |endpoint: &str, path_style: bool, prefix: &str, expected: &str| {
        let change = |place: &mut S3Location| {
            (place.endpoint, place.path_style, place.key_prefix) = (endpoint.into(), path_style, prefix.into());
        };
        assert_eq!(stored(change).await.0, expected, "{endpoint} {path_style}");
    };
    check("", false, "", "https://bucket.s3.eu-central-1.amazonaws.com/f").await;
    check("", true, "", "https://s3.eu-central-1.amazonaws.com/bucket/f").await;
    check("http://store.example:9000", true, "a/b/", "http://store.example:9000/bucket/a/b/f").await;
    check("https://store.example", false, "a", "https://bucket.store.example/a/f").await;
}

#[tokio::test]
async fn requests_have_the_region_the_token_the_class_and_the_access_list() {
    // A8-15, A16-06
    let (_, headers) = stored(|_| {}).await;
    let signed = headers["authorization"].to_str().unwrap();
    assert!(signed.contains("Credential=key/") && signed.contains("/eu-central-1/s3/aws4_request"), "{signed}");
    let optional = ["x-amz-security-token", "x-amz-storage-class", "x-amz-acl"];
    assert!(optional.iter().all(|name| !headers.contains_key(*name)), "{headers:?}");
    let (_, headers) = stored(|place| {
        place.region = String::new();
        place.session_token = Secret::new("token");
        (place.storage_class, place.acl) = ("STANDARD_IA".into(), "bucket-owner-read".into());
    })
    .await;
    assert!(headers["authorization"].to_str().unwrap().contains("/us-east-1/s3/"), "{headers:?}");
    assert_eq!(optional.map(|name| headers[name].to_str().unwrap()), ["token", "STANDARD_IA", "bucket-owner-read"]);
}

#[tokio::test]
async fn parts_have_the_size_that_is_set() {
    for (set, expected) in [(0, [8, 8, 4]), (6, [6, 6, 6]), (9, [9, 9, 2]), (1, [5, 5, 5])] {
        let store = Store::start().await;
        let (sent, storage) = watched(S3Location { upload_part_size: set, ..location(&store) }, true);
        put(&storage, "/f", &bytes(20 * MIB)).await;
        let mut sizes = sent.parts.lock().unwrap().clone();
        assert_eq!(sizes.iter().sum::<usize>(), 20 * MIB, "{set}");
        // They may be sent in another order; the last one is the smallest.
        sizes.sort_unstable();
        sizes.reverse();
        assert_eq!(sizes.iter().take(3).map(|size| size / MIB).collect::<Vec<_>>(), expected, "{set}");
        assert!(store.data("home/f").unwrap() == bytes(20 * MIB), "{set}");
    }
}

#[tokio::test]
async fn as_many_parts_are_sent_at_once_as_are_set() {
    for (set, expected) in [(1, 1), (3, 3), (0, 4)] {
        let store = Store::start().await;
        let place = S3Location { upload_part_size: 5, upload_concurrency: set, ..location(&store) };
        let (sent, storage) = watched(place, true);
        let data = bytes(50 * MIB);
        let mut held = store.hold("part");
        let upload = storage.begin_upload(&path("/f"), PUT).await.unwrap();
        let answer = async {
            held.reached(expected).await;
            held.answer();
        };
        let (written, ()) = tokio::join!(upload.write_at(0, &data), answer);
        written.unwrap();
        finish(&*upload).await.unwrap();
        assert_eq!(sent.most.load(Ordering::Relaxed), expected, "{set}");
        assert!(store.data("home/f").unwrap() == data, "{set}");
    }
}
