//! Handshakes, in time or not at all.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use havre_tls::rustls::pki_types::{CertificateDer, ServerName};
use havre_tls::rustls::{ClientConfig, Error, ServerConfig};
use havre_tls::sip_domains;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use crate::{stream, tcp};

/// A handshake takes a few round trips: 5 s are enough for a satellite, and too long to hold many of them open.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// What every TLS connection begins with (RFC 8446 §5.1), and no SIP message.
const HANDSHAKE_RECORD: u8 = 22;

/// A connection, encrypted.
pub(super) struct Secured {
    pub(super) stream: TlsStream<TcpStream>,
    /// What the far end's verified certificate is for.
    pub(super) names: Vec<Box<str>>,
}

/// Why there is none.
#[derive(Debug, Error)]
pub(super) enum Failure {
    /// The peer closed before it said anything.
    #[error("the peer left")]
    Left,
    /// It did not come to an end in time.
    #[error("no handshake in {} s", HANDSHAKE.as_secs())]
    TooSlow,
    /// What came is not TLS.
    #[error("the peer does not speak TLS")]
    NotTls,
    /// The peer's certificate is not good, or not for whom we wanted.
    #[error("the peer's certificate is not accepted: {0}")]
    Certificate(Error),
    /// Nothing that a certificate could be for.
    #[error("the name is neither a host name nor an address")]
    Name,
    /// TCP was not to be had.
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    /// The handshake broke off: no common version or cipher, an alert, a lost connection.
    #[error("the handshake failed: {0}")]
    Broken(io::Error),
}

/// The server's part.
pub(super) async fn accept(stream: TcpStream, config: Arc<ServerConfig>) -> Result<Secured, Failure> {
    in_time(async {
        let mut first = [0];
        match stream.peek(&mut first).await {
            Ok(0) => return Err(Failure::Left),
            Ok(_) if first == [HANDSHAKE_RECORD] => {}
            Ok(_) => return Err(Failure::NotTls),
            Err(error) => return Err(Failure::Broken(error)),
        }
        let stream = TlsAcceptor::from(config).accept(stream).await.map_err(failed)?;
        Ok(Secured { names: names(stream.get_ref().1.peer_certificates()), stream: stream.into() })
    })
    .await
}

/// The client's part, after it has connected.
pub(super) async fn dial(
    local: SocketAddr,
    remote: SocketAddr,
    server_name: &str,
    config: Arc<ClientConfig>,
) -> Result<Secured, Failure> {
    let name = ServerName::try_from(server_name.to_owned()).map_err(|_| Failure::Name)?;
    let stream = tcp::dial(local, remote).await.map_err(Failure::Connect)?;
    stream::tune(&stream);
    in_time(async {
        let stream = TlsConnector::from(config).connect(name, stream).await.map_err(failed)?;
        Ok(Secured { names: names(stream.get_ref().1.peer_certificates()), stream: stream.into() })
    })
    .await
}

async fn in_time(handshake: impl Future<Output = Result<Secured, Failure>>) -> Result<Secured, Failure> {
    timeout(HANDSHAKE, handshake).await.unwrap_or(Err(Failure::TooSlow))
}

fn failed(error: io::Error) -> Failure {
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match cause {
        Some(cause @ (Error::InvalidCertificate(_) | Error::NoCertificatesPresented)) => {
            Failure::Certificate(cause.clone())
        }
        _ => Failure::Broken(error),
    }
}

fn names(chain: Option<&[CertificateDer<'_>]>) -> Vec<Box<str>> {
    chain.and_then(<[_]>::first).map(sip_domains).unwrap_or_default()
}
