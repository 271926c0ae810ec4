//! A call from a carrier, with sound, for tests of what an advocate sees of it in a browser.

use std::time::Duration;

use crate::{Host, Line, Media, Run, Sipp, TOLL_FREE, until};

const SOON: Duration = Duration::from_secs(10);

/// A caller who says one tone.
pub struct Caller {
    /// Their sound.
    pub media: Media,
    call: Run,
}

impl Caller {
    /// What they say, at -12 dB.
    pub const HZ: f64 = 440.0;

    /// Dials, and presses keys as soon as the greeting is heard.
    #[must_use]
    pub fn dials(line: &Line, keys: &str) -> Self {
        Self::says(line, keys, &[])
    }

    /// The same, with values of the test's own in the INVITE: `display`, `from`, `agent` (which may hold more header
    /// fields).
    #[must_use]
    pub fn says(line: &Line, keys: &str, values: &[(&str, &str)]) -> Self {
        let host = Host::claim();
        let media = Media::open(host.ip(), Some((Self::HZ, -12.0)));
        let mut sipp = Sipp::new("caller").called(TOLL_FREE).on_host(host, 5060).audio(media.port());
        for (name, value) in values {
            sipp = sipp.key(name, value);
        }
        let call = sipp.start(line.sip());
        until("the greeting", SOON, || media.first_packet());
        media.press(keys);
        Self { media, call }
    }

    /// Waits until they hear a clean tone.
    #[track_caller]
    pub fn hears(&self, hz: f64) {
        self.media.hears_tone(hz, SOON * 3);
    }

    /// Whether they are still on the line.
    pub fn is_there(&mut self) -> bool {
        self.call.runs()
    }

    /// Hangs up.
    #[track_caller]
    pub fn hangs_up(&mut self) {
        self.call.cue();
        self.call.finish(SOON);
    }

    /// Waits until the line hangs up.
    #[track_caller]
    pub fn is_hung_up_on(&mut self) {
        self.call.finish(SOON);
    }
}
