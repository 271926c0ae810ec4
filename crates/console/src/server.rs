//! The accept loop: every connection is counted, bounded in time and size, and let go gracefully at the end.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::access::{Keep, Origins, Peer, People, Provider};
use crate::api::{self, Shared};
use crate::config::{Clock, Config, Limits, StartError, Tls};
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
/// How often sessions that are over end, with their sockets and streams.
const SWEEP: Duration = Duration::from_secs(5);
/// What a connection over the limit hears, if it reads at all.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// A TLS connection begins with this byte (RFC 8446 §5.1), and no request does.
const HANDSHAKE_RECORD: u8 = 22;
/// What whoever speaks plain HTTP here hears.
const PLAIN: &[u8] = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 80\r\n\r\nThis is HTTPS: write https:// before the address. / Ici, c'est HTTPS : https://\n";

/// What the console works with.
pub struct Parts {
    /// The running line.
    pub line: Arc<dyn Line>,
    /// The ring of the event stream.
    pub events: Arc<Events>,
    /// What outlives a restart.
    pub keep: Arc<dyn Keep>,
    /// The process's clock.
    pub clock: Clock,
    /// HTTPS and WSS; without it, HTTP on loopback only.
    pub tls: Option<Tls>,
}

/// The HTTP server, listening.
pub struct Console {
    listener: TcpListener,
    address: SocketAddr,
    shared: Shared,
    tls: Option<Tls>,
    setup: Option<String>,
    stop: watch::Sender<bool>,
}

impl Console {
    /// Checks `config`, reads the accounts and listens at `address`; nothing is answered before [`Console::serve`].
    ///
    /// # Errors
    /// If something would be open beyond loopback, the accounts cannot be read, or the address cannot be had.
    pub async fn bind(address: SocketAddr, mut config: Config, parts: Parts) -> Result<Self, StartError> {
        config.check(address, parts.tls.is_some())?;
        let failed = |source| StartError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let Parts { line, events, keep, clock, tls } = parts;
        let demo = std::mem::take(&mut config.demo);
        let provider = config.oidc.take().map(Provider::new).transpose()?.map(Arc::new);
        let people = People::load(Arc::clone(&keep), demo, config.sessions, clock).await;
        let (people, setup) = people.map_err(StartError::Accounts)?;
        let mut origins = Origins::new(config.origins.clone());
        origins.add(address, tls.is_some());
        let stop = watch::Sender::new(false);
        let shared = Shared {
            readers: Arc::new(Semaphore::new(config.limits.subscribers)),
            screens: Arc::default(),
            viewers: Arc::new(Semaphore::new(config.limits.viewers)),
            sockets: Arc::new(Semaphore::new(config.limits.sockets)),
            config: Arc::new(config),
            line,
            events,
            people: Arc::new(people),
            provider,
            keep,
            origins: Arc::new(origins),
            counts: Arc::default(),
            stopping: stop.subscribe(),
        };
        Ok(Self { listener, address, shared, tls, setup, stop })
    }

    /// The path of the link that makes the first account, once, where there is none yet. For the operator's eyes only.
    #[must_use]
    pub fn setup_path(&self) -> Option<String> {
        self.setup.as_ref().map(|secret| format!("/#/setup/{secret}"))
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
        let people = Arc::clone(&self.shared.people);
        let sweeping = tokio::spawn(async move {
            loop {
                sleep(SWEEP).await;
                people.sweep().await;
            }
        });
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
                    Ok((stream, remote)) => match Arc::clone(&places).try_acquire_owned() {
                        Ok(place) => {
                            let secure = self.tls.is_some();
                            let private = secure || self.address.ip().is_loopback();
                            let visit = Visit {
                                peer: Peer { remote, secure, private },
                                router: router.clone(),
                                limits: limits.clone(),
                                stop: self.stop.subscribe(),
                            };
                            let (tls, counts) = (self.tls.clone(), Arc::clone(&self.shared.counts));
                            connections.spawn(async move {
                                match tls {
                                    None => visit.plain(stream).await,
                                    Some(tls) if !visit.secure(stream, &tls).await => counts.handshake_failed(),
                                    Some(_) => {}
                                }
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
        let sockets = u32::try_from(limits.sockets).unwrap_or(u32::MAX);
        let rest = async {
            while connections.join_next().await.is_some() {}
            let _ = self.shared.sockets.acquire_many(sockets).await;
        };
        if timeout(limits.shutdown, rest).await.is_err() {
            tracing::warn!(left = connections.len(), "HTTP connections cut at shutdown");
        }
        sweeping.abort();
        let kept = async {
            self.shared.people.sweep().await;
            self.shared.audit().kept().await;
        };
        if timeout(limits.shutdown, kept).await.is_err() {
            tracing::error!("the last entries of the audit could not be kept: they are in the log only");
        }
    }

    fn refuse(&self, stream: &TcpStream) {
        self.shared.counts.connection_refused();
        let _ = stream.try_write(FULL);
    }
}

/// One connection, and what it is served with.
struct Visit {
    peer: Peer,
    router: Router,
    limits: Limits,
    stop: watch::Receiver<bool>,
}

impl Visit {
    async fn plain(self, stream: TcpStream) {
        let stream = Impatient::new(stream, self.limits.write_time);
        self.serve(stream).await;
    }

    /// False if there was no handshake in time.
    async fn secure(self, stream: TcpStream, tls: &Tls) -> bool {
        let handshake = async {
            let mut first = [0];
            if stream.peek(&mut first).await.is_ok_and(|length| length > 0) && first != [HANDSHAKE_RECORD] {
                let _ = stream.try_write(PLAIN);
                return None;
            }
            let stream = Impatient::new(stream, self.limits.write_time);
            TlsAcceptor::from(tls()?).accept(stream).await.ok()
        };
        match timeout(self.limits.handshake, handshake).await {
            Ok(Some(stream)) => {
                self.serve(stream).await;
                true
            }
            _ => false,
        }
    }

    async fn serve(mut self, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
        let (peer, router) = (self.peer, TowerToHyperService::new(self.router));
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(peer);
            router.call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head_time)
            .max_headers(MAX_HEADERS)
            .max_buf_size(self.limits.head.max(MIN_READ_BUFFER))
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = &mut connection => ended,
            () = stopped(&mut self.stop) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            // What clients do wrong is theirs; the trace is for whoever looks for it.
            tracing::debug!(%error, "HTTP connection ended");
        }
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
