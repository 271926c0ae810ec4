//! What goes wrong around the line: the network and Redis.

use std::time::Duration;

use super::draw::Draw;
use super::{Act, Day};
use crate::{Health, Weather};

/// A change of what surrounds the line.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Network(Weather),
    Redis(Health),
    RedisRestarts,
    Reload,
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
            let at = self.draw.secs(0.0, hours);
            let slow = self.draw.secs(0.0, 0.2);
            let health =
                [Health::Gone, Health::Hung, Health::Deaf, Health::Answers(slow)][self.draw.below(4)];
            self.schedule(at, Act::Changes(Change::Redis(health)));
            let back = at + self.draw.secs(0.05, 60.0);
            let back_by =
                if self.draw.chance(0.3) { Change::RedisRestarts } else { Change::Redis(Health::GOOD) };
            self.schedule(back, Act::Changes(back_by));
        }
        for _ in 0..self.draw.below(3) {
            let at = self.draw.secs(0.0, hours);
            self.schedule(at, Act::Changes(Change::Network(Weather::BAD)));
            let back = at + self.draw.secs(1.0, 300.0);
            self.schedule(back, Act::Changes(Change::Network(Weather::FINE)));
        }
        if self.draw.chance(0.3) {
            let at = self.draw.secs(0.0, hours);
            self.schedule(at, Act::Changes(Change::Reload));
        }
    }

    pub(super) fn change(&mut self, change: Change) {
        match change {
            Change::Network(weather) => self.world.weather(weather),
            Change::Redis(health) => self.world.redis_becomes(health),
            Change::RedisRestarts => self.world.redis_restarts(),
            Change::Reload => self.world.reloads(crate::Plan::shipped()),
        }
    }

    /// All is well again, so that what is left over is a leak.
    pub(super) fn clear_up(&mut self) {
        self.world.weather(Weather::FINE);
        self.world.redis_becomes(Health::GOOD);
    }
}
