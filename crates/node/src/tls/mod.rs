//! SIP over TLS: handshakes and encryption on a thread of their own, so that whoever shakes hands with us ten thousand
//! times keeps no call waiting. The control thread gets and gives plain bytes, in bounded queues.

mod admission;
mod counters;
mod handshake;

pub use counters::TlsCounters;

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use havre_model::{FlowId, limits};
use havre_sip::Link;
use havre_switch::Input;
use havre_tls::{Client, Server};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;
use tracing::{error, warn};

use crate::control::Core;
use crate::stream::{self, MAX_QUEUED};
use crate::{tcp, udp};
use admission::Admission;
use handshake::{Failure, Secured};

/// Reads of one connection that wait for the control thread; the peer's own buffers wait beyond.
const MAX_UNREAD: usize = 16;
/// Fresh connections that wait for the control thread.
const MAX_FRESH: usize = 256;
/// Connections to be opened that wait for their turn.
const MAX_DIALS: usize = 256;
/// After a failed `accept` (no descriptor left): time for others to close theirs.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What SIP over TLS is done with.
#[derive(Clone, Debug)]
pub struct TlsParts {
    /// For those who call us; needed where anything listens.
    pub server: Option<Server>,
    /// For those whom we call.
    pub client: Client,
    /// Where it is counted what came of handshakes.
    pub counters: Arc<TlsCounters>,
}

/// A connection whose handshake is done.
pub(crate) struct Connection {
    local: SocketAddr,
    remote: SocketAddr,
    names: Vec<Box<str>>,
    incoming: mpsc::Receiver<Bytes>,
    outgoing: mpsc::Sender<Bytes>,
}

/// A connection to be opened.
struct Dial {
    local: SocketAddr,
    remote: SocketAddr,
    server_name: Arc<str>,
    answer: oneshot::Sender<Result<Connection, Failure>>,
}

/// The control thread's hold on the other one, which ends when this is dropped.
pub(crate) struct Dialler(mpsc::Sender<Dial>);

/// Starts the thread. Fresh connections come out of the receiver.
///
/// # Errors
/// The thread or its runtime cannot be had.
pub(crate) fn start(
    listeners: Vec<(SocketAddr, std::net::TcpListener)>,
    parts: TlsParts,
) -> io::Result<(Dialler, mpsc::Receiver<Connection>)> {
    let (dialler, dials) = mpsc::channel(MAX_DIALS);
    let (fresh, accepted) = mpsc::channel(MAX_FRESH);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("havre-tls".into()).spawn(move || {
        if let Err(error) = LocalSet::new().block_on(&runtime, run(listeners, parts, dials, fresh)) {
            error!(%error, "SIP over TLS cannot be served");
        }
    })?;
    Ok((Dialler(dialler), accepted))
}

async fn run(
    listeners: Vec<(SocketAddr, std::net::TcpListener)>,
    parts: TlsParts,
    mut dials: mpsc::Receiver<Dial>,
    fresh: mpsc::Sender<Connection>,
) -> io::Result<()> {
    let admission = Admission::default();
    if let Some(server) = &parts.server {
        for (address, listener) in listeners {
            let listener = udp::register(listener)?;
            let door = Door {
                address,
                server: server.clone(),
                counters: Arc::clone(&parts.counters),
                admission: admission.clone(),
                fresh: fresh.clone(),
            };
            tokio::task::spawn_local(door.accept(listener));
        }
    }
    while let Some(dial) = dials.recv().await {
        tokio::task::spawn_local(open(dial, parts.client.clone(), Arc::clone(&parts.counters)));
    }
    Ok(())
}

/// One listener.
#[derive(Clone)]
struct Door {
    address: SocketAddr,
    server: Server,
    counters: Arc<TlsCounters>,
    admission: Admission,
    fresh: mpsc::Sender<Connection>,
}

impl Door {
    async fn accept(self, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, remote)) => {
                    let Some(place) = self.admission.enter(remote.ip()) else {
                        self.counters.full();
                        continue;
                    };
                    let door = self.clone();
                    tokio::task::spawn_local(async move { door.welcome(stream, remote, place).await });
                }
                Err(_) => {
                    self.counters.failed();
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn welcome(self, stream: TcpStream, remote: SocketAddr, place: admission::Place) {
        stream::tune(&stream);
        let secured = match self.server.config() {
            Some(config) => handshake::accept(stream, config).await,
            None => return,
        };
        drop(place);
        match secured {
            Ok(secured) => {
                self.counters.accepted();
                let (connection, carried) = secured.split(self.address, remote);
                // Whoever finds the control thread this busy comes again.
                if self.fresh.try_send(connection).is_ok() {
                    carried.await;
                } else {
                    self.counters.full();
                }
            }
            Err(failure) => self.counters.count(&failure),
        }
    }
}

async fn open(dial: Dial, client: Client, counters: Arc<TlsCounters>) {
    let Dial { local, remote, server_name, answer } = dial;
    match handshake::dial(local, remote, &server_name, client.config()).await {
        Ok(secured) => {
            let (connection, carried) = secured.split(local, remote);
            if answer.send(Ok(connection)).is_ok() {
                carried.await;
            }
        }
        Err(failure) => {
            counters.count(&failure);
            let _ = answer.send(Err(failure));
        }
    }
}

impl Secured {
    /// The control thread's end, and what carries the bytes for it.
    fn split(self, local: SocketAddr, remote: SocketAddr) -> (Connection, impl Future<Output = ()>) {
        let (incoming, from_peer) = mpsc::channel(MAX_UNREAD);
        let (to_peer, outgoing) = mpsc::channel(MAX_QUEUED);
        let Self { stream, names } = self;
        let connection = Connection { local, remote, names, incoming: from_peer, outgoing: to_peer };
        let deliver = async move |bytes: &[u8]| incoming.send(Bytes::copy_from_slice(bytes)).await.is_ok();
        (connection, stream::carry(stream, outgoing, deliver))
    }
}

/// Takes fresh connections for ever.
pub(crate) async fn take(core: Rc<Core>, mut accepted: mpsc::Receiver<Connection>) {
    while let Some(connection) = accepted.recv().await {
        if core.flows() >= tcp::STRANGERS {
            // Dropped at once: established connections come first, and the last quarter is for advocates.
            core.transport_error("tls");
            continue;
        }
        let flow = core.next_flow();
        tokio::task::spawn_local(serve(Rc::clone(&core), flow, connection));
    }
}

/// Opens the connection that the endpoint asked for.
pub(crate) async fn connect(
    core: Rc<Core>,
    local: SocketAddr,
    remote: SocketAddr,
    flow: FlowId,
    server_name: Arc<str>,
) {
    let (answer, answered) = oneshot::channel();
    let dial = Dial { local, remote, server_name: Arc::clone(&server_name), answer };
    let why = match core.dialler().0.try_send(dial) {
        Ok(()) => match answered.await {
            Ok(Ok(connection)) => return serve(core, flow, connection).await,
            Ok(Err(failure)) => failure.to_string(),
            Err(_) => "the thread for TLS is gone".to_owned(),
        },
        Err(_) => "too many connections are being opened".to_owned(),
    };
    warn!(%remote, %server_name, why, "no TLS connection");
    core.transport_error("tls");
    core.step(Input::Closed { flow });
}

async fn serve(core: Rc<Core>, flow: FlowId, connection: Connection) {
    let Connection { local, remote, names, mut incoming, outgoing } = connection;
    core.add_flow(flow, outgoing);
    core.step(Input::Connected { flow, local, remote, link: Link::Tls { names } });
    while let Some(bytes) = incoming.recv().await {
        core.step(Input::Stream { flow, bytes: &bytes });
    }
    core.remove_flow(flow);
    core.step(Input::Closed { flow });
}

/// As many as the endpoint takes of strangers.
const _: () = assert!(tcp::STRANGERS < limits::MAX_FLOWS);
