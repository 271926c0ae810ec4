//! What came of the calls of one step.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use crate::hearing::Heard;
use crate::histogram::Histogram;

/// Counts since they were last taken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Calls placed.
    pub(crate) offered: u64,
    /// Those that the server answered.
    pub(crate) answered: u64,
    /// Those whose caller heard an agent.
    pub(crate) bridged: u64,
    /// Those that went as they should, to the end.
    pub(crate) completed: u64,
    /// Those that did not, and why.
    pub(crate) failed: BTreeMap<Failure, u64>,
    /// Calls that should have been placed, while the most were up already.
    pub(crate) held_back: u64,
    /// Talks in which one side does not hear the other.
    pub(crate) one_way: u64,
    /// Callers who wait and hear nothing.
    pub(crate) unserved: u64,
    /// Times that the server's machine said that nobody listens there.
    pub(crate) unreachable: u64,
    /// Calls that an agent's phone took.
    pub(crate) picked_up: u64,
    /// INVITE to 200.
    pub(crate) setup: Histogram,
    /// From the last key (or the answer) until the caller hears an agent.
    pub(crate) reach: Histogram,
    /// What was heard.
    pub(crate) heard: Heard,
    /// RTP packets that belong to no leg of ours.
    pub(crate) strays: u64,
}

impl Tally {
    /// All that failed.
    pub(crate) fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    pub(crate) fn fail(&mut self, why: Failure) {
        *self.failed.entry(why).or_default() += 1;
    }
}

/// Why a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Failure {
    /// The server refused it.
    Refused(u16),
    /// The server said nothing final in time.
    NoAnswer,
    /// No agent was heard in time.
    NoAgent,
    /// The server ended it.
    HungUp,
    /// The server's answer has no usable media.
    NoMedia,
    /// The server's answer sends media to a third party.
    MediaElsewhere(IpAddr),
    /// The run was cut short while it was being set up.
    CutShort,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(status) => write!(f, "refused with {status}"),
            Self::NoAnswer => f.write_str("no answer in time"),
            Self::NoAgent => f.write_str("no agent heard in time"),
            Self::HungUp => f.write_str("ended by the server"),
            Self::NoMedia => f.write_str("no usable media in the answer"),
            Self::MediaElsewhere(ip) => {
                write!(f, "media at {ip}, which is not the server (see --media-host)")
            }
            Self::CutShort => f.write_str("cut short"),
        }
    }
}
