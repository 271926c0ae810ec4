//! What two descriptions of a stream have in common.

use std::net::SocketAddr;

use super::description::{Description, Encoding, Media};
use super::{Direction, Local, Negotiated, Rejected};
use crate::Codec;

/// Payload type of comfort noise (RFC 3389).
pub(super) const COMFORT_NOISE: u8 = 13;
/// Length of packets where the far side asks for none, in milliseconds (RFC 3551 §4.2).
pub(super) const USUAL_PTIME: u8 = 20;
/// What we can pack, in milliseconds.
const PTIMES: std::ops::RangeInclusive<u16> = 10..=60;

/// The formats of a stream that both sides know, in the far side's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Common {
    pub(super) codecs: Vec<(u8, Codec)>,
    pub(super) event: Option<u8>,
    pub(super) comfort_noise: bool,
}

/// Whether a stream is one that we can carry: audio, not refused, over plain RTP (feedback is tolerated, not sent).
pub(super) fn is_audio(media: &Media) -> bool {
    media.kind == "audio" && media.port != 0 && matches!(media.protocol.as_str(), "RTP/AVP" | "RTP/AVPF")
}

impl Common {
    pub(super) fn of(media: &Media, local: &Local) -> Self {
        let mut common = Self::default();
        for payload_type in media.formats.iter().filter_map(|f| f.parse().ok()).filter(|pt| *pt < 128_u8) {
            let mapped = media.encodings.iter().find(|e| e.payload_type == payload_type);
            match known(payload_type, mapped) {
                Some(Known::Codec(codec)) if local.codecs.contains(&codec) => {
                    common.codecs.push((payload_type, codec));
                }
                Some(Known::Event) => common.event = common.event.or(Some(payload_type)),
                Some(Known::ComfortNoise) => common.comfort_noise = true,
                _ => {}
            }
        }
        common
    }

    /// Each codec once, under the payload type that the far side likes best.
    pub(super) fn first_of_each(&self) -> Vec<(Codec, u8)> {
        let mut firsts: Vec<(Codec, u8)> = Vec::new();
        for (payload_type, codec) in &self.codecs {
            if firsts.iter().all(|(c, _)| c != codec) {
                firsts.push((*codec, *payload_type));
            }
        }
        firsts
    }
}

enum Known {
    Codec(Codec),
    Event,
    ComfortNoise,
}

/// What a payload type means: by its `rtpmap`, or by RFC 3551's table.
fn known(payload_type: u8, mapped: Option<&Encoding>) -> Option<Known> {
    let Some(Encoding { name, clock, .. }) = mapped else {
        let codec = Codec::ALL.into_iter().find(|c| c.payload_type() == payload_type).map(Known::Codec);
        return codec.or((payload_type == COMFORT_NOISE).then_some(Known::ComfortNoise));
    };
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    if is("telephone-event") && *clock == 8_000 {
        Some(Known::Event)
    } else if is("CN") && payload_type == COMFORT_NOISE {
        Some(Known::ComfortNoise)
    } else {
        // Some phones write G722/16000, against RFC 3551; its clock runs at 8 kHz all the same.
        let runs = |codec: &Codec| *clock == 8_000 || *codec == Codec::G722 && *clock == 16_000;
        Codec::ALL.into_iter().find(|c| is(c.name()) && runs(c)).map(Known::Codec)
    }
}

/// What the far side says of its stream beyond formats. `wish` is how far we ourselves want media to flow.
pub(super) fn agree(
    theirs: &Description,
    media: &Media,
    common: &Common,
    wish: Direction,
) -> Result<Negotiated, Rejected> {
    if common.codecs.is_empty() {
        return Err(Rejected::NoCodec);
    }
    let address = media.connection.or(theirs.connection).ok_or(Rejected::NotSdp("no c= line"))?;
    let said = media.direction.or(theirs.direction).unwrap_or(Direction::SendRecv);
    // c=0.0.0.0 is RFC 2543's hold: nothing may be sent there (RFC 3264 §8.4).
    let held = address != super::description::Address::Name && address.ip().is_unspecified();
    let remote_rtp = SocketAddr::new(address.ip(), media.port);
    let mut remote_rtcp = SocketAddr::new(address.ip(), media.port.saturating_add(1));
    if let Some((port, at)) = media.rtcp {
        remote_rtcp = SocketAddr::new(at.map_or(address, |at| at).ip(), port);
    }
    if media.rtcp_mux {
        remote_rtcp = remote_rtp;
    }
    Ok(Negotiated {
        remote_rtp,
        remote_rtcp,
        rtcp_mux: media.rtcp_mux,
        direction: Direction::new(said.receives() && !held && wish.sends(), said.sends() && wish.receives()),
        send: common.first_of_each(),
        receive: common.codecs.clone(),
        send_event: common.event,
        receive_event: common.event,
        comfort_noise: common.comfort_noise,
        ptime: ptime(media),
    })
}

fn ptime(media: &Media) -> u8 {
    let wanted = media.ptime.filter(|p| PTIMES.contains(p) && p % 10 == 0).unwrap_or(USUAL_PTIME.into());
    let most = media.maxptime.map_or(*PTIMES.end(), |most| (most / 10 * 10).max(*PTIMES.start()));
    u8::try_from(wanted.min(most)).unwrap_or(USUAL_PTIME)
}
