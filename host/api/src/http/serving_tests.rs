//! Bindings, over real sockets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::future::{Ready, poll_fn, ready};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode};
use axum::routing::{any, get};
use axum::{Extension, Router};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tidegate_core::guard::{Defender, DefenderSettings};
use tidegate_core::metrics::Metrics;
use tidegate_core::ports::{DescriptorUse, Descriptors, SystemClock};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::site::{counted, site};

const REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

async fn asked(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &[u8]) -> String {
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    // A connection that is cut off has no more to say.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

/// A binding on a port of its own, which is served until the token is cancelled.
async fn bound(
    certificates: Option<Arc<Certificates>>,
    limits: HttpLimits,
) -> (std::net::SocketAddr, CancellationToken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let binding = Binding { certificates, ..Binding::plain(Socket::Tcp(listener)) };
    tokio::spawn(serve(binding, site(Router::new()).into(), limits, stop.clone()));
    (address, stop)
}

#[tokio::test]
async fn sockets_of_both_kinds_are_served() {
    let (address, stop) = bound(None, HttpLimits::default()).await;
    let answer = asked(TcpStream::connect(address).await.unwrap(), REQUEST).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("x-request-id: "), "{answer}");
    let answer = asked(TcpStream::connect(address).await.unwrap(), b"nonsense\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let binding = Binding::plain(Socket::Unix(UnixListener::bind(&path).unwrap()));
    let serving = tokio::spawn(serve(binding, site(Router::new()).into(), HttpLimits::default(), stop.clone()));
    let answer = asked(UnixStream::connect(&path).await.unwrap(), REQUEST).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    stop.cancel();
    serving.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err() || UnixStream::connect(&path).await.is_err());
}

/// No room for anything.
#[derive(Debug)]
struct NoRoom;

impl Descriptors for NoRoom {
    fn has_room(&self, wanted: DescriptorUse) -> bool {
        assert_eq!(wanted, DescriptorUse::Http);
        false
    }
}

#[tokio::test]
async fn what_is_left_for_administration_is_for_the_control_socket() {
    // A4-17
    let (listener, stop) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), CancellationToken::new());
    let address = listener.local_addr().unwrap();
    let binding = Binding { descriptors: Some(Arc::new(NoRoom)), ..Binding::plain(Socket::Tcp(listener)) };
    tokio::spawn(serve(binding, site(Router::new()).into(), HttpLimits::default(), stop.clone()));
    let mut refused = TcpStream::connect(address).await.unwrap();
    // Nothing was sent, so that the end is no failure.
    assert_eq!(refused.read_to_end(&mut Vec::new()).await.unwrap(), 0);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let binding = Binding::plain(Socket::Control(UnixListener::bind(&path).unwrap()));
    tokio::spawn(serve(binding, site(Router::new()).into(), HttpLimits::default(), stop.clone()));
    let answer = asked(UnixStream::connect(&path).await.unwrap(), REQUEST).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    stop.cancel();
}

#[tokio::test]
async fn clients_that_send_slowly_are_cut_off() {
    // A3-54
    assert_eq!(HttpLimits::default().header_time, Duration::from_secs(30));
    let limits = HttpLimits { header_time: Duration::from_millis(50), connections: 1, ..HttpLimits::default() };
    let (address, _stop) = bound(None, limits).await;
    let slow = asked(TcpStream::connect(address).await.unwrap(), b"GET / HTTP/1.1\r\nHost").await;
    assert!(!slow.contains("200 OK"), "{slow}");
    // Its place is free again.
    let answer = asked(TcpStream::connect(address).await.unwrap(), REQUEST).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// A proxy that takes another part of the bytes for the body than the server does would pass on a request that it has not
/// looked at (RFC 9112 section 11.2): what can be taken in two ways is refused, or is the last of its connection.
#[tokio::test]
async fn no_request_hides_in_the_body_of_another_one() {
    let hidden = Arc::new(AtomicUsize::new(0));
    let counter = hidden.clone();
    let count = move || {
        counter.fetch_add(1, Ordering::Relaxed);
        ready("hidden")
    };
    let pages = Router::new().route("/page", any(async || "page")).route("/hidden", get(count));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(serve(Binding::plain(Socket::Tcp(listener)), site(pages).into(), HttpLimits::default(), stop.clone()));
    let inner = "GET /hidden HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let (length, chunked) = (format!("Content-Length: {}", 5 + inner.len()), "Transfer-Encoding: chunked");
    for (version, headers, status) in [
        ("1.1", format!("{length}\r\n{chunked}"), "200"),
        ("1.1", format!("{chunked}\r\n{length}"), "200"),
        ("1.1", format!("{length}\r\nContent-Length: 5"), "400"),
        ("1.1", format!("{length}, 5"), "400"),
        ("1.1", "Content-Length: +5".to_owned(), "400"),
        ("1.1", "Content-Length: 0x5".to_owned(), "400"),
        ("1.1", format!("{chunked}, identity"), "400"),
        ("1.1", "Transfer-Encoding: xchunked".to_owned(), "400"),
        ("1.1", "Transfer-Encoding : chunked".to_owned(), "400"),
        ("1.1", "Transfer-Encoding:\r\n chunked".to_owned(), "400"),
        ("1.1", format!("X: a\0\r\n{chunked}"), "400"),
        ("1.0", chunked.to_owned(), "400"),
    ] {
        let request = format!("POST /page HTTP/{version}\r\nHost: x\r\n{headers}\r\n\r\n0\r\n\r\n{inner}");
        let answer = asked(TcpStream::connect(address).await.unwrap(), request.as_bytes()).await;
        let line = answer.lines().next().unwrap_or_default();
        assert!(line.contains(&format!(" {status} ")), "{headers:?}: {answer}");
        assert_eq!(hidden.load(Ordering::Relaxed), 0, "{headers:?}: {answer}");
    }
    // One request after the other is nothing hidden.
    let both = format!("POST /page HTTP/1.1\r\nHost: x\r\n{chunked}\r\n\r\n0\r\n\r\n{inner}");
    let answer = asked(TcpStream::connect(address).await.unwrap(), both.as_bytes()).await;
    assert!(answer.contains("page") && answer.ends_with("hidden"), "{answer}");
    assert_eq!(hidden.load(Ordering::Relaxed), 1);
    stop.cancel();
}

#[tokio::test]
async fn heads_of_requests_have_a_largest_size() {
    let (address, stop) = bound(None, HttpLimits::default()).await;
    let head = |uri: &str, headers: usize| {
        let headers: String = (0..headers).map(|number| format!("X-{number}: x\r\n")).collect();
        format!("GET {uri} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n")
    };
    for (request, status) in [
        (head("/healthz", 90), "200"),
        (head("/healthz", 101), "431"),
        (head(&format!("/healthz?{}", "x".repeat(60_000)), 0), "200"),
        (head(&format!("/healthz?{}", "x".repeat(70_000)), 0), "414"),
    ] {
        let answer = asked(TcpStream::connect(address).await.unwrap(), request.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{}: {answer:.200}", request.len());
    }
    stop.cancel();
}

/// A proxy's client is banned: whatever it asks for is refused, and its connection ends.
#[tokio::test]
async fn banned_clients_of_a_proxy_are_refused_with_each_request() {
    let defender = Defender::new(DefenderSettings::default(), Arc::new(Metrics::default()), Arc::new(SystemClock));
    assert!(defender.ban("192.0.2.66".parse().unwrap(), Some(Duration::from_secs(60))).is_ok());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let proxies = TrustedProxies(vec!["127.0.0.0/8".parse().unwrap()]);
    let binding = Binding { proxies, defender: Some(Arc::new(defender)), ..Binding::plain(Socket::Tcp(listener)) };
    let stop = CancellationToken::new();
    tokio::spawn(serve(binding, site(Router::new()).into(), HttpLimits::default(), stop.clone()));
    for (client, path, status) in [
        ("192.0.2.66", "/healthz", "403"),
        ("192.0.2.66", "/none", "403"),
        ("192.0.2.66, 127.0.0.9", "/healthz", "403"),
        ("192.0.2.67", "/healthz", "200"),
        ("192.0.2.67", "/none", "404"),
    ] {
        // A banned client is told that the connection ends, without having asked for it.
        let close = if status == "403" { "" } else { "Connection: close\r\n" };
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {client}\r\n{close}\r\n");
        let answer = asked(TcpStream::connect(address).await.unwrap(), request.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{client} {path}: {answer}");
        assert!(answer.to_ascii_lowercase().contains("connection: close"), "{client} {path}: {answer}");
    }
    stop.cancel();
}

/// A connection of a banned address ends before the handshake, and takes no place.
#[tokio::test]
async fn connections_of_banned_addresses_are_closed_at_once() {
    let defender = Defender::new(DefenderSettings::default(), Arc::new(Metrics::default()), Arc::new(SystemClock));
    assert!(defender.ban("127.0.0.1".parse().unwrap(), Some(Duration::from_secs(60))).is_ok());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let binding = Binding { defender: Some(Arc::new(defender)), ..Binding::plain(Socket::Tcp(listener)) };
    let stop = CancellationToken::new();
    tokio::spawn(serve(binding, site(Router::new()).into(), HttpLimits::default(), stop.clone()));
    let mut answer = Vec::new();
    // Without a request: a reset says the same as an end.
    let _ = TcpStream::connect(address).await.unwrap().read_to_end(&mut answer).await;
    assert!(answer.is_empty(), "{answer:?}");
    stop.cancel();
}

/// A page that can be given again, and says how many were made before it.
fn numbered(made: Arc<AtomicUsize>) -> impl Fn() -> Ready<(Extension<Repeatable>, String)> + Clone {
    move || {
        let text = format!("part {}", made.fetch_add(1, Ordering::Relaxed));
        let (until, tag) = (Instant::now() + Duration::from_secs(600), HeaderValue::from_static("\"1\""));
        let part = Repeatable { until, tag, about_body: Vec::new(), body: text.clone().into() };
        ready((Extension(part), text))
    }
}

/// A page that can be given again is not asked for again, on whichever connection, until something may have changed.
#[tokio::test]
async fn an_answer_is_given_again_until_something_changes() {
    let made = Arc::new(AtomicUsize::new(0));
    let part = numbered(made.clone());
    let pages = Router::new().route("/part", get(part).post(async || "changed"));
    let defender = Arc::new(Defender::new(DefenderSettings::default(), Arc::default(), Arc::new(SystemClock)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let proxies = TrustedProxies(vec!["127.0.0.0/8".parse().unwrap()]);
    let binding = Binding { proxies, defender: Some(defender.clone()), ..Binding::plain(Socket::Tcp(listener)) };
    let (metrics, stop) = (Arc::new(Metrics::default()), CancellationToken::new());
    let served = counted(pages, metrics.clone(), Arc::default());
    tokio::spawn(serve(binding, served, HttpLimits::default(), stop.clone()));
    let check = async |method: &str, client: &str, status: &str, text: &str, expected: usize| {
        let request =
            format!("{method} /part HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {client}\r\nConnection: close\r\n\r\n");
        let answer = asked(TcpStream::connect(address).await.unwrap(), request.as_bytes()).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.contains(text),
            "{method} {client}: {answer}"
        );
        assert!(answer.contains("x-request-id: "), "{method} {client}: {answer}");
        assert_eq!(made.load(Ordering::Relaxed), expected, "{method} {client}");
    };
    check("GET", "192.0.2.1", "200", "\r\n\r\npart 0", 1).await;
    check("GET", "192.0.2.1", "200", "\r\n\r\npart 0", 1).await;
    check("GET", "192.0.2.2", "200", "\r\n\r\npart 1", 2).await;
    check("POST", "192.0.2.2", "200", "changed", 2).await;
    check("GET", "192.0.2.1", "200", "\r\n\r\npart 2", 3).await;
    check("GET", "192.0.2.1", "200", "\r\n\r\npart 2", 3).await;
    assert_eq!(metrics.counts().http.all, 6);
    assert!(defender.ban("192.0.2.1".parse().unwrap(), Some(Duration::from_secs(60))).is_ok());
    check("GET", "192.0.2.1", "403", "refused", 3).await;
    stop.cancel();
}

/// Caches take the length of an answer without a body for that of what they have.
#[tokio::test]
async fn an_answer_without_a_body_says_no_length_of_an_object() {
    let answer = |status: StatusCode| async move { status };
    let pages = Router::new()
        .route("/known", get(move || answer(StatusCode::NOT_MODIFIED)))
        .route("/empty", get(move || answer(StatusCode::OK)))
        .route("/text", get(async || "text"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(serve(Binding::plain(Socket::Tcp(listener)), site(pages).into(), HttpLimits::default(), stop.clone()));
    for (method, path, status, length) in [
        ("GET", "/known", "304", None),
        ("HEAD", "/known", "304", None),
        ("GET", "/empty", "200", Some("0")),
        ("GET", "/text", "200", Some("4")),
        ("HEAD", "/text", "200", Some("4")),
    ] {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = asked(TcpStream::connect(address).await.unwrap(), request.as_bytes()).await;
        let found = answer.lines().find_map(|line| line.strip_prefix("content-length: "));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{method} {path}: {answer}");
        assert_eq!(found, length, "{method} {path}: {answer}");
        assert!(!answer.contains("transfer-encoding"), "{method} {path}: {answer}");
    }
    stop.cancel();
}

/// What a client has asked for is done to its end although it leaves: observers are told of it.
#[tokio::test]
async fn a_change_is_made_although_the_client_leaves() {
    let part = numbered(Arc::default());
    let (begun, mut begins) = mpsc::unbounded_channel();
    let change = move || {
        let (done, ended) = oneshot::channel::<()>();
        let _ = begun.send(ended);
        async move {
            // Until it goes on without the connection.
            let connection = tokio::task::id();
            let is_by_itself = |_: &mut Context<'_>| match tokio::task::id() == connection {
                true => Poll::Pending,
                false => Poll::Ready(()),
            };
            poll_fn(is_by_itself).await;
            let _ = done.send(());
        }
    };
    let pages = Router::new().route("/part", get(part).post(change));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let served = counted(pages, Arc::new(Metrics::default()), Arc::default());
    tokio::spawn(serve(Binding::plain(Socket::Tcp(listener)), served, HttpLimits::default(), stop.clone()));
    let check = async |expected: &str| {
        let request = b"GET /part HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let answer = asked(TcpStream::connect(address).await.unwrap(), request).await;
        assert!(answer.ends_with(expected), "{expected}: {answer}");
    };
    check("part 0").await;
    check("part 0").await;
    let mut leaving = TcpStream::connect(address).await.unwrap();
    leaving.write_all(b"POST /part HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    let ended = begins.recv().await.unwrap();
    drop(leaving);
    assert_eq!(ended.await, Ok(()), "it was not carried out");
    stop.cancel();
}

/// Writes a certificate for `localhost` and its key.
fn make_certificate(directory: &Path) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(directory.join("pem"), made.cert.pem()).unwrap();
    std::fs::write(directory.join("key"), made.signing_key.serialize_pem()).unwrap();
}

#[tokio::test]
async fn certificates_are_read_again() {
    let directory = tempfile::tempdir().unwrap();
    make_certificate(directory.path());
    let file = |name: &str| directory.path().join(name);
    let certificates = Arc::new(Certificates::read(file("pem"), file("key")).unwrap());
    let (address, _stop) = bound(Some(certificates.clone()), HttpLimits::default()).await;
    // Whether a client that trusts only the certificate in the file is served.
    let is_trusted = async || {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(file("pem")).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
        let connector = TlsConnector::from(Arc::new(builder.with_no_client_auth()));
        let stream = TcpStream::connect(address).await.unwrap();
        match connector.connect(ServerName::try_from("localhost").unwrap(), stream).await {
            Ok(stream) => asked(stream, REQUEST).await.starts_with("HTTP/1.1 200"),
            Err(_) => false,
        }
    };
    assert!(is_trusted().await);
    make_certificate(directory.path());
    assert!(!is_trusted().await, "the first is in use still");
    certificates.reload().unwrap();
    assert!(is_trusted().await);
    for (name, text) in [("pem", ""), ("pem", "no certificate"), ("key", "")] {
        let before = std::fs::read(file(name)).unwrap();
        std::fs::write(file(name), text).unwrap();
        let error = certificates.reload().unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("cannot be used"), "{error}");
        std::fs::write(file(name), before).unwrap();
        assert!(is_trusted().await, "the former is in use still");
    }
    let plain = asked(TcpStream::connect(address).await.unwrap(), REQUEST).await;
    assert!(!plain.contains("200 OK"), "{plain}");
}
