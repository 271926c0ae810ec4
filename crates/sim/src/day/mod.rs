//! Random days at the line: people who call, answer, give up, press what they press, and phones that die.
//!
//! Everything is drawn from one seed. What must hold is checked by the world after every step; what is hoped for (the
//! journey's targets) is measured into a [`Report`].

mod advocates;
mod callers;
mod draw;
mod report;
mod weather;
mod workload;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use havre_model::{AgentProfile, AgentState, Mono, Role, Spoken, WrapUp};
use havre_switch::SrtpPolicy;

use crate::hotline::{Plan, account};
use crate::{Advocate, Happening, Setup, Weather, World};

use advocates::{Habits, Shift};
use callers::Plight;
use draw::Draw;
pub use report::{Report, Waits};
pub use workload::Workload;

/// Whoever is gone without a word is noticed within this time: a probe, its timeout, and silence.
const LAST_GOODBYES: Duration = Duration::from_secs(240);

/// What a day is to be like.
#[derive(Clone, Debug)]
pub struct Outline {
    /// Everything is drawn from it.
    pub seed: u64,
    /// On average, over 24 hours.
    pub calls_per_day: f64,
    /// The first hour, 0 to 23.
    pub from_hour: usize,
    /// How many hours.
    pub hours: usize,
    /// Whether things go wrong: phones, networks, Redis.
    pub rough: bool,
    /// Talks and wrap-ups take this part of their time, patience too.
    pub pace: f64,
    /// Whether a log is written.
    pub log: bool,
}

impl Outline {
    /// A quiet day of 24 hours on which everything works.
    #[must_use]
    pub const fn whole(seed: u64, calls_per_day: f64) -> Self {
        Self { seed, calls_per_day, from_hour: 0, hours: 24, rough: false, pace: 1.0, log: false }
    }

    /// Half an hour full of trouble.
    #[must_use]
    pub const fn rough(seed: u64) -> Self {
        Self { seed, calls_per_day: 480.0, from_hour: 14, hours: 1, rough: true, pace: 0.12, log: false }
    }
}

/// Something that somebody is going to do.
#[derive(Clone, Copy, Debug)]
enum Act {
    Arrives,
    Redials(IpAddr),
    /// A caller's, if it is still that call.
    OfCaller(IpAddr, u32, callers::Deed),
    OfAdvocate(IpAddr, advocates::Deed),
    Changes(weather::Change),
    ShiftBegins,
}

/// A day as it goes on.
pub struct Day {
    outline: Outline,
    workload: Workload,
    world: World,
    draw: Draw,
    acts: BTreeMap<(Mono, u64), Act>,
    count: u64,
    callers: BTreeMap<IpAddr, Plight>,
    shifts: BTreeMap<IpAddr, Shift>,
    /// Further phones of some accounts.
    spare_phones: Vec<Advocate>,
    team: Vec<AgentProfile>,
    report: Report,
    end: Mono,
}

impl Day {
    /// The morning of it.
    #[must_use]
    pub fn new(outline: Outline) -> Self {
        let workload = Workload::shipped();
        let mut draw = Draw::new(outline.seed);
        let agents = team(&workload, &outline, &mut draw);
        let weather = if outline.rough { weather::draw(&mut draw) } else { Weather::FINE };
        let setup = Setup {
            seed: outline.seed,
            agents: agents.clone(),
            srtp: SrtpPolicy::default(),
            plan: Plan::shipped(),
            weather,
            ports: weather::PORTS,
            log: outline.log,
        };
        let world = World::new(setup);
        let hours = u64::try_from(outline.hours).unwrap_or(0);
        let end = world.now() + Duration::from_secs(hours * 3_600);
        let mut day = Self {
            workload,
            draw,
            acts: BTreeMap::new(),
            count: 0,
            callers: BTreeMap::new(),
            shifts: BTreeMap::new(),
            spare_phones: Vec::new(),
            team: agents,
            report: Report::default(),
            end,
            world,
            outline,
        };
        day.begin();
        day
    }

    /// From morning to evening, and until all is quiet. `at_each_hour` hears of every full hour.
    ///
    /// # Panics
    /// An invariant is broken, or something is left over.
    pub fn run(mut self, mut at_each_hour: impl FnMut(usize)) -> Report {
        let mut hour = 0;
        while self.world.now() < self.end {
            let next = self.acts.first_key_value().map_or(self.end, |((at, _), _)| (*at).min(self.end));
            if let Some(happening) = self.world.advance_to(next) {
                self.on(happening);
            } else if let Some(entry) = self.acts.first_entry()
                && entry.key().0 <= self.world.now()
            {
                let act = entry.remove();
                self.act(act);
            }
            let full = usize::try_from(self.world.now().since_start().as_secs() / 3_600).unwrap_or(0);
            if full > hour {
                hour = full;
                at_each_hour(hour);
            }
        }
        self.finish()
    }

    /// The world, to look at its log.
    #[must_use]
    pub fn world(&self) -> World {
        self.world.clone()
    }

    fn begin(&mut self) {
        for profile in &self.team {
            let advocate = self.world.advocate(profile.id.as_str());
            let habits = Habits { manual: profile.wrap_up == WrapUp::Manual, rough: self.outline.rough };
            self.shifts.insert(advocate.ip(), Shift::new(profile.id.clone(), habits));
            if self.outline.rough && self.draw.chance(0.2) {
                advocate.uses_tcp();
            }
            if self.outline.rough && self.draw.chance(0.15) {
                let spare = self.world.second_phone(profile.id.as_str());
                spare.answers_after(self.draw.secs(0.0, 20.0));
                spare.signs_in();
                self.spare_phones.push(spare);
            }
        }
        self.act(Act::ShiftBegins);
        for hour in 1..self.outline.hours {
            let at = Duration::from_secs(3_600 * hour as u64);
            self.schedule(at, Act::ShiftBegins);
        }
        self.schedule_arrivals();
        if self.outline.rough {
            self.schedule_weather();
        }
    }

    /// A Poisson stream whose rate follows the hour.
    fn schedule_arrivals(&mut self) {
        for hour in 0..self.outline.hours {
            let clock = self.outline.from_hour + hour;
            let per_hour = self.outline.calls_per_day / 24.0 * self.workload.hours.weight(clock);
            let mut at = self.draw.exponential(1.0 / per_hour.max(1e-9));
            while at < 1.0 {
                let after = Duration::from_secs_f64((hour as f64 + at) * 3_600.0);
                self.schedule(after, Act::Arrives);
                at += self.draw.exponential(1.0 / per_hour.max(1e-9));
            }
        }
    }

    /// Something is to happen this much later.
    fn schedule(&mut self, after: Duration, act: Act) {
        self.count += 1;
        self.acts.insert((self.world.now() + after, self.count), act);
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Arrives => self.somebody_calls(),
            Act::Redials(ip) => self.dials_again(ip),
            Act::OfCaller(ip, call, deed) => self.caller_acts(ip, call, deed),
            Act::OfAdvocate(ip, deed) => self.advocate_acts(ip, deed),
            Act::Changes(change) => self.change(change),
            Act::ShiftBegins => self.shift_begins(),
        }
    }

    fn on(&mut self, happening: Happening) {
        match happening {
            Happening::Rings(ip) => self.phone_rings(ip),
            Happening::Established(ip) => self.caller_is_greeted(ip),
            Happening::Call { caller, event } => {
                self.report.on_event(&event);
                self.call_goes_on(caller, &event.what);
            }
            Happening::State(agent, state) => {
                let shift = self.shifts.iter().find(|(_, shift)| shift.agent == agent).map(|(ip, _)| *ip);
                if let Some(ip) = shift {
                    self.advocate_is(ip, state);
                }
            }
        }
    }

    /// Everybody goes home, and nothing may be left.
    fn finish(mut self) -> Report {
        self.clear_up();
        for ip in self.callers.keys().copied().collect::<Vec<_>>() {
            self.hang_up_if_on_the_phone(ip);
        }
        for ip in self.shifts.keys().copied().collect::<Vec<_>>() {
            self.advocate_goes_home(ip);
        }
        for phone in &self.spare_phones {
            phone.puts_down();
            phone.signs_out();
        }
        let until = self.world.now() + LAST_GOODBYES;
        while let Some(happening) = self.world.advance_to(until) {
            if let Happening::Call { event, .. } = happening {
                self.report.on_event(&event);
            }
        }
        self.world.assert_quiet();
        self.report.tally = self.world.tally();
        self.report
    }

    fn hour(&self) -> usize {
        let passed = usize::try_from(self.world.now().since_start().as_secs() / 3_600).unwrap_or(0);
        self.outline.from_hour + passed
    }
}

/// Who works at the line.
fn team(workload: &Workload, outline: &Outline, draw: &mut Draw) -> Vec<AgentProfile> {
    let most = if outline.rough { 1 + draw.below(5) } else { workload.staffing.most() };
    let mut team: Vec<AgentProfile> = (1..=most)
        .map(|number| {
            // On a rough day anybody may be on duty; on the others the share of bilingual advocates is the line's.
            let bilingual = if outline.rough { draw.chance(workload.skills.fr) } else { number % 2 == 1 };
            let languages: &[Spoken] = match (bilingual, outline.rough && draw.chance(0.2)) {
                (true, _) => &[Spoken::En, Spoken::Fr],
                (false, true) => &[Spoken::Fr],
                (false, false) => &[Spoken::En],
            };
            let mut profile = account(&format!("advocate-{number}"), languages, Role::Advocate);
            profile.ready_on_register = !outline.rough || draw.chance(0.8);
            let wrap_up = draw.chance(0.5);
            profile.wrap_up = if wrap_up { WrapUp::Manual } else { WrapUp::After(Duration::from_secs(30)) };
            profile
        })
        .collect();
    if !outline.rough || draw.chance(0.7) {
        team.push(account("supervisor", &[Spoken::En, Spoken::Fr], Role::Supervisor));
    }
    team
}

/// Whether an advocate in this state is to be rung.
const fn is_at_rest(state: &AgentState) -> bool {
    matches!(state, AgentState::NotReady { .. } | AgentState::WrapUp { .. })
}
