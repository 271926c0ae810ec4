//! SIP over TCP: one task per connection on the control thread, bounded both ways.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use havre_model::{FlowId, limits};
use havre_switch::Input;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::control::Core;

/// Messages that wait for a slow reader; beyond that the connection is closed.
const MAX_QUEUED: usize = 256;
/// A connection that says nothing for this long is closed. Registrations refresh within five minutes.
const IDLE: Duration = Duration::from_secs(15 * 60);
/// Time to open a connection: within the client transaction's own patience (RFC 3261 §17.1.1.2, 64·T1 = 32 s).
const CONNECT: Duration = Duration::from_secs(5);

/// Accepts connections for ever.
pub(crate) async fn accept(core: Rc<Core>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, remote)) => {
                if core.flows() >= limits::MAX_FLOWS - limits::MAX_FLOWS / 4 {
                    // Dropped at once: established connections come first, and the last quarter is for advocates.
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
    match timeout(CONNECT, dial(local, remote)).await {
        Ok(Ok(stream)) => open(&core, flow, stream, remote),
        Ok(Err(_)) | Err(_) => {
            core.transport_error("tcp");
            core.step(Input::Closed { flow });
        }
    }
}

async fn dial(local: SocketAddr, remote: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = if remote.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind(SocketAddr::new(local.ip(), 0))?;
    socket.connect(remote).await
}

fn open(core: &Rc<Core>, flow: FlowId, stream: TcpStream, remote: SocketAddr) {
    let Ok(local) = stream.local_addr() else {
        core.step(Input::Closed { flow });
        return;
    };
    let _ = stream.set_nodelay(true);
    let (sender, receiver) = mpsc::channel(MAX_QUEUED);
    core.add_flow(flow, sender);
    core.step(Input::Connected { flow, local: core.listener_of(local), remote, owner: None });
    tokio::task::spawn_local(serve(Rc::clone(core), flow, stream, receiver));
}

async fn serve(core: Rc<Core>, flow: FlowId, stream: TcpStream, mut outgoing: mpsc::Receiver<Bytes>) {
    let (mut reader, mut writer) = stream.into_split();
    let write = async {
        while let Some(bytes) = outgoing.recv().await {
            if writer.write_all(&bytes).await.is_err() {
                break;
            }
        }
        let _ = writer.shutdown().await;
    };
    let read = async {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(Ok(length)) = timeout(IDLE, reader.read(&mut buffer)).await {
            if length == 0 {
                break;
            }
            core.step(Input::Stream { flow, bytes: &buffer[..length] });
        }
    };
    tokio::select! {
        () = write => {}
        () = read => {}
    }
    core.remove_flow(flow);
    core.step(Input::Closed { flow });
}
