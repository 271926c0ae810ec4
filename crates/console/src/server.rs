//! The accept loop: every connection is counted, bounded in time and size, and let go gracefully at the end.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::api::{self, Shared};
use crate::config::{Config, Limits, StartError};
use crate::connection::Impatient;
use crate::events::Events;
use crate::line::Line;
use crate::screens;

/// Header fields of one request.
const MAX_HEADERS: usize = 64;
/// The least that hyper takes as a connection's buffer.
const MIN_READ_BUFFER: usize = 8192;
/// After a failed `accept` (no file descriptor left): time for others to close theirs.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What a connection over the limit hears, if it reads at all.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// The HTTP server, listening.
pub struct Console {
    listener: TcpListener,
    address: SocketAddr,
    shared: Shared,
    stop: watch::Sender<bool>,
}

impl Console {
    /// Checks `config` and listens at `address`; nothing is answered before [`Console::serve`].
    ///
    /// # Errors
    /// If something would be open beyond loopback, or the address cannot be had.
    pub async fn bind(
        address: SocketAddr,
        config: Config,
        line: Arc<dyn Line>,
        events: Arc<Events>,
    ) -> Result<Self, StartError> {
        config.check(address)?;
        let failed = |source| StartError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let stop = watch::Sender::new(false);
        let shared = Shared::new(config, line, events, stop.subscribe());
        Ok(Self { listener, address, shared, stop })
    }

    /// Where it listens (for port 0).
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`; then answers in progress get a little time, event streams end, and it returns.
    pub async fn serve(self, shutdown: impl Future<Output = ()> + Send) {
        let limits = self.shared.config.limits.clone();
        let router = api::router(&self.shared);
        let places = Arc::new(Semaphore::new(limits.connections));
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        let snapshots = self.shared.line.snapshots();
        let feed = screens::feed(Arc::clone(&self.shared.screens), snapshots, self.stop.subscribe());
        connections.spawn(feed);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => match Arc::clone(&places).try_acquire_owned() {
                        Ok(place) => {
                            let connection = serve(stream, router.clone(), limits.clone(), self.stop.subscribe());
                            connections.spawn(async move {
                                connection.await;
                                drop(place);
                            });
                        }
                        Err(_) => self.refuse(&stream),
                    },
                    Err(error) => {
                        tracing::warn!(%error, "HTTP connection not accepted");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop(self.listener);
        self.stop.send_replace(true);
        let rest = async { while connections.join_next().await.is_some() {} };
        if timeout(limits.shutdown, rest).await.is_err() {
            tracing::warn!(left = connections.len(), "HTTP connections cut at shutdown");
        }
    }

    fn refuse(&self, stream: &TcpStream) {
        self.shared.counts.connection_refused();
        let _ = stream.try_write(FULL);
    }
}

async fn serve(stream: TcpStream, router: Router, limits: Limits, mut stop: watch::Receiver<bool>) {
    let stream = TokioIo::new(Impatient::new(stream, limits.write_time));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_headers(MAX_HEADERS)
        .max_buf_size(limits.head.max(MIN_READ_BUFFER))
        .serve_connection(stream, TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // What clients do wrong is theirs; the trace is for whoever looks for it.
        tracing::debug!(%error, "HTTP connection ended");
    }
}

/// Also when the console itself is gone.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stopping| *stopping).await;
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console").field("address", &self.address).finish_non_exhaustive()
    }
}
