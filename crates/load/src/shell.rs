//! The outside of a run: sockets, the clocks, signals, and the one loop that drives the machines.
//!
//! RTP is paced, not polled: a 20 ms round is divided among the ports, and each port is written, and half a round later
//! read, once a round, whatever arrived. The kernel's own timestamps say when that was, so reading late costs no
//! precision, and one system call moves the packets of several legs.
#![allow(clippy::disallowed_methods, reason = "this is the shell that owns the clocks")]

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use havre_model::{Mono, Now, Unix};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::TimeSpec;

use crate::batch::{Receiver, Sender, stamp_arrivals};
use crate::crowd::{Crowd, Places};
use crate::ladder::Ladder;
use crate::pace::Pace;
use crate::plan::Plan;
use crate::progress::{Progress, Used};
use crate::step::{Reading, Step, Stop};
use crate::watch;

/// The largest SIP datagram.
const SIP_DATAGRAM: usize = 65_535;
/// SIP sockets read in a turn; the others come next.
const EVENTS: usize = 256;
/// SIP datagrams read from one socket before anything else gets its turn.
const SIP_BURST: usize = 32;
/// Kernel buffer of the callers' SIP socket, in bytes.
const SIP_BUFFER: usize = 4 << 20;
/// The shortest sleep: shorter ones cost more than they even out.
const NAP: Duration = Duration::from_micros(100);
/// How often it is looked whether there is something new to show.
const SHOW: Duration = Duration::from_secs(1);
/// Even ports tried for one pair.
const TRIES: usize = 200;

/// Which sockets are wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sockets {
    /// The callers' address, and that of all RTP.
    pub(crate) callers: IpAddr,
    /// The agents' address; with a port, the one phone that takes all calls.
    pub(crate) agents: SocketAddr,
    /// Agents' phones.
    pub(crate) phones: usize,
    /// RTP ports.
    pub(crate) ports: usize,
}

/// What came of a run.
pub(crate) struct Outcome {
    pub(crate) steps: Vec<Step>,
    pub(crate) idle: Option<(f64, u64)>,
    pub(crate) stop: Option<Stop>,
}

/// Runs the plan to its end, or until a signal.
///
/// # Errors
/// Sockets cannot be opened, or the poll fails.
pub(crate) fn run(
    plan: &Arc<Plan>,
    sockets: Sockets,
    pids: Vec<u32>,
    progress: Progress,
) -> anyhow::Result<Outcome> {
    let mut shell = Shell::open(plan, sockets, pids, progress)?;
    while !shell.ladder.is_over() {
        shell.turn()?;
    }
    let (steps, idle, stop) = shell.ladder.finish();
    Ok(Outcome { steps, idle, stop })
}

struct Shell {
    start: Instant,
    crowd: Crowd,
    ladder: Ladder,
    epoll: Epoll,
    sip: Vec<UdpSocket>,
    buffer: Box<[u8]>,
    rtp: Vec<UdpSocket>,
    /// Bound so that RTCP finds somebody at home; nobody reads it.
    _rtcp: Vec<UdpSocket>,
    rtp_ports: Vec<u16>,
    sender: Sender,
    receiver: Receiver,
    signals: SignalFd,
    pids: Vec<u32>,
    progress: Progress,
    show_at: Mono,
    pace: Pace,
    late: u64,
    interrupted: bool,
}

impl Shell {
    fn open(plan: &Arc<Plan>, sockets: Sockets, pids: Vec<u32>, progress: Progress) -> anyhow::Result<Self> {
        raise_descriptors(sockets.phones + 2 * sockets.ports + 64)?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGINT);
        signals.add(Signal::SIGTERM);
        signals.thread_block()?;
        let signals = SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK)?;
        let mut addresses = vec![SocketAddr::new(sockets.callers, 0)];
        addresses.extend(std::iter::repeat_n(sockets.agents, sockets.phones));
        let mut sip = Vec::new();
        for (station, address) in addresses.iter().enumerate() {
            let socket =
                UdpSocket::bind(address).with_context(|| format!("cannot open a SIP port on {address}"))?;
            socket.set_nonblocking(true)?;
            if station == crate::crowd::CALLERS {
                // Best effort: only root may go beyond the system's limit.
                let _ = setsockopt(&socket, sockopt::RcvBufForce, &SIP_BUFFER);
            }
            // Connected, a socket tells when nobody listens there, and takes nothing from strangers.
            if station == crate::crowd::CALLERS || plan.agents.register {
                socket.connect(plan.server)?;
            }
            epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, station as u64))?;
            sip.push(socket);
        }
        let (mut rtp, mut rtcp) = (Vec::new(), Vec::new());
        for _ in 0..sockets.ports {
            let (one, other) = pair(sockets.callers)?;
            stamp_arrivals(&one)?;
            rtp.push(one);
            rtcp.push(other);
        }
        let port = |socket: &UdpSocket| Ok(socket.local_addr()?.port());
        let rtp_ports = rtp.iter().map(port).collect::<io::Result<Vec<u16>>>()?;
        let places = Places {
            sip: sip.iter().map(UdpSocket::local_addr).collect::<io::Result<_>>()?,
            rtp: rtp_ports.clone(),
            media: sockets.callers,
        };
        let now = Now { mono: Mono::ZERO, unix: unix() };
        let crowd = Crowd::new(Arc::clone(plan), places, rand::random(), now);
        let ladder = Ladder::new(Arc::clone(plan), rand::random(), now);
        Ok(Self {
            start: Instant::now(),
            crowd,
            ladder,
            epoll,
            sip,
            buffer: vec![0; SIP_DATAGRAM].into(),
            rtp,
            _rtcp: rtcp,
            rtp_ports,
            sender: Sender::new(),
            receiver: Receiver::new(),
            signals,
            pids,
            progress,
            show_at: Mono::ZERO,
            pace: Pace::new(sockets.ports),
            late: 0,
            interrupted: false,
        })
    }

    fn now(&self) -> Now {
        Now { mono: Mono::from_start(self.start.elapsed()), unix: unix() }
    }

    fn turn(&mut self) -> anyhow::Result<()> {
        self.pace()?;
        let mut ready = [EpollEvent::empty(); EVENTS];
        let count = self.epoll.wait(&mut ready, EpollTimeout::ZERO)?;
        for event in &ready[..count] {
            self.read_sip(event.data() as usize);
        }
        let now = self.now();
        self.crowd.handle_timeout(now);
        let (pids, ports, late) = (&self.pids, &self.rtp_ports, self.late);
        let used = || Used { server: watch::usage_of(pids), own: watch::own_processor_time() };
        // At the edges of what is measured only: looking through the system's sockets takes 10 ms, in which nobody speaks.
        let mut read = || {
            let Used { server, own } = used();
            let (machine, dropped) = (watch::machine_processor_time(), watch::dropped(ports));
            Reading { server, own, machine, dropped, late }
        };
        self.ladder.advance(&mut self.crowd, &mut read, now);
        if now.mono >= self.show_at {
            self.show_at = now.mono + SHOW;
            self.progress.show(&self.ladder, &self.crowd, used(), now.mono);
        }
        self.transmit();
        self.wait()
    }

    /// Lets every port speak and hear whose turn has come.
    fn pace(&mut self) -> anyhow::Result<()> {
        let now = self.start.elapsed();
        while self.pace.due(0) <= now {
            let [speaks, hears] = self.pace.ports(0);
            let is_used = |port: usize| self.crowd.is_used(port);
            if is_used(speaks) || is_used(hears) {
                self.late +=
                    self.pace.put_off(now, || (0..self.rtp.len()).filter(|port| is_used(*port)).count());
            }
            if is_used(speaks) {
                let micros = wall_micros();
                let sender = &mut self.sender;
                self.crowd.speak(speaks, micros, |to, bytes| sender.push(to, bytes));
                sender.flush(&self.rtp[speaks]);
            }
            if self.crowd.is_used(hears) {
                let (moment, crowd) = (self.now(), &mut self.crowd);
                self.receiver.drain(&self.rtp[hears], |source, bytes, at| {
                    crowd.on_rtp(hears, source, bytes, at, moment);
                })?;
            }
            self.pace.step();
        }
        Ok(())
    }

    fn read_sip(&mut self, station: usize) {
        for _ in 0..SIP_BURST {
            let received = self.sip[station].recv_from(&mut self.buffer);
            let now = self.now();
            match received {
                Ok((length, source)) => {
                    self.crowd.on_datagram(station, source, &self.buffer[..length], now);
                }
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    self.crowd.on_unreachable(station, now);
                }
                Err(_) => return,
            }
        }
    }

    fn transmit(&mut self) {
        while let Some(transmit) = self.crowd.poll_transmit() {
            let socket = &self.sip[transmit.station];
            // What else goes wrong with a datagram, its retransmission mends.
            if let Err(error) = socket.send_to(&transmit.bytes, transmit.to)
                && error.kind() == ErrorKind::ConnectionRefused
            {
                let now = self.now();
                self.crowd.on_unreachable(transmit.station, now);
            }
        }
    }

    /// Sleeps until a SIP datagram, a signal, or the next thing that is due.
    fn wait(&mut self) -> anyhow::Result<()> {
        let now = self.now();
        let used = |ahead: &u64| self.pace.ports(*ahead).into_iter().any(|port| self.crowd.is_used(port));
        let frame = (0..self.rtp.len() as u64).find(used).map(|ahead| Mono::from_start(self.pace.due(ahead)));
        let due = [frame, self.crowd.poll_timeout(), self.ladder.poll_timeout(now)];
        let until = due.into_iter().flatten().fold(self.show_at, Mono::min);
        let nap = until.since(now.mono).max(NAP);
        let mut fds = [
            PollFd::new(self.epoll.0.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
        ];
        match ppoll(&mut fds, Some(TimeSpec::from_duration(nap)), None) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error).context("cannot poll"),
        }
        if fds[1].any() == Some(true) {
            self.on_signal()?;
        }
        Ok(())
    }

    /// The first signal hangs up; the second one ends it at once.
    fn on_signal(&mut self) -> anyhow::Result<()> {
        while self.signals.read_signal()?.is_some() {
            if std::mem::replace(&mut self.interrupted, true) {
                anyhow::bail!("interrupted twice: calls may be left behind");
            }
            let now = self.now();
            self.progress.remark("hanging up; once more to leave at once");
            self.ladder.cut(&mut self.crowd, now);
        }
        Ok(())
    }
}

/// An even port and the odd one above it.
fn pair(ip: IpAddr) -> anyhow::Result<(UdpSocket, UdpSocket)> {
    for _ in 0..TRIES {
        let one = UdpSocket::bind((ip, 0)).with_context(|| format!("cannot open an RTP port on {ip}"))?;
        let port = one.local_addr()?.port();
        if port.is_multiple_of(2)
            && let Ok(other) = UdpSocket::bind((ip, port + 1))
        {
            return Ok((one, other));
        }
    }
    anyhow::bail!("there is no pair of free UDP ports on {ip}")
}

/// As many descriptors as the sockets need, if the system allows it.
fn raise_descriptors(wanted: usize) -> anyhow::Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let wanted = wanted as u64;
    if wanted > hard {
        anyhow::bail!(
            "{wanted} sockets are needed, and the system allows {hard}: raise `ulimit -n`, or use fewer calls"
        );
    }
    if wanted > soft {
        setrlimit(Resource::RLIMIT_NOFILE, wanted, hard)?;
    }
    Ok(())
}

fn unix() -> Unix {
    Unix::from_millis((wall_micros() / 1_000).cast_signed())
}

/// The clock that the kernel's timestamps are of, in microseconds.
fn wall_micros() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
