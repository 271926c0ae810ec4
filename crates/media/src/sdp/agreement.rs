//! What two descriptions of a stream have in common.

use std::net::SocketAddr;

use super::browser::{far, is_browsers};
use super::description::{Address, Description, Encoding, Media};
use super::{Direction, EventFormat, Local, Negotiated, OpusParameters, Rejected};
use crate::Codec;

/// Payload type of comfort noise (RFC 3389).
pub(super) const COMFORT_NOISE: u8 = 13;
/// Length of packets where the far side asks for none, in milliseconds (RFC 3551 §4.2).
pub(super) const USUAL_PTIME: u8 = 20;
/// Clock rates of telephone-events: those of our codecs.
const EVENT_CLOCKS: [u32; 3] = [8_000, 16_000, 48_000];
/// What RFC 7587 §6.1 allows for `maxplaybackrate` and `maxaveragebitrate`.
const PLAYBACK_RATES: std::ops::RangeInclusive<u32> = 8_000..=48_000;
const BITRATES: std::ops::RangeInclusive<u32> = 6_000..=510_000;
/// What we can pack, in milliseconds.
const PTIMES: std::ops::RangeInclusive<u16> = 10..=60;

/// The formats of a stream that both sides know, in the far side's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Common {
    pub(super) codecs: Vec<(u8, Codec)>,
    pub(super) events: Vec<EventFormat>,
    pub(super) comfort_noise: bool,
}

/// Whether a stream is one that we can carry: audio, not refused, over plain RTP, over SRTP with keys from SDP, or as a
/// browser does it (feedback is tolerated, not sent).
pub(super) fn is_audio(media: &Media, local: &Local) -> bool {
    let plain = matches!(media.protocol.as_str(), "RTP/AVP" | "RTP/AVPF") || is_secure(media);
    let ours = if local.browser.is_some() { is_browsers(media) } else { plain };
    media.kind == "audio" && media.port != 0 && ours
}

/// Whether a stream's profile is that of SRTP (RFC 3711 §12, RFC 5124).
pub(super) fn is_secure(media: &Media) -> bool {
    matches!(media.protocol.as_str(), "RTP/SAVP" | "RTP/SAVPF")
}

impl Common {
    pub(super) fn of(media: &Media, local: &Local) -> Self {
        let mut common = Self::default();
        for payload_type in media.formats.iter().filter_map(|f| f.parse().ok()).filter(|pt| *pt < 128_u8) {
            let mapped = media.encodings.iter().find(|e| e.payload_type == payload_type);
            match known(payload_type, mapped) {
                // Our packets of Opus have 20 ms, which is more than a few want.
                Some(Known::Codec(Codec::Opus)) if media.maxptime.is_some_and(|most| most < 20) => {}
                Some(Known::Codec(codec)) if local.codecs.contains(&codec) => {
                    common.codecs.push((payload_type, codec));
                }
                Some(Known::Event(clock_rate))
                    if common.events.iter().all(|event| event.clock_rate != clock_rate) =>
                {
                    common.events.push(EventFormat { payload_type, clock_rate });
                }
                Some(Known::ComfortNoise) => common.comfort_noise = true,
                _ => {}
            }
        }
        // Events on a clock that no codec in common has would interrupt nothing; those at 8 kHz are good for all.
        let used =
            |clock| clock == 8_000 || common.codecs.iter().any(|(_, codec)| codec.clock_rate() == clock);
        common.events.retain(|event| used(event.clock_rate));
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
    /// Telephone-events on this clock.
    Event(u32),
    ComfortNoise,
}

/// What a payload type means: by its `rtpmap`, or by RFC 3551's table.
fn known(payload_type: u8, mapped: Option<&Encoding>) -> Option<Known> {
    let Some(Encoding { name, clock, channels, .. }) = mapped else {
        let meant = |codec: &Codec| codec.is_static() && codec.payload_type() == payload_type;
        let codec = Codec::ALL.into_iter().find(meant).map(Known::Codec);
        return codec.or((payload_type == COMFORT_NOISE).then_some(Known::ComfortNoise));
    };
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    if is("telephone-event") && EVENT_CLOCKS.contains(clock) {
        Some(Known::Event(*clock))
    } else if is("CN") && payload_type == COMFORT_NOISE {
        Some(Known::ComfortNoise)
    } else {
        // Some phones write G722/16000, against RFC 3551; its clock runs at 8 kHz all the same. The two channels of Opus
        // are only said (RFC 7587 §7); L16 with two would be two.
        let runs = |codec: &Codec| match codec {
            Codec::G722 => matches!(clock, 8_000 | 16_000),
            Codec::L16 => *clock == codec.clock_rate() && *channels == 1,
            _ => *clock == codec.clock_rate(),
        };
        Codec::ALL.into_iter().find(|c| is(c.name()) && runs(c)).map(Known::Codec)
    }
}

/// How we stand to what the far side says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stance {
    /// How far we ourselves want media to flow.
    pub(super) wish: Direction,
    /// It is an answer to our offer.
    pub(super) in_answer: bool,
    /// The far side is a browser.
    pub(super) browser: bool,
}

/// What the far side says of its stream beyond formats.
pub(super) fn agree(
    theirs: &Description,
    media: &Media,
    common: &Common,
    Stance { wish, in_answer, browser }: Stance,
) -> Result<Negotiated, Rejected> {
    if common.codecs.is_empty() {
        return Err(Rejected::NoCodec);
    }
    let browser = if browser { Some(Box::new(far(theirs, media, in_answer)?)) } else { None };
    let address = match media.connection.or(theirs.connection) {
        // A browser's is a guess, or nothing at all: ICE finds it.
        _ if browser.is_some() => Address::Name,
        said => said.ok_or(Rejected::NotSdp("no c= line"))?,
    };
    let said = media.direction.or(theirs.direction).unwrap_or(Direction::SendRecv);
    // c=0.0.0.0 is RFC 2543's hold: nothing may be sent there (RFC 3264 §8.4).
    let held = address != Address::Name && address.ip().is_unspecified();
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
        voip_metrics: media.voip_metrics || theirs.voip_metrics,
        direction: Direction::new(said.receives() && !held && wish.sends(), said.sends() && wish.receives()),
        send: common.first_of_each(),
        receive: common.codecs.clone(),
        send_events: common.events.clone(),
        receive_events: common.events.clone(),
        opus: opus_parameters(media, common),
        comfort_noise: common.comfort_noise,
        srtp: None,
        browser,
        ptime: ptime(media),
    })
}

/// What the far side's `fmtp` asks of our Opus; what it does not say, or says badly, is as RFC 7587 has it.
fn opus_parameters(media: &Media, common: &Common) -> OpusParameters {
    let mut asked = OpusParameters::default();
    let opus = common.codecs.iter().find(|(_, codec)| *codec == Codec::Opus);
    let said = media.parameters.iter().find(|(pt, _)| opus.is_some_and(|(opus, _)| opus == pt));
    for (name, value) in
        said.into_iter().flat_map(|(_, all)| all.split(';')).filter_map(|p| p.split_once('='))
    {
        let (name, value) = (name.trim(), value.trim());
        let number = || value.parse::<u32>().ok();
        match name.to_ascii_lowercase().as_str() {
            "maxplaybackrate" => {
                let rate = number().filter(|rate| PLAYBACK_RATES.contains(rate));
                asked.max_playback_rate = rate.unwrap_or(asked.max_playback_rate);
            }
            "maxaveragebitrate" => {
                let rate = number().filter(|rate| BITRATES.contains(rate));
                asked.max_average_bitrate = rate.unwrap_or(asked.max_average_bitrate);
            }
            "cbr" => asked.cbr = value == "1",
            "useinbandfec" => asked.inband_fec = value == "1",
            "usedtx" => asked.dtx = value == "1",
            _ => {}
        }
    }
    asked
}

fn ptime(media: &Media) -> u8 {
    let wanted = media.ptime.filter(|p| PTIMES.contains(p) && p % 10 == 0).unwrap_or(USUAL_PTIME.into());
    let most = media.maxptime.map_or(*PTIMES.end(), |most| (most / 10 * 10).max(*PTIMES.start()));
    u8::try_from(wanted.min(most)).unwrap_or(USUAL_PTIME)
}
