//! What a run does, once its command line has been checked.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use havre_media::Codec;
use havre_model::Digit;
use havre_sip::Account;

/// Named limits, so that no slip of the finger becomes a flood.
pub(crate) mod limits {
    use std::time::Duration;

    /// Calls of one process at once. One core is busy long before; more processes can share the work.
    pub(crate) const MAX_CALLS: usize = 10_000;
    /// Agents of one process: each has a socket and a registration.
    pub(crate) const MAX_AGENTS: usize = 5_000;
    /// Calls a second of one process.
    pub(crate) const MAX_RATE: f64 = 5_000.0;
    /// Steps of a run.
    pub(crate) const MAX_STEPS: usize = 64;
    /// The longest window, talk or wait that can be asked for.
    pub(crate) const MAX_TIME: Duration = Duration::from_secs(6 * 3_600);
    /// Keys that a caller presses.
    pub(crate) const MAX_KEYS: usize = 32;
}

/// What is being found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// How many callers can wait. They send RTP too.
    Waiting,
    /// How many calls can be bridged to agents at once.
    Bridged,
    /// How many whole calls a second: prompt, keys, queue, talk, hang up.
    Calls,
    /// How many INVITE, 200, ACK, BYE a second, without any media.
    Signalling,
}

impl Scenario {
    /// As on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Bridged => "bridged",
            Self::Calls => "calls",
            Self::Signalling => "signalling",
        }
    }

    /// Whether a step is a number of calls that stay, and not a rate of calls that come and go.
    pub(crate) const fn stays(self) -> bool {
        matches!(self, Self::Waiting | Self::Bridged)
    }

    /// What a step counts.
    pub(crate) const fn unit(self) -> &'static str {
        match self {
            Self::Waiting => "callers",
            Self::Bridged => "calls",
            Self::Calls | Self::Signalling => "calls/s",
        }
    }

    /// Whether an agent takes the call.
    pub(crate) const fn has_agents(self) -> bool {
        matches!(self, Self::Bridged | Self::Calls)
    }
}

/// How keys are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Keying {
    /// As telephone-events in RTP (RFC 4733)
    Rtp,
    /// As SIP INFO
    Info,
}

/// How it is known what is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Check {
    /// Stamps in the payload: every packet is accounted for. Needs a server that relays what it does not mix
    Stamps,
    /// A tone for each voice: for servers that decode, mix or transcode
    Tone,
}

/// See the module's page.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) scenario: Scenario,
    /// Calls at once, or calls a second, rising.
    pub(crate) steps: Vec<f64>,
    /// How long a step is measured.
    pub(crate) window: Duration,
    /// Pause between the last call of a step and its measurement.
    pub(crate) settle: Duration,
    /// New calls a second on the way to a step of calls that stay.
    pub(crate) ramp: f64,
    /// Callers come independently, not evenly spaced.
    pub(crate) poisson: bool,
    /// Calls at once, whatever the rate.
    pub(crate) max_calls: usize,
    pub(crate) server: SocketAddr,
    /// Host of the request URI, and of agents' addresses.
    pub(crate) domain: String,
    pub(crate) number: String,
    /// Where media may go: nobody else's answer makes us flood a stranger.
    pub(crate) media_hosts: Vec<IpAddr>,
    /// User part of callers, followed by seven digits that differ from call to call.
    pub(crate) from: String,
    pub(crate) caller_account: Option<Account>,
    /// Each with its time after the answer, in that order.
    pub(crate) keys: Vec<(Duration, Digit)>,
    pub(crate) keying: Keying,
    pub(crate) talk: Duration,
    /// How long a caller waits for an agent, and for an answer.
    pub(crate) patience: Duration,
    pub(crate) agents: Agents,
    pub(crate) codec: Codec,
    pub(crate) check: Check,
    /// Share of a core, of the server or of this process, at which no further step is taken.
    pub(crate) stop_at: f64,
    /// Share of failed calls likewise.
    pub(crate) max_failed: f64,
}

/// The agents' phones.
#[derive(Clone, Debug)]
pub(crate) struct Agents {
    pub(crate) accounts: Vec<Account>,
    /// Whether they register. Where they do not, one phone at a fixed address takes all calls.
    pub(crate) register: bool,
    pub(crate) answer_after: Duration,
    pub(crate) codec: Codec,
}

impl Plan {
    /// The most calls that are ever up at once.
    pub(crate) fn most_calls(&self) -> usize {
        if self.scenario.stays() {
            self.steps.iter().fold(0.0, |most: f64, step| most.max(*step)) as usize
        } else {
            self.max_calls
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A server at 127.0.0.2, three agents without passwords, nothing slow.
    pub(crate) fn plan(scenario: Scenario) -> Plan {
        let account = |n| Account {
            user: format!("a{n}"),
            realm: "sip".into(),
            password: havre_sip::Password::new("secret"),
        };
        Plan {
            scenario,
            steps: vec![3.0],
            window: Duration::from_secs(5),
            settle: Duration::from_secs(1),
            ramp: 10.0,
            poisson: false,
            max_calls: 3,
            server: ([127, 0, 0, 2], 5060).into(),
            domain: "127.0.0.2".into(),
            number: "+18335550100".into(),
            media_hosts: vec![[127, 0, 0, 2].into()],
            from: "+1416".into(),
            caller_account: None,
            keys: vec![(Duration::from_millis(500), Digit::from_char('1').unwrap())],
            keying: Keying::Rtp,
            talk: Duration::from_secs(2),
            patience: Duration::from_secs(10),
            agents: Agents {
                accounts: (0..3).map(account).collect(),
                register: true,
                answer_after: Duration::ZERO,
                codec: Codec::Pcmu,
            },
            codec: Codec::Pcmu,
            check: Check::Stamps,
            stop_at: 0.8,
            max_failed: 0.05,
        }
    }
}
