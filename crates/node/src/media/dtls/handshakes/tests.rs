//! Handshakes with rtc-dtls at the other end, in virtual time.

use super::super::identity::PROFILES;
use super::*;

const KEY: Key = (0, LegId(7));
/// How our server and a browser take turns, in milliseconds one way.
const DELAY: Duration = Duration::from_millis(20);

/// A browser, and the machine, with a network between them.
struct World {
    ours: Handshakes,
    browser: Endpoint,
    browsers: Identity,
    now: Instant,
    keys: Vec<Pair>,
    /// Datagrams that went either way.
    passed: usize,
    complete: bool,
}

impl World {
    fn new() -> Self {
        let ours = Handshakes::new(Identity::new().unwrap());
        let browsers = Identity::with(&PROFILES, Duration::from_millis(300)).unwrap();
        let browser = Endpoint::new(PEER, Default::default(), Some(browsers.server.clone()));
        let now = Instant::now();
        Self { ours, browser, browsers, now, keys: Vec::new(), passed: 0, complete: false }
    }

    fn browser_begins(&mut self) {
        self.ours.begin(KEY, self.browsers.fingerprint, false, self.now);
        self.browser.connect(self.now, PEER, self.browsers.client.clone(), None).unwrap();
    }

    /// Takes turns for some seconds; `passes` says what becomes of each datagram, and may change it.
    fn run(&mut self, seconds: u32, mut passes: impl FnMut(usize, &mut Vec<u8>) -> bool) {
        for _ in 0..seconds * 1_000 / 20 {
            self.now += DELAY;
            let mut back = Vec::new();
            while let Some((key, output)) = self.ours.poll_output() {
                assert_eq!(key, KEY);
                match output {
                    Output::Send(bytes) => back.push(bytes.to_vec()),
                    Output::Keys(keys) => self.keys.push(*keys),
                    Output::Gone => panic!("nobody said goodbye"),
                }
            }
            let mut there = Vec::new();
            while let Some(datagram) = self.browser.poll_transmit() {
                there.push(datagram.message.to_vec());
            }
            for mut bytes in there {
                self.passed += 1;
                if passes(self.passed - 1, &mut bytes) {
                    self.ours.packet(KEY, &bytes, self.now);
                }
            }
            for mut bytes in back {
                self.passed += 1;
                if passes(self.passed - 1, &mut bytes) {
                    let read = self.browser.read(self.now, PEER, None, BytesMut::from(&bytes[..]));
                    for event in read.into_iter().flatten() {
                        self.complete |= matches!(event, EndpointEvent::HandshakeComplete);
                    }
                }
            }
            if self.ours.poll_timeout().is_some_and(|at| at <= self.now) {
                self.ours.handle_timeout(self.now);
            }
            let _ = self.browser.handle_timeout(PEER, self.now);
        }
    }

    /// Both have the same keys, each its own way round.
    fn assert_agreed(&self) {
        assert!(self.complete);
        let theirs = keys(self.browser.get_connection_state(PEER).unwrap()).unwrap();
        let [ours] = &self.keys[..] else { panic!("{:?}", self.keys) };
        assert!(ours.send == theirs.receive && ours.receive == theirs.send && ours.send != ours.receive);
        assert_eq!(
            self.ours.tally(),
            Tally { done: 1, errors: self.ours.tally().errors, ..Tally::default() }
        );
    }
}

#[test]
fn a_browser_that_begins_gets_keys() {
    let mut world = World::new();
    world.browser_begins();
    world.run(1, |_, _| true);
    world.assert_agreed();
    assert_eq!(world.ours.poll_timeout(), None, "nothing is left to wait for");
}

#[test]
fn a_browser_that_waits_gets_keys() {
    let mut world = World::new();
    world.ours.begin(KEY, world.browsers.fingerprint, true, world.now);
    world.run(1, |_, _| true);
    world.assert_agreed();
}

#[test]
fn every_suite_can_be_agreed() {
    for (profile, suite) in [
        (SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80, Suite::AesCm128HmacSha1_80),
        (SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm, Suite::AeadAes128Gcm),
        (SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm, Suite::AeadAes256Gcm),
    ] {
        let mut world = World::new();
        world.browsers = Identity::with(&[profile], Duration::from_millis(300)).unwrap();
        world.browser_begins();
        world.run(1, |_, _| true);
        world.assert_agreed();
        assert_eq!(world.keys[0].send.suite(), suite);
    }
}

#[test]
fn any_datagram_may_be_lost() {
    let mut whole = World::new();
    whole.browser_begins();
    whole.run(1, |_, _| true);
    for lost in 0..whole.passed {
        let mut world = World::new();
        world.browser_begins();
        world.run(10, |number, _| number != lost);
        assert!(world.complete && world.keys.len() == 1, "without {lost}");
        world.assert_agreed();
    }
}

#[test]
fn a_greeting_may_come_in_pieces() {
    for size in [1, 40, 100] {
        let mut world = World::new();
        world.browser_begins();
        let mut cut = 0;
        world.run(2, |_, bytes| {
            // Whatever the browser says in the clear is renumbered, to make room for the pieces of its ClientHellos.
            if bytes[3..5] == [0, 0] && bytes[MESSAGE_TYPE] != 2 && bytes[MESSAGE_TYPE] != 3 {
                cut += u32::from(bytes[MESSAGE_TYPE] == CLIENT_HELLO);
                *bytes = records(bytes).iter().flat_map(|record| in_pieces(record, size)).collect();
            }
            true
        });
        assert!(cut >= 2, "with a cookie and without");
        world.assert_agreed();
    }
}

/// The records of a datagram.
fn records(mut datagram: &[u8]) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    while !datagram.is_empty() {
        let length = 13 + usize::from(u16::from_be_bytes([datagram[11], datagram[12]]));
        records.push(datagram[..length].to_vec());
        datagram = &datagram[length..];
    }
    records
}

/// A record with room for others behind it; of a ClientHello, many records with a fragment each.
fn in_pieces(record: &[u8], size: usize) -> Vec<u8> {
    let (head, message) = record.split_at(13);
    if head[3..5] != [0, 0] {
        return record.to_vec();
    }
    let number = |place: usize| {
        let number = u64::from_be_bytes(head[3..11].try_into().unwrap()) * 1_000 + place as u64;
        number.to_be_bytes()
    };
    if head[0] != HANDSHAKE || message[0] != CLIENT_HELLO {
        return [&head[..3], &number(0), &head[11..], message].concat();
    }
    let (header, body) = message.split_at(12);
    let word = |number: usize| u32::try_from(number).unwrap().to_be_bytes();
    let piece = |(place, piece): (usize, &[u8])| {
        let (length, at) = (word(12 + piece.len()), word(place * size));
        let fragment = [&header[..6], &at[1..], &word(piece.len())[1..], piece].concat();
        [&head[..3], &number(place), &length[2..], &fragment].concat()
    };
    body.chunks(size).enumerate().flat_map(piece).collect()
}

#[test]
fn another_certificate_gets_no_keys() {
    for client in [false, true] {
        let mut world = World::new();
        world.ours.begin(KEY, Fingerprint([9; 32]), client, world.now);
        if !client {
            world.browser.connect(world.now, PEER, world.browsers.client.clone(), None).unwrap();
        }
        world.run(2, |_, _| true);
        assert!(world.keys.is_empty());
        assert_eq!((world.ours.tally().wrong_certificate, world.ours.tally().done), (1, 0));
        // Nor by trying again.
        let again = world.browsers.client.clone();
        world.browser = Endpoint::new(PEER, Default::default(), None);
        world.browser.connect(world.now, PEER, again, None).unwrap();
        world.run(2, |_, _| true);
        assert!(world.keys.is_empty());
    }
}

#[test]
fn junk_in_between_does_no_harm() {
    let mut world = World::new();
    world.browser_begins();
    let junk = [
        vec![],
        vec![22],
        vec![23; 40],
        vec![20, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 1],
        vec![63; 1_500],
    ];
    for _ in 0..5 {
        for bytes in &junk {
            world.ours.packet(KEY, bytes, world.now);
            world.ours.packet((0, LegId(99)), bytes, world.now);
        }
        world.run(1, |_, _| true);
    }
    world.assert_agreed();
}

#[test]
fn a_goodbye_is_noticed_and_another_handshake_may_follow() {
    let mut world = World::new();
    world.browser_begins();
    world.run(1, |_, _| true);
    world.assert_agreed();
    world.browser.stop(world.now, PEER);
    while let Some(datagram) = world.browser.poll_transmit() {
        world.ours.packet(KEY, &datagram.message, world.now);
    }
    assert!(std::iter::from_fn(|| world.ours.poll_output()).any(|(_, output)| output == Output::Gone));
    world.keys.clear();
    world.browser.connect(world.now, PEER, world.browsers.client.clone(), None).unwrap();
    world.run(1, |_, _| true);
    assert_eq!(world.keys.len(), 1);
}

#[test]
fn nobody_is_waited_for_for_ever() {
    let mut world = World::new();
    world.ours.begin(KEY, world.browsers.fingerprint, true, world.now);
    world.run(200, |_, _| false);
    assert_eq!(world.ours.tally().failed, u64::from(ATTEMPTS));
    assert_eq!(world.ours.poll_timeout(), None);
    let mut world = World::new();
    world.browser_begins();
    let mut let_through = 3;
    world.run(60, |_, _| {
        let_through -= i32::from(let_through > 0);
        let_through > 0
    });
    assert!(world.ours.tally().failed > 0 && world.ours.shaking.is_empty());
}

#[test]
fn too_many_wait_for_their_turn() {
    let mut world = World::new();
    let hello = {
        world.browser.connect(world.now, PEER, world.browsers.client.clone(), None).unwrap();
        world.browser.poll_transmit().unwrap().message
    };
    let legs = MAX_HANDSHAKES as u64 + 10;
    for leg in 0..legs {
        world.ours.begin((0, LegId(leg)), Fingerprint([0; 32]), false, world.now);
        world.ours.packet((0, LegId(leg)), &hello, world.now);
    }
    assert_eq!((world.ours.shaking.len(), world.ours.tally().refused), (MAX_HANDSHAKES, 10));
    world.ours.begin((0, LegId(9_999)), Fingerprint([0; 32]), true, world.now);
    assert_eq!(world.ours.shaking.len(), MAX_HANDSHAKES);
    assert_eq!(world.ours.retry_at, Some(world.now + RETRY));
    for leg in 0..5 {
        world.ours.end((0, LegId(leg)));
    }
    world.ours.handle_timeout(world.now + RETRY);
    assert!(world.ours.shaking.contains(&(0, LegId(9_999))));
}

#[test]
fn a_leg_has_so_many_datagrams_and_then_a_few_a_second() {
    let mut world = World::new();
    world.ours.begin(KEY, world.browsers.fingerprint, false, world.now);
    for _ in 0..1_000 {
        world.ours.packet(KEY, &[23; 100], world.now);
    }
    assert_eq!(world.ours.tally().refused, 900);
    world.now += Duration::from_secs(2);
    for _ in 0..1_000 {
        world.ours.packet(KEY, &[23; 100], world.now);
    }
    assert_eq!(world.ours.tally().refused, 900 + 990);
}

#[test]
fn mutated_handshakes_never_panic_nor_give_keys_to_another() {
    let mut state = 9_u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for _ in 0..60 {
        let mut world = World::new();
        world.browser_begins();
        world.run(1, |_, bytes| {
            if random(3) == 0 && !bytes.is_empty() {
                let at = random(bytes.len());
                bytes[at] ^= 1 << random(8);
            }
            if random(10) == 0 {
                bytes.truncate(random(bytes.len() + 1));
            }
            true
        });
        if !world.keys.is_empty() && world.complete {
            world.assert_agreed();
        }
    }
}
