//! The event ring: what happened lately, ready for the wire, bounded for everyone at once.
//!
//! A reader holds only a number. Nothing is buffered for the slow: whoever falls behind the ring is cut.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use havre_model::{CallEvent, CallId, Now, Unix, What};
use serde::Serialize;
use tokio::sync::watch;
use utoipa::ToSchema;

use crate::board::AgentEntry;
use crate::logs::Logs;
use crate::screens::Keys;
use crate::views::{self, Agent, ModeView, QualityView};
use crate::words::{CauseWord, LanguageWord, OfferKindWord, OutcomeWord, RiskWord, WithdrawnWord};

/// Events kept for readers who come back: about an hour of the busiest measured hour, under 0.5 MB.
const RING: usize = 1_024;
/// Events handed to one reader at once.
const BATCH: usize = 64;

/// The ring. Writing never blocks longer than a reader copies a batch of pointers. An event is put into words when the first
/// reader wants it: that is no work of the calls' own thread.
#[derive(Debug)]
pub struct Events {
    boot: i64,
    ring: Mutex<Ring>,
    newest: watch::Sender<u64>,
    missed: AtomicU64,
    pub(crate) keys: Keys,
    pub(crate) logs: Logs,
}

#[derive(Debug, Default)]
struct Ring {
    /// The number of the last event; the first is 1.
    last: u64,
    frames: VecDeque<Arc<Frame>>,
}

/// One event, and how it is written to everybody, once somebody has asked.
#[derive(Debug)]
struct Frame {
    news: News,
    text: OnceLock<Arc<str>>,
}

#[derive(Debug)]
enum News {
    Call(CallEvent),
    /// A key in a talk: which one is kept nowhere.
    Key {
        call: CallId,
        at: Unix,
    },
    Agent(AgentNews),
    System(SystemNews),
}

/// Something that happened to the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum System {
    /// It takes calls.
    Started,
    /// It refuses new calls and waits for talks to end.
    Draining,
    /// The shared store is gone or hangs: calls go on.
    StoreDown,
    /// The shared store is back.
    StoreUp,
    /// New calls get a new dialplan.
    Reloaded {
        /// Its content hash.
        dialplan: String,
    },
    /// A reload was refused: the old configuration stays.
    ReloadRefused,
}

impl System {
    /// The stable spelling.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Draining => "draining",
            Self::StoreDown => "store_down",
            Self::StoreUp => "store_up",
            Self::Reloaded { .. } => "reloaded",
            Self::ReloadRefused => "reload_refused",
        }
    }
}

/// What a reader finds after a number.
pub(crate) enum Read {
    /// These frames, the last of which has this number.
    Frames(Vec<Arc<str>>, u64),
    /// Nothing yet.
    Nothing,
    /// The next event has been overwritten.
    Behind,
}

impl Events {
    /// An empty ring. `boot` tells its numbers from those of an earlier process.
    #[must_use]
    pub fn new(boot: Unix) -> Arc<Self> {
        Arc::new(Self {
            boot: boot.as_millis(),
            ring: Mutex::default(),
            newest: watch::Sender::new(0),
            missed: AtomicU64::new(0),
            keys: Keys::default(),
            logs: Logs::default(),
        })
    }

    pub(crate) fn call(&self, event: &CallEvent) {
        let CallEvent { call, at, .. } = *event;
        self.publish(match event.what {
            What::Key(_) => News::Key { call, at },
            _ => News::Call(event.clone()),
        });
    }

    pub(crate) fn agent(&self, entry: &AgentEntry, now: Now) {
        let news = AgentNews { at: now.unix.as_millis(), agent: views::agent(entry, now) };
        self.publish(News::Agent(news));
    }

    pub(crate) fn system(&self, what: System, at: Unix) {
        let word = what.as_str();
        let dialplan = if let System::Reloaded { dialplan } = what { Some(dialplan) } else { None };
        self.publish(News::System(SystemNews { at: at.as_millis(), what: word, dialplan }));
    }

    fn publish(&self, news: News) {
        let mut ring = self.ring();
        ring.last += 1;
        let last = ring.last;
        if ring.frames.len() == RING {
            ring.frames.pop_front();
        }
        ring.frames.push_back(Arc::new(Frame { news, text: OnceLock::new() }));
        drop(ring);
        self.newest.send_replace(last);
    }

    /// What a reader who has seen everything up to `seen` gets next.
    pub(crate) fn after(&self, seen: u64) -> Read {
        let ring = self.ring();
        let first = ring.last + 1 - ring.frames.len() as u64;
        if seen >= ring.last {
            return Read::Nothing;
        }
        let Some(skip) = (seen + 1).checked_sub(first) else {
            self.missed.fetch_add(first - seen - 1, Ordering::Relaxed);
            return Read::Behind;
        };
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let frames: Vec<_> = ring.frames.iter().skip(skip).take(BATCH).cloned().collect();
        drop(ring);
        let numbered = (seen + 1..).zip(&frames);
        let texts: Vec<_> = numbered.map(|(number, frame)| frame.text(|| self.id(number))).collect();
        let last = seen + texts.len() as u64;
        Read::Frames(texts, last)
    }

    /// The number of the last event.
    pub(crate) fn last(&self) -> u64 {
        self.ring().last
    }

    /// Tells when there is something new.
    pub(crate) fn newest(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// Events that a reader wanted and that were overwritten.
    pub(crate) fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    /// The id of an event on the wire.
    pub(crate) fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.boot)
    }

    /// The number of an id, if it is of this process and not of the future.
    pub(crate) fn number(&self, id: &str) -> Option<u64> {
        let (boot, number) = id.rsplit_once('-')?;
        let number = number.parse().ok()?;
        (boot.parse() == Ok(self.boot) && number <= self.last()).then_some(number)
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Frame {
    fn text(&self, id: impl FnOnce() -> String) -> Arc<str> {
        let write = || match self.news.print() {
            Ok((kind, data)) => format!("id: {}\nevent: {kind}\ndata: {data}\n\n", id()).into(),
            // What cannot be written is a gap: its readers go on with the next one.
            Err(_) => "".into(),
        };
        Arc::clone(self.text.get_or_init(write))
    }
}

impl News {
    fn print(&self) -> serde_json::Result<(&'static str, String)> {
        match self {
            Self::Call(event) => Ok(("call", serde_json::to_string(&CallNews::new(event))?)),
            Self::Key { call, at } => Ok(("call", serde_json::to_string(&CallNews::of(*call, *at, "key"))?)),
            Self::Agent(news) => Ok(("agent", serde_json::to_string(news)?)),
            Self::System(news) => Ok(("system", serde_json::to_string(news)?)),
        }
    }
}

/// Data of an event of type `call`: what happened in a call. Which of the optional fields are there depends on `what`.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = CallNews)]
pub(crate) struct CallNews {
    /// When, in milliseconds since 1970 (UTC).
    at: i64,
    call: String,
    /// `arrived`, `picked`, `joined`, `rejoined`, `language`, `risk`, `mode`, `offered`, `withdrawn`, `answered`,
    /// `key`, `agent_lost`, `agent_away`, `agent_back`, `agent_moved`, `caller_media`, `tty`, `one_way`, `quality`, `alerted`, `paged` or `ended`.
    what: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trunk: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<LanguageWord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    risk: Option<RiskWord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<ModeView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<OfferKindWord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<WithdrawnWord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waited_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flowing: Option<bool>,
    /// Whose audio: `caller` or `advocate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    side: Option<&'static str>,
    /// Which way it goes or not: `from` the party or `to` it.
    #[serde(skip_serializing_if = "Option::is_none")]
    way: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quality: Option<QualityView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<OutcomeWord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<CauseWord>,
}

impl CallNews {
    fn of(call: CallId, at: Unix, what: &'static str) -> Self {
        Self { at: at.as_millis(), call: call.to_string(), what, ..Self::default() }
    }

    pub(crate) fn new(event: &CallEvent) -> Self {
        let mut news = Self::of(event.call, event.at, event.what.as_str());
        match &event.what {
            What::Arrived { line, trunk } => {
                news.line = Some(line.to_string());
                news.trunk = Some(trunk.to_string());
            }
            What::Joined { language, risk } | What::Rejoined { language, risk } => {
                news.language = Some(LanguageWord(*language));
                news.risk = Some(RiskWord(*risk));
            }
            What::Language(language) => news.language = Some(LanguageWord(*language)),
            What::Risk(risk) => news.risk = Some(RiskWord(*risk)),
            What::Mode(mode) => news.mode = Some(views::mode(*mode)),
            What::Offered { offer, agent, kind } => {
                news.offer = Some(offer.to_string());
                news.agent = Some(agent.to_string());
                news.kind = Some(OfferKindWord(*kind));
            }
            What::Withdrawn { offer, agent, why } => {
                news.offer = Some(offer.to_string());
                news.agent = Some(agent.to_string());
                news.why = Some(WithdrawnWord(*why));
            }
            What::Answered { agent, waited } => {
                news.agent = Some(agent.to_string());
                news.waited_ms = Some(views::millis(*waited));
            }
            What::AgentLost { agent }
            | What::AgentAway { agent }
            | What::AgentBack { agent }
            | What::AgentMoved { agent } => {
                news.agent = Some(agent.to_string());
            }
            What::CallerMedia { flowing } => news.flowing = Some(*flowing),
            What::OneWay { side, way, flowing } => {
                news.side = Some(side.as_str());
                news.way = Some(way.as_str());
                news.flowing = Some(*flowing);
            }
            What::Quality { side, quality } => {
                news.side = Some(side.as_str());
                news.quality = Some(views::quality(quality));
            }
            What::Ended { outcome, cause } => {
                news.outcome = Some(OutcomeWord(*outcome));
                news.cause = Some(CauseWord(*cause));
            }
            What::Picked | What::Tty | What::Alerted | What::Paged | What::Key(_) => {}
        }
        news
    }
}

/// Data of an event of type `agent`: an advocate's state changed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AgentNews {
    /// When, in milliseconds since 1970 (UTC).
    at: i64,
    agent: Agent,
}

/// Data of an event of type `system`: something happened to the node.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SystemNews {
    /// When, in milliseconds since 1970 (UTC).
    at: i64,
    /// `started`, `draining`, `store_down`, `store_up`, `reloaded` or `reload_refused`.
    what: &'static str,
    /// Content hash of the new dialplan.
    #[serde(skip_serializing_if = "Option::is_none")]
    dialplan: Option<String>,
}

#[cfg(test)]
mod tests {
    use havre_model::Digit;

    use super::*;

    #[test]
    fn a_reader_gets_everything_once_and_in_order() {
        let events = Events::new(Unix::from_millis(5));
        for _ in 0..100 {
            events.system(System::StoreUp, Unix::from_millis(0));
        }
        let (mut seen, mut ids) = (0, Vec::new());
        while let Read::Frames(frames, last) = events.after(seen) {
            assert!(frames.len() <= BATCH);
            ids.extend(frames.iter().map(|f| f.lines().next().unwrap().to_owned()));
            seen = last;
        }
        let expected: Vec<_> = (1..=100).map(|n| format!("id: 5-{n}")).collect();
        assert_eq!(ids, expected);
    }

    #[test]
    fn who_falls_behind_is_told_and_what_was_missed_is_counted() {
        let events = Events::new(Unix::from_millis(5));
        for _ in 0..RING + 10 {
            events.system(System::StoreUp, Unix::from_millis(0));
        }
        assert!(matches!(events.after(10), Read::Frames(..)));
        assert_eq!(events.missed(), 0);
        assert!(matches!(events.after(3), Read::Behind));
        assert_eq!(events.missed(), 7);
        assert_eq!(events.ring().frames.len(), RING);
    }

    #[test]
    fn a_key_is_told_and_not_which() {
        let events = Events::new(Unix::from_millis(5));
        let digit = Digit::from_char('8').unwrap();
        let (call, at) = (CallId(7), Unix::from_millis(1));
        events.call(&CallEvent { call, at, what: What::Key(digit) });
        let kept = format!("{:?}", events.ring().frames);
        assert!(kept.contains(&call.to_string()) && !kept.contains("Key("), "it is kept for an hour: {kept}");
        let Read::Frames(frames, 1) = events.after(0) else { panic!("one event") };
        let told =
            format!("id: 5-1\nevent: call\ndata: {{\"at\":1,\"call\":\"{call}\",\"what\":\"key\"}}\n\n");
        assert_eq!(frames.concat(), told);
    }

    #[test]
    fn ids_of_another_process_or_of_the_future_are_unknown() {
        let events = Events::new(Unix::from_millis(5));
        events.system(System::Started, Unix::from_millis(0));
        assert_eq!(events.number("5-1"), Some(1));
        for unknown in ["5-2", "4-1", "5", "", "5-x", "-1", "5-1\u{e9}"] {
            assert_eq!(events.number(unknown), None, "{unknown:?}");
        }
        assert!(matches!(events.after(u64::MAX), Read::Nothing));
    }
}
