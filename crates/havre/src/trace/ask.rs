//! One question to the API of a running node.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use bytes::Bytes;
use havre_tls::{Files, Tls};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::header::{AUTHORIZATION, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

/// The node answers within its own limit of 5 s, or something is wrong.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer: 512 attempts with 64 messages each.
const MAX_ANSWER: usize = 16 << 20;

/// Where a node is asked.
pub(super) struct Node {
    pub(super) address: SocketAddr,
    pub(super) token: String,
    /// It speaks HTTPS.
    pub(super) secure: Option<Secure>,
}

/// How the node is known over TLS: by a name in the certificate that the configuration gives it.
pub(super) struct Secure {
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
}

impl Secure {
    /// # Errors
    /// The files are of no use, or the certificate is for no name.
    pub(super) fn new(files: &Files) -> anyhow::Result<Self> {
        let material = files.load()?;
        let name = material.names().first().context("the certificate in [tls] is for no DNS name")?.clone();
        let name = ServerName::try_from(name).context("the certificate in [tls] is for no DNS name")?;
        Ok(Self { name, config: Tls::new(Arc::new(material)).client().config() })
    }
}

impl Node {
    /// The body of the answer.
    ///
    /// # Errors
    /// Nobody answers there, or with a problem.
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Bytes> {
        let Self { address, secure, .. } = self;
        let asking = async {
            let stream = TcpStream::connect(address).await?;
            match secure {
                None => self.exchange(stream, path).await,
                Some(Secure { name, config }) => {
                    let connector = TlsConnector::from(Arc::clone(config));
                    self.exchange(connector.connect(name.clone(), stream).await?, path).await
                }
            }
        };
        let answer = timeout(PATIENCE, asking).await.context("no answer in 10 s").and_then(|answer| answer);
        let (status, body) =
            answer.with_context(|| format!("no answer from {address}: is the node running?"))?;
        if status != StatusCode::OK {
            let problem: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
            let said = |key: &str| problem[key].as_str().unwrap_or_default().to_owned();
            bail!("{status}: {} {}", said("detail"), said("remedy"));
        }
        Ok(body)
    }

    async fn exchange<S>(&self, stream: S, path: &str) -> anyhow::Result<(StatusCode, Bytes)>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let request = Request::get(path)
            .header(HOST, self.address.to_string())
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
            .body(Empty::<Bytes>::new())?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
        Ok((status, body.map_err(|error| anyhow!("{error}"))?.to_bytes()))
    }
}
