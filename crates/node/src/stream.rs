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
    notice_silence(stream, HALF_OPEN, PROBE);
}

/// Has the kernel end a connection whose far end acknowledges nothing for `limit`.
fn notice_silence(stream: &TcpStream, limit: Duration, probe: Duration) {
    let socket = SockRef::from(stream);
    let _ = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(limit).with_interval(probe));
    let _ = socket.set_tcp_user_timeout(Some(limit));
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

#[cfg(test)]
mod tests {
    use socket2::SockFilter;
    use tokio::net::TcpListener;
    use tokio::sync::mpsc::Sender;
    use tokio::task::JoinHandle;

    use super::*;

    /// The shortest that the kernel counts keep-alive in.
    const SECOND: Duration = Duration::from_secs(1);
    const LONG: Duration = Duration::from_secs(3_600);

    #[tokio::test]
    async fn every_connection_is_asked_whether_its_far_end_is_there() {
        let (ours, _theirs) = pair().await;
        tune(&ours);
        let socket = SockRef::from(&ours);
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), HALF_OPEN);
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), PROBE);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(HALF_OPEN));
    }

    #[tokio::test]
    async fn a_quiet_connection_whose_far_end_is_gone_ends_and_one_that_is_only_quiet_stays() {
        let [(dead, _keep, theirs), (mut quiet, sender, mut alive)] =
            [carried(SECOND, SECOND).await, carried(SECOND, SECOND).await];
        vanish(&theirs);
        timeout(30 * SECOND, dead).await.expect("the dead connection ends").unwrap();
        assert!(timeout(SECOND, &mut quiet).await.is_err(), "the quiet one has ended, too");
        sender.send(Bytes::from_static(b"ping")).await.unwrap();
        let mut heard = [0; 4];
        alive.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"ping");
    }

    #[tokio::test]
    async fn what_nobody_acknowledges_ends_the_connection_without_a_probe() {
        let (ours, theirs) = pair().await;
        notice_silence(&ours, LONG, LONG);
        SockRef::from(&ours).set_tcp_user_timeout(Some(SECOND / 2)).unwrap();
        let (dead, sender, theirs) = carry_over(ours, theirs);
        vanish(&theirs);
        sender.send(Bytes::from_static(b"is anybody there?")).await.unwrap();
        timeout(30 * SECOND, dead).await.expect("the dead connection ends").unwrap();
    }

    async fn carried(limit: Duration, probe: Duration) -> (JoinHandle<()>, Sender<Bytes>, TcpStream) {
        let (ours, theirs) = pair().await;
        notice_silence(&ours, limit, probe);
        carry_over(ours, theirs)
    }

    fn carry_over(ours: TcpStream, theirs: TcpStream) -> (JoinHandle<()>, Sender<Bytes>, TcpStream) {
        let (sender, outgoing) = mpsc::channel(MAX_QUEUED);
        (tokio::spawn(carry(ours, outgoing, async |_: &[u8]| true)), sender, theirs)
    }

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let theirs = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (listener.accept().await.unwrap().0, theirs)
    }

    /// From now on its kernel takes no segment for it and acknowledges none, as behind a cut cable.
    fn vanish(stream: &TcpStream) {
        // `ret #0`: of every segment, nothing is kept.
        SockRef::from(stream).attach_filter(&[SockFilter::new(0x06, 0, 0, 0)]).unwrap();
    }
}
