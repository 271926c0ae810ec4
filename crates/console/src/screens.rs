//! What live screens are fed with. One task turns each published snapshot into text, once, however many look on: a
//! viewer holds a number or a channel, and nothing is computed for it alone.

mod desks;
mod keys;
mod wall;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::board::Snapshot;

pub(crate) use desks::{Desks, call_of, desk_of};
pub(crate) use keys::{KeyNews, Keys};
pub(crate) use wall::{Seen, Wall};

/// A wall is told at most this often. Faster than anybody reads, slow enough for a storm.
const WALL_EVERY: Duration = Duration::from_millis(100);

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
    let mut next_wall = Instant::now();
    let mut owed = true;
    loop {
        if owed && next_wall <= Instant::now() {
            let snapshot = Arc::clone(&snapshots.borrow());
            screens.wall.update(snapshot);
            next_wall = Instant::now() + WALL_EVERY;
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
            () = sleep_until(next_wall), if owed => {}
            _ = stopping.wait_for(|stopping| *stopping) => return,
        }
    }
}

/// One event as it goes over the wire.
fn frame(event: &str, data: &impl serde::Serialize) -> axum::body::Bytes {
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("event: {event}\ndata: {data}\n\n").into()
}
