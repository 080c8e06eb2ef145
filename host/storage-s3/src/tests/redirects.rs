//! Stores that redirect: what listens elsewhere gets nothing, and nothing of it is given out.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// Answers one request with a redirect to another place.
async fn redirect(mut client: TcpStream, status: u16, location: String) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if client.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let text =
        format!("HTTP/1.1 {status} There\r\nlocation: {location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    client.write_all(text.as_bytes()).await?;
    client.shutdown().await
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = elsewhere.local_addr().unwrap();
    for status in [301, 302, 303, 307, 308] {
        let store = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", store.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((client, _)) = store.accept().await {
                tokio::spawn(redirect(client, status, format!("http://{place}/other")));
            }
        });
        let location = S3Location {
            bucket: "bucket".into(),
            endpoint,
            access_key: "key".into(),
            access_secret: Secret::new("secret"),
            session_token: Secret::new("token"),
            path_style: true,
            ..S3Location::default()
        };
        let storage = open(location, quick()).unwrap();
        let check = |what: &str, outcome: Result<(), StorageError>| {
            let refused = outcome.unwrap_err();
            assert_eq!(refused.kind, StorageErrorKind::Other, "{status} {what}");
            assert!(refused.message.contains("check its endpoint and its region"), "{status} {what}: {refused:?}");
            let detail = refused.detail.unwrap_or_default();
            assert!(detail.contains(&format!("http://{place}")), "{status} {what}: {detail}");
        };
        let (f, d) = (path("/f"), path("/d"));
        check("metadata", storage.metadata(&f).await.map(drop));
        check("reading", storage.open(&f).await.map(drop));
        check("a list", storage.read_directory(&d).await.map(drop));
        check("a directory", storage.create_directory(&d, None).await);
        check("a removal", storage.remove_file(&f).await.map(drop));
        check("a rename", storage.rename(&f, &d, true).await);
        check("a sweep", storage.sweep(i64::MAX).await.map(drop));
        let upload = storage.begin_upload(&f, OpenOptions { is_new: true, ..PUT }).await.unwrap();
        assert!(upload.finish().await.is_err(), "{status}");
    }
    // The first connection to the other place is this one.
    let own = TcpStream::connect(place).await.unwrap();
    assert_eq!(elsewhere.accept().await.unwrap().1, own.local_addr().unwrap());
}
