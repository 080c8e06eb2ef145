//! Runs a binding until the server stops.

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::http::header::CONTENT_LENGTH;
use axum::http::{Method, StatusCode};
use futures_util::future::{BoxFuture, Either};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service as _;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tidegate_core::guard::Defender;
use tidegate_core::ports::DescriptorUse;
use tidegate_core::recurring::Recurring;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::binding::{Other, Stream};
use super::repeated::{Afterwards, Look};
use super::requests::Banned;
use super::shares::{Share, Shares};
use super::stalled::WithWriteTime;
use super::to_its_end::ToItsEnd;
use super::{Binding, Client, TrustedProxies};
use crate::site::Served;

/// Time for requests under way when the server stops.
const CLOSE_TIME: Duration = Duration::from_secs(2);
/// A pause after a connection could not be accepted, such as for want of descriptors.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

/// The part of a binding's connections that one client may have.
const SHARE: usize = 8;

/// What clients of a binding may take.
#[derive(Debug, Clone, Copy)]
pub struct HttpLimits {
    /// Connections at the same time; further ones wait.
    pub connections: usize,
    /// The time in which a TLS handshake, or all headers of a request, have to arrive.
    pub header_time: Duration,
    /// The time in which a client has to take some of an answer.
    pub write_time: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self { connections: 1024, header_time: Duration::from_secs(30), write_time: Duration::from_secs(60) }
    }
}

/// Serves the site on the binding.
///
/// In a box, so that all that a connection does is compiled and optimised in this crate; the body of an asynchronous
/// function is compiled where it is awaited.
pub fn serve(binding: Binding, site: Served, limits: HttpLimits, stop: CancellationToken) -> BoxFuture<'static, ()> {
    Box::pin(accept_until(binding, site, limits, stop))
}

async fn accept_until(binding: Binding, site: Served, limits: HttpLimits, stop: CancellationToken) {
    let Binding { socket, certificates, proxies, defender, descriptors } = binding;
    let shares = Arc::new(Shares::new(limits.connections / SHARE));
    let (proxies, places) = (Arc::new(proxies), Arc::new(Semaphore::new(limits.connections)));
    let mut connections = JoinSet::new();
    let mut failures = Recurring::default();
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await;
            (place, socket.accept().await)
        };
        let (place, accepted) = tokio::select! {
            accepted = next => accepted,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            () = stop.cancelled() => break,
        };
        let (stream, other) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if let Some(due) = failures.happened(Instant::now()) {
                    let message = format!("a connection could not be accepted: {error}{due}");
                    tracing::warn!(sender = "httpd", message);
                }
                tokio::time::sleep(REFUSED_PAUSE).await;
                continue;
            }
        };
        // Closed at once: it would take what is left for administration.
        if descriptors.as_ref().is_some_and(|descriptors| !descriptors.has_room(DescriptorUse::Http)) {
            continue;
        }
        let share = match admitted(&other, &proxies, defender.as_deref(), &shares) {
            Ok(share) => share,
            Err(reason) => {
                tracing::debug!(sender = "httpd", peer = ?other.peer, message = format!("a connection was refused: {reason}"));
                continue;
            }
        };
        let connection = Connection {
            other,
            seat: Arc::new(Seat { _place: place, _share: share }),
            site: site.clone(),
            proxies: proxies.clone(),
            defender: defender.clone(),
            limits,
            stop: stop.clone(),
        };
        // A handshake that has begun is completed with the certificate of its beginning.
        let acceptor = certificates.as_ref().map(|certificates| TlsAcceptor::from(certificates.current()));
        connections.spawn(connection.accept(stream, acceptor));
    }
    drop(socket);
    // Tasks that are cut off have no effect that has to be completed.
    let _ = timeout(CLOSE_TIME, async { while connections.join_next().await.is_some() {} }).await;
}

/// The share of a client's connection; None: it needs none. Bans and shares are for clients, not for the proxies that
/// bring in the requests of many; the bans of those clients are looked at with each request.
fn admitted(
    other: &Other,
    proxies: &TrustedProxies,
    defender: Option<&Defender>,
    shares: &Arc<Shares>,
) -> Result<Option<Share>, &'static str> {
    let Some(address) = other.peer.map(|peer| peer.ip().to_canonical()) else { return Ok(None) };
    if proxies.trusts(address) {
        return Ok(None);
    }
    if defender.is_some_and(|defender| defender.refuses(address)) {
        return Err("its address is banned");
    }
    if address.is_loopback() {
        return Ok(None);
    }
    shares.take(address.into()).map(Some).ok_or("its address has as many as it may")
}

/// What a connection takes of the binding's room, until the last of its requests has ended.
struct Seat {
    _place: Result<OwnedSemaphorePermit, AcquireError>,
    _share: Option<Share>,
}

struct Connection {
    other: Other,
    seat: Arc<Seat>,
    site: Served,
    proxies: Arc<TrustedProxies>,
    defender: Option<Arc<Defender>>,
    limits: HttpLimits,
    stop: CancellationToken,
}

impl Connection {
    async fn accept(self, stream: Stream, acceptor: Option<TlsAcceptor>) {
        match (stream, acceptor) {
            (Stream::Tcp(stream), None) => self.serve(stream, false).await,
            (Stream::Unix(stream), _) => self.serve(stream, false).await,
            (Stream::Tcp(stream), Some(acceptor)) => {
                match timeout(self.limits.header_time, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => self.serve(stream, true).await,
                    Ok(Err(error)) => {
                        let message = format!("a TLS handshake failed: {error}");
                        tracing::debug!(sender = "httpd", peer = ?self.other.peer, message);
                    }
                    Err(_) => {
                        let message = "a TLS handshake took too long";
                        tracing::debug!(sender = "httpd", peer = ?self.other.peer, message);
                    }
                }
            }
        }
    }

    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, is_encrypted: bool) {
        let Self { other, seat, site: Served { router, repeats }, proxies, defender, limits, stop } = self;
        let stream = WithWriteTime::new(stream, limits.write_time);
        let router = TowerToHyperService::new(router);
        let service = service_fn(move |request: Request<Incoming>| {
            let (entrance, peer, uid) = (other.entrance, other.peer, other.uid);
            let direct = Client { entrance, address: None, peer, uid, is_encrypted };
            let client = proxies.told(direct, request.headers());
            let (address, mut request) = (client.address, request);
            // Of a client that a proxy has brought in, or that was banned after it had connected.
            let is_banned =
                address.is_some_and(|address| defender.as_ref().is_some_and(|defender| defender.refuses(address)));
            if is_banned {
                request.extensions_mut().insert(Banned);
            }
            let repeats = repeats.clone().filter(|_| !is_banned);
            let look = repeats.as_ref().map(|repeats| repeats.look(&request, &client));
            let afterwards = match look {
                Some(Look::Known(response)) => return Either::Left(ready(Ok::<_, Infallible>(*response))),
                Some(Look::New(afterwards)) => afterwards,
                None => Afterwards::Nothing,
            };
            request.extensions_mut().insert(client);
            let is_question = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
            let seat = seat.clone();
            let (answered, pending) = (router.call(request), repeats.map(|repeats| repeats.pending(afterwards)));
            let answer = async move {
                let _seat = seat;
                let Ok(mut response) = answered.await;
                if let Some(pending) = pending {
                    pending.learn(&mut response);
                }
                // The router gives it the length of its body; that of the object would be right (RFC 9110 section 8.6).
                if response.status() == StatusCode::NOT_MODIFIED {
                    response.headers_mut().remove(CONTENT_LENGTH);
                }
                Ok::<_, Infallible>(response)
            };
            if is_question {
                Either::Right(Either::Left(answer))
            } else {
                Either::Right(Either::Right(ToItsEnd::new(answer)))
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_time)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let outcome = tokio::select! {
            outcome = connection.as_mut() => outcome,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = outcome {
            tracing::debug!(sender = "httpd", peer = ?other.peer, message = format!("a connection ended: {error}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use tidegate_core::guard::DefenderSettings;
    use tidegate_core::metrics::Metrics;
    use tidegate_core::ports::SystemClock;

    use super::super::Entrance;
    use super::*;

    #[test]
    fn banned_clients_and_those_with_their_share_are_refused_at_once() {
        let proxies = TrustedProxies(vec!["10.0.0.0/8".parse().unwrap()]);
        let defender = Defender::new(DefenderSettings::default(), Arc::new(Metrics::default()), Arc::new(SystemClock));
        for banned in ["192.0.2.66", "10.0.0.66", "127.0.0.66"] {
            assert!(defender.ban(banned.parse().unwrap(), Some(Duration::from_secs(60))).is_ok());
        }
        let shares = Arc::new(Shares::new(1));
        let mut open = Vec::new();
        let mut check = |peer: Option<&str>, expected: bool| {
            let peer = peer.map(|peer| peer.parse().unwrap());
            let other = Other { entrance: Entrance::Tcp { is_local: false }, peer, uid: None };
            let found = admitted(&other, &proxies, Some(&defender), &shares);
            assert_eq!(found.is_ok(), expected, "{peer:?}");
            open.push(found);
        };
        check(Some("192.0.2.66:1"), false);
        check(Some("[::ffff:192.0.2.66]:1"), false);
        check(Some("127.0.0.66:1"), false);
        // The ban is for what a proxy has brought in.
        check(Some("10.0.0.66:1"), true);
        check(Some("192.0.2.1:1"), true);
        check(Some("[::ffff:192.0.2.1]:2"), false);
        check(Some("192.0.2.2:1"), true);
        for exempt in [Some("127.0.0.1:1"), Some("[::1]:1"), Some("10.0.0.1:1"), None] {
            check(exempt, true);
            check(exempt, true);
        }
    }
}
