//! A user agent on `rsipstack` that answers every call, as the crate's own `bench_ua` does: no dialplan, no media.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use rsipstack::EndpointBuilder;
use rsipstack::dialog::DialogId;
use rsipstack::dialog::dialog::{Dialog, DialogState};
use rsipstack::dialog::dialog_layer::DialogLayer;
use rsipstack::sip::{Method, Scheme, StatusCode, Uri};
use rsipstack::transport::TransportLayer;
use rsipstack::transport::udp::UdpConnection;
use tokio_util::sync::CancellationToken;

const SDP: &[u8] = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=audio 20000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\na=sendrecv\r\n";

/// A running user agent.
pub(crate) struct Peer {
    pub(crate) at: SocketAddr,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Peer {
    /// On the core that the present thread is on.
    pub(crate) fn start(at: SocketAddr) -> Self {
        let stop = CancellationToken::new();
        let (theirs, (tell, told)) = (stop.clone(), std::sync::mpsc::channel());
        let thread = std::thread::Builder::new().name("rsipstack".to_owned());
        let thread = thread
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("a runtime").block_on(serve(at, theirs, tell));
            })
            .expect("a thread");
        let at = told.recv().expect("the peer says where it is");
        Self { at, stop, thread: Some(thread) }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stop.cancel();
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

async fn serve(at: SocketAddr, stop: CancellationToken, tell: std::sync::mpsc::Sender<SocketAddr>) {
    let transports = TransportLayer::new(stop.clone());
    let connection = UdpConnection::create_connection(at, None, Some(stop.child_token())).await;
    transports.add_transport(connection.expect("a UDP port").into());
    let endpoint =
        EndpointBuilder::new().with_cancel_token(stop.clone()).with_transport_layer(transports).build();
    let address = endpoint.get_addrs().first().expect("one address").clone();
    let contact = Uri {
        scheme: Some(Scheme::Sip),
        auth: None,
        host_with_port: address.addr.clone(),
        params: vec![],
        headers: vec![],
    };
    tell.send(address.get_socketaddr().expect("an address")).expect("somebody waits for it");
    let mut incoming = endpoint.incoming_transactions().expect("transactions");
    let layer = Arc::new(DialogLayer::new(endpoint.inner.clone()));
    let (states, mut changes) = layer.new_dialog_state_channel();
    let (calls, answering) = (Arc::clone(&layer), Arc::clone(&layer));
    let take = async move {
        while let Some(mut transaction) = incoming.recv().await {
            match transaction.original.method {
                Method::Invite => {
                    let dialog = calls.get_or_create_server_invite(
                        &transaction,
                        states.clone(),
                        None,
                        Some(contact.clone()),
                    );
                    let Ok(mut dialog) = dialog else { continue };
                    tokio::spawn(async move { dialog.handle(&mut transaction).await.ok() });
                }
                Method::Bye => {
                    if let Ok(id) = DialogId::try_from(&transaction) {
                        transaction.reply(StatusCode::OK).await.ok();
                        calls.remove_dialog(&id);
                    }
                }
                _ => {}
            }
        }
    };
    let answer = async move {
        while let Some(change) = changes.recv().await {
            match change {
                DialogState::Calling(id) => {
                    if let Some(Dialog::Invite(dialog)) = answering.get_dialog(&id) {
                        dialog.accept(None, Some(SDP.to_vec())).ok();
                    }
                }
                DialogState::Terminated(id, _) => {
                    answering.remove_dialog(&id);
                }
                _ => {}
            }
        }
    };
    tokio::select! {
        _ = endpoint.serve() => {}
        () = take => {}
        () = answer => {}
        () = stop.cancelled() => {}
    }
}
