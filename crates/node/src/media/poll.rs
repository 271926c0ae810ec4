//! Which sockets have something: Linux's epoll, level-triggered.
//!
//! It tells again of what was not read. So a socket's one packet, after which the next comes 20 ms later, is read with one call; where
//! a poll tells once (mio's), a second call has to find the socket empty, which costs a relay a tenth
//! (`tests/bench/benches/relay`).

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};

/// What a poll calls a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token(pub(super) usize);

/// Watches sockets.
#[derive(Clone, Debug)]
pub(super) struct Poll(Arc<Epoll>);

/// What a poll found last.
pub(super) struct Ready {
    events: Box<[EpollEvent]>,
    count: usize,
    turn: u64,
}

/// One socket that has something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub(super) token: Token,
    /// Its error queue has something.
    pub(super) error: bool,
    /// Which wait told so: they are numbered.
    pub(super) turn: u64,
}

/// Has somebody's `Poll::wait` end.
#[derive(Debug)]
pub(super) struct Waker(EventFd);

impl Poll {
    /// Of nothing yet. A clone watches the same.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?)))
    }

    /// Watches `socket`, too.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn add(&self, socket: &impl AsFd, token: Token) -> io::Result<()> {
        Ok(self.0.add(socket, EpollEvent::new(EpollFlags::EPOLLIN, token.0 as u64))?)
    }

    /// Watches it no more.
    ///
    /// # Errors
    /// It was not watched.
    pub(super) fn remove(&self, socket: &impl AsFd) -> io::Result<()> {
        Ok(self.0.delete(socket)?)
    }

    /// Waits until a socket has something, or for so long, in whole milliseconds.
    ///
    /// # Errors
    /// The system's. A signal is none.
    pub(super) fn wait(&self, ready: &mut Ready, patience: Duration) -> io::Result<()> {
        // A moment too early would be a turn for nothing.
        let millis = patience.as_nanos().div_ceil(1_000_000);
        let timeout = EpollTimeout::try_from(millis).unwrap_or(EpollTimeout::MAX);
        (ready.count, ready.turn) = (0, ready.turn + 1);
        match self.0.wait(&mut ready.events, timeout) {
            Ok(count) => ready.count = count,
            Err(nix::Error::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

impl Ready {
    /// With room for so many at once; the rest are told by the next wait.
    pub(super) fn new(most: usize) -> Self {
        Self { events: vec![EpollEvent::empty(); most].into(), count: 0, turn: 0 }
    }

    /// How many there are.
    pub(super) const fn len(&self) -> usize {
        self.count
    }

    /// One of them; `None` beyond the last.
    pub(super) fn get(&self, at: usize) -> Option<Told> {
        let event = self.events[..self.count].get(at)?;
        Some(Told {
            token: Token(usize::try_from(event.data()).ok()?),
            error: event.events().contains(EpollFlags::EPOLLERR),
            turn: self.turn,
        })
    }
}

impl Waker {
    /// Of whoever waits for `poll`, which tells of it as `token`.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn new(poll: &Poll, token: Token) -> io::Result<Self> {
        let signal = EventFd::from_value_and_flags(0, EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
        // Told once for each time, so that nobody has to read it.
        let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLET;
        poll.0.add(&signal, EpollEvent::new(flags, token.0 as u64))?;
        Ok(Self(signal))
    }

    /// Wakes.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn wake(&self) -> io::Result<()> {
        self.0.write(1)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::time::Instant;

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    fn told(poll: &Poll, ready: &mut Ready, patience: Duration) -> Vec<(usize, u64)> {
        poll.wait(ready, patience).unwrap();
        (0..ready.len()).map(|at| ready.get(at).unwrap()).map(|told| (told.token.0, told.turn)).collect()
    }

    #[test]
    fn a_socket_is_told_until_it_is_empty_and_a_waker_once() {
        let (poll, mut ready) = (Poll::new().unwrap(), Ready::new(8));
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        poll.add(&socket, Token(7)).unwrap();
        let waker = Waker::new(&poll, Token(9)).unwrap();
        assert_eq!(told(&poll, &mut ready, Duration::ZERO), []);
        for _ in 0..2 {
            socket.send_to(b"x", socket.local_addr().unwrap()).unwrap();
        }
        assert_eq!(told(&poll, &mut ready, LONG), [(7, 2)]);
        socket.recv(&mut [0; 8]).unwrap();
        assert_eq!(told(&poll, &mut ready, LONG), [(7, 3)], "one is left");
        socket.recv(&mut [0; 8]).unwrap();
        assert_eq!(told(&poll, &mut ready, Duration::ZERO), []);
        for turn in [5, 6] {
            waker.wake().unwrap();
            waker.wake().unwrap();
            assert_eq!(told(&poll, &mut ready, LONG), [(9, turn)]);
        }
        assert_eq!(told(&poll, &mut ready, Duration::ZERO), [], "nobody read it");
        socket.send_to(b"x", socket.local_addr().unwrap()).unwrap();
        poll.remove(&socket).unwrap();
        assert_eq!(told(&poll, &mut ready, Duration::ZERO), []);
        assert!(ready.get(0).is_none());
    }

    #[test]
    fn it_never_ends_early() {
        let (poll, mut ready) = (Poll::new().unwrap(), Ready::new(1));
        for micros in [1, 999, 1_000, 1_001, 2_500] {
            let (began, patience) = (Instant::now(), Duration::from_micros(micros));
            assert_eq!(told(&poll, &mut ready, patience), []);
            assert!(began.elapsed() >= patience, "{micros}");
        }
    }
}
