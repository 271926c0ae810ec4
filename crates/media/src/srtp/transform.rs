//! Session keys, and what is done with them to one packet.

use aes::cipher::consts::{U12, U16};
use aes::cipher::{BlockCipherEncrypt, InnerIvInit, KeyInit, StreamCipher};
use aes::{Aes128, Aes256};
use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use ctr::Ctr128BE;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Keys, MAX_SALT, RTCP_HEADER, RTCP_INDEX, Suite};

/// Bytes of HMAC-SHA1's tag, cut to 80 bits, and of GCM's.
const CM_TAG: usize = 10;
const GCM_TAG: usize = 16;
/// The flag before SRTCP's index: the packet is encrypted.
pub(super) const ENCRYPTED: u32 = 1 << 31;

/// Whose session keys (RFC 3711 §4.3.2): the label of its encryption key; those of its authentication key and its salt
/// follow.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(super) enum Protocol {
    Rtp = 0,
    Rtcp = 3,
}

/// One protocol's session keys.
pub(super) enum Transform {
    Cm(Box<Cm>),
    Gcm128(Box<Gcm<Aes128Gcm>>),
    Gcm256(Box<Gcm<Aes256Gcm>>),
}

/// Counter mode and HMAC.
pub(super) struct Cm {
    aes: Aes128,
    mac: Hmac<Sha1>,
    salt: [u8; MAX_SALT],
}

/// Galois counter mode.
pub(super) struct Gcm<A> {
    aead: A,
    salt: [u8; 12],
}

/// Why a packet was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Forged;

impl Transform {
    /// Derives the session keys (RFC 3711 §4.3, RFC 7714 §11).
    pub(super) fn new(keys: &Keys, protocol: Protocol) -> Self {
        match keys.suite() {
            Suite::AesCm128HmacSha1_80 => {
                let master = Aes128::new(&(*keys.key()).into());
                let block = |block: &mut [u8; 16]| master.encrypt_block(block.into());
                let (key, auth) =
                    (derive(&block, keys, protocol, 0), derive::<20>(&block, keys, protocol, 1));
                Self::cm(&key, &auth, *derive(&block, keys, protocol, 2))
            }
            Suite::AeadAes128Gcm => {
                let master = Aes128::new(&(*keys.key()).into());
                let block = |block: &mut [u8; 16]| master.encrypt_block(block.into());
                Self::gcm_128(&derive(&block, keys, protocol, 0), *derive(&block, keys, protocol, 2))
            }
            Suite::AeadAes256Gcm => {
                let master = Aes256::new(&(*keys.key()).into());
                let block = |block: &mut [u8; 16]| master.encrypt_block(block.into());
                Self::gcm_256(&derive(&block, keys, protocol, 0), *derive(&block, keys, protocol, 2))
            }
        }
    }

    pub(super) fn cm(key: &[u8; 16], auth: &[u8; 20], salt: [u8; MAX_SALT]) -> Self {
        // HMAC takes keys of any length, so this one too.
        let mac = Hmac::new_from_slice(auth).unwrap_or_else(|_| Hmac::new(&Default::default()));
        Self::Cm(Box::new(Cm { aes: Aes128::new(key.into()), mac, salt }))
    }

    pub(super) fn gcm_128(key: &[u8; 16], salt: [u8; 12]) -> Self {
        Self::Gcm128(Box::new(Gcm { aead: Aes128Gcm::new(key.into()), salt }))
    }

    pub(super) fn gcm_256(key: &[u8; 32], salt: [u8; 12]) -> Self {
        Self::Gcm256(Box::new(Gcm { aead: Aes256Gcm::new(key.into()), salt }))
    }

    /// Protects an RTP packet whose last bytes are room for the tag; `header` bytes stay readable.
    pub(super) fn seal_rtp(&self, ssrc: u32, index: u64, header: usize, packet: &mut [u8]) {
        match self {
            Self::Cm(cm) => {
                let (body, tag) = split_tag(packet, CM_TAG);
                cm.encrypt(ssrc, index, &mut body[header..]);
                tag.copy_from_slice(&cm.tag(body, &rollovers(index)));
            }
            Self::Gcm128(gcm) => gcm.seal_rtp(ssrc, index, header, packet),
            Self::Gcm256(gcm) => gcm.seal_rtp(ssrc, index, header, packet),
        }
    }

    /// Verifies an RTP packet and writes it to `out`, which is shorter by the tag.
    pub(super) fn open_rtp(
        &self,
        ssrc: u32,
        index: u64,
        header: usize,
        packet: &[u8],
        out: &mut [u8],
    ) -> Result<(), Forged> {
        let (body, tag) = packet.split_at(out.len());
        let (head, text) = body.split_at(header);
        let (out_head, out_text) = out.split_at_mut(header);
        out_head.copy_from_slice(head);
        match self {
            Self::Cm(cm) => {
                cm.verify(body, &rollovers(index), tag)?;
                cm.decrypt(ssrc, index, text, out_text)
            }
            Self::Gcm128(gcm) => gcm.open(ssrc, index, head, text, out_text, tag),
            Self::Gcm256(gcm) => gcm.open(ssrc, index, head, text, out_text, tag),
        }
    }

    /// Protects an RTCP packet whose last bytes are room for the tag and the index.
    pub(super) fn seal_rtcp(&self, ssrc: u32, index: u32, packet: &mut [u8]) {
        let word = (index | ENCRYPTED).to_be_bytes();
        match self {
            Self::Cm(cm) => {
                let (body, tag) = split_tag(packet, CM_TAG);
                let (text, room) = split_tag(body, RTCP_INDEX);
                cm.encrypt(ssrc, index.into(), &mut text[RTCP_HEADER..]);
                room.copy_from_slice(&word);
                tag.copy_from_slice(&cm.tag(body, &[]));
            }
            Self::Gcm128(gcm) => gcm.seal_rtcp(ssrc, index, word, packet),
            Self::Gcm256(gcm) => gcm.seal_rtcp(ssrc, index, word, packet),
        }
    }

    /// Verifies an RTCP packet and writes it to `out`, which is shorter by the tag and the index.
    pub(super) fn open_rtcp(
        &self,
        ssrc: u32,
        index: u32,
        packet: &[u8],
        out: &mut [u8],
    ) -> Result<(), Forged> {
        let (body, trailer) = packet.split_at(out.len());
        let (head, text) = body.split_at(RTCP_HEADER);
        let (out_head, out_text) = out.split_at_mut(RTCP_HEADER);
        out_head.copy_from_slice(head);
        match self {
            Self::Cm(cm) => {
                let (word, tag) = trailer.split_at(RTCP_INDEX);
                cm.verify(body, word, tag)?;
                cm.decrypt(ssrc, index.into(), text, out_text)
            }
            Self::Gcm128(gcm) => gcm.open_rtcp(ssrc, index, head, text, out_text, trailer),
            Self::Gcm256(gcm) => gcm.open_rtcp(ssrc, index, head, text, out_text, trailer),
        }
    }

    /// The index that an SRTCP packet says it has, with its flag: before HMAC's tag, after GCM's.
    pub(super) fn rtcp_index(&self, packet: &[u8]) -> Option<u32> {
        let after = match self {
            Self::Cm(_) => CM_TAG,
            Self::Gcm128(_) | Self::Gcm256(_) => 0,
        };
        super::number(packet, packet.len().checked_sub(after + RTCP_INDEX)?)
    }
}

impl Cm {
    fn encrypt(&self, ssrc: u32, index: u64, text: &mut [u8]) {
        self.stream(ssrc, index).apply_keystream(text);
    }

    fn decrypt(&self, ssrc: u32, index: u64, text: &[u8], out: &mut [u8]) -> Result<(), Forged> {
        let text = InOutBuf::new(text, out).map_err(|_| Forged)?;
        self.stream(ssrc, index).apply_keystream_inout(text);
        Ok(())
    }

    /// The key stream of one packet (RFC 3711 §4.1.1): its last two bytes count blocks.
    fn stream(&self, ssrc: u32, index: u64) -> Ctr128BE<&Aes128> {
        let mut iv = [0; 16];
        iv[..MAX_SALT].copy_from_slice(&self.salt);
        mix(&mut iv[4..MAX_SALT], ssrc, index);
        Ctr128BE::from_core(ctr::CtrCore::inner_iv_init(&self.aes, &iv.into()))
    }

    /// The tag of a packet (§4.2), which for RTP includes the rollover counter and for RTCP the index.
    fn tag(&self, body: &[u8], after: &[u8]) -> [u8; CM_TAG] {
        let mut mac = self.mac.clone();
        mac.update(body);
        mac.update(after);
        let tag = mac.finalize().into_bytes();
        std::array::from_fn(|i| tag[i])
    }

    fn verify(&self, body: &[u8], after: &[u8], tag: &[u8]) -> Result<(), Forged> {
        if self.tag(body, after)[..].ct_eq(tag).into() { Ok(()) } else { Err(Forged) }
    }
}

impl<A: AeadInOut<NonceSize = U12, TagSize = U16>> Gcm<A> {
    /// RFC 7714 §8.1 and §9.1.
    fn nonce(&self, ssrc: u32, index: u64) -> [u8; 12] {
        let mut nonce = self.salt;
        mix(&mut nonce[2..], ssrc, index);
        nonce
    }

    fn seal_rtp(&self, ssrc: u32, index: u64, header: usize, packet: &mut [u8]) {
        let (body, tag) = split_tag(packet, GCM_TAG);
        let (head, text) = body.split_at_mut(header);
        self.seal(ssrc, index, head, text, tag);
    }

    fn seal_rtcp(&self, ssrc: u32, index: u32, word: [u8; RTCP_INDEX], packet: &mut [u8]) {
        let (body, trailer) = split_tag(packet, GCM_TAG + RTCP_INDEX);
        let (head, text) = body.split_at_mut(RTCP_HEADER);
        let (tag, room) = trailer.split_at_mut(GCM_TAG);
        room.copy_from_slice(&word);
        self.seal(ssrc, index.into(), &associated(head, &word), text, tag);
    }

    fn open_rtcp(
        &self,
        ssrc: u32,
        index: u32,
        head: &[u8],
        text: &[u8],
        out: &mut [u8],
        trailer: &[u8],
    ) -> Result<(), Forged> {
        let (tag, word) = trailer.split_at(GCM_TAG);
        self.open(ssrc, index.into(), &associated(head, word), text, out, tag)
    }

    fn seal(&self, ssrc: u32, index: u64, readable: &[u8], text: &mut [u8], room: &mut [u8]) {
        // It fails beyond 64 GB only; then the text would be left readable, so it goes.
        match self.aead.encrypt_inout_detached(&self.nonce(ssrc, index).into(), readable, text.into()) {
            Ok(tag) => room.copy_from_slice(&tag),
            Err(_) => text.fill(0),
        }
    }

    fn open(
        &self,
        ssrc: u32,
        index: u64,
        readable: &[u8],
        text: &[u8],
        out: &mut [u8],
        tag: &[u8],
    ) -> Result<(), Forged> {
        let tag: &[u8; GCM_TAG] = tag.try_into().map_err(|_| Forged)?;
        let text = InOutBuf::new(text, out).map_err(|_| Forged)?;
        let nonce = self.nonce(ssrc, index).into();
        self.aead.decrypt_inout_detached(&nonce, readable, text, tag.into()).map_err(|_| Forged)
    }
}

/// Bytes of a session key, authentication key or salt, by AES in counter mode over the label (RFC 3711 §4.3.3).
fn derive<const N: usize>(
    encrypt: &impl Fn(&mut [u8; 16]),
    keys: &Keys,
    protocol: Protocol,
    which: u8,
) -> Zeroizing<[u8; N]> {
    let mut out = Zeroizing::new([0; N]);
    for (count, part) in out.chunks_mut(16).enumerate() {
        let mut block = Zeroizing::new([0; 16]);
        block[..MAX_SALT].copy_from_slice(&keys.salt());
        block[7] ^= protocol as u8 + which;
        block[15] = count as u8;
        encrypt(&mut block);
        part.copy_from_slice(&block[..part.len()]);
    }
    out
}

/// Mixes SSRC and index into ten bytes of a salt.
fn mix(salt: &mut [u8], ssrc: u32, index: u64) {
    let stream = ssrc.to_be_bytes().into_iter().chain(index.to_be_bytes().into_iter().skip(2));
    salt.iter_mut().zip(stream).for_each(|(salt, byte)| *salt ^= byte);
}

/// The rollover counter of an index, as HMAC includes it.
fn rollovers(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

/// What GCM authenticates of a report besides what it encrypts.
fn associated(head: &[u8], word: &[u8]) -> [u8; RTCP_HEADER + RTCP_INDEX] {
    let mut bytes = head.iter().chain(word);
    std::array::from_fn(|_| bytes.next().copied().unwrap_or(0))
}

/// A packet and the room for `tag` bytes behind it.
fn split_tag(packet: &mut [u8], tag: usize) -> (&mut [u8], &mut [u8]) {
    packet.split_at_mut(packet.len() - tag)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{array, hex};
    use super::*;

    #[test]
    fn session_keys_are_those_of_rfc_3711_b_3() {
        let (key, salt) = (hex("E1F97A0D3E018BE0D64FA32C06DE4139"), hex("0EC675AD498AFEEBB6960B3AABE6"));
        let keys = Keys::new(Suite::AesCm128HmacSha1_80, &key, &salt).unwrap();
        let master = Aes128::new(&(*keys.key()).into());
        let block = |block: &mut [u8; 16]| master.encrypt_block(block.into());
        assert_eq!(
            derive::<16>(&block, &keys, Protocol::Rtp, 0)[..],
            hex("C61E7A93744F39EE10734AFE3FF7A087")
        );
        assert_eq!(derive::<14>(&block, &keys, Protocol::Rtp, 2)[..], hex("30CBBC08863D8C85D49DB34A9AE1"));
        assert_eq!(
            derive::<94>(&block, &keys, Protocol::Rtp, 1)[..],
            hex(
                "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA48F0A0ACF3C34E2359E6CDBCEE049646C43D9327AD175578EF72270986371C10C9A369AC2F94A8C5FBCDDDC256D6E919A48B610EF17C2041E474035766B68642C59BBFC2F34DB60DBDFB2"
            )
        );
    }

    #[test]
    fn key_streams_are_those_of_rfc_3711_b_2() {
        let salt = array(&hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD"));
        let Transform::Cm(cm) =
            Transform::cm(&array(&hex("2B7E151628AED2A6ABF7158809CF4F3C")), &[0; 20], salt)
        else {
            panic!("another transform");
        };
        let mut text = [0; 32];
        cm.encrypt(0, 0, &mut text);
        assert_eq!(text[..], hex("E03EAD0935C95E80E166B16DD92B4EB4D23513162B02D0F72A43A2FE4A5F97AB"));
    }

    const SALT: &str = "517569642070726f2071756f";
    const RTP: &str = "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573";
    const RTCP: &str = "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";

    fn suites() -> [Transform; 2] {
        let salt = array(&hex(SALT));
        let key: [u8; 32] = std::array::from_fn(|i| i as u8);
        [Transform::gcm_128(&array(&key[..16]), salt), Transform::gcm_256(&key, salt)]
    }

    #[test]
    fn packets_are_those_of_rfc_7714_16() {
        let sealed = [
            "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce",
            "8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13",
        ];
        for (transform, sealed) in suites().into_iter().zip(sealed) {
            let plain = hex(RTP);
            let mut packet = plain.clone();
            packet.extend([0; GCM_TAG]);
            transform.seal_rtp(0x5501_a0b2, 0xf17b, 12, &mut packet);
            assert_eq!(packet, hex(sealed));
            let mut out = vec![0; plain.len()];
            transform.open_rtp(0x5501_a0b2, 0xf17b, 12, &packet, &mut out).unwrap();
            assert_eq!(out, plain);
            assert_eq!(transform.open_rtp(0x5501_a0b2, 0xf17a, 12, &packet, &mut out), Err(Forged));
        }
    }

    #[test]
    fn reports_are_those_of_rfc_7714_17() {
        let sealed = [
            "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4",
            "81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4",
        ];
        for (transform, sealed) in suites().into_iter().zip(sealed) {
            let plain = hex(RTCP);
            let mut packet = plain.clone();
            packet.extend([0; GCM_TAG + RTCP_INDEX]);
            transform.seal_rtcp(0x4d61_7273, 0x5d4, &mut packet);
            assert_eq!(packet, hex(sealed));
            assert_eq!(transform.rtcp_index(&packet), Some(0x5d4 | ENCRYPTED));
            let mut out = vec![0; plain.len()];
            transform.open_rtcp(0x4d61_7273, 0x5d4, &packet, &mut out).unwrap();
            assert_eq!(out, plain);
        }
    }
}
