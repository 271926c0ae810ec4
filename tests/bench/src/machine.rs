//! Cores and sockets: what is measured on one core and what measures it on another, with nothing lost in between.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{RcvBuf, RcvBufForce};
use nix::unistd::Pid;

/// Keeps a thread on one core.
///
/// # Panics
/// If there is no such core or thread.
pub fn pin(thread: Pid, core: usize) {
    let mut set = CpuSet::new();
    set.set(core).expect("a core that exists");
    sched_setaffinity(thread, &set).expect("a thread may be pinned");
}

/// Keeps a process on one core, with all threads that it has or will start.
///
/// # Panics
/// If there is no such core or process.
pub fn pin_process(process: u32, core: usize) {
    for task in std::fs::read_dir(format!("/proc/{process}/task")).expect("a process").flatten() {
        let thread = task.file_name().to_str().and_then(|name| name.parse().ok());
        pin(Pid::from_raw(thread.expect("a thread's number")), core);
    }
}

/// Processor time of a thread of this process.
#[must_use]
pub fn cpu(thread: Pid) -> Duration {
    let text = std::fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}

/// Processor time of all threads of a process.
///
/// # Panics
/// If there is no such process.
#[must_use]
pub fn cpu_of_process(process: u32) -> Duration {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).expect("a process").flatten();
    let nanos = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

/// Gives a socket a receive buffer of this many bytes: beyond the system's limit if we may, up to it otherwise.
///
/// # Panics
/// If the kernel allows neither.
pub fn widen(socket: &UdpSocket, bytes: usize) {
    let forced = setsockopt(socket, RcvBufForce, &bytes);
    forced.or_else(|_| setsockopt(socket, RcvBuf, &bytes)).expect("a receive buffer");
}

/// Datagrams that the kernel has dropped so far since the receive buffer of the UDP socket bound to this address was full.
///
/// # Panics
/// If there is no such socket.
#[must_use]
pub fn drops(socket: SocketAddr) -> u64 {
    let (file, host) = match socket.ip() {
        std::net::IpAddr::V4(ip) => ("/proc/net/udp", format!("{:08X}", u32::from_ne_bytes(ip.octets()))),
        std::net::IpAddr::V6(ip) => (
            "/proc/net/udp6",
            ip.octets()
                .chunks_exact(4)
                .map(|word| format!("{:08X}", u32::from_ne_bytes([word[0], word[1], word[2], word[3]])))
                .collect(),
        ),
    };
    let local = format!("{host}:{:04X}", socket.port());
    let text = std::fs::read_to_string(file).expect("/proc");
    let mut rows = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = rows.find(|row| row.get(1) == Some(&local.as_str())).expect("a socket bound to the address");
    row.last().and_then(|drops| drops.parse().ok()).expect("a count")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_full_buffer_drops_is_counted() {
        for loopback in ["127.0.0.1:0", "[::1]:0"] {
            // A machine without IPv6 has nothing to test there.
            let Ok(socket) = UdpSocket::bind(loopback) else { continue };
            let at = socket.local_addr().expect("an address");
            widen(&socket, 8_192);
            assert_eq!(drops(at), 0);
            for _ in 0..100 {
                socket.send_to(&[0; 1_000], at).expect("loopback takes it");
            }
            let lost = drops(at);
            assert!((1..100).contains(&lost), "{lost}");
        }
    }
}
