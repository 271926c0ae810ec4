//! What advocates and supervisors do.

use std::net::IpAddr;
use std::time::Duration;

use havre_model::{AgentId, AgentState, StateReason};

use super::draw::minutes;
use super::{Act, Day, is_at_rest};

/// A caller is taken from a phone that died within this time (the journey's 10 s), with what is still on its way.
const MISSED_BY: Duration = Duration::from_millis(10_300);

/// What somebody is like at work.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habits {
    /// Ends wrap-up by `*42`.
    pub(super) manual: bool,
    /// Misses calls, declines some, and has a phone that fails.
    pub(super) rough: bool,
}

/// One account's work.
#[derive(Clone, Debug)]
pub(super) struct Shift {
    pub(super) agent: AgentId,
    habits: Habits,
    on_duty: bool,
    state: AgentState,
    /// The caller they talk with.
    pub(super) with: Option<IpAddr>,
    wrap_mean: f64,
    /// How many talks so far.
    talks: u32,
}

/// What an advocate is going to do.
#[derive(Clone, Copy, Debug)]
pub(super) enum Deed {
    Answers,
    Declines,
    /// Dials a feature code, if the state is still one of rest.
    Dials(&'static str),
    Befalls(Mishap),
    /// The caller must have been taken from a phone that died: the journey's 10 s.
    IsMissed {
        talk: u32,
    },
    Recovers,
    SignsIn,
    GoesHome,
}

/// What may befall an advocate's phone in a talk.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mishap {
    Dark,
    Crash,
    Restart,
    Mute,
    Hold,
}

impl Shift {
    pub(super) const fn new(agent: AgentId, habits: Habits) -> Self {
        let state = AgentState::SignedOut;
        Self { agent, habits, on_duty: false, state, with: None, wrap_mean: 5.0, talks: 0 }
    }
}

impl Day {
    /// The right number of advocates is on duty; the others go home after what they are doing.
    pub(super) fn shift_begins(&mut self) {
        let wanted = if self.outline.rough { usize::MAX } else { self.workload.staffing.at(self.hour()) };
        let mut on_duty = 0;
        for ip in self.shifts.keys().copied().collect::<Vec<_>>() {
            let Some(shift) = self.shifts.get_mut(&ip) else { continue };
            let is_supervisor = shift.agent.as_str() == "supervisor";
            let comes = is_supervisor || on_duty < wanted;
            on_duty += usize::from(!is_supervisor);
            if comes && !shift.on_duty {
                shift.on_duty = true;
                self.world.advocate_at(ip).signs_in();
            } else if !comes && shift.on_duty {
                shift.on_duty = false;
                self.schedule(Duration::ZERO, Act::OfAdvocate(ip, Deed::GoesHome));
            }
        }
    }

    pub(super) fn phone_rings(&mut self, ip: IpAddr) {
        let Some(shift) = self.shifts.get(&ip) else { return };
        let rough = shift.habits.rough;
        let after = self.draw.secs(0.5, 8.0);
        if rough && self.draw.chance(0.12) {
            return;
        }
        let declines = rough && self.draw.chance(0.06);
        self.schedule(after, Act::OfAdvocate(ip, if declines { Deed::Declines } else { Deed::Answers }));
    }

    /// An account's state is another now.
    pub(super) fn advocate_is(&mut self, ip: IpAddr, state: AgentState) {
        let pace = self.outline.pace;
        let Some(shift) = self.shifts.get_mut(&ip) else { return };
        shift.state = state;
        if let AgentState::Talking { call, .. } = state {
            shift.with = self.world.caller_of(call);
            shift.talks += 1;
            let with = shift.with.and_then(|caller| self.callers.get(&caller));
            shift.wrap_mean = with.map_or(5.0, |plight| plight.wrap_mean);
            if shift.habits.rough && self.draw.chance(0.12) {
                let all = [Mishap::Dark, Mishap::Crash, Mishap::Restart, Mishap::Mute, Mishap::Hold];
                let mishap = all[self.draw.below(all.len())];
                let after = self.draw.secs(0.0, 60.0);
                self.schedule(after, Act::OfAdvocate(ip, Deed::Befalls(mishap)));
            }
            return;
        }
        if !matches!(state, AgentState::Offered { .. }) {
            shift.with = None;
        }
        let (wait, code) = match state {
            AgentState::WrapUp { .. } if self.draw.chance(0.05) => (10.0, "*43"),
            AgentState::WrapUp { .. } if self.draw.chance(0.05) => (10.0, "*41"),
            AgentState::WrapUp { .. } if shift.habits.manual => {
                (self.draw.exponential(shift.wrap_mean * 60.0 * pace).max(1.0), "*42")
            }
            AgentState::NotReady { reason: StateReason::SignedIn, .. } => {
                (self.draw.between(1.0, 20.0), "*40")
            }
            AgentState::NotReady { .. } => (self.draw.exponential(300.0 * pace).max(2.0), "*40"),
            _ => return,
        };
        self.schedule(minutes(wait / 60.0), Act::OfAdvocate(ip, Deed::Dials(code)));
    }

    pub(super) fn advocate_acts(&mut self, ip: IpAddr, deed: Deed) {
        let Some(shift) = self.shifts.get(&ip) else { return };
        let advocate = self.world.advocate_at(ip);
        match deed {
            Deed::Answers if advocate.rings() => advocate.answers(),
            Deed::Declines if advocate.rings() => advocate.declines([486, 603, 480][self.draw.below(3)]),
            Deed::Answers | Deed::Declines => {}
            Deed::Dials(_) if !is_at_rest(&shift.state) => {}
            Deed::Dials(code) if advocate.is_on_the_phone() => {
                self.schedule(Duration::from_secs(5), Act::OfAdvocate(ip, Deed::Dials(code)));
            }
            Deed::Dials(code) => advocate.dials(code),
            Deed::Befalls(mishap) if shift.with.is_some() => self.befalls(ip, mishap),
            Deed::Befalls(_) => {}
            Deed::IsMissed { talk } => {
                let left_alone = shift.with.is_some() && shift.talks == talk && advocate.is_gone();
                assert!(
                    !left_alone,
                    "a caller is left alone with the dead phone of {}\n{}",
                    shift.agent,
                    self.world.log()
                );
            }
            Deed::Recovers => self.recovers(ip),
            Deed::SignsIn => advocate.signs_in(),
            Deed::GoesHome if shift.on_duty => {}
            Deed::GoesHome if shift.with.is_some() || advocate.is_on_the_phone() => {
                self.schedule(Duration::from_secs(10), Act::OfAdvocate(ip, Deed::GoesHome));
            }
            Deed::GoesHome => advocate.signs_out(),
        }
    }

    fn befalls(&mut self, ip: IpAddr, mishap: Mishap) {
        let Some(shift) = self.shifts.get(&ip) else { return };
        let advocate = self.world.advocate_at(ip);
        if matches!(mishap, Mishap::Dark | Mishap::Crash) && advocate.is_with_a_caller() {
            let missed = Deed::IsMissed { talk: shift.talks };
            self.schedule(MISSED_BY, Act::OfAdvocate(ip, missed));
        }
        match mishap {
            Mishap::Dark => advocate.goes_dark(),
            Mishap::Crash => advocate.crashes(),
            Mishap::Restart => advocate.starts_again(),
            Mishap::Mute => advocate.mutes(),
            Mishap::Hold if advocate.talks() => advocate.holds(),
            Mishap::Hold => return,
        }
        let after = self.draw.secs(1.0, 90.0);
        self.schedule(after, Act::OfAdvocate(ip, Deed::Recovers));
    }

    /// Whatever befell the phone is over; a line that has no far end any more is put down.
    fn recovers(&mut self, ip: IpAddr) {
        let advocate = self.world.advocate_at(ip);
        advocate.unmutes();
        advocate.comes_back();
        let with = self.shifts.get(&ip).and_then(|shift| shift.with);
        if with.is_some() && advocate.talks() {
            advocate.resumes();
        } else if advocate.talks() {
            advocate.hangs_up();
        }
        advocate.signs_in();
    }

    pub(super) fn advocate_goes_home(&mut self, ip: IpAddr) {
        let advocate = self.world.advocate_at(ip);
        advocate.comes_back();
        advocate.puts_down();
        advocate.signs_out();
    }
}
