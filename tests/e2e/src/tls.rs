//! Certificates made for one test, and either end of TLS: a carrier's gateway, a browser, or somebody who tries.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, CommonState, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
};

use crate::Scratch;

/// Longest wait for a handshake or an answer.
const LIMIT: Duration = Duration::from_secs(10);

/// An authority of this test's own.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    files: Scratch,
}

/// A certificate in its file, and its key.
#[derive(Clone)]
pub struct Identity {
    /// The chain in PEM.
    pub chain: PathBuf,
    /// The key in PEM.
    pub key: PathBuf,
}

impl Authority {
    /// A new one.
    #[must_use]
    pub fn new() -> Self {
        let key = KeyPair::generate().expect("randomness");
        let mut params = CertificateParams::new(Vec::new()).expect("no names at all");
        params.distinguished_name.push(DnType::CommonName, "An authority for one test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("its own certificate");
        let files = Scratch::new("certificates");
        files.write("ca.pem", certificate.pem());
        Self { issuer: Issuer::new(params, key), certificate: certificate.der().clone(), files }
    }

    /// Its certificate in PEM.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.files.file("ca.pem")
    }

    /// A certificate for these names and addresses, in files called `file`; a second one of the same name replaces it.
    pub fn issue(&self, file: &str, names: &[&str]) -> Identity {
        self.issue_until(file, names, 2040)
    }

    /// The same, good until the beginning of this year.
    #[must_use]
    pub fn issue_until(&self, file: &str, names: &[&str], year: i32) -> Identity {
        let key = KeyPair::generate().expect("randomness");
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        // Some phones look for an issuer by its name: it has to be another than the subject's.
        params.distinguished_name.push(DnType::CommonName, file);
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).expect("a signature");
        Identity {
            chain: self.files.write(&format!("{file}-chain.pem"), certificate.pem()),
            key: self.files.write(&format!("{file}-key.pem"), key.serialize_pem()),
        }
    }

    /// Connects from `from` to `to`, believes this authority alone, and shows `identity`.
    ///
    /// # Errors
    /// What the connection or the handshake failed with. TLS 1.3 tells a client only later that its certificate is not
    /// taken: see [`TlsClient::read`].
    pub fn connect(
        &self,
        from: IpAddr,
        to: SocketAddr,
        identity: Option<&Identity>,
    ) -> std::io::Result<TlsClient> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("a sound certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("both versions")
            .with_root_certificates(roots);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => builder
                .with_client_auth_cert(read_chain(&identity.chain), read_key(&identity.key))
                .expect("they go together"),
        };
        let stream = connect_from(from, to)?;
        let name = ServerName::from(to.ip());
        let connection = ClientConnection::new(Arc::new(config), name).expect("a sound configuration");
        let mut stream = StreamOwned::new(connection, stream);
        stream.flush()?;
        Ok(TlsClient { stream: Stream::Client(stream), unread: Vec::new() })
    }
}

/// A carrier's listener for TLS.
pub struct TlsServer {
    listener: TcpListener,
    config: Arc<ServerConfig>,
}

impl TlsServer {
    /// Listens there, and shows this certificate.
    ///
    /// # Panics
    /// The port is taken.
    #[must_use]
    pub fn open(at: SocketAddr, identity: &Identity) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("both versions")
            .with_no_client_auth()
            .with_single_cert(read_chain(&identity.chain), read_key(&identity.key))
            .expect("they go together");
        let listener = TcpListener::bind(at).expect("a host of one's own has free ports");
        Self { listener, config: Arc::new(config) }
    }

    /// The next connection, with its handshake done.
    ///
    /// # Errors
    /// The client did not like our certificate, or left.
    ///
    /// # Panics
    /// Nobody comes.
    pub fn accept(&self, limit: Duration) -> std::io::Result<TlsClient> {
        self.listener.set_nonblocking(true).expect("an open listener");
        let (socket, _) = crate::until("a connection", limit, || self.listener.accept().ok());
        socket.set_nonblocking(false)?;
        socket.set_read_timeout(Some(LIMIT))?;
        let connection = ServerConnection::new(Arc::clone(&self.config)).expect("a sound configuration");
        let mut stream = StreamOwned::new(connection, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(TlsClient { stream: Stream::Server(stream), unread: Vec::new() })
    }
}

/// Either end.
enum Stream {
    Client(StreamOwned<ClientConnection, TcpStream>),
    Server(StreamOwned<ServerConnection, TcpStream>),
}

impl Stream {
    fn socket(&self) -> &TcpStream {
        match self {
            Self::Client(stream) => &stream.sock,
            Self::Server(stream) => &stream.sock,
        }
    }

    fn says_goodbye(&mut self) {
        match self {
            Self::Client(stream) => stream.conn.send_close_notify(),
            Self::Server(stream) => stream.conn.send_close_notify(),
        }
    }

    fn state(&self) -> &CommonState {
        match self {
            Self::Client(stream) => &stream.conn,
            Self::Server(stream) => &stream.conn,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Client(stream) => stream.read(buffer),
            Self::Server(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Client(stream) => stream.write(buffer),
            Self::Server(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Client(stream) => stream.flush(),
            Self::Server(stream) => stream.flush(),
        }
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

/// A TLS connection, whoever opened it.
pub struct TlsClient {
    stream: Stream,
    unread: Vec<u8>,
}

impl TlsClient {
    /// Our end.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.stream.socket().local_addr().expect("connected")
    }

    /// The certificate that the far end showed.
    #[must_use]
    pub fn certificate(&self) -> CertificateDer<'static> {
        let chain = self.stream.state().peer_certificates().expect("a server has one");
        chain[0].clone().into_owned()
    }

    /// Sends text.
    ///
    /// # Panics
    /// If the connection is gone.
    pub fn send(&mut self, text: &str) {
        self.stream
            .write_all(text.as_bytes())
            .and_then(|()| self.stream.flush())
            .expect("an open connection");
    }

    /// Sends bytes, ends, and reads until the far end has nothing more to say, each time for so long at most.
    pub fn hurls(mut self, bytes: &[u8], patience: Duration) {
        // The far end may close before it has read all.
        let _ = self.stream.socket().set_read_timeout(Some(patience));
        if self.stream.write_all(bytes).and_then(|()| self.stream.flush()).is_ok() {
            self.stream.says_goodbye();
            let _ = self.stream.flush();
        }
        while self.read().is_ok_and(|open| open) {}
    }

    /// Sends text as one masked frame of a WebSocket (RFC 6455 §5.2).
    ///
    /// # Panics
    /// If the connection is gone, or the text is longer than such a frame.
    pub fn send_frame(&mut self, text: &str) {
        let length = u16::try_from(text.len()).expect("a short message");
        assert!(length > 125, "a shorter one has another header");
        let mut frame = vec![0x81, 0x80 | 126];
        frame.extend(length.to_be_bytes());
        // A mask of zeros changes nothing.
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        self.stream.write_all(&frame).and_then(|()| self.stream.flush()).expect("an open connection");
    }

    /// Reads until `wanted` is there, and gives all that came up to the end of it.
    ///
    /// # Panics
    /// If it does not come in time, or the connection ends.
    #[track_caller]
    pub fn hears(&mut self, wanted: &str) -> String {
        let start = Instant::now();
        loop {
            let text = String::from_utf8_lossy(&self.unread).into_owned();
            if let Some(at) = text.find(wanted) {
                return text[..at + wanted.len()].to_owned();
            }
            assert!(start.elapsed() < LIMIT, "no {wanted:?} in {text:?}");
            assert!(self.read().is_ok_and(|open| open), "it ended without {wanted:?}: {text:?}");
        }
    }

    /// The next SIP message, whole; the answers to pings before it are skipped.
    ///
    /// # Panics
    /// If it does not come in time, or the connection ends.
    #[track_caller]
    pub fn message(&mut self) -> String {
        let start = Instant::now();
        loop {
            let text = String::from_utf8_lossy(&self.unread).into_owned();
            let text = text.trim_start_matches("\r\n");
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("Content-Length:"));
                let length = length.map_or(0, |length| length.trim().parse().expect("a length"));
                if body.len() >= length {
                    let message = format!("{head}\r\n\r\n{}", &body[..length]);
                    self.unread = body.as_bytes()[length..].to_vec();
                    return message;
                }
            }
            assert!(start.elapsed() < LIMIT, "no whole message: {text:?}");
            assert!(self.read().is_ok_and(|open| open), "it ended without a whole message: {text:?}");
        }
    }

    /// Reads something; `false` at the end.
    ///
    /// # Errors
    /// Of TLS or TCP: also that the server did not take our certificate.
    pub fn read(&mut self) -> std::io::Result<bool> {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(length) => {
                self.unread.extend_from_slice(&buffer[..length]);
                Ok(length > 0)
            }
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// A plain connection from `from`.
///
/// # Errors
/// What the system says.
pub fn connect_from(from: IpAddr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(to), socket2::Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(from, 0).into())?;
    socket.connect_timeout(&to.into(), LIMIT)?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(LIMIT))?;
    Ok(stream)
}

fn read_chain(path: &Path) -> Vec<CertificateDer<'static>> {
    let pem = std::fs::read(path).expect("the file that was just written");
    CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().expect("PEM")
}

fn read_key(path: &Path) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_file(path).expect("the file that was just written")
}
