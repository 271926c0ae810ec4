//! SIP over TCP: one task per connection on the control thread, bounded both ways.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use havre_model::{FlowId, limits};
use havre_sip::Link;
use havre_switch::Input;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::control::Core;
use crate::stream::{self, MAX_QUEUED};

/// Connections, TLS included, beyond which strangers find no place: the last quarter is for advocates who have logged in.
pub(crate) const STRANGERS: usize = limits::MAX_FLOWS - limits::MAX_FLOWS / 4;
/// Time to open a connection: within the client transaction's own patience (RFC 3261 §17.1.1.2, 64·T1 = 32 s).
const CONNECT: Duration = Duration::from_secs(5);

/// Accepts connections for ever.
pub(crate) async fn accept(core: Rc<Core>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, remote)) => {
                if core.flows() >= STRANGERS {
                    // Dropped at once: established connections come first.
                    core.transport_error("tcp");
                    continue;
                }
                let flow = core.next_flow();
                open(&core, flow, stream, remote);
            }
            Err(_) => {
                // Out of descriptors, or the peer left: try again soon rather than spin.
                core.transport_error("tcp");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Opens the connection that the endpoint asked for.
pub(crate) async fn connect(core: Rc<Core>, local: SocketAddr, remote: SocketAddr, flow: FlowId) {
    match dial(local, remote).await {
        Ok(stream) => open(&core, flow, stream, remote),
        Err(_) => {
            core.transport_error("tcp");
            core.step(Input::Closed { flow });
        }
    }
}

/// From the address of `local` and any port, in time.
pub(crate) async fn dial(local: SocketAddr, remote: SocketAddr) -> io::Result<TcpStream> {
    let socket = if remote.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind(SocketAddr::new(local.ip(), 0))?;
    timeout(CONNECT, socket.connect(remote)).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn open(core: &Rc<Core>, flow: FlowId, stream: TcpStream, remote: SocketAddr) {
    let Ok(local) = stream.local_addr() else {
        core.step(Input::Closed { flow });
        return;
    };
    stream::tune(&stream);
    let (sender, outgoing) = mpsc::channel(MAX_QUEUED);
    core.add_flow(flow, sender);
    core.step(Input::Connected { flow, local: core.listener_of(local), remote, link: Link::Tcp });
    let core = Rc::clone(core);
    tokio::task::spawn_local(async move {
        let deliver = async |bytes: &[u8]| {
            core.step(Input::Stream { flow, bytes });
            true
        };
        stream::carry(stream, outgoing, deliver).await;
        core.remove_flow(flow);
        core.step(Input::Closed { flow });
    });
}
