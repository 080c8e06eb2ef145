//! Stores that answer with something else than what they were asked for.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// What is done with a request.
#[derive(Clone, Copy)]
enum Answer {
    /// A status, and the body.
    Whole(u16, &'static str),
    /// The head of an object of 1000 bytes, and none of them.
    CutOff,
    /// The head of an object of 1000 bytes, and then nothing more.
    Stalled,
    /// The connection is closed.
    Nothing,
    /// The connection stays, without an answer.
    Silence,
    /// An object of 20 bytes, one in a second.
    Slow,
    /// Another place, where nothing listens.
    Elsewhere(u16),
}

impl Answer {
    async fn give(self, mut client: TcpStream) -> std::io::Result<()> {
        let mut head = Vec::new();
        while !head.windows(4).any(|end| end == b"\r\n\r\n") {
            if client.read_buf(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let is_head = head.starts_with(b"HEAD");
        if matches!(self, Self::Silence) {
            // Until the client gives up.
            while client.read_buf(&mut head).await? > 0 {}
            return Ok(());
        }
        let object = "etag: \"1\"\r\nlast-modified: Wed, 21 Oct 2015 07:28:00 GMT\r\ncontent-length: 1000";
        let text = match self {
            Self::Nothing | Self::Silence => return Ok(()),
            Self::Slow => {
                let object = object.replace("1000", "20");
                let head = format!("HTTP/1.1 200 OK\r\n{object}\r\nconnection: close\r\n\r\n");
                client.write_all(head.as_bytes()).await?;
                for _ in 0..if is_head { 0 } else { 20 } {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    client.write_all(b"x").await?;
                }
                return client.shutdown().await;
            }
            Self::CutOff | Self::Stalled if is_head => {
                format!("HTTP/1.1 200 OK\r\n{object}\r\nconnection: close\r\n\r\n")
            }
            Self::Stalled => {
                let range = "content-range: bytes 0-999/1000";
                client.write_all(format!("HTTP/1.1 206 Part\r\n{object}\r\n{range}\r\n\r\n").as_bytes()).await?;
                // Until the client gives up.
                while client.read_buf(&mut head).await? > 0 {}
                return Ok(());
            }
            Self::CutOff => {
                format!("HTTP/1.1 206 Part\r\n{object}\r\ncontent-range: bytes 0-999/1000\r\n\r\n")
            }
            Self::Elsewhere(status) => {
                let to = "location: http://127.0.0.1:1/other\r\ncontent-length: 0";
                format!("HTTP/1.1 {status} There\r\n{to}\r\nconnection: close\r\n\r\n")
            }
            Self::Whole(status, body) => {
                let length = body.len();
                let body = if is_head { "" } else { body };
                format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
            }
        };
        client.write_all(text.as_bytes()).await?;
        client.shutdown().await
    }
}

/// A bucket of a store that answers so to everything. Requests are not repeated: the answers would be the same.
async fn answering(answer: Answer) -> S3Storage {
    answering_to(S3Settings { retries: 0, ..quick() }, answer).await
}

async fn answering_to(settings: S3Settings, answer: Answer) -> S3Storage {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(answer.give(client));
        }
    });
    let location = S3Location {
        bucket: "bucket".into(),
        endpoint,
        access_key: "key".into(),
        access_secret: Secret::new("secret"),
        path_style: true,
        ..S3Location::default()
    };
    open(location, settings).unwrap()
}

#[tokio::test]
async fn each_bad_answer_is_an_error_with_its_class() {
    use StorageErrorKind::{Other, PermissionDenied};
    const NO_BUCKET: &str = "<Error><Code>NoSuchBucket</Code><Message>gone</Message></Error>";
    const SLOW_DOWN: &str = "<Error><Code>SlowDown</Code><Message>later</Message></Error>";
    const SKEWED: &str = "<Error><Code>RequestTimeTooSkewed</Code><Message>clock</Message></Error>";
    const REGION: &str = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>region</Message></Error>";
    const EXPIRED: &str = "<Error><Code>ExpiredToken</Code><Message>expired</Message></Error>";
    for (name, answer, expected) in [
        ("a failure", Answer::Whole(500, ""), Other),
        ("too many requests", Answer::Whole(503, SLOW_DOWN), Other),
        ("a gateway", Answer::Whole(502, "<html>bad gateway</html>"), Other),
        ("a refusal", Answer::Whole(403, ""), PermissionDenied),
        ("another clock", Answer::Whole(403, SKEWED), PermissionDenied),
        ("another region", Answer::Whole(400, REGION), Other),
        ("credentials that have expired", Answer::Whole(400, EXPIRED), Other),
        ("a bucket that was deleted", Answer::Whole(404, NO_BUCKET), Other),
        ("a redirect", Answer::Elsewhere(301), Other),
        ("a redirect to another region", Answer::Elsewhere(307), Other),
        ("nothing", Answer::Nothing, Other),
    ] {
        let storage = answering(answer).await;
        let listed = storage.read_directory(&path("/d")).await;
        assert_eq!(kind(listed), Err(expected), "{name}: a list");
        let upload = storage.begin_upload(&path("/f"), PUT).await.unwrap();
        upload.write_at(0, b"content").await.unwrap();
        assert_eq!(kind(upload.finish().await), Err(expected), "{name}: an upload");
        assert_eq!(kind(storage.create_directory(&path("/d"), None).await), Err(expected), "{name}: a directory");
        assert_eq!(kind(storage.rename(&path("/f"), &path("/g"), true).await), Err(expected), "{name}: a rename");
        assert_eq!(kind(storage.remove_file(&path("/f")).await), Err(expected), "{name}: a removal");
        assert_eq!(kind(storage.metadata(&path("/f")).await), Err(expected), "{name}: metadata");
        assert_eq!(kind(storage.sweep(i64::MAX).await), Err(expected), "{name}: a sweep");
    }
}

#[tokio::test]
async fn what_is_no_list_is_an_error() {
    for body in ["", "{}", "no xml", "<ListBucketResult><Contents>", "<ListBucketResult><Contents><Key>f</Key>"] {
        let storage = answering(Answer::Whole(200, body)).await;
        let listed = storage.read_directory(&path("/d")).await;
        assert_eq!(kind(listed), Err(StorageErrorKind::Other), "{body:?}");
    }
}

#[tokio::test]
async fn a_file_that_is_cut_off_is_an_error() {
    let storage = answering(Answer::CutOff).await;
    let file = storage.open(&path("/f")).await.unwrap();
    let mut buffer = Vec::new();
    assert_eq!(kind(file.read_at(0, 1000, &mut buffer).await), Err(StorageErrorKind::Other));
    assert!(buffer.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_silent_is_left_after_a_time() {
    for settings in [S3Settings::default(), S3Settings { retries: 0, ..quick() }] {
        let storage = answering_to(settings, Answer::Silence).await;
        let (f, g) = (path("/f"), path("/g"));
        left("metadata", storage.metadata(&f)).await;
        left("metadata for an upload", storage.metadata_for_upload(&f)).await;
        left("a list", storage.read_directory(&f)).await;
        left("reading", storage.open(&f)).await;
        left("a directory", storage.create_directory(&f, None)).await;
        left("removing a directory", storage.remove_directory(&f)).await;
        left("removing a file", storage.remove_file(&f)).await;
        left("a rename", storage.rename(&f, &g, true)).await;
        left("a sweep", storage.sweep(i64::MAX)).await;
        let upload = storage.begin_upload(&f, OpenOptions { is_new: true, ..PUT }).await.unwrap();
        upload.write_at(0, &bytes(9 * MIB)).await.unwrap();
        left("an upload", upload.finish()).await;
    }
}

/// Requires that a call fails when the store says nothing, and when.
async fn left<T>(what: &str, call: impl Future<Output = Result<T, StorageError>>) {
    let begun = tokio::time::Instant::now();
    assert_eq!(kind(call.await), Err(StorageErrorKind::Other), "{what}");
    assert!(begun.elapsed() <= Duration::from_secs(76), "{what}: {:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_request_without_an_answer_is_made_twice_where_the_store_answers_others() {
    let (store, storage) = started().await;
    let upload = storage.begin_upload(&path("/f"), PUT).await.unwrap();
    upload.write_at(0, b"content").await.unwrap();
    let held = store.hold("put");
    let begun = tokio::time::Instant::now();
    // It was stored all the same, as the store says.
    finish(&*upload).await.unwrap();
    assert!(begun.elapsed() <= Duration::from_secs(76), "{:?}", begun.elapsed());
    assert_eq!(store.requests().iter().filter(|kind| *kind == "put").count(), 2);
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_does_not_go_on_is_left_after_a_time() {
    let storage = answering(Answer::Stalled).await;
    let file = storage.open(&path("/f")).await.unwrap();
    let mut buffer = Vec::new();
    left("reading", file.read_at(0, 1000, &mut buffer)).await;
    left("reading ahead", file.read_at(0, 500, &mut buffer)).await;
    assert!(buffer.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_slow_store_is_waited_for() {
    let storage = answering(Answer::Slow).await;
    let begun = tokio::time::Instant::now();
    assert_eq!(content(&storage, "/f").await.unwrap(), [b'x'; 20]);
    assert!(begun.elapsed() >= Duration::from_secs(20), "{:?}", begun.elapsed());
}
