//! A browser in a few hundred lines: rtc-stun checks, rtc-dtls shakes hands, rtc-srtp protects.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use havre_media::sdp::{BrowserLocal, Fingerprint, Local, Session};
use havre_media::{Codec, Command, Face, IceLocal};
use havre_model::LegId;
use havre_node::media::ShardEvent;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_srtp::context::Context;
use rtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use rtc_srtp::protection_profile::ProtectionProfile;
use rtc_stun::attributes::{ATTR_ICE_CONTROLLING, ATTR_PRIORITY, ATTR_USE_CANDIDATE, ATTR_USERNAME};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{BINDING_REQUEST, Message, Setter, TransactionId};
use rtc_stun::textattrs::TextAttribute;
use sha2::{Digest, Sha256};

use super::{PATIENCE, Plane};

const UFRAG: &str = "browser0";
const PASSWORD: &str = "browserpasswordbrowser";
const KEY: usize = 16;
const SALT: usize = 12;

/// A browser with a leg, from its first check to its last packet.
pub(crate) struct Browser {
    pub(crate) socket: UdpSocket,
    pub(crate) gateway: SocketAddr,
    pub(crate) leg: LegId,
    ice: IceLocal,
    dtls: Endpoint,
    certificate: Certificate,
    theirs: Fingerprint,
    checks: u64,
    srtp: Option<(Context, Context)>,
    sequence: u16,
    /// Bytes of a message of the handshake that it sends in one record, as long as nothing is encrypted.
    pub(crate) fragment: usize,
}

impl Browser {
    /// A leg is opened for it and agreed upon, in PCMU.
    pub(crate) fn invited(plane: &mut Plane, leg: LegId) -> Self {
        Self::invited_to(plane, leg, plane.ip, plane.ip)
    }

    /// The same, at one of the addresses of a data plane that listens at all of them; the browser itself is at `here`.
    pub(crate) fn invited_to(plane: &mut Plane, leg: LegId, there: IpAddr, here: IpAddr) -> Self {
        plane.media.command(0, Command::Open { leg, face: Face::Browser }).unwrap();
        let ShardEvent::Opened { rtp, rtcp, ice: Some(ice), .. } =
            plane.wait(|event| matches!(event, ShardEvent::Opened { .. } | ShardEvent::OpenFailed { .. }))
        else {
            panic!("not opened for a browser")
        };
        assert_eq!(rtp, rtcp);
        let gateway = SocketAddr::new(there, rtp);
        let socket = UdpSocket::bind((here, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let provider = rtc_dtls::crypto_provider::default_provider().unwrap();
        let certificate = Certificate::generate_self_signed(Vec::new(), provider.crypto()).unwrap();
        let (theirs, browser) = (plane.media.fingerprint(), fingerprint(&certificate.certificate[0]));
        let local = BrowserLocal { ice: ice.clone(), fingerprint: theirs, candidates: vec![gateway] };
        let codecs = vec![Codec::Pcmu];
        let mut session =
            Session::new(Local { addr: there, rtp, rtcp, codecs, browser: Some(local), sdes: None }, 1);
        let offer = String::from_utf8(session.offer()).unwrap();
        assert!(offer.contains(&theirs.to_string()) && offer.contains(&ice.ufrag), "{offer}");
        let answer = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n\
             c=IN IP4 0.0.0.0\r\na=mid:0\r\na=rtcp-mux\r\na=ice-ufrag:{UFRAG}\r\na=ice-pwd:{PASSWORD}\r\n\
             a=fingerprint:sha-256 {browser}\r\na=setup:active\r\na=sendrecv\r\n"
        );
        let negotiated = Box::new(session.accept(answer.as_bytes()).unwrap());
        plane.command(Command::Configure { leg, negotiated });
        let dtls = Endpoint::new(socket.local_addr().unwrap(), Default::default(), None);
        Self {
            socket,
            gateway,
            leg,
            ice,
            dtls,
            certificate,
            theirs,
            checks: 0,
            srtp: None,
            sequence: 0,
            fragment: usize::MAX,
        }
    }

    /// Checks the path until it is answered.
    pub(crate) fn checks(&mut self) {
        let start = Instant::now();
        let mut buffer = [0; 2_048];
        loop {
            assert!(start.elapsed() < PATIENCE, "no answer to a check");
            let check = self.check();
            self.socket.send_to(&check, self.gateway).unwrap();
            let Ok((length, from)) = self.socket.recv_from(&mut buffer) else { continue };
            if buffer[..2] == [1, 1] && buffer[8..20] == check[8..20] {
                assert!(length > 20);
                // From elsewhere it would count for nothing (RFC 8445 §7.2.5.2.1).
                assert_eq!(from, self.gateway);
                return;
            }
        }
    }

    /// Shows `certificate`, or its own, until both sides have keys. False if nothing comes of it in `patience`.
    pub(crate) fn shakes_hands(&mut self, certificate: Option<Certificate>, patience: Duration) -> bool {
        let provider = rtc_dtls::crypto_provider::default_provider().unwrap();
        let config = ConfigBuilder::default()
            .with_crypto_provider(provider)
            .with_certificates(vec![certificate.unwrap_or_else(|| self.certificate.clone())])
            .with_srtp_protection_profiles(vec![SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm])
            .with_client_auth(ClientAuthType::RequireAnyClientCert)
            .with_insecure_skip_verify(true)
            .with_extended_master_secret(ExtendedMasterSecretType::Require)
            .with_flight_interval(Duration::from_millis(200))
            .with_server_name("x".to_owned())
            .build(true, None)
            .unwrap();
        self.dtls.connect(Instant::now(), self.gateway, config.into(), None).unwrap();
        self.goes_on(patience)
    }

    /// Goes on with the handshake that was begun.
    pub(crate) fn goes_on(&mut self, patience: Duration) -> bool {
        let (start, mut buffer) = (Instant::now(), [0; 2_048]);
        while start.elapsed() < patience {
            while let Some(datagram) = self.dtls.poll_transmit() {
                for part in fragments(&datagram.message, self.fragment) {
                    self.socket.send_to(&part, self.gateway).unwrap();
                }
            }
            if let Ok(length) = self.socket.recv(&mut buffer)
                && (20..64).contains(&buffer[0])
            {
                let datagram = BytesMut::from(&buffer[..length]);
                let events = self.dtls.read(Instant::now(), self.gateway, None, datagram).unwrap_or_default();
                if events.iter().any(|event| matches!(event, EndpointEvent::HandshakeComplete)) {
                    self.take_keys();
                    return true;
                }
            }
            let _ = self.dtls.handle_timeout(self.gateway, Instant::now());
        }
        false
    }

    fn take_keys(&mut self) {
        let state = self.dtls.get_connection_state(self.gateway).unwrap();
        assert_eq!(fingerprint(&state.peer_certificates[0]), self.theirs, "as the offer said");
        let secret = state.export_keying_material("EXTRACTOR-dtls_srtp", &[], 2 * (KEY + SALT)).unwrap();
        let secret: &[u8] = secret.as_ref();
        let (keys, salts) = secret.split_at(2 * KEY);
        let provider = rtc_srtp::crypto::default_provider().unwrap();
        let context = |key, salt| {
            let (rtp, rtcp) = (srtp_replay_protection(64), srtcp_replay_protection(64));
            let profile = ProtectionProfile::AeadAes128Gcm;
            Context::new(key, salt, profile, Some(rtp), Some(rtcp), provider.crypto()).unwrap()
        };
        let client = context(&keys[..KEY], &salts[..SALT]);
        self.srtp = Some((client, context(&keys[KEY..], &salts[SALT..])));
    }

    /// 20 ms of PCMU, every sample the same.
    pub(crate) fn say(&mut self, code: u8) {
        let mut packet = [code; 12 + 160];
        self.sequence += 1;
        packet[..2].copy_from_slice(&[0x80, 0]);
        packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        packet[4..8].copy_from_slice(&(u32::from(self.sequence) * 160).to_be_bytes());
        packet[8..12].copy_from_slice(&99_u32.to_be_bytes());
        let protected = self.srtp.as_mut().unwrap().0.encrypt_rtp(&packet).unwrap();
        self.socket.send_to(&protected, self.gateway).unwrap();
    }

    /// The payload of the first PCMU packet from where it checked last that is `wanted`; `meanwhile` happens before every try.
    pub(crate) fn hear(&mut self, wanted: impl Fn(&[u8]) -> bool, mut meanwhile: impl FnMut()) -> Vec<u8> {
        let (start, mut buffer) = (Instant::now(), [0; 2_048]);
        while start.elapsed() < PATIENCE {
            meanwhile();
            let Ok((length, from)) = self.socket.recv_from(&mut buffer) else { continue };
            if from != self.gateway {
                continue;
            }
            if buffer[0] >> 6 != 2 || buffer[1] & 0x7f != 0 {
                continue;
            }
            let opened = self.srtp.as_mut().unwrap().1.decrypt_rtp(&buffer[..length]).unwrap();
            if wanted(&opened[12..]) {
                return opened[12..].to_vec();
            }
        }
        panic!("nothing of the kind was heard");
    }

    /// Says goodbye in DTLS.
    pub(crate) fn leaves(&mut self) {
        self.dtls.stop(Instant::now(), self.gateway);
        while let Some(datagram) = self.dtls.poll_transmit() {
            self.socket.send_to(&datagram.message, self.gateway).unwrap();
        }
    }

    /// The same browser on another network.
    pub(crate) fn moves(&mut self, plane: &Plane) {
        self.socket = UdpSocket::bind((plane.ip, 0)).unwrap();
        self.socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    }

    fn check(&mut self) -> Vec<u8> {
        self.checks += 1;
        let mut id = [5; 12];
        id[..8].copy_from_slice(&self.checks.to_be_bytes());
        let user = format!("{}:{UFRAG}", self.ice.ufrag);
        let mut message = Message::new();
        message
            .build(&[
                Box::new(TransactionId(id)),
                Box::new(BINDING_REQUEST),
                Box::new(TextAttribute::new(ATTR_USERNAME, user)),
            ])
            .unwrap();
        message.add(ATTR_PRIORITY, &1_u32.to_be_bytes());
        message.add(ATTR_ICE_CONTROLLING, &[1; 8]);
        // The first look at a path nominates nothing (regular nomination).
        if self.checks.is_multiple_of(2) {
            message.add(ATTR_USE_CANDIDATE, &[]);
        }
        let provider = rtc_stun::crypto::default_provider().unwrap();
        let password = self.ice.password.clone();
        MessageIntegrity::new_short_term_integrity_with_provider(password, provider.crypto())
            .add_to(&mut message)
            .unwrap();
        FINGERPRINT.add_to(&mut message).unwrap();
        message.raw
    }
}

/// The records of a datagram (RFC 6347 §4.1), each a datagram of its own; messages of the handshake that are longer than
/// `most` in several (§4.2.3). Record numbers are spread out, so that each part has its own.
fn fragments(datagram: &[u8], most: usize) -> Vec<Vec<u8>> {
    if most == usize::MAX {
        return vec![datagram.to_vec()];
    }
    let number = |bytes: &[u8]| bytes.iter().fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte));
    let (mut parts, mut rest) = (Vec::new(), datagram);
    while !rest.is_empty() {
        let (record, behind) = rest.split_at(13 + number(&rest[11..13]) as usize);
        rest = behind;
        let (head, body) = record.split_at(13);
        if number(&head[3..5]) > 0 {
            parts.push(record.to_vec());
            continue;
        }
        let bodies: Vec<Vec<u8>> = if head[0] == 22 {
            let (header, message) = body.split_at(12);
            assert_eq!(header[1..4], header[9..12], "one whole message in a record");
            let part = |(at, part): (usize, &[u8])| {
                let (offset, length) = ((at * most) as u32, part.len() as u32);
                [&header[..6], &offset.to_be_bytes()[1..], &length.to_be_bytes()[1..], part].concat()
            };
            message.chunks(most).enumerate().map(part).collect()
        } else {
            vec![body.to_vec()]
        };
        for (at, body) in bodies.iter().enumerate() {
            let sequence = (number(&head[5..11]) * 64 + at as u64).to_be_bytes();
            let length = (body.len() as u16).to_be_bytes();
            parts.push([&head[..5], &sequence[2..], &length, body].concat());
        }
    }
    parts
}

fn fingerprint(der: &[u8]) -> Fingerprint {
    Fingerprint(Sha256::digest(der).into())
}
