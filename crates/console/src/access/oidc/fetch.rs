//! Asks the identity provider over HTTP: in bounded time and size, over TLS unless it is on this machine, and following no
//! redirect, which could lead anywhere (RFC 9700 §4.11).

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderValue, Request, Response, Uri, header, uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Time for one answer: somebody waits before a page for it.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of an answer. Key sets have a few kilobytes, tokens of people in many groups a few dozen.
const MOST: usize = 512 * 1024;

/// Why there is no answer.
#[derive(Debug, Error)]
pub(crate) enum FetchError {
    #[error("{0} is not https, nor on this machine")]
    Insecure(Uri),
    #[error("{0} is no host")]
    Host(String),
    #[error("cannot connect: {0}")]
    Connect(#[source] std::io::Error),
    #[error("no answer that is HTTP: {0}")]
    Http(#[source] hyper::Error),
    #[error("the answer breaks off")]
    Broken,
    #[error("the answer has more than {MOST} bytes")]
    TooLarge,
    #[error("no answer in {} s", .0.as_secs())]
    Slow(Duration),
}

/// An answer under way.
type Asking = Pin<Box<dyn Future<Output = Result<Response<Vec<u8>>, FetchError>> + Send>>;

/// The client.
#[derive(Clone)]
pub(super) struct Fetch {
    tls: TlsConnector,
}

impl Fetch {
    /// Trusts the system's authorities and these (PEM).
    ///
    /// # Errors
    /// TLS cannot be set up at all.
    pub(super) fn new(authorities: &[u8]) -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore::empty();
        let system = rustls_native_certs::load_native_certs();
        for error in &system.errors {
            tracing::warn!(%error, "some of the system's certificates cannot be read");
        }
        // The system's store may hold what this library does not take; ours were checked with the configuration.
        roots.add_parsable_certificates(system.certs);
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(authorities).filter_map(Result::ok));
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { tls: TlsConnector::from(Arc::new(config)) })
    }

    /// As the library wants it: a function that borrows nothing.
    pub(super) fn asking(&self) -> impl Fn(Request<Vec<u8>>) -> Asking + Send + Sync + use<> {
        let fetch = self.clone();
        move |request| {
            let fetch = fetch.clone();
            Box::pin(async move { fetch.ask(request).await })
        }
    }

    /// Its answer, whatever the status.
    async fn ask(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, FetchError> {
        within(PATIENCE, self.exchange(request)).await
    }

    /// The status with which `place` answers, and nothing of what stands there.
    pub(super) async fn status(&self, place: &str, patience: Duration) -> Result<u16, FetchError> {
        let request = Request::head(place).body(Vec::new());
        let request = request.map_err(|_| FetchError::Host(place.to_owned()))?;
        within(patience, self.exchange(request)).await.map(|answer| answer.status().as_u16())
    }

    async fn exchange(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, FetchError> {
        let to = request.uri().clone();
        let host = to.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        match to.scheme_str() {
            Some("https") => {
                let name = ServerName::try_from(host.clone()).map_err(|_| FetchError::Host(host.clone()))?;
                let stream = connect(&host, to.port_u16().unwrap_or(443)).await?;
                let stream = self.tls.connect(name, stream).await.map_err(FetchError::Connect)?;
                send(stream, request, &to).await
            }
            Some("http") if is_loopback(&host) => {
                send(connect(&host, to.port_u16().unwrap_or(80)).await?, request, &to).await
            }
            _ => Err(FetchError::Insecure(to)),
        }
    }
}

async fn within<T>(
    patience: Duration,
    asking: impl Future<Output = Result<T, FetchError>>,
) -> Result<T, FetchError> {
    timeout(patience, asking).await.unwrap_or(Err(FetchError::Slow(patience)))
}

async fn connect(host: &str, port: u16) -> Result<TcpStream, FetchError> {
    TcpStream::connect((host, port)).await.map_err(FetchError::Connect)
}

async fn send<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    request: Request<Vec<u8>>,
    to: &Uri,
) -> Result<Response<Vec<u8>>, FetchError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(FetchError::Http)?;
    // Ends with `sender`.
    tokio::spawn(connection);
    let (mut head, body) = request.into_parts();
    // One connection for one question, in the form for a server (RFC 9112 §3.2.1).
    let path = to.path_and_query().cloned().unwrap_or_else(|| uri::PathAndQuery::from_static("/"));
    head.uri = path.into();
    let authority = to.authority().map_or("", uri::Authority::as_str);
    let host = HeaderValue::try_from(authority).map_err(|_| FetchError::Host(authority.to_owned()))?;
    head.headers.insert(header::HOST, host);
    let request = Request::from_parts(head, Full::new(Bytes::from(body)));
    let (head, body) = sender.send_request(request).await.map_err(FetchError::Http)?.into_parts();
    let body = Limited::new(body, MOST).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() { FetchError::TooLarge } else { FetchError::Broken }
    })?;
    Ok(Response::from_parts(head, body.to_bytes().into()))
}

/// Whether `host` is this machine, whatever a resolver says.
pub(super) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}
