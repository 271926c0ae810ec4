//! SIP over WebSocket (RFC 7118): the console carries the frames, here they meet the control plane.

use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use havre_model::limits;
use havre_sip::{FlowOwner, Link};
use havre_switch::Input;
use tokio::sync::mpsc;

use crate::control::Core;

/// Messages that wait between the switch and the channel to the console; beyond that the browser is closed.
const MAX_QUEUED: usize = 64;

/// The control thread's end of a browser's WebSocket: one message in each item.
#[derive(Debug)]
pub struct WebSocket {
    pub(crate) incoming: mpsc::Receiver<Bytes>,
    pub(crate) outgoing: mpsc::Sender<Bytes>,
}

/// One connection, until either side is done with it.
pub(crate) async fn serve(core: Rc<Core>, owner: FlowOwner, remote: SocketAddr, socket: WebSocket) {
    let WebSocket { mut incoming, outgoing } = socket;
    let Some(local) = core.any_listener().filter(|_| core.flows() < limits::MAX_FLOWS) else {
        core.transport_error("ws");
        return;
    };
    let flow = core.next_flow();
    let (sender, mut queued) = mpsc::channel(MAX_QUEUED);
    core.add_flow(flow, sender);
    core.step(Input::Connected { flow, local, remote, link: Link::Web(owner) });
    let read = async {
        while let Some(bytes) = incoming.recv().await {
            if bytes.len() <= limits::MAX_SIP_MESSAGE {
                core.step(Input::Message { flow, bytes: &bytes });
            }
        }
    };
    let write = async {
        while let Some(bytes) = queued.recv().await {
            if outgoing.send(bytes).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = read => {}
        () = write => {}
        () = outgoing.closed() => {}
    }
    core.remove_flow(flow);
    core.step(Input::Closed { flow });
}
