//! What callers do.

use std::net::IpAddr;
use std::time::Duration;

use havre_model::{Cause, What};

use super::draw::minutes;
use super::{Act, Day};
use crate::{Caller, SANS_FRAIS, TOLL_FREE};

/// One caller, over all their calls.
pub(super) struct Plight {
    pub(super) caller: Caller,
    /// Which of their calls this is: what was planned for an earlier one is forgotten.
    call: u32,
    language: Tongue,
    urgent: bool,
    information: bool,
    talk: Duration,
    pub(super) wrap_mean: f64,
    redials: bool,
    talking: bool,
}

/// What a caller would like to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tongue {
    English,
    French,
    Other,
    /// Presses nothing.
    Unsaid,
}

/// What a caller is going to do.
#[derive(Clone, Copy, Debug)]
pub(super) enum Deed {
    Presses(char),
    GivesUp,
    EndsTalk { advocate_does: bool },
    Holds,
    Resumes,
    Befalls(Mishap),
}

/// What may befall a caller's phone.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mishap {
    Dark,
    Crash,
    Restart,
    Mute,
}

impl Day {
    pub(super) fn somebody_calls(&mut self) {
        let number = self.callers.len();
        let shown = match number % 5 {
            0 => format!("+1514555{:04}", number % 10_000),
            1 => "anonymous".to_owned(),
            _ => format!("+1416555{:04}", number % 10_000),
        };
        let caller = self.world.caller_from(&format!("caller-{number}"), &shown);
        let ip = caller.ip();
        if self.outline.rough && self.draw.chance(0.15) {
            caller.uses_tcp();
        }
        let Some(kind) = self.draw.one_of(&self.workload.kinds, |kind| kind.share).cloned() else { return };
        let shares = &self.workload.languages;
        let tongues =
            [(Tongue::English, shares.en), (Tongue::French, shares.fr), (Tongue::Other, shares.other)];
        let language = match self.draw.one_of(&tongues, |(_, share)| *share) {
            _ if self.draw.chance(self.workload.languages.no_key) => Tongue::Unsaid,
            Some((tongue, _)) => *tongue,
            None => Tongue::Unsaid,
        };
        let talk = minutes(self.draw.lognormal(kind.talk_median, kind.talk_sigma) * self.outline.pace);
        let plight = Plight {
            caller,
            call: 0,
            language,
            urgent: self.draw.chance(self.workload.risk.urgent),
            information: self.draw.chance(self.workload.risk.information),
            talk,
            wrap_mean: kind.wrap_mean,
            redials: self.draw.chance(self.workload.callers.redial),
            talking: false,
        };
        self.callers.insert(ip, plight);
        self.dials_again(ip);
    }

    pub(super) fn dials_again(&mut self, ip: IpAddr) {
        let Some(plight) = self.callers.get_mut(&ip).filter(|plight| !plight.caller.is_on_the_phone()) else {
            return;
        };
        plight.call += 1;
        plight.talking = false;
        let rough = self.outline.rough;
        let number = if self.draw.chance(0.1) { SANS_FRAIS } else { TOLL_FREE };
        if rough && self.draw.chance(0.05) {
            plight.caller.loses("ACK");
        }
        if rough && self.draw.chance(0.1) {
            plight.caller.dials_with_late_offer(number);
        } else {
            plight.caller.dials(number);
        }
        let patience = if self.draw.chance(self.workload.callers.one_ring) {
            self.draw.secs(0.0, 5.0)
        } else {
            minutes(self.draw.exponential(self.workload.callers.patience_mean) * self.outline.pace.max(0.3))
        };
        self.plan(ip, patience, Deed::GivesUp);
        if rough && self.draw.chance(0.06) {
            let mishap = [Mishap::Dark, Mishap::Crash, Mishap::Restart, Mishap::Mute][self.draw.below(4)];
            let after = self.draw.secs(0.0, 120.0);
            self.plan(ip, after, Deed::Befalls(mishap));
        }
    }

    /// Havre answered: this is when people press keys.
    pub(super) fn caller_is_greeted(&mut self, ip: IpAddr) {
        let Some(plight) = self.callers.get(&ip) else { return };
        let (urgent, information) = (plight.urgent, plight.information);
        let key = match plight.language {
            Tongue::English => Some('1'),
            Tongue::French => Some('2'),
            Tongue::Other => Some('3'),
            Tongue::Unsaid => None,
        };
        if let Some(key) = key {
            let after = self.draw.secs(0.1, 14.0);
            self.plan(ip, after, Deed::Presses(key));
        }
        for (presses, key) in [(urgent, '5'), (information, '7')] {
            if presses {
                let after = self.draw.secs(0.5, 30.0);
                self.plan(ip, after, Deed::Presses(key));
            }
        }
        if self.outline.rough {
            if self.draw.chance(0.1) {
                let after = self.draw.secs(0.0, 90.0);
                self.plan(ip, after, Deed::Holds);
                let back = after + self.draw.secs(0.0, 60.0);
                self.plan(ip, back, Deed::Resumes);
            }
            for _ in 0..self.draw.below(4) {
                let key = "0123456789*#ABCD".chars().nth(self.draw.below(16)).unwrap_or('4');
                let after = self.draw.secs(0.0, 60.0);
                self.plan(ip, after, Deed::Presses(key));
            }
            if self.draw.chance(0.03) {
                for _ in 0..15 {
                    let after = self.draw.secs(5.0, 7.0);
                    self.plan(ip, after, Deed::Presses('4'));
                }
            }
        }
    }

    pub(super) fn call_goes_on(&mut self, ip: IpAddr, what: &What) {
        let pace = self.outline.pace.max(0.3);
        let Some(plight) = self.callers.get_mut(&ip) else { return };
        match what {
            What::Answered { .. } => {
                plight.talking = true;
                let talk = plight.talk;
                let advocate_does = self.draw.chance(0.2);
                self.plan(ip, talk, Deed::EndsTalk { advocate_does });
            }
            What::Rejoined { .. } => {
                // What was planned for the end of the talk is off.
                plight.call += 1;
                plight.talking = false;
                let patience = minutes(self.draw.exponential(self.workload.callers.patience_mean) * pace);
                self.plan(ip, patience, Deed::GivesUp);
            }
            What::Ended { cause, .. } => {
                let cut_off = plight.talking && !matches!(cause, Cause::CallerHungUp | Cause::AgentHungUp);
                let again = plight.redials && (!plight.talking || cut_off);
                plight.redials = again && self.draw.chance(0.5);
                if again {
                    let after = minutes(self.draw.exponential(self.workload.callers.redial_mean) * pace);
                    self.schedule(after.max(Duration::from_secs(1)), Act::Redials(ip));
                }
            }
            _ => {}
        }
    }

    fn plan(&mut self, ip: IpAddr, after: Duration, deed: Deed) {
        if let Some(call) = self.callers.get(&ip).map(|plight| plight.call) {
            self.schedule(after, Act::OfCaller(ip, call, deed));
        }
    }

    pub(super) fn caller_acts(&mut self, ip: IpAddr, call: u32, deed: Deed) {
        let Some(plight) = self.callers.get(&ip).filter(|plight| plight.call == call) else { return };
        let (caller, talking) = (plight.caller.clone(), plight.talking);
        match deed {
            Deed::Presses(key) => {
                if self.draw.chance(0.1) {
                    caller.presses_by_info(key);
                } else {
                    caller.presses(key);
                }
            }
            Deed::GivesUp if !talking => self.hang_up_if_on_the_phone(ip),
            Deed::GivesUp => {}
            Deed::EndsTalk { advocate_does } => {
                let advocate = self.shifts.iter().find(|(_, shift)| shift.with == Some(ip));
                let advocate = advocate.map(|(ip, _)| self.world.advocate_at(*ip));
                match advocate.filter(|advocate| advocate_does && advocate.talks()) {
                    Some(advocate) => advocate.hangs_up(),
                    None => self.hang_up_if_on_the_phone(ip),
                }
            }
            Deed::Holds if caller.talks() => caller.holds(),
            Deed::Resumes if caller.talks() => caller.resumes(),
            Deed::Holds | Deed::Resumes => {}
            Deed::Befalls(mishap) => match mishap {
                Mishap::Dark => caller.goes_dark(),
                Mishap::Crash => caller.crashes(),
                Mishap::Restart => caller.starts_again(),
                Mishap::Mute => caller.mutes(),
            },
        }
    }

    pub(super) fn hang_up_if_on_the_phone(&mut self, ip: IpAddr) {
        if let Some(plight) = self.callers.get(&ip)
            && plight.caller.is_on_the_phone()
        {
            plight.caller.hangs_up();
        }
    }
}
