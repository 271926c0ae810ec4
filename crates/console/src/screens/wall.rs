//! The wallboard: one text of the whole, and one of each change, shared by all who look at it.

use std::cell::OnceCell;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use tokio::sync::watch;

use super::frame;
use crate::board::Snapshot;
use crate::views::{self, AgentChanges, CallChanges, Change, Queue, Queues, Row, Service};

/// Changes kept for viewers: five seconds at thirteen a second. Whoever is further behind gets the whole again.
const KEPT: usize = 64;

/// What the wallboards show.
#[derive(Debug)]
pub(crate) struct Wall {
    state: Mutex<State>,
    newest: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    shown: Option<Shown>,
    /// The number of the last change.
    last: u64,
    changes: VecDeque<Bytes>,
    /// The whole as shown, once somebody asked for it.
    whole: Option<Bytes>,
}

#[derive(Debug)]
struct Shown {
    snapshot: Arc<Snapshot>,
    /// Reckoned for the first who asks.
    figures: OnceCell<Queues>,
}

/// How far a viewer has come.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen(Option<u64>);

impl Default for Wall {
    fn default() -> Self {
        Self { state: Mutex::default(), newest: watch::Sender::new(0) }
    }
}

impl Wall {
    /// The line is now as in `snapshot`.
    pub(crate) fn update(&self, snapshot: Arc<Snapshot>) {
        let mut state = self.state();
        let after = Shown { snapshot, figures: OnceCell::new() };
        // While nobody looks, no change is written down: whoever comes gets the whole.
        let before = state.shown.as_ref().filter(|_| self.newest.receiver_count() > 0);
        let change = before.map(|before| change(before, &after));
        state.whole = None;
        state.shown = Some(after);
        // The first snapshot is nobody's change, but viewers may wait for it.
        match change {
            Some(None) => return,
            Some(Some(change)) => {
                if state.changes.len() == KEPT {
                    state.changes.pop_front();
                }
                state.changes.push_back(frame("change", &change));
            }
            None => state.changes = VecDeque::new(),
        }
        state.last += 1;
        let last = state.last;
        drop(state);
        self.newest.send_replace(last);
    }

    /// What a viewer gets next: the whole at first and when it fell behind, the changes since otherwise; `None` while
    /// there is nothing new.
    pub(crate) fn next(&self, seen: &mut Seen) -> Option<Bytes> {
        let mut state = self.state();
        let last = state.last;
        let kept = state.changes.len() as u64;
        match seen.0 {
            Some(number) if number >= last => None,
            Some(number) if last - number <= kept => {
                seen.0 = Some(last);
                let missed = usize::try_from(last - number).unwrap_or(KEPT);
                let mut frames = state.changes.range(state.changes.len() - missed..);
                // One frame, the usual case, is shared as it is.
                Some(match missed {
                    1 => frames.next().cloned()?,
                    _ => frames.flatten().copied().collect(),
                })
            }
            _ => {
                let whole = state.whole()?;
                seen.0 = Some(last);
                Some(whole)
            }
        }
    }

    /// Tells when there is something new.
    pub(crate) fn newest(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shown {
    fn figures(&self) -> &Queues {
        self.figures.get_or_init(|| views::queues(&self.snapshot))
    }
}

impl State {
    fn whole(&mut self) -> Option<Bytes> {
        let shown = self.shown.as_ref()?;
        let whole = self.whole.get_or_insert_with(|| frame("board", &views::board(&shown.snapshot)));
        Some(whole.clone())
    }
}

/// What a viewer of `before` must be told; `None` if both look alike.
fn change(before: &Shown, after: &Shown) -> Option<Change> {
    let (old, new) = (&before.snapshot, &after.snapshot);
    let alarms = new.alarms != old.alarms;
    let change = Change {
        at: new.at.unix.as_millis(),
        calls: calls(old, new),
        agents: agents(old, new),
        queues: figures(&before.figures().queues, &after.figures().queues, Queue::same),
        service: figures(&before.figures().service, &after.figures().service, Service::eq),
        alarms: alarms.then(|| new.alarms.iter().map(views::alarm).collect()),
        totals: Some(views::totals(&new.tally)).filter(|totals| *totals != views::totals(&old.tally)),
        store_up: (old.store_up != new.store_up).then_some(new.store_up),
        draining: (old.draining != new.draining).then_some(new.draining),
    };
    let Change { at: _, calls, agents, queues, service, alarms, totals, store_up, draining } = &change;
    let some = calls.is_some()
        || agents.is_some()
        || queues.is_some()
        || service.is_some()
        || alarms.is_some()
        || totals.is_some()
        || store_up.is_some()
        || draining.is_some();
    some.then_some(change)
}

fn calls(old: &Snapshot, new: &Snapshot) -> Option<CallChanges> {
    // Most stand where they stood, and are the same.
    let at = |snapshot: &Snapshot, place: usize| snapshot.calls.get(place).map(Arc::as_ptr);
    let look = |(place, _): &(usize, _)| at(old, *place) != at(new, *place);
    let before = old.calls.iter().enumerate().filter(look);
    let mut before: HashMap<_, _> = before.map(|(_, call)| (call.id, call)).collect();
    let (mut set, now) = (Vec::new(), new.at.unix);
    for (_, call) in new.calls.iter().enumerate().filter(look) {
        let known = before.remove(&call.id);
        if !known.is_some_and(|known| Arc::ptr_eq(known, call) || views::same_call(known, call)) {
            // Both as of now: what only ticks is nothing new.
            set.push(Row { before: known.map(|known| views::call(known, now)), now: views::call(call, now) });
        }
    }
    let gone: Vec<_> = before.into_keys().map(|id| id.to_string()).collect();
    (!set.is_empty() || !gone.is_empty()).then_some(CallChanges { set, gone })
}

fn agents(old: &Snapshot, new: &Snapshot) -> Option<AgentChanges> {
    let (mut set, mut gone) = (Vec::new(), Vec::new());
    // Both are in the order of ids.
    let mut before = old.agents.iter().peekable();
    for agent in &new.agents {
        if before.next_if(|known| Arc::ptr_eq(known, agent)).is_some() {
            continue;
        }
        while let Some(left) = before.next_if(|known| known.profile.id < agent.profile.id) {
            gone.push(left.profile.id.to_string());
        }
        let known = before.next_if(|known| known.profile.id == agent.profile.id);
        if !known.is_some_and(|known| Arc::ptr_eq(known, agent) || views::same_agent(known, agent)) {
            let before = known.map(|known| views::agent(known, new.at));
            set.push(Row { before, now: views::agent(agent, new.at) });
        }
    }
    gone.extend(before.map(|left| left.profile.id.to_string()));
    (!set.is_empty() || !gone.is_empty()).then_some(AgentChanges { set, gone })
}

/// Those that differ; both have one for every language and class.
fn figures<T: Clone>(old: &[T], new: &[T], same: impl Fn(&T, &T) -> bool) -> Option<Vec<T>> {
    let others = old.iter().zip(new).filter(|(old, new)| !same(old, new));
    let others: Vec<T> = others.map(|(_, new)| new.clone()).collect();
    (!others.is_empty()).then_some(others)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use havre_model::{AgentProfile, CallEvent, CallId, Mono, Now, Role, Spoken, Unix, What, WrapUp};

    use super::*;
    use crate::{Board, Events};

    #[test]
    fn a_viewer_who_falls_behind_gets_the_whole_again() {
        let (wall, mut board) = (Wall::default(), board());
        let _viewer = wall.newest();
        let mut seen = Seen::default();
        assert_eq!(wall.next(&mut seen), None, "nothing is known of the line yet");
        wall.update(board(0));
        assert_eq!(said(&wall, &mut seen), ["board"]);
        assert_eq!(wall.next(&mut seen), None);
        wall.update(board(1));
        wall.update(board(2));
        assert_eq!(said(&wall, &mut seen), ["change", "change"]);
        for call in 0..=KEPT as u64 {
            wall.update(board(3 + call));
        }
        assert_eq!(said(&wall, &mut seen), ["board"]);
        assert_eq!(wall.next(&mut seen), None);
    }

    #[test]
    fn nothing_is_written_down_while_nobody_looks() {
        let (wall, mut board) = (Wall::default(), board());
        let mut seen = Seen::default();
        let viewer = wall.newest();
        wall.update(board(0));
        assert_eq!(said(&wall, &mut seen), ["board"]);
        drop(viewer);
        wall.update(board(1));
        wall.update(board(2));
        assert!(wall.state().changes.is_empty());
        let _viewer = wall.newest();
        assert_eq!(said(&wall, &mut seen), ["board"], "what was missed is in the whole");
        wall.update(board(3));
        assert_eq!(said(&wall, &mut seen), ["change"]);
    }

    #[test]
    fn all_viewers_share_one_text() {
        let (wall, mut board) = (Wall::default(), board());
        let _viewer = wall.newest();
        wall.update(board(0));
        let mut viewers = [Seen::default(), Seen::default()];
        for _ in 0..3 {
            let [first, second] = viewers.each_mut().map(|seen| wall.next(seen).unwrap());
            assert_eq!(first.as_ptr(), second.as_ptr());
            wall.update(board(1));
            wall.update(board(2));
            viewers.iter_mut().for_each(|seen| drop(wall.next(seen)));
            wall.update(board(u64::from(first.len() as u32)));
        }
    }

    #[test]
    fn a_line_where_only_time_passes_says_nothing() {
        let (wall, mut board) = (Wall::default(), board());
        let _viewer = wall.newest();
        let snapshot = board(0);
        let mut seen = Seen::default();
        wall.update(Arc::clone(&snapshot));
        assert_eq!(said(&wall, &mut seen), ["board"]);
        let later = Now { unix: Unix::from_millis(1_000), ..snapshot.at };
        wall.update(Arc::new(Snapshot { at: later, ..Snapshot::clone(&snapshot) }));
        assert_eq!(wall.next(&mut seen), None);
    }

    #[test]
    fn accounts_that_come_go_and_change_are_told_and_no_others() {
        let profile = |id: &str, language| AgentProfile {
            id: id.parse().unwrap(),
            languages: [language].into_iter().collect(),
            ui_language: Spoken::En,
            roles: [Role::Advocate].into_iter().collect(),
            wrap_up: WrapUp::Manual,
            ready_on_register: true,
        };
        let now = Now { mono: Mono::from_start(Duration::ZERO), unix: Unix::from_millis(0) };
        let mut board = Board::new(Events::new(now.unix), now.unix);
        let mut with = |agents: &[(&str, Spoken)]| {
            let profiles: Vec<_> = agents.iter().map(|(id, language)| profile(id, *language)).collect();
            board.on_agents(&profiles, now);
            board.snapshot(now)
        };
        let before = with(&[("a", Spoken::En), ("c", Spoken::En), ("d", Spoken::En), ("f", Spoken::Fr)]);
        let after = with(&[("b", Spoken::En), ("c", Spoken::Fr), ("d", Spoken::En), ("e", Spoken::En)]);
        let AgentChanges { set, gone } = agents(&before, &after).unwrap();
        assert_eq!(set.iter().map(|row| row.now.id.as_str()).collect::<Vec<_>>(), ["b", "c", "e"]);
        let told = serde_json::to_value(&set).unwrap();
        assert_eq!(told[0].as_object().unwrap().len(), 8, "who is new is told whole");
        assert_eq!(told[1], serde_json::json!({"id": "c", "languages": ["fr"]}));
        assert_eq!(gone, ["a", "f"]);
        assert!(agents(&after, &after).is_none());
    }

    /// What the viewer is told, event by event.
    fn said(wall: &Wall, seen: &mut Seen) -> Vec<String> {
        let frames = wall.next(seen).unwrap();
        let text = std::str::from_utf8(&frames).unwrap();
        text.lines().filter_map(|line| line.strip_prefix("event: ")).map(str::to_owned).collect()
    }

    /// A line in which a call of the given number arrives each time.
    fn board() -> impl FnMut(u64) -> Arc<Snapshot> {
        let now = Now { mono: Mono::from_start(Duration::ZERO), unix: Unix::from_millis(0) };
        let mut board = Board::new(Events::new(now.unix), now.unix);
        move |call| {
            let what = What::Arrived { line: "hotline".parse().unwrap(), trunk: "demo".parse().unwrap() };
            board.on_call(&CallEvent { call: CallId(call), at: now.unix, what });
            Arc::new(board.snapshot(now))
        }
    }
}
