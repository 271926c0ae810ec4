//! Recognises what is heard: the line's own prompts, its waiting sound, and the tones of terminal phones.
//!
//! A data thread measures level and strongest frequency four times a second. A prompt is recognised by its course of
//! levels: eight quarter seconds that each fit within a decibel fit nothing else that the line plays.

use std::collections::VecDeque;

use havre_dialplan::Catalogue;
use havre_model::Spoken;

use super::levels::{HOPS_PER_WINDOW, floored, levels};

/// Measurements compared at once: two seconds.
const LOOK_BACK: usize = 8;
/// Fewer than these tell nothing; the shortest clips have hardly more.
const ENOUGH: usize = 5;
/// Mean difference, in dB, up to which [`ENOUGH`] measurements are called the same. A prompt differs from itself by 0.1
/// dB through a G.711 line; five measurements of another one come as near as 0.2 dB, by chance.
const SAME: f32 = 0.08;
/// More for each further measurement: eight of them are near nothing else.
const SAME_MORE: f32 = 0.08;
/// A prompt that is known to play is followed through this much, in dB.
const SAME_STILL: f32 = 0.8;
/// Levels that differ less among themselves, in dB, look like anything.
const TELLING: f32 = 1.0;
/// Louder than this, in dBm0, is a sound.
const SOUND_DBM0: f32 = -50.0;
/// A frequency this near, in hertz, is the tone that is meant.
const NEAR_HZ: f32 = 4.0;
/// Share of the power that a tone has at its frequency.
const PURE: f32 = 0.9;
/// Measurements in a row that make a tone.
const TONE_WINDOWS: u8 = 2;
/// Measurements without a match after which a prompt counts as over. One lost packet spoils [`LOOK_BACK`] of them.
const GAP: u8 = 10;

/// What a quarter of a second was like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) hz: f32,
    pub(super) dbm0: f32,
    pub(super) purity: f32,
}

/// Something that has just been recognised.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Heard {
    /// The first sound of all.
    Sound {
        /// Its level.
        dbm0: f32,
    },
    /// A prompt.
    Prompt {
        /// Its name in the catalogue.
        prompt: String,
        /// Its language.
        spoken: Spoken,
        /// What it says.
        text: String,
    },
    /// The waiting sound.
    Waiting,
    /// A steady tone near one of those that were asked for.
    Tone {
        /// The one asked for.
        expected: f32,
        /// As measured.
        hz: f32,
        /// As measured.
        dbm0: f32,
    },
}

/// One recording, as levels.
struct Voice {
    prompt: String,
    /// `None` for the waiting sound, which goes round.
    spoken: Option<Spoken>,
    text: String,
    levels: Vec<f32>,
}

/// Listens to one call.
pub(super) struct Ear {
    voices: Vec<Voice>,
    tones: Vec<f32>,
    recent: VecDeque<f32>,
    /// Which voice, and for how many measurements it has not been heard.
    playing: Option<(usize, u8)>,
    /// Which tone, and for how many measurements it has been heard.
    tone: Option<(f32, u8)>,
    silent_so_far: bool,
}

impl Ear {
    /// Knows these prompts (none without a catalogue) and these tones.
    pub(super) fn new(catalogue: Option<&Catalogue>, tones: &[f32]) -> Self {
        let clips = catalogue.into_iter().flat_map(Catalogue::clips);
        let voices = clips
            .filter(|clip| is_for_callers(clip.key.prompt.as_str()))
            .map(|clip| Voice {
                prompt: clip.key.prompt.as_str().to_owned(),
                spoken: clip.key.spoken,
                text: clip.text.to_string(),
                levels: levels(&clip.samples),
            })
            .collect();
        Self {
            voices,
            tones: tones.to_vec(),
            recent: VecDeque::with_capacity(LOOK_BACK),
            playing: None,
            tone: None,
            silent_so_far: true,
        }
    }

    /// Whether prompts can be recognised at all.
    pub(super) fn knows_prompts(&self) -> bool {
        !self.voices.is_empty()
    }

    /// The next quarter of a second.
    pub(super) fn hear(&mut self, reading: Reading) -> Vec<Heard> {
        let mut heard = Vec::new();
        if self.silent_so_far && reading.dbm0 > SOUND_DBM0 {
            self.silent_so_far = false;
            heard.push(Heard::Sound { dbm0: reading.dbm0 });
        }
        if self.recent.len() == LOOK_BACK {
            self.recent.pop_front();
        }
        self.recent.push_back(floored(reading.dbm0));
        heard.extend(self.tone(reading));
        heard.extend(self.prompt());
        heard
    }

    fn tone(&mut self, reading: Reading) -> Option<Heard> {
        let near = |tone: &&f32| (**tone - reading.hz).abs() <= NEAR_HZ;
        let Some(expected) = self.tones.iter().find(near).copied().filter(|_| reading.purity >= PURE) else {
            self.tone = None;
            return None;
        };
        let windows = match self.tone {
            Some((tone, windows)) if tone == expected => windows.saturating_add(1),
            _ => 1,
        };
        self.tone = Some((expected, windows));
        let Reading { hz, dbm0, .. } = reading;
        (windows == TONE_WINDOWS).then_some(Heard::Tone { expected, hz, dbm0 })
    }

    fn prompt(&mut self) -> Option<Heard> {
        if let Some((playing, missed)) = self.playing {
            if self.voices[playing].still_fits(&self.recent) {
                self.playing = Some((playing, 0));
                return None;
            }
            self.playing = (missed < GAP).then_some((playing, missed + 1));
        }
        let voice = self.best()?;
        let again = self.playing.is_some_and(|(playing, _)| playing == voice);
        self.playing = Some((voice, 0));
        let Voice { prompt, spoken, text, .. } = &self.voices[voice];
        let heard = match spoken {
            Some(spoken) => Heard::Prompt { prompt: prompt.clone(), spoken: *spoken, text: text.clone() },
            None => Heard::Waiting,
        };
        (!again).then_some(heard)
    }

    /// The voice that fits the last two seconds best, if one fits.
    fn best(&self) -> Option<usize> {
        let fits = self
            .voices
            .iter()
            .enumerate()
            .filter_map(|(index, voice)| Some((index, voice.fit(&self.recent)?)));
        fits.min_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(index, _)| index)
    }
}

impl Voice {
    /// How far the best place in this recording is from `recent`, in dB, if that is near enough.
    fn fit(&self, recent: &VecDeque<f32>) -> Option<f32> {
        let near = |(count, error): &(usize, f32)| {
            *count >= ENOUGH && *error < SAME + SAME_MORE * (count - ENOUGH) as f32
        };
        let fits = self.places(recent, SAME + SAME_MORE * (LOOK_BACK - ENOUGH) as f32).filter(near);
        fits.map(|(_, error)| error).min_by(f32::total_cmp)
    }

    /// Whether this recording, which was heard a moment ago, may still be playing.
    fn still_fits(&self, recent: &VecDeque<f32>) -> bool {
        self.places(recent, SAME_STILL).any(|(count, error)| count >= ENOUGH && error < SAME_STILL)
    }

    /// For each place in the recording where the last measurement may have begun: how many measurements lie within
    /// it, and how far they are from it; surely those within `near` dB.
    fn places(&self, recent: &VecDeque<f32>, near: f32) -> impl Iterator<Item = (usize, f32)> {
        let places = if spread(recent) > TELLING { self.levels.len() } else { 0 };
        (0..places).filter_map(move |last| self.at_place(last, recent, near * LOOK_BACK as f32))
    }

    fn at_place(&self, last: usize, recent: &VecDeque<f32>, most: f32) -> Option<(usize, f32)> {
        let (mut count, mut error) = (0, 0.0);
        for (back, level) in recent.iter().rev().enumerate() {
            let Some(hop) = self.back(last, back * HOPS_PER_WINDOW) else { break };
            error += (self.levels[hop] - level).abs();
            // Far off already: the rest cannot mend it.
            if error > most {
                return None;
            }
            count += 1;
        }
        (count > 0).then_some((count, error / count as f32))
    }

    /// `hops` before `from`: before the beginning there is nothing, but the waiting sound goes round.
    fn back(&self, from: usize, hops: usize) -> Option<usize> {
        match (from.checked_sub(hops), self.spoken) {
            (None, None) => (from + self.levels.len()).checked_sub(hops),
            (hop, _) => hop,
        }
    }
}

/// Advocates' confirmations never reach a caller, and the tick of quiet waiting is too faint to be told from noise.
fn is_for_callers(prompt: &str) -> bool {
    !prompt.starts_with("A-") && prompt != "tick"
}

/// Standard deviation.
fn spread(levels: &VecDeque<f32>) -> f32 {
    let n = levels.len() as f32;
    let (sum, squares) = levels.iter().fold((0.0, 0.0), |(sum, squares), l| (sum + l, squares + l * l));
    (squares / n - (sum / n).powi(2)).max(0.0).sqrt()
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    use havre_media::sdp::{Direction, Negotiated};
    use havre_media::{Clip, Codec, Command, Event, Face, Input, Output, Prompt, Shard};
    use havre_model::{LegId, Now, PlayId};

    use super::*;

    fn catalogue() -> Arc<Catalogue> {
        Catalogue::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../prompts")).unwrap()
    }

    /// What an ear makes of clips that a real data plane plays, and a real one measures.
    fn listen(ear: &mut Ear, clips: Vec<Clip>, late: Duration) -> Vec<Heard> {
        let readings = through_the_line(clips, late);
        readings.into_iter().flat_map(|reading| ear.hear(reading)).collect()
    }

    fn through_the_line(clips: Vec<Clip>, late: Duration) -> Vec<Reading> {
        let legs = [LegId(1), LegId(2)];
        let mut now = Now::default();
        let config = Arc::new(havre_media::Config::default());
        let mut shard = Shard::new(config, [4; 32], now);
        let at = |leg: LegId| SocketAddr::from(([10, 0, 0, leg.0 as u8], 4_000));
        for (leg, other) in [(legs[0], legs[1]), (legs[1], legs[0])] {
            shard.handle_input(Input::Command(Command::Open { leg, face: Face::Plain }), now);
            let negotiated = Box::new(agreed(at(other)));
            shard.handle_input(Input::Command(Command::Configure { leg, negotiated }), now);
        }
        shard.handle_input(Input::Command(Command::Listen { leg: legs[1], on: true }), now);
        let clips = std::iter::once(Clip::Silence(late)).chain(clips).collect();
        shard.handle_input(Input::Command(Command::Play { leg: legs[0], play: PlayId(1), clips }), now);
        let mut readings = Vec::new();
        loop {
            let mut packets = Vec::new();
            while let Some(output) = shard.poll_output() {
                match output {
                    Output::Transmit { leg, channel, bytes, .. } => {
                        packets.push((leg, channel, bytes.to_vec()));
                    }
                    Output::Event(Event::Heard { leg, hz, dbm0, purity }) if leg == legs[1] => {
                        readings.push(Reading { hz, dbm0, purity });
                    }
                    Output::Event(Event::PlayDone { .. }) => return readings,
                    Output::Event(_) | Output::Handshake { .. } | Output::Answer { .. } => {}
                }
            }
            for (leg, channel, bytes) in &packets {
                let leg = if *leg == legs[0] { legs[1] } else { legs[0] };
                let source = at(if leg == legs[0] { legs[1] } else { legs[0] });
                let (channel, leg) = (*channel, leg);
                shard.handle_input(Input::Packet { leg, channel, source, bytes }, now);
            }
            if packets.is_empty() {
                let next = shard.poll_timeout().unwrap().at;
                now = now.after(next.since(now.mono));
                shard.handle_timeout(now);
            }
        }
    }

    fn agreed(remote: SocketAddr) -> Negotiated {
        Negotiated {
            remote_rtp: remote,
            remote_rtcp: remote,
            rtcp_mux: true,
            voip_metrics: false,
            direction: Direction::SendRecv,
            send: vec![(Codec::Pcmu, 0)],
            receive: vec![(0, Codec::Pcmu)],
            send_events: Vec::new(),
            receive_events: Vec::new(),
            opus: havre_media::sdp::OpusParameters::default(),
            comfort_noise: false,
            srtp: None,
            browser: None,
            ptime: 20,
        }
    }

    fn prompts(heard: &[Heard]) -> Vec<String> {
        let name = |heard: &Heard| match heard {
            Heard::Prompt { prompt, spoken, .. } => Some(format!("{prompt} {spoken}")),
            Heard::Waiting => Some("waiting".to_owned()),
            _ => None,
        };
        heard.iter().filter_map(name).collect()
    }

    #[test]
    fn every_prompt_is_recognised_and_taken_for_no_other() {
        let catalogue = catalogue();
        // Shorter ones end before there is enough to compare.
        let long = |clip: &&Arc<havre_dialplan::Clip>| clip.duration() > Duration::from_secs(2);
        let clips = catalogue.clips().filter(|clip| clip.key.spoken.is_some()).filter(long);
        let mut mistakes = Vec::new();
        for (nth, clip) in clips.filter(|clip| is_for_callers(clip.key.prompt.as_str())).enumerate() {
            let mut ear = Ear::new(Some(&catalogue), &[]);
            let played = vec![Clip::Prompt(Prompt::new(&clip.samples))];
            let late = Duration::from_millis(37 * nth as u64 % 260);
            let heard = prompts(&listen(&mut ear, played, late));
            if heard != [clip.to_string()] {
                mistakes.push(format!("{clip} ({:?}, {late:?} late): {heard:?}", clip.duration()));
            }
        }
        assert!(mistakes.is_empty(), "{mistakes:#?}");
    }

    #[test]
    fn a_caller_s_way_is_followed_to_the_waiting_sound() {
        let catalogue = catalogue();
        let clip = |prompt: &str, spoken| catalogue.clip(prompt, spoken).unwrap();
        let (fr, en) = (Some(Spoken::Fr), Some(Spoken::En));
        let mut played = Vec::new();
        for clip in [clip("P1.1", en), clip("P1.2", fr), clip("P2", fr), clip("P3", fr)] {
            played.push(Clip::Prompt(Prompt::new(&clip.samples)));
            played.push(Clip::Silence(Duration::from_millis(300)));
        }
        played.push(Clip::Prompt(Prompt::new(&clip("waiting", None).samples[16_000 * 50..16_000 * 60])));
        let mut ear = Ear::new(Some(&catalogue), &[]);
        let heard = prompts(&listen(&mut ear, played, Duration::ZERO));
        assert_eq!(heard, ["P1.1 en", "P1.2 fr", "P2 fr", "P3 fr", "waiting"]);
    }

    #[test]
    fn tones_are_told_apart_and_reported_once() {
        let mut ear = Ear::new(None, &[453.0, 640.0]);
        let mut tell = |hz, purity| ear.hear(Reading { hz, dbm0: -25.0, purity });
        assert_eq!(tell(440.0, 0.99), [Heard::Sound { dbm0: -25.0 }]);
        assert_eq!(tell(452.0, 0.99), []);
        assert_eq!(tell(454.0, 0.5), [], "speech passes by any frequency");
        assert_eq!(tell(452.0, 0.99), []);
        assert_eq!(tell(453.5, 0.99), [Heard::Tone { expected: 453.0, hz: 453.5, dbm0: -25.0 }]);
        assert_eq!(tell(453.5, 0.99), []);
        assert_eq!(tell(640.0, 0.99), []);
        assert_eq!(tell(640.0, 0.99), [Heard::Tone { expected: 640.0, hz: 640.0, dbm0: -25.0 }]);
    }
}
