//! Stores that fail at what they are asked for.

use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Request, Response};
use opendal::{Buffer, HttpBody, HttpTransport, HttpTransporter};
use tidegate_core::ports::storage::FileKind;

use super::*;

/// A store that answers all requests with a failure.
struct Fails {
    status: u16,
    /// How many requests there were.
    requests: Arc<AtomicUsize>,
}

impl HttpTransport for Fails {
    async fn fetch(&self, _request: Request<Buffer>) -> opendal::Result<Response<HttpBody>> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let body = HttpBody::new(futures_util::stream::iter([Ok(Buffer::from("it fails"))]), None);
        Ok(Response::builder().status(self.status).body(body).unwrap())
    }
}

async fn each_operation(storage: &S3Storage) {
    let (f, g) = (path("/f"), path("/g"));
    let failed = Err(StorageErrorKind::Other);
    for round in 0..2 {
        let begun = tokio::time::Instant::now();
        assert_eq!(kind(storage.metadata(&f).await), failed, "{round}");
        assert_eq!(kind(storage.open(&f).await), failed, "{round}");
        let new = OpenOptions { is_new: true, ..PUT };
        let upload = storage.begin_upload(&f, new).await.unwrap();
        upload.write_at(0, b"content").await.unwrap();
        assert_eq!(kind(upload.finish().await), failed, "{round}");
        assert_eq!(kind(storage.read_directory(&path("/")).await), failed, "{round}");
        assert_eq!(kind(storage.create_directory(&f, None).await), failed, "{round}");
        assert_eq!(kind(storage.rename(&f, &g, true).await), failed, "{round}");
        assert_eq!(kind(storage.remove_file(&f).await), failed, "{round}");
        // Once it is known that the store fails at everything, nothing is repeated.
        let most = if round == 0 { 20 } else { 1 };
        assert!(begun.elapsed() <= Duration::from_secs(most), "{round}: {:?}", begun.elapsed());
    }
}

/// A store that lists nothing, keeps nothing, and fails for each name that is looked for.
struct FailsForNames;

impl HttpTransport for FailsForNames {
    async fn fetch(&self, request: Request<Buffer>) -> opendal::Result<Response<HttpBody>> {
        let (status, text) = match request.method().as_str() {
            "HEAD" => (500, ""),
            "DELETE" => (204, ""),
            "GET" => (200, "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"),
            _ => (200, ""),
        };
        let body = HttpBody::new(futures_util::stream::iter([Ok(Buffer::from(text))]), None);
        Ok(Response::builder().status(status).body(body).unwrap())
    }
}

/// A bucket of this store.
fn bucket_of(store: impl HttpTransport) -> S3Storage {
    let bucket = S3Location {
        bucket: "bucket".into(),
        endpoint: "http://127.0.0.1:1".into(),
        access_key: "key".into(),
        access_secret: Secret::new("secret"),
        path_style: true,
        ..S3Location::default()
    };
    let systems = S3FileSystems::by(HttpTransporter::new(store), S3Settings::default(), Arc::default());
    systems.open(&of_account("u", Location::S3(Box::new(bucket)))).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_at_everything_is_left_after_a_time() {
    for status in [500, 502, 503, 504] {
        let requests = Arc::new(AtomicUsize::default());
        let storage = bucket_of(Fails { status, requests: Arc::clone(&requests) });
        each_operation(&storage).await;
        assert!(requests.load(Ordering::Relaxed) < 100, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_for_names_does_not_fail_at_everything() {
    let storage = bucket_of(FailsForNames);
    storage.create_directory(&path("/d"), None).await.unwrap();
    // For longer than a store may fail at everything, with no other request in between.
    for round in 0..5 {
        tokio::time::advance(Duration::from_secs(6)).await;
        let found = storage.metadata(&path("/d")).await.map(|metadata| metadata.kind).map_err(|error| error.kind);
        assert_eq!(found, Ok(FileKind::Directory), "{round}");
    }
    assert_eq!(kind(storage.metadata(&path("/none")).await), Err(StorageErrorKind::NotFound));
    assert_eq!(kind(storage.remove_directory(&path("/d")).await), Ok(()));
    assert_eq!(kind(storage.metadata(&path("/d")).await), Err(StorageErrorKind::NotFound));
}

#[tokio::test]
async fn what_was_removed_is_removed_whatever_the_store_says() {
    for at in ["/f", "/d"] {
        let store = Store::start().await;
        let storage = open(location(&store), S3Settings { retries: 0, ..quick() }).unwrap();
        store.put("home/f", b"x");
        store.put("home/d/", b"");
        let remove = async || match at {
            "/f" => storage.remove_file(&path(at)).await.map(drop),
            _ => storage.remove_directory(&path(at)).await,
        };
        // It fails without doing it.
        store.content.lock().unwrap().failing = Some(("delete", 500));
        assert_eq!(kind(remove().await), Err(StorageErrorKind::Other), "{at}");
        assert_eq!(store.keys().len(), 2, "{at}");
        // It does it, and says that it fails.
        store.content.lock().unwrap().failing = None;
        store.content.lock().unwrap().lost_answer = Some("delete");
        assert_eq!(kind(remove().await), Ok(()), "{at}");
        assert_eq!(store.keys().len(), 1, "{at}");
    }
}
