//! What goes wrong around the line: the network and Redis.

use std::time::Duration;

use havre_model::{AgentCommand, AgentId};

use super::advocates::Deed;
use super::draw::Draw;
use super::{Act, Day};
use crate::{Health, Weather};

/// Legs that there are ports for: plenty.
pub(super) const PORTS: usize = 2_000;

/// A change of what surrounds the line.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Network(Weather),
    Redis(Health),
    RedisRestarts,
    AnotherNodeTakesSomebody {
        by_force: bool,
    },
    Ports(usize),
    Reload,
    /// Over the API.
    SomebodyIsTold(AgentCommand),
    SomebodySignsOut,
    SomebodyIsNoAccountAnyMore,
    EverybodyIsAnAccount,
}

/// Good or bad, at the beginning.
pub(super) fn draw(draw: &mut Draw) -> Weather {
    match draw.below(4) {
        0 | 1 => Weather::FINE,
        2 => Weather {
            delay: Duration::from_millis(30),
            jitter: Duration::from_millis(40),
            lost: 10,
            doubled: 10,
        },
        _ => Weather::BAD,
    }
}

impl Day {
    pub(super) fn schedule_weather(&mut self) {
        let hours = self.outline.hours as f64 * 3_600.0;
        for _ in 0..self.draw.below(4) {
            let slow = self.draw.secs(0.0, 0.2);
            let health =
                [Health::Gone, Health::Hung, Health::Deaf, Health::Answers(slow)][self.draw.below(4)];
            let back_by =
                if self.draw.chance(0.3) { Change::RedisRestarts } else { Change::Redis(Health::GOOD) };
            self.for_a_while(60.0, Change::Redis(health), back_by);
        }
        for _ in 0..self.draw.below(3) {
            self.for_a_while(300.0, Change::Network(Weather::BAD), Change::Network(Weather::FINE));
        }
        if self.draw.chance(0.3) {
            let at = self.draw.secs(0.0, hours);
            self.schedule(at, Act::Changes(Change::Reload));
        }
        for _ in 0..self.draw.below(20) {
            let at = self.draw.secs(0.0, hours);
            let by_force = self.draw.chance(0.3);
            self.schedule(at, Act::Changes(Change::AnotherNodeTakesSomebody { by_force }));
        }
        if self.draw.chance(0.1) {
            let few = self.draw.below(8);
            self.for_a_while(120.0, Change::Ports(few), Change::Ports(PORTS));
        }
        if self.draw.chance(0.2) {
            self.for_a_while(600.0, Change::SomebodyIsNoAccountAnyMore, Change::EverybodyIsAnAccount);
        }
        for _ in 0..self.draw.below(8) {
            let command = AgentCommand::ALL[self.draw.below(AgentCommand::ALL.len())];
            let change = if self.draw.chance(0.2) {
                Change::SomebodySignsOut
            } else {
                Change::SomebodyIsTold(command)
            };
            let at = self.draw.secs(0.0, hours);
            self.schedule(at, Act::Changes(change));
        }
    }

    /// A change at some time of the day, and another one that undoes it.
    fn for_a_while(&mut self, longest: f64, change: Change, undone: Change) {
        let at = self.draw.secs(0.0, self.outline.hours as f64 * 3_600.0);
        let back = at + self.draw.secs(0.05, longest);
        self.schedule(at, Act::Changes(change));
        self.schedule(back, Act::Changes(undone));
    }

    pub(super) fn change(&mut self, change: Change) {
        match change {
            Change::Network(weather) => self.world.weather(weather),
            Change::Redis(health) => self.world.redis_becomes(health),
            Change::RedisRestarts => self.world.redis_restarts(),
            Change::AnotherNodeTakesSomebody { by_force } => {
                let (somebody, for_) = (self.somebody(), self.draw.secs(1.0, 60.0));
                if by_force {
                    self.world.another_node_seizes(somebody.as_str(), for_);
                } else {
                    self.world.another_node_takes(somebody.as_str(), for_);
                }
            }
            Change::Ports(legs) => self.world.ports(legs),
            Change::Reload => self.world.reloads(crate::Plan::shipped()),
            Change::SomebodyIsTold(command) => {
                let somebody = self.somebody();
                self.world.commands(somebody.as_str(), command);
            }
            Change::SomebodySignsOut => {
                let somebody = self.somebody();
                let advocate = self.world.advocate(somebody.as_str());
                advocate.signs_out();
                let after = self.draw.secs(1.0, 60.0);
                self.schedule(after, Act::OfAdvocate(advocate.ip(), Deed::SignsIn));
            }
            Change::SomebodyIsNoAccountAnyMore => {
                let somebody = self.somebody();
                let rest = self.team.iter().filter(|profile| profile.id != somebody).cloned().collect();
                self.world.reloads_agents(rest);
            }
            Change::EverybodyIsAnAccount => self.world.reloads_agents(self.team.clone()),
        }
    }

    fn somebody(&mut self) -> AgentId {
        let at = self.draw.below(self.team.len());
        self.team[at].id.clone()
    }

    /// All is well again, so that what is left over is a leak.
    pub(super) fn clear_up(&mut self) {
        self.world.weather(Weather::FINE);
        self.world.redis_becomes(Health::GOOD);
        self.world.ports(PORTS);
        self.world.reloads_agents(self.team.clone());
    }
}
