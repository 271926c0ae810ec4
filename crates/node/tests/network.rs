//! What the network sees of the data plane: both families, the mark for telephony, RTCP on its own port and on RTP's.
#![allow(clippy::disallowed_methods, reason = "real sockets take real time")]
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use std::io::IoSliceMut;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use havre_media::{Command, Event};
use havre_model::LegId;
use havre_node::media::ShardEvent;
use nix::cmsg_space;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg};
use socket2::SockRef;
use support::{PATIENCE, Phone, Plane};

const A: LegId = LegId(1);
const B: LegId = LegId(2);
/// RFC 3246's code point, in the byte that holds it.
const EF: i32 = 46 << 2;
const LOCAL_V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const LOCAL_V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

#[test]
fn ipv6_phones_hear_each_other_and_packets_are_marked() {
    let mut plane = Plane::start(Ipv6Addr::LOCALHOST, 41_000..=41_019, 1);
    let (a, b) = (plane.phone(A), plane.phone(B));
    talk(&mut plane, &a, &b);
    assert_eq!(mark(&b), EF);
    // So are those that leave by a socket of the leg's own.
    let (start, mut sequence) = (Instant::now(), 1_000);
    while plane.media.counters()["connected_sockets"] < 2 {
        assert!(start.elapsed() < PATIENCE, "{:?}", plane.media.counters());
        [&a, &b].into_iter().for_each(|phone| phone.say(sequence, 0x12));
        sequence += 1;
        std::thread::sleep(Duration::from_millis(1));
    }
    a.say(sequence, 0x56);
    b.hear(|payload| payload[0] == 0x56, || {});
    assert_eq!(mark(&b), EF);
}

#[test]
fn ipv4_packets_are_marked() {
    let mut plane = Plane::start([127, 77, 1, 1], 20_000..=20_019, 1);
    assert_eq!(mark(&plane.phone(A)), EF);
}

#[test]
fn a_line_on_all_addresses_joins_ipv4_and_ipv6() {
    let mut plane = Plane::start(Ipv6Addr::UNSPECIFIED, 41_100..=41_119, 1);
    let (a, b) = (plane.phone_at(A, LOCAL_V4, None), plane.phone_at(B, LOCAL_V6, None));
    talk(&mut plane, &a, &b);
    assert_eq!((mark(&a), mark(&b)), (EF, EF));
    // ICMP of the other family is understood as well.
    drop(a);
    plane.wait(|event| *event == ShardEvent::Media(Event::Unreachable { leg: A }));
}

#[test]
fn rtcp_has_a_port_of_its_own_or_shares_that_of_rtp() {
    let mut plane = Plane::start([127, 77, 1, 2], 20_000..=20_019, 1);
    let rtcp = UdpSocket::bind((plane.ip, 0)).unwrap();
    let separate = plane.phone_at(A, plane.ip, Some(rtcp.local_addr().unwrap()));
    let shared = plane.phone(B);

    // Reports leave within four seconds, each from the port that was agreed.
    rtcp.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut report = [0; 2_048];
    let (length, from) = rtcp.recv_from(&mut report).unwrap();
    assert!(length > 0 && is_report(&report), "{report:?}");
    let gateway = SocketAddr::new(plane.ip, separate.gateway.port() + 1);
    assert_eq!(from, gateway);
    let start = Instant::now();
    while !is_report(&report_at(&shared)) {
        assert!(start.elapsed() < PATIENCE, "no report on the port of RTP");
    }

    // What cannot be read there is counted as RTCP.
    rtcp.send_to(&[0x80, 200, 9, 9], gateway).unwrap();
    plane.wait_for("dropped_rtcp", 1);
    shared.socket.send_to(&[0x80, 200, 9, 9], shared.gateway).unwrap();
    plane.wait_for("dropped_rtcp", 2);
}

/// A few packets from each to the other, through a bridge.
fn talk(plane: &mut Plane, a: &Phone, b: &Phone) {
    plane.command(Command::Bridge { a: A, b: B });
    plane.wait(|event| *event == ShardEvent::Media(Event::Bridged { a: A, b: B }));
    for (from, to, code) in [(a, b, 0x12), (b, a, 0x34)] {
        let mut sequence = 0;
        to.hear(
            |payload| payload.iter().all(|sample| *sample == code),
            || {
                from.say(sequence, code);
                sequence += 1;
            },
        );
    }
}

/// The traffic class of the next packet at a phone; the line sends comfort noise if nothing else.
fn mark(phone: &Phone) -> i32 {
    let socket = SockRef::from(&phone.socket);
    match phone.gateway {
        SocketAddr::V4(_) => socket.set_recv_tos_v4(true).unwrap(),
        SocketAddr::V6(_) => socket.set_recv_tclass_v6(true).unwrap(),
    }
    // Packets that came before the socket was asked have no mark to show.
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        let mut datagram = [0; 2_048];
        let mut parts = [IoSliceMut::new(&mut datagram)];
        let mut control = cmsg_space!(i32);
        let received = recvmsg::<SockaddrStorage>(
            phone.socket.as_raw_fd(),
            &mut parts,
            Some(&mut control),
            MsgFlags::empty(),
        );
        let Ok(message) = received else { continue };
        for part in message.cmsgs().unwrap() {
            match part {
                ControlMessageOwned::Ipv4Tos(tos) => return tos.into(),
                ControlMessageOwned::Ipv6TClass(class) => return class,
                _ => {}
            }
        }
    }
    panic!("no packet with a mark came");
}

fn is_report(bytes: &[u8]) -> bool {
    matches!(bytes, [_, 200 | 201, ..])
}

fn report_at(phone: &Phone) -> [u8; 2_048] {
    let mut buffer = [0; 2_048];
    let _ = phone.socket.recv(&mut buffer);
    buffer
}
