//! What one step of a run showed.

use std::fmt;
use std::time::Duration;

use crate::crowd::Census;
use crate::plan::{Plan, Scenario};
use crate::tally::Tally;

/// Share of lost packets after which a higher step would show nothing.
const MAX_LOST: f64 = 0.01;
/// Share of a core that other programs may use before figures are in doubt.
const OTHERS: f64 = 0.1;

/// What was used up to one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Processor time and resident memory of the server, where it was named.
    pub(crate) server: Option<Usage>,
    /// Processor time of this process.
    pub(crate) own: Duration,
    /// Processor time of everything on this machine.
    pub(crate) machine: Duration,
    /// Packets that our own kernel buffers had no room for.
    pub(crate) dropped: u64,
    /// Turns that were missed: we were kept from our core.
    pub(crate) late: u64,
}

/// What a process uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Processor time, all threads, ended ones too.
    pub(crate) processor: Duration,
    /// Resident memory, in bytes.
    pub(crate) memory: u64,
}

impl Reading {
    /// The server's share of one core since `from`, `elapsed` ago.
    pub(crate) fn server_share(&self, from: &Self, elapsed: Duration) -> Option<f64> {
        Some(self.server_used(from)?.as_secs_f64() / elapsed.as_secs_f64())
    }

    fn server_used(&self, from: &Self) -> Option<Duration> {
        Some(self.server?.processor.saturating_sub(from.server?.processor))
    }

    fn own_share(&self, from: &Self, elapsed: Duration) -> f64 {
        self.own.saturating_sub(from.own).as_secs_f64() / elapsed.as_secs_f64()
    }

    /// What programs other than the server and us used, as a share of one core.
    fn others_share(&self, from: &Self, elapsed: Duration) -> f64 {
        let all = self.machine.saturating_sub(from.machine);
        let known = self.own.saturating_sub(from.own) + self.server_used(from).unwrap_or_default();
        all.saturating_sub(known).as_secs_f64() / elapsed.as_secs_f64()
    }

    /// The server's memory.
    pub(crate) fn memory(&self) -> Option<u64> {
        self.server.map(|usage| usage.memory)
    }
}

/// One step's figures.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// Calls at once, or calls a second, as asked for.
    pub(crate) offered: f64,
    /// Calls, from the first INVITE to the end of the step; what was heard, in the window only.
    pub(crate) tally: Tally,
    /// Calls that were as they should be at the end of the window (only calls that stay).
    pub(crate) up: usize,
    /// How long was measured.
    pub(crate) window: Duration,
    /// Share of one core used in the window, by the server and by us.
    pub(crate) server: Option<f64>,
    pub(crate) own: f64,
    /// Share of one core that other programs of this machine used; the server's too, where it was not named.
    pub(crate) others: f64,
    /// Processor time of the server: in the window, or with calls that pass until the last one ended.
    pub(crate) server_used: Option<Duration>,
    /// How long that took.
    pub(crate) whole: Duration,
    /// The server's memory at the end.
    pub(crate) memory: Option<u64>,
    /// Our own faults: dropped in our buffers, and not sent.
    pub(crate) dropped: u64,
    pub(crate) late: u64,
}

impl Step {
    pub(crate) fn of_calls_that_stay(
        offered: f64,
        rise: Tally,
        window_tally: Tally,
        census: Census,
        window: Duration,
        from: &Reading,
        to: &Reading,
    ) -> Self {
        let early_crosstalk = rise.heard.crosstalk;
        let mut tally = Tally {
            heard: window_tally.heard,
            one_way: window_tally.one_way,
            unserved: window_tally.unserved,
            strays: window_tally.strays,
            unreachable: rise.unreachable + window_tally.unreachable,
            ..rise
        };
        // Whoever should not be heard should not be heard before the window, either.
        tally.heard.crosstalk += early_crosstalk;
        for (why, count) in window_tally.failed {
            *tally.failed.entry(why).or_default() += count;
        }
        Self {
            offered,
            tally,
            up: census.waiting + census.talking,
            window,
            server: to.server_share(from, window),
            own: to.own_share(from, window),
            others: to.others_share(from, window),
            server_used: to.server_used(from),
            whole: window,
            memory: to.memory(),
            dropped: to.dropped.saturating_sub(from.dropped),
            late: to.late.saturating_sub(from.late),
        }
    }

    pub(crate) fn of_calls_that_pass(
        offered: f64,
        tally: Tally,
        (window, whole): (Duration, Duration),
        from: &Reading,
        flow: &Reading,
        to: &Reading,
    ) -> Self {
        Self {
            offered,
            tally,
            up: 0,
            window,
            server: flow.server_share(from, window),
            own: flow.own_share(from, window),
            others: flow.others_share(from, window),
            server_used: to.server_used(from),
            whole,
            memory: to.memory(),
            dropped: to.dropped.saturating_sub(from.dropped),
            late: to.late.saturating_sub(from.late),
        }
    }

    /// The server's processor time per relayed packet.
    pub(crate) fn per_packet(&self) -> Option<Duration> {
        let packets = u32::try_from(self.tally.heard.relayed).ok().filter(|packets| *packets > 0)?;
        self.server_used.map(|used| used / packets)
    }

    /// The server's share of a core for each 100 calls that stay, beyond what it uses at rest.
    pub(crate) fn per_hundred(&self, idle: f64) -> Option<f64> {
        let up = Some(self.up).filter(|up| *up > 0)?;
        self.server.map(|share| (share - idle).max(0.0) * 100.0 / up as f64)
    }

    /// The server's processor time for each call that passed, beyond what it uses at rest.
    pub(crate) fn per_call(&self, idle: f64) -> Option<Duration> {
        let calls = u32::try_from(self.tally.completed).ok().filter(|calls| *calls > 0)?;
        self.server_used.map(|used| used.saturating_sub(self.whole.mul_f64(idle)) / calls)
    }

    /// The server's memory for each call that stays, above `idle` bytes.
    pub(crate) fn memory_per_call(&self, idle: u64) -> Option<u64> {
        let up = Some(self.up as u64).filter(|up| *up > 0)?;
        self.memory.map(|memory| memory.saturating_sub(idle) / up)
    }

    /// Share of the calls that failed.
    pub(crate) fn failed_share(&self) -> f64 {
        self.tally.failures() as f64 / self.tally.offered.max(1) as f64
    }

    /// Share of the packets that were lost.
    pub(crate) fn lost_share(&self) -> f64 {
        let heard = &self.tally.heard;
        heard.lost as f64 / (heard.lost + heard.packets).max(1) as f64
    }

    /// Why no further step is to be taken, if so.
    pub(crate) fn stop(&self, plan: &Plan) -> Option<Stop> {
        if let Some(share) = self.server.filter(|share| *share >= plan.stop_at) {
            return Some(Stop::Server(share));
        }
        if self.own >= plan.stop_at {
            return Some(Stop::Generator(self.own));
        }
        if plan.scenario.has_agents() && self.lost_share() > MAX_LOST {
            return Some(Stop::Lost(self.lost_share()));
        }
        Some(self.failed_share()).filter(|share| *share > plan.max_failed).map(Stop::Failed)
    }

    /// What should not have happened, in words.
    pub(crate) fn faults(&self, scenario: Scenario) -> Vec<String> {
        let heard = &self.tally.heard;
        let mut faults: Vec<String> =
            self.tally.failed.iter().map(|(why, count)| format!("{count} calls {why}")).collect();
        let mut fault = |count: u64, what: &str| {
            if count > 0 {
                faults.push(format!("{count} {what}"));
            }
        };
        fault(heard.crosstalk, "packets of a voice that does not belong to the call: CROSS-TALK");
        fault(heard.echoed, "packets of somebody's own voice that came back: ECHO");
        fault(self.tally.unreachable, "SIP messages to a port where nobody listens: is the server there?");
        fault(self.tally.one_way, "talks in which one side does not hear the other");
        fault(self.tally.unserved, "callers who wait and hear nothing");
        if scenario.has_agents() {
            fault(heard.lost, "packets lost");
        }
        faults
    }

    /// What the generator itself could not do.
    pub(crate) fn remarks(&self) -> Vec<String> {
        let remarks = [
            (self.tally.held_back, "calls not placed: --max-calls were up"),
            (self.dropped, "packets dropped in our own buffers: losses are not the server's alone"),
            (self.late, "frames that we could not send in time: gaps are not the server's alone"),
        ];
        let said = remarks.into_iter().filter(|(count, _)| *count > 0);
        let mut said: Vec<String> = said.map(|(count, what)| format!("{count} {what}")).collect();
        if self.tally.picked_up > 0 && self.tally.bridged == 0 {
            let count = self.tally.picked_up;
            said.push(format!(
                "{count} calls taken by agents whom no caller heard: if the server decodes what it passes on, add --check tone"
            ));
        }
        if self.server.is_some() && self.others > OTHERS {
            let share = self.others * 100.0;
            said.push(format!(
                "other programs used {share:.0} % of a core: measure again on a quiet machine"
            ));
        }
        said
    }
}

/// Why a run ended before its last step.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Stop {
    /// The server has used so much of its core.
    Server(f64),
    /// This process has.
    Generator(f64),
    /// So many calls failed.
    Failed(f64),
    /// So many packets were lost.
    Lost(f64),
    /// Somebody pressed Ctrl-C.
    Cut,
    /// The registrar does not take an agent.
    AgentRefused { user: String, status: u16 },
    /// Not all agents could register in time.
    AgentsMissing { registered: usize, all: usize },
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(share) => write!(f, "the server is at its limit: {:.0} % of a core", share * 100.0),
            Self::Generator(share) => write!(
                f,
                "the generator is at its limit: {:.0} % of a core; share the work among several processes",
                share * 100.0
            ),
            Self::Failed(share) => write!(f, "{:.1} % of the calls failed", share * 100.0),
            Self::Lost(share) => write!(f, "{:.1} % of the packets were lost", share * 100.0),
            Self::Cut => f.write_str("interrupted"),
            Self::AgentRefused { user, status: 401 | 403 | 407 } => {
                write!(f, "the server does not let {user} register: check --agent-password and --realm")
            }
            Self::AgentRefused { user, status } => write!(f, "{user} cannot register: SIP status {status}"),
            Self::AgentsMissing { registered, all } => {
                write!(f, "only {registered} of {all} agents could register: is the server there?")
            }
        }
    }
}
