//! Runs listeners until the server stops.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use tidegate_core::metrics::Metrics;
use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::CancellationToken;

use crate::control::Peer;
use crate::requests;

/// Time for requests under way when the server stops.
const CLOSE_TIME: Duration = Duration::from_secs(2);

pub async fn serve_tcp(listener: TcpListener, router: Router, metrics: Arc<Metrics>, stop: CancellationToken) {
    let router = router.layer(from_fn_with_state(metrics, requests::record));
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let serving = axum::serve(listener, service).with_graceful_shutdown(stop.clone().cancelled_owned());
    until_stopped(serving.into_future(), stop).await;
}

/// Serves a socket; the router gets the peer of each connection.
pub async fn serve_socket(listener: UnixListener, router: Router, stop: CancellationToken) {
    let service = router.into_make_service_with_connect_info::<Peer>();
    let serving = axum::serve(listener, service).with_graceful_shutdown(stop.clone().cancelled_owned());
    until_stopped(serving.into_future(), stop).await;
}

async fn until_stopped(serving: impl Future<Output = std::io::Result<()>>, stop: CancellationToken) {
    let too_late = async {
        stop.cancelled().await;
        tokio::time::sleep(CLOSE_TIME).await;
    };
    tokio::select! {
        outcome = serving => if let Err(error) = outcome {
            tracing::error!(sender = "httpd", message = format!("a listener ended: {error}"));
        },
        () = too_late => {}
    }
}
