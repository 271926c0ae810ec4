//! SIP sockets: bound before anything starts, so that an address in use refuses the start.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use havre_model::limits;
use havre_switch::Input;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{RcvBuf, RcvBufForce};
use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;
use tokio::io::Interest;
use tokio::net::{TcpListener, UdpSocket};

use crate::arrival::{self, Stamps};
use crate::control::Core;
use crate::icmp::{self, Errors, Notice};

/// Datagrams read in one go before timers and other sockets get their turn.
const BURST: usize = 64;
/// Receive buffer of a SIP socket, in bytes (the kernel takes double, and counts 2.3 KB for an INVITE of 700 bytes): what comes
/// within 100 ms of a storm of 60,000 calls/s, refusals' ACKs included, while another thread has the processor; and seconds
/// of junk, so that genuine messages are not lost. Beyond what the system grants (`net.core.rmem_max`, see `deploy`).
const RECEIVED: usize = 16 * 1024 * 1024;
/// Send buffer, in bytes.
const SENT: usize = 4 * 1024 * 1024;
/// SIP is class CS3 (RFC 4594 §2.3 "signaling" would be CS5; carriers commonly mark CS3): 0x60.
const DSCP_CS3: u32 = 0x60;

/// A listener could not be opened.
#[derive(Debug, Error)]
#[error("cannot listen for SIP on {address} ({transport}): {source}")]
pub struct BindError {
    address: SocketAddr,
    transport: &'static str,
    source: std::io::Error,
}

/// Open listeners.
#[derive(Debug, Default)]
pub struct Sockets {
    pub(crate) udp: Vec<(SocketAddr, std::net::UdpSocket)>,
    pub(crate) tcp: Vec<(SocketAddr, std::net::TcpListener)>,
    pub(crate) tls: Vec<(SocketAddr, std::net::TcpListener)>,
}

impl Sockets {
    /// Opens UDP and TCP on each address.
    ///
    /// # Errors
    /// The first address that cannot be opened.
    pub fn bind(listen: &[SocketAddr]) -> Result<Self, BindError> {
        let mut sockets = Self::default();
        for address in listen {
            let failed = |transport| move |source| BindError { address: *address, transport, source };
            let udp = bind_udp(*address).map_err(failed("UDP"))?;
            let bound = udp.local_addr().map_err(failed("UDP"))?;
            let tcp = bind_tcp(bound).map_err(failed("TCP"))?;
            sockets.udp.push((bound, udp));
            sockets.tcp.push((bound, tcp));
        }
        Ok(sockets)
    }

    /// Opens TCP for TLS on each address, beside what is open.
    ///
    /// # Errors
    /// The first address that cannot be opened.
    pub fn bind_tls(mut self, listen: &[SocketAddr]) -> Result<Self, BindError> {
        for address in listen {
            let failed = |source| BindError { address: *address, transport: "TLS", source };
            let tls = bind_tcp(*address).map_err(failed)?;
            let bound = tls.local_addr().map_err(failed)?;
            self.tls.push((bound, tls));
        }
        Ok(self)
    }

    /// Where TLS is spoken, with the ports that the system chose.
    pub fn tls_addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.tls.iter().map(|(address, _)| *address)
    }

    /// The addresses, with the ports that the system chose.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.udp.iter().map(|(address, _)| *address)
    }
}

fn bind_udp(address: SocketAddr) -> std::io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    // Best effort: containers may refuse either, and calls work without.
    let forced = setsockopt(&socket, RcvBufForce, &RECEIVED);
    let _ = forced.or_else(|_| setsockopt(&socket, RcvBuf, &RECEIVED));
    let _ = socket.set_send_buffer_size(SENT);
    if address.is_ipv4() {
        let _ = socket.set_tos_v4(DSCP_CS3);
    }
    // Best effort, too: without it a phone that is gone is found out by silence.
    let _ = icmp::enable(&socket, address.is_ipv6());
    // Best effort: without it a wait is taken for as long as the socket has not been empty.
    let _ = arrival::enable(&socket);
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn bind_tcp(address: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    Ok(socket.into())
}

/// Reads one socket for ever. Of what came together, calls in progress come first.
pub(crate) async fn read(core: Rc<Core>, local: SocketAddr, socket: Rc<UdpSocket>) {
    let mut intake = Intake::new();
    let mut errors = Errors::new();
    // Since when the socket has not been empty.
    let mut busy = core.mono();
    let mut drained = true;
    // Calls wait though nothing arrives: it is looked again, not slept.
    let mut calls_wait = false;
    loop {
        if !calls_wait {
            match socket.ready(Interest::READABLE | Interest::ERROR).await {
                Ok(ready) if ready.is_error() => read_errors(&core, local, &socket, &mut errors),
                Ok(_) => {}
                Err(_) => core.transport_error("udp"),
            }
        }
        if drained {
            busy = core.mono();
        }
        (drained, calls_wait) = core.together(|| {
            let drained = intake.burst(&core, local, &socket);
            // What is read next has waited no longer than since the socket was last found empty, whatever the wall clock
            // says; and, the oldest being read first, hardly longer than what was just read.
            let delay = if drained { Duration::ZERO } else { core.mono().since(busy).min(intake.waited) };
            core.report_delay(local, delay);
            core.catch_up();
            (drained, drained && core.at_leisure())
        });
        tokio::task::yield_now().await;
    }
}

/// What was read in one go.
struct Intake {
    buffer: Vec<u8>,
    /// New calls, one behind the other, and where each ends.
    calls: Vec<u8>,
    ends: Vec<(usize, SocketAddr)>,
    stamps: Stamps,
    /// How long the first of them had been in the socket.
    waited: Duration,
}

impl Intake {
    fn new() -> Self {
        Self {
            buffer: vec![0; limits::MAX_SIP_MESSAGE],
            calls: Vec::new(),
            ends: Vec::new(),
            stamps: Stamps::new(),
            waited: Duration::MAX,
        }
    }

    /// One datagram. Of the first of a burst it is noted how long it has waited.
    fn receive(
        &mut self,
        core: &Core,
        socket: &UdpSocket,
        first: bool,
    ) -> std::io::Result<(usize, SocketAddr)> {
        if !first {
            return socket.try_recv_from(&mut self.buffer);
        }
        let (length, source, came) =
            socket.try_io(Interest::READABLE, || self.stamps.receive(socket, &mut self.buffer))?;
        self.waited = came.map_or(Duration::MAX, |came| core.wall().saturating_sub(came));
        Ok((length, source))
    }

    /// Reads until the socket is empty, or [`BURST`] datagrams; true if it is empty. New calls are dealt with last.
    fn burst(&mut self, core: &Rc<Core>, local: SocketAddr, socket: &UdpSocket) -> bool {
        let mut drained = false;
        for count in 0..BURST {
            match self.receive(core, socket, count == 0) {
                Ok((length, source)) => {
                    let bytes = &self.buffer[..length];
                    if havre_sip::wire::begins_call(bytes) {
                        self.calls.extend_from_slice(bytes);
                        self.ends.push((self.calls.len(), source));
                    } else {
                        core.step(Input::Datagram { local, source, bytes });
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    drained = true;
                    break;
                }
                // An answer to something sent before; the error queue says to whom.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(_) => {
                    core.transport_error("udp");
                    break;
                }
            }
        }
        let mut start = 0;
        for (end, source) in self.ends.drain(..) {
            core.step(Input::Datagram { local, source, bytes: &self.calls[start..end] });
            start = end;
        }
        self.calls.clear();
        drained
    }
}

/// What ICMP said of datagrams of ours, as many errors as datagrams are read in one go.
fn read_errors(core: &Rc<Core>, local: SocketAddr, socket: &UdpSocket, errors: &mut Errors) {
    for _ in 0..BURST {
        // `WouldBlock` tells tokio that the queue has been emptied.
        let notice =
            socket.try_io(Interest::ERROR, || errors.next(socket).ok_or(ErrorKind::WouldBlock.into()));
        match notice {
            Ok(Notice::PortUnreachable(remote)) => core.step(Input::Unreachable { local, remote }),
            Ok(Notice::Other) => core.transport_error("udp"),
            Err(_) => return,
        }
    }
}

/// Sends one datagram; false if it was lost here.
pub(crate) fn send(socket: &UdpSocket, bytes: &[u8], remote: SocketAddr) -> bool {
    match socket.try_send_to(bytes, remote) {
        // The kernel reports an ICMP error of an earlier datagram, perhaps to somebody else, in place of sending.
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            socket.try_send_to(bytes, remote).is_ok()
        }
        sent => sent.is_ok(),
    }
}

/// Listeners on the control thread's runtime.
pub(crate) fn register(listener: std::net::TcpListener) -> std::io::Result<TcpListener> {
    TcpListener::from_std(listener)
}
