//! One leg's side of an SDP session, through all its offers and answers.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use zeroize::Zeroizing;

use super::agreement::{COMFORT_NOISE, Common, Stance, USUAL_PTIME, agree, is_audio, is_secure};
use super::browser::{self, Role, Web};
use super::crypto::{Crypto, Sdes};
use super::description::{Address, Description, Encoding, Media, Origin};
use super::{Direction, EventFormat, Local, Negotiated, Rejected, Unusable};
use crate::Codec;

/// Our payload types for telephone-events where the far side has not chosen any, by their clock rates: the usual one
/// everywhere, and one that browsers leave free.
const EVENTS_8K: EventFormat = EventFormat { payload_type: 101, clock_rate: 8_000 };
const EVENTS_48K: EventFormat = EventFormat { payload_type: 100, clock_rate: 48_000 };
const EVENTS_16K: EventFormat = EventFormat { payload_type: 99, clock_rate: 16_000 };
/// Payload types that are free for anything (RFC 3551 §6).
const DYNAMIC: std::ops::RangeInclusive<u8> = 96..=127;
/// What we tell of the Opus that we would like to receive.
const OPUS: &str = "useinbandfec=1";
/// All keys, and flash.
const EVENTS: &str = "0-16";

/// One leg's SDP session: remembers what was said, so that a later offer or answer keeps the order of streams and the
/// payload types (RFC 3264 §8), and raises the version only when something changed.
#[derive(Clone, Debug)]
pub struct Session {
    local: Local,
    /// The same ports at an address of the other family.
    other: Option<IpAddr>,
    wish: Direction,
    /// What was last written, and so the version to go on from.
    said: Option<Said>,
    id: u64,
    formats: Formats,
    /// Streams of the far side's making that we refused, by their places; `None` is our own.
    places: Vec<Option<Media>>,
    protocol: String,
    /// Our `a=crypto`: all of them in an offer, the chosen one in an answer.
    crypto: Vec<Crypto>,
    /// What a browser called our stream, and whether it wants it bundled.
    mid: Option<String>,
    bundled: bool,
    rtcp_mux: bool,
    /// Whether we ask for VoIP metrics: in every offer, and in an answer to whoever knows them.
    voip_metrics: bool,
    /// An offer of ours was written last, and may be answered.
    offered: bool,
}

/// A body as it was written, perhaps with keys.
#[derive(Clone)]
struct Said {
    version: u64,
    text: Zeroizing<String>,
}

/// What one of an offer's streams comes to.
struct Choice {
    place: usize,
    common: Common,
    crypto: Option<Crypto>,
    negotiated: Negotiated,
}

/// The formats of our stream, by payload type.
#[derive(Clone, Debug)]
struct Formats {
    codecs: Vec<(u8, Codec)>,
    events: Vec<EventFormat>,
    comfort_noise: bool,
}

impl Session {
    /// A session that has said nothing yet. `id` is any random number below 2^62.
    #[must_use]
    pub fn new(local: Local, id: u64) -> Self {
        let browser = local.browser.is_some();
        let required = local.sdes.as_ref().is_some_and(Sdes::required);
        let protocol = match browser {
            true => browser::PROTOCOL,
            false if required => "RTP/SAVP",
            // Keys beside plain RTP are RFC 8643's way to offer both: who does not know them passes over them.
            false => "RTP/AVP",
        };
        Self {
            protocol: protocol.to_owned(),
            crypto: Vec::new(),
            local,
            other: None,
            wish: Direction::SendRecv,
            said: None,
            id,
            formats: Formats { codecs: Vec::new(), events: Vec::new(), comfort_noise: false },
            places: vec![None],
            mid: browser.then(|| browser::MID.to_owned()),
            bundled: browser,
            rtcp_mux: browser,
            voip_metrics: true,
            offered: false,
        }
    }

    /// The ports are there at this address of the other family, too: whoever offers media at such a one, or answers with one, is
    /// told that (RFC 6157 §4.1.1), from then on. Not for a browser, which has its candidates.
    pub fn also_at(&mut self, other: IpAddr) {
        let plain = self.local.browser.is_none();
        self.other = Some(other).filter(|other| plain && other.is_ipv4() != self.local.addr.is_ipv4());
    }

    /// From now on, as far as there is a choice: of the address that whoever is there can reach.
    pub fn speak_to(&mut self, there: IpAddr) {
        if let Some(other) = &mut self.other
            && there.to_canonical().is_ipv4() == other.is_ipv4()
        {
            std::mem::swap(&mut self.local.addr, other);
        }
    }

    /// Our offer, as it reads for whoever is reached over IPv4, and over IPv6. The answer shows which of the two it was.
    pub fn offers(&mut self) -> (Vec<u8>, Vec<u8>) {
        let over = |there: IpAddr| {
            let mut session = self.clone();
            session.speak_to(there);
            session.offer()
        };
        let both = (over(Ipv4Addr::LOCALHOST.into()), over(Ipv6Addr::LOCALHOST.into()));
        let _usual = self.offer();
        both
    }

    /// The same in these of our codecs alone, in this order: where it depends on the way to whoever answers which they may have.
    /// That way known, [`Self::keep_to`] them.
    pub fn offers_in(&mut self, codecs: &[Codec]) -> (Vec<u8>, Vec<u8>) {
        // Payload types mean the same in all of them.
        self.formats.complete(&self.local.codecs);
        let mut session = Self { said: None, ..self.clone() };
        session.keep_to(codecs);
        session.offers()
    }

    /// From now on we speak these of our codecs alone, in this order.
    pub fn keep_to(&mut self, codecs: &[Codec]) {
        let place = |codec: &Codec| codecs.iter().position(|known| known == codec);
        let Formats { codecs: formats, events, .. } = &mut self.formats;
        self.local.codecs.retain(|codec| place(codec).is_some());
        formats.retain(|(_, codec)| place(codec).is_some());
        formats.sort_by_key(|(_, codec)| place(codec));
        events.retain(|event| {
            event.clock_rate == EVENTS_8K.clock_rate
                || codecs.iter().any(|codec| codec.clock_rate() == event.clock_rate)
        });
    }

    /// How far we want media to flow from the next offer or answer on. To hold the far side: `SendOnly`, or
    /// `Inactive`.
    pub fn wish(&mut self, direction: Direction) {
        self.wish = direction;
    }

    /// Our offer: in a `Dial`, in the 200 to an INVITE without SDP (late offer), or in a re-INVITE.
    pub fn offer(&mut self) -> Vec<u8> {
        // Everything we speak is offered again, under the payload types that are in use.
        self.formats.complete(&self.local.codecs);
        self.crypto = self.local.sdes.as_ref().map(Sdes::lines).unwrap_or_default();
        self.voip_metrics = true;
        self.offered = true;
        self.write(self.wish, Role::ActPass)
    }

    /// Our answer to `offer`, and what is thereby agreed. It lists all codecs in common, in the offerer's order.
    ///
    /// # Errors
    /// The offer is of no use: refuse it with 488. What was agreed before stays.
    pub fn answer(&mut self, offer: &[u8]) -> Result<(Vec<u8>, Negotiated), Rejected> {
        let theirs = Description::parse(offer)?;
        let mut outcome: Result<Choice, Rejected> = Err(Rejected::NoAudio);
        for place in 0..theirs.media.len() {
            if !is_audio(&theirs.media[place], &self.local) {
                continue;
            }
            let choice = self.consider(&theirs, place);
            // Some offer the same audio twice, over RTP and over SRTP (the way before RFC 8643).
            let better = match (&outcome, &choice) {
                (Ok(before), Ok(now)) => before.negotiated.srtp.is_none() && now.negotiated.srtp.is_some(),
                (Ok(_), Err(_)) => false,
                (Err(_), _) => true,
            };
            if better {
                outcome = choice;
            }
        }
        let Choice { place, common, crypto, negotiated } = outcome?;
        self.follow(theirs.media[place].connection.or(theirs.connection));
        self.crypto = crypto.into_iter().collect();
        self.formats = Formats {
            codecs: common.first_of_each().into_iter().map(|(codec, pt)| (pt, codec)).collect(),
            events: common.events,
            comfort_noise: common.comfort_noise,
        };
        self.places =
            theirs.media.iter().enumerate().map(|(i, m)| (i != place).then(|| m.refused())).collect();
        let media = &theirs.media[place];
        self.protocol = media.protocol.clone();
        let bundled =
            |mid: &String| theirs.bundle.iter().flat_map(|b| b.split(' ')).any(|other| other == mid);
        self.bundled = media.web.mid.as_ref().is_some_and(bundled);
        self.mid = media.web.mid.clone();
        self.rtcp_mux = negotiated.rtcp_mux;
        self.voip_metrics = negotiated.voip_metrics;
        self.offered = false;
        let ours = negotiated.browser.as_ref().map_or(Role::Passive, |far| far.setup.role_of_other());
        let answer = self.write(negotiated.direction, ours);
        Ok((answer, negotiated))
    }

    /// The far side's answer to our last offer. May be called again with another answer to the same offer (forks,
    /// early media).
    ///
    /// # Errors
    /// The answer is of no use.
    pub fn accept(&mut self, answer: &[u8]) -> Result<Negotiated, Rejected> {
        if !self.offered {
            return Err(Rejected::NoOffer);
        }
        let theirs = Description::parse(answer)?;
        let place = self.places.iter().position(Option::is_none).unwrap_or(0);
        // The answer's streams stand in the offer's order; one that lost some has one audio stream at least.
        let media = theirs.media.get(place).filter(|m| is_audio(m, &self.local));
        let media = media
            .or_else(|| theirs.media.iter().find(|m| is_audio(m, &self.local)))
            .ok_or(Rejected::NoAudio)?;
        let common = Common::of(media, &self.local);
        let mut negotiated = agree(&theirs, media, &common, self.stance(true))?;
        let connection = media.connection.or(theirs.connection);
        // Whoever answers with keys sends what only they open, whatever the profile says.
        let must = is_secure(media) || !media.crypto.is_empty();
        negotiated.srtp = self.secure(must, |sdes| sdes.accept(&media.crypto))?.map(Box::new);
        // It sends to us under our payload types (RFC 3264 §6.1), though some use their own.
        let ours =
            self.formats.codecs.iter().filter(|(_, codec)| negotiated.send.iter().any(|(c, _)| c == codec));
        let mut receive: Vec<(u8, Codec)> = ours.copied().collect();
        for (payload_type, codec) in &common.codecs {
            let taken = receive.iter().any(|(pt, _)| pt == payload_type);
            if !taken && self.formats.events.iter().all(|event| event.payload_type != *payload_type) {
                receive.push((*payload_type, *codec));
            }
        }
        negotiated.receive = receive;
        negotiated.receive_events =
            if common.events.is_empty() { Vec::new() } else { self.formats.events.clone() };
        negotiated.comfort_noise &= self.formats.comfort_noise;
        negotiated.rtcp_mux &= self.rtcp_mux;
        self.follow(connection);
        Ok(negotiated)
    }

    /// Speaks of the address that the far side's can reach. One that means nobody (held, the old way) says nothing.
    fn follow(&mut self, theirs: Option<Address>) {
        if let Some(Address::Ip(theirs)) = theirs
            && !theirs.is_unspecified()
        {
            self.speak_to(theirs);
        }
    }

    /// What would come of this stream of an offer.
    fn consider(&self, theirs: &Description, place: usize) -> Result<Choice, Rejected> {
        let media = &theirs.media[place];
        let common = Common::of(media, &self.local);
        let mut negotiated = agree(theirs, media, &common, self.stance(false))?;
        let (crypto, pair) = self.secure(is_secure(media), |sdes| sdes.answer(&media.crypto))?.unzip();
        negotiated.srtp = pair.map(Box::new);
        Ok(Choice { place, common, crypto, negotiated })
    }

    /// The keys for a stream, by `agree`; `None` if it goes in the clear, as both sides allow. The far side does not where
    /// it `must`.
    fn secure<T>(
        &self,
        must: bool,
        agree: impl FnOnce(&Sdes) -> Result<T, Unusable>,
    ) -> Result<Option<T>, Rejected> {
        if self.local.browser.is_some() {
            return Ok(None);
        }
        let sdes = self.local.sdes.as_ref();
        match sdes.ok_or(Unusable::Off).and_then(agree) {
            Ok(agreed) => Ok(Some(agreed)),
            Err(why) if must || sdes.is_some_and(Sdes::required) => Err(Rejected::NotSecure(why)),
            Err(_) => Ok(None),
        }
    }

    fn stance(&self, in_answer: bool) -> Stance {
        Stance { wish: self.wish, in_answer, browser: self.local.browser.is_some() }
    }

    /// Writes a body, with a higher version if it says anything new. `setup` is our part in a browser's handshake.
    fn write(&mut self, direction: Direction, setup: Role) -> Vec<u8> {
        let version = self.said.as_ref().map_or(1, |said| said.version);
        let origin = Origin { id: self.id, version, addr: self.local.addr };
        let media =
            self.places.iter().map(|place| place.clone().unwrap_or_else(|| self.stream(direction, setup)));
        let mut body = Description {
            origin,
            connection: Some(Address::Ip(self.local.addr)),
            direction: None,
            voip_metrics: false,
            ice_lite: self.local.browser.is_some(),
            bundle: self.mid.clone().filter(|_| self.bundled && self.local.browser.is_some()),
            web: Web::default(),
            media: media.collect(),
        };
        let mut text = Zeroizing::new(body.to_string());
        if self.said.as_ref().is_some_and(|said| said.text != text) {
            body.origin.version += 1;
            text = Zeroizing::new(body.to_string());
        }
        let bytes = text.as_bytes().to_vec();
        self.said = Some(Said { version: body.origin.version, text });
        bytes
    }

    fn stream(&self, direction: Direction, setup: Role) -> Media {
        let encoding = |payload_type: u8, name: &str, clock: u32, channels: u8| Encoding {
            payload_type,
            name: name.to_owned(),
            clock,
            channels,
        };
        let Formats { codecs, events, comfort_noise } = &self.formats;
        let mut encodings = Vec::new();
        let mut parameters = Vec::new();
        for (payload_type, codec) in codecs {
            // RFC 7587 §7: always two channels, whatever is meant.
            let channels = if *codec == Codec::Opus { 2 } else { 1 };
            encodings.push(encoding(*payload_type, codec.name(), codec.clock_rate(), channels));
            if *codec == Codec::Opus {
                parameters.push((*payload_type, OPUS.to_owned()));
            }
        }
        if *comfort_noise {
            encodings.push(encoding(COMFORT_NOISE, "CN", 8_000, 1));
        }
        for event in events {
            encodings.push(encoding(event.payload_type, "telephone-event", event.clock_rate, 1));
            parameters.push((event.payload_type, EVENTS.to_owned()));
        }
        Media {
            kind: "audio".to_owned(),
            port: self.local.rtp,
            protocol: self.protocol.clone(),
            formats: encodings.iter().map(|e| e.payload_type.to_string()).collect(),
            connection: None,
            encodings,
            parameters,
            ptime: Some(USUAL_PTIME.into()),
            maxptime: None,
            rtcp: (self.local.rtp.checked_add(1) != Some(self.local.rtcp)).then_some((self.local.rtcp, None)),
            rtcp_mux: self.rtcp_mux,
            voip_metrics: self.voip_metrics,
            direction: Some(direction),
            crypto: self.crypto.clone(),
            web: self
                .local
                .browser
                .as_ref()
                .map(|local| local.web(self.mid.clone(), setup))
                .unwrap_or_default(),
        }
    }
}

impl fmt::Debug for Said {
    /// Without the text: keys may stand in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Said").field("version", &self.version).finish_non_exhaustive()
    }
}

impl Formats {
    /// Adds what lacks of `codecs`, and telephone-events on the clocks of all, under payload types that are free.
    fn complete(&mut self, codecs: &[Codec]) {
        for codec in codecs {
            if self.codecs.iter().all(|(_, known)| known != codec) {
                let payload_type =
                    if codec.is_static() { codec.payload_type() } else { self.free(codec.payload_type()) };
                self.codecs.push((payload_type, *codec));
            }
        }
        for event in [EVENTS_48K, EVENTS_16K, EVENTS_8K] {
            // Every far side knows those at 8 kHz, and many know no others.
            let used = event == EVENTS_8K
                || self.codecs.iter().any(|(_, codec)| codec.clock_rate() == event.clock_rate);
            if used && self.events.iter().all(|known| known.clock_rate != event.clock_rate) {
                let payload_type = self.free(event.payload_type);
                self.events.push(EventFormat { payload_type, ..event });
            }
        }
    }

    /// `wanted`, or else the highest dynamic payload type that means nothing yet.
    fn free(&self, wanted: u8) -> u8 {
        let taken = |pt: &u8| {
            self.codecs.iter().any(|(known, _)| known == pt)
                || self.events.iter().any(|event| event.payload_type == *pt)
        };
        std::iter::once(wanted).chain(DYNAMIC.rev()).find(|pt| !taken(pt)).unwrap_or(wanted)
    }
}
