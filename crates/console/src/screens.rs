//! What live screens are fed with. One task turns each published snapshot into text, once, however many look on: a
//! viewer holds a number or a channel, and nothing is computed for it alone.

mod desks;
mod keys;
mod wall;

use std::sync::Arc;

use havre_model::limits::PUBLISH_EVERY;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::board::Snapshot;

pub(crate) use desks::{Desks, call_of, desk_of};
pub(crate) use keys::{KeyNews, Keys};
pub(crate) use wall::{Seen, Wall};

/// In the long run a wall is told at most every [`PUBLISH_EVERY`]. After a pause of as many times that, so many more may
/// follow at once: what happens now and then, even in the busiest hour of a line, is not held back by what happened just
/// before.
const WALL_BURST: u32 = 4;

/// Everything that screens look at.
#[derive(Debug, Default)]
pub(crate) struct Screens {
    pub(crate) wall: Wall,
    pub(crate) desks: Desks,
}

/// Feeds the screens until the console stops, or the line is gone. A desk is told at once, a wall at its pace.
pub(crate) async fn feed(
    screens: Arc<Screens>,
    mut snapshots: watch::Receiver<Arc<Snapshot>>,
    mut stopping: watch::Receiver<bool>,
) {
    let mut pace = Pace { next: Instant::now() };
    let mut owed = true;
    loop {
        let now = Instant::now();
        if owed && pace.next <= now {
            let snapshot = Arc::clone(&snapshots.borrow());
            screens.wall.update(snapshot);
            pace.spend(now);
            owed = false;
        }
        tokio::select! {
            changed = snapshots.changed() => {
                if changed.is_err() {
                    return;
                }
                let snapshot = Arc::clone(&snapshots.borrow_and_update());
                screens.desks.update(&snapshot);
                owed = true;
            }
            () = sleep_until(pace.next), if owed => {}
            _ = stopping.wait_for(|stopping| *stopping) => return,
        }
    }
}

/// When a wall may be told again.
struct Pace {
    next: Instant,
}

impl Pace {
    /// It is told now.
    fn spend(&mut self, now: Instant) {
        let spared = now.checked_sub(PUBLISH_EVERY * WALL_BURST).unwrap_or(now);
        self.next = self.next.max(spared) + PUBLISH_EVERY;
    }
}

/// One event as it goes over the wire.
fn frame(event: &str, data: &impl serde::Serialize) -> axum::body::Bytes {
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("event: {event}\ndata: {data}\n\n").into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    #[test]
    fn what_happens_now_and_then_is_told_at_once() {
        // Eight a second, in twos and threes and closer together than the pace, as the busiest hour of five hundred advocates is.
        let close = Duration::from_millis(50);
        let held = told((0..80).map(|n| close * (n * 5 / 2) + close * (n % 3)), LONG);
        assert!(held.iter().all(Duration::is_zero), "{held:?}");
    }

    #[test]
    fn a_line_that_publishes_as_often_as_it_does_in_a_storm_is_never_held_back() {
        let held = told((0..1_000).map(|n| PUBLISH_EVERY * n), LONG);
        assert_eq!(held.len() as u128, LONG.as_millis().div_ceil(PUBLISH_EVERY.as_millis()));
        assert!(held.iter().all(Duration::is_zero), "{held:?}");
    }

    #[test]
    fn what_comes_faster_is_told_at_the_pace_and_nothing_is_held_back_for_longer() {
        let held = told((0..500).map(|n| Duration::from_millis(20) * n), LONG);
        let most = (LONG.as_millis() / PUBLISH_EVERY.as_millis()) as usize;
        assert!((most..=most + WALL_BURST as usize + 1).contains(&held.len()), "{}", held.len());
        assert!(held.iter().all(|held| *held < PUBLISH_EVERY), "{held:?}");
    }

    /// How long each telling was held back, of changes that are published at these times after a pause.
    fn told(published: impl Iterator<Item = Duration>, end: Duration) -> Vec<Duration> {
        let start = Instant::now();
        let mut pace = Pace { next: start - PUBLISH_EVERY * WALL_BURST };
        let mut published: Vec<_> = published.map(|at| start + at).collect();
        published.sort();
        let (mut held, mut place) = (Vec::new(), 0);
        while let Some(first) = published.get(place).copied() {
            let now = pace.next.max(first);
            if now >= start + end {
                break;
            }
            held.push(now - first);
            pace.spend(now);
            place = published.partition_point(|at| *at <= now);
        }
        held
    }
}
