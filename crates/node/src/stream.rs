//! What TCP and TLS connections have in common: bounded queues, and an end for peers that are gone, silent or slow.

use std::time::Duration;

use bytes::Bytes;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Messages that wait for a slow reader; beyond that the connection is closed.
pub(crate) const MAX_QUEUED: usize = 256;
/// Bytes of one read.
const READ_BUFFER: usize = 16 * 1024;
/// A connection that says nothing for this long is closed. Registrations refresh within five minutes.
const IDLE: Duration = Duration::from_secs(15 * 60);
/// A peer that does not take one message in this time reads nothing any more.
const WRITE: Duration = Duration::from_secs(10);
/// A connection whose far end acknowledges nothing for this long is dead, whoever believes in it (RFC 5482). Asked with
/// every message that we send, and without one by keep-alive probes.
const HALF_OPEN: Duration = Duration::from_secs(30);
/// Between two probes of a connection on which nothing happens. Also keeps NATs on the way from forgetting it.
const PROBE: Duration = Duration::from_secs(10);
/// Time for the last bytes and the farewell.
const FAREWELL: Duration = Duration::from_secs(1);

/// Options of a fresh connection. Without one of them it is only noticed later that the far end has gone.
pub(crate) fn tune(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let socket = SockRef::from(stream);
    let _ = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(HALF_OPEN).with_interval(PROBE));
    let _ = socket.set_tcp_user_timeout(Some(HALF_OPEN));
}

/// Carries bytes both ways until either end is done: `outgoing` is dropped, the peer closes, is silent for too long or
/// does not read, or `deliver` says that nobody wants more.
pub(crate) async fn carry(
    stream: impl AsyncRead + AsyncWrite,
    mut outgoing: mpsc::Receiver<Bytes>,
    mut deliver: impl AsyncFnMut(&[u8]) -> bool,
) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let write = async {
        while let Some(bytes) = outgoing.recv().await {
            let sent = async {
                writer.write_all(&bytes).await?;
                writer.flush().await
            };
            if !matches!(timeout(WRITE, sent).await, Ok(Ok(()))) {
                return;
            }
        }
        let _ = timeout(FAREWELL, writer.shutdown()).await;
    };
    let read = async {
        let mut buffer = vec![0; READ_BUFFER];
        while let Ok(Ok(length)) = timeout(IDLE, reader.read(&mut buffer)).await {
            if length == 0 || !deliver(&buffer[..length]).await {
                break;
            }
        }
    };
    tokio::select! {
        () = write => {}
        () = read => {}
    }
}
