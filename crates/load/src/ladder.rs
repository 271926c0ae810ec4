//! Step after step: bring the calls up, measure, judge, go on or stop.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use havre_model::{Mono, Now};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::arrivals::Arrivals;
use crate::crowd::Crowd;
use crate::plan::Plan;
use crate::step::{Reading, Step, Stop};
use crate::tally::Tally;

/// How long the server is watched before anybody calls.
const IDLE: Duration = Duration::from_secs(2);
/// How long agents may take to register, beyond a second for each 200 of them.
const SIGN_IN: Duration = Duration::from_secs(20);
/// How long goodbyes may take.
const GOODBYE: Duration = Duration::from_secs(5);
/// Calls placed in one turn: after a stall the missed ones do not come all at once.
const BURST: usize = 32;

/// See the module's page.
pub(crate) struct Ladder {
    plan: Arc<Plan>,
    phase: Phase,
    ahead: VecDeque<f64>,
    done: Vec<Step>,
    /// Server's processor time and memory while nobody called: (share of a core, bytes).
    idle: Option<(f64, u64)>,
    stop: Option<Stop>,
    random: ChaCha12Rng,
}

enum Phase {
    /// Agents register.
    SigningIn {
        until: Mono,
    },
    /// The server is watched at rest.
    Idling {
        from: Reading,
        since: Mono,
    },
    /// Calls of a step that stay are placed; after the last one, the unsettled have until `until`.
    Rising {
        step: f64,
        arrivals: Arrivals,
        placed: u64,
        until: Mono,
    },
    /// All are there; a moment for the server to calm down.
    Settling {
        step: f64,
        until: Mono,
    },
    /// Calls stay and are listened to.
    Measuring {
        step: f64,
        rise: Tally,
        from: Reading,
        since: Mono,
    },
    /// Calls come and go at a rate.
    Flowing {
        step: f64,
        arrivals: Arrivals,
        from: Reading,
        since: Mono,
    },
    /// No more come; the last ones end.
    Draining {
        step: f64,
        flow: Reading,
        window: Duration,
        from: Reading,
        since: Mono,
        until: Mono,
    },
    /// Our callers hung up and our agents signed out; agents end what they talk with callers of other processes.
    Leaving {
        until: Mono,
    },
    /// Everybody hangs up.
    Parting {
        until: Mono,
    },
    Over,
}

impl Ladder {
    /// At the foot of it.
    pub(crate) fn new(plan: Arc<Plan>, seed: [u8; 32], now: Now) -> Self {
        let patience = SIGN_IN + Duration::from_secs(plan.agents.accounts.len() as u64 / 200);
        Self {
            phase: Phase::SigningIn { until: now.mono + patience },
            ahead: plan.steps.iter().copied().collect(),
            done: Vec::new(),
            idle: None,
            stop: None,
            plan,
            random: ChaCha12Rng::from_seed(seed),
        }
    }

    /// Does what is due; `read` tells what was used so far.
    pub(crate) fn advance(&mut self, crowd: &mut Crowd, read: &mut dyn FnMut() -> Reading, now: Now) {
        let phase = std::mem::replace(&mut self.phase, Phase::Over);
        self.phase = match phase {
            Phase::SigningIn { until } => self.sign_in(crowd, read, until, now),
            Phase::Idling { from, since } => {
                let elapsed = now.mono.since(since);
                if elapsed < IDLE {
                    Phase::Idling { from, since }
                } else {
                    let (share, memory) = (read().server_share(&from, elapsed), from.memory());
                    self.idle = share.zip(memory);
                    self.next_step(crowd, read, now)
                }
            }
            Phase::Rising { step, arrivals, placed, until } => {
                self.rise(crowd, (step, arrivals, placed, until), now)
            }
            Phase::Settling { step, until } if now.mono < until => Phase::Settling { step, until },
            Phase::Settling { step, .. } => {
                Phase::Measuring { step, rise: crowd.take_tally(), from: read(), since: now.mono }
            }
            Phase::Measuring { step, rise, from, since } if now.mono.since(since) < self.plan.window => {
                Phase::Measuring { step, rise, from, since }
            }
            Phase::Measuring { step, rise, from, since } => {
                let (to, window) = (read(), now.mono.since(since));
                let mut tally = crowd.take_tally();
                tally.one_way += crowd.count_one_way();
                tally.unserved += crowd.count_unserved();
                let step = Step::of_calls_that_stay(step, rise, tally, crowd.census(), window, &from, &to);
                self.judge(step);
                self.next_step(crowd, read, now)
            }
            Phase::Flowing { step, mut arrivals, from, since } => {
                let window = now.mono.since(since);
                if window < self.plan.window {
                    self.place(crowd, &mut arrivals, usize::MAX, now);
                    Phase::Flowing { step, arrivals, from, since }
                } else {
                    let patience = self.plan.talk + self.plan.patience + GOODBYE;
                    let (flow, until) = (read(), now.mono + patience);
                    Phase::Draining { step, flow, window, from, since, until }
                }
            }
            Phase::Draining { step, flow, window, from, since, until } => {
                if crowd.calls() > 0 && now.mono < until {
                    Phase::Draining { step, flow, window, from, since, until }
                } else {
                    crowd.hang_up_all(true, now);
                    let (to, tally) = (read(), crowd.take_tally());
                    let whole = now.mono.since(since);
                    self.judge(Step::of_calls_that_pass(step, tally, (window, whole), &from, &flow, &to));
                    self.next_step(crowd, read, now)
                }
            }
            Phase::Leaving { until } if crowd.serves_others() && now.mono < until => Phase::Leaving { until },
            Phase::Leaving { .. } => Self::part(crowd, now),
            Phase::Parting { until } if crowd.legs() > 0 && now.mono < until => Phase::Parting { until },
            Phase::Parting { .. } | Phase::Over => Phase::Over,
        };
    }

    /// Somebody wants it to end now: every call is hung up.
    pub(crate) fn cut(&mut self, crowd: &mut Crowd, now: Now) {
        if matches!(self.phase, Phase::Parting { .. } | Phase::Over) {
            return;
        }
        if !matches!(self.phase, Phase::Leaving { .. }) {
            self.stop = Some(Stop::Cut);
            crowd.hang_up_all(true, now);
            crowd.sign_out(now);
        }
        self.phase = Self::part(crowd, now);
    }

    /// Whether everything is over.
    pub(crate) const fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// When it wants to go on by itself.
    pub(crate) fn poll_timeout(&self, now: Now) -> Option<Mono> {
        match &self.phase {
            Phase::Rising { step, arrivals, placed, .. } if *placed < *step as u64 => Some(arrivals.next()),
            Phase::Flowing { arrivals, .. } => Some(arrivals.next()),
            Phase::Settling { until, .. } => Some(*until),
            Phase::Over => None,
            _ => Some(now.mono + Duration::from_millis(20)),
        }
    }

    /// What is going on, in a few words.
    pub(crate) fn phase(&self) -> String {
        let unit = self.plan.scenario.unit();
        let (number, all) = (self.done.len() + 1, self.plan.steps.len());
        match &self.phase {
            Phase::SigningIn { .. } => "agents register".to_owned(),
            Phase::Idling { .. } => "watching the server at rest".to_owned(),
            Phase::Rising { step, .. } => format!("step {number}/{all}: up to {step} {unit}"),
            Phase::Settling { step, .. } => format!("step {number}/{all}: {step} {unit}, settling"),
            Phase::Measuring { step, .. } | Phase::Flowing { step, .. } => {
                format!("step {number}/{all}: {step} {unit}, measuring")
            }
            Phase::Draining { step, .. } => format!("step {number}/{all}: {step} {unit}, last calls"),
            Phase::Leaving { .. } => "agents finish talks with others' callers".to_owned(),
            Phase::Parting { .. } | Phase::Over => "hanging up".to_owned(),
        }
    }

    /// The steps that were measured, the server's usage at rest (share of a core, bytes), and why it ended early.
    pub(crate) fn finish(self) -> (Vec<Step>, Option<(f64, u64)>, Option<Stop>) {
        (self.done, self.idle, self.stop)
    }

    fn sign_in(
        &mut self,
        crowd: &mut Crowd,
        read: &mut dyn FnMut() -> Reading,
        until: Mono,
        now: Now,
    ) -> Phase {
        let (registered, all) = crowd.agents();
        if registered == all {
            // A server that came a moment after us is no fault.
            crowd.take_tally();
            return Phase::Idling { from: read(), since: now.mono };
        }
        let refused = crowd.refused_agent().filter(|(_, status)| *status != 503 && *status != 408);
        if refused.is_none() && now.mono < until {
            return Phase::SigningIn { until };
        }
        self.stop = Some(match crowd.refused_agent() {
            // What an absent server answers, ICMP said.
            Some((agent, status)) if crowd.tally().unreachable == 0 => {
                let user = self.plan.agents.accounts.get(agent).map(|account| account.user.clone());
                Stop::AgentRefused { user: user.unwrap_or_default(), status }
            }
            _ => Stop::AgentsMissing { registered, all },
        });
        self.leave(crowd, now)
    }

    fn rise(
        &mut self,
        crowd: &mut Crowd,
        (step, mut arrivals, mut placed, mut until): (f64, Arrivals, u64, Mono),
        now: Now,
    ) -> Phase {
        let missing = (step as u64).saturating_sub(placed);
        let new = self.place(crowd, &mut arrivals, missing as usize, now);
        placed += new;
        if new > 0 {
            until = now.mono + self.plan.patience + Duration::from_secs(1);
        }
        if placed < step as u64 {
            return Phase::Rising { step, arrivals, placed, until };
        }
        let census = crowd.census();
        let unsettled = census.calling + if self.plan.scenario.has_agents() { census.waiting } else { 0 };
        if unsettled > 0 && now.mono < until {
            Phase::Rising { step, arrivals, placed, until }
        } else {
            Phase::Settling { step, until: now.mono + self.plan.settle }
        }
    }

    /// Places the calls that are due, at most so many.
    fn place(&self, crowd: &mut Crowd, arrivals: &mut Arrivals, most: usize, now: Now) -> u64 {
        let mut placed = 0;
        while placed < most.min(BURST) && arrivals.take(now.mono) {
            if crowd.calls() < self.plan.most_calls() {
                crowd.dial(now);
            } else {
                crowd.hold_back();
            }
            placed += 1;
        }
        placed as u64
    }

    fn judge(&mut self, step: Step) {
        self.stop = step.stop(&self.plan);
        self.done.push(step);
    }

    fn next_step(&mut self, crowd: &mut Crowd, read: &mut dyn FnMut() -> Reading, now: Now) -> Phase {
        let Some(step) = self.ahead.pop_front().filter(|_| self.stop.is_none()) else {
            return self.leave(crowd, now);
        };
        let mut seed = [0; 32];
        self.random.fill_bytes(&mut seed);
        if self.plan.scenario.stays() {
            let arrivals = Arrivals::new(self.plan.ramp, self.plan.poisson, seed, now.mono);
            // Those of the step before are still there; what failed then is not tried again.
            let placed = self.done.last().map_or(0, |last| last.offered as u64);
            Phase::Rising { step, arrivals, placed, until: now.mono + self.plan.patience }
        } else {
            let arrivals = Arrivals::new(step, self.plan.poisson, seed, now.mono);
            Phase::Flowing { step, arrivals, from: read(), since: now.mono }
        }
    }

    /// Our callers hang up, and our agents sign out.
    fn leave(&self, crowd: &mut Crowd, now: Now) -> Phase {
        crowd.hang_up_all(false, now);
        crowd.sign_out(now);
        if crowd.serves_others() {
            // Another process that began when we did is not further behind than this.
            Phase::Leaving { until: now.mono + self.plan.window.max(self.plan.patience) }
        } else {
            Self::part(crowd, now)
        }
    }

    /// Whoever is left hangs up.
    fn part(crowd: &mut Crowd, now: Now) -> Phase {
        crowd.hang_up_agents(now);
        Phase::Parting { until: now.mono + GOODBYE }
    }
}
