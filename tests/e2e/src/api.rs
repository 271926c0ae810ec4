//! The line as its operators' tools see it: the HTTP API and the event stream.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::http::{Reply, Stream, request};
use crate::until;

/// Longest wait for an agent's state: registration and one round trip.
const STATE: Duration = Duration::from_secs(10);

/// A client of the API.
#[derive(Clone)]
pub struct Api {
    at: SocketAddr,
    token: String,
}

impl Api {
    pub(crate) fn new(at: SocketAddr, token: &str) -> Self {
        Self { at, token: token.into() }
    }

    /// `GET path` with the token.
    #[must_use]
    pub fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, "")
    }

    /// Any request with the token.
    #[must_use]
    pub fn ask(&self, method: &str, path: &str, body: &str) -> Reply {
        request(self.at, method, path, Some(&self.token), body)
            .unwrap_or_else(|| panic!("no answer to {method} {path}"))
    }

    /// `GET path` without a token, or with another.
    #[must_use]
    pub fn get_as(&self, path: &str, token: Option<&str>) -> Reply {
        request(self.at, "GET", path, token, "").unwrap_or_else(|| panic!("no answer to GET {path}"))
    }

    /// `GET /ready`; `None` while nobody listens.
    #[must_use]
    pub fn ready(&self) -> Option<Reply> {
        request(self.at, "GET", "/ready", None, "")
    }

    /// `GET path`, 200, as JSON.
    #[must_use]
    pub fn json(&self, path: &str) -> Value {
        let reply = self.get(path);
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        serde_json::from_str(&reply.body).unwrap_or_else(|e| panic!("{path}: {e}: {}", reply.body))
    }

    /// Each agent's state.
    #[must_use]
    pub fn agents(&self) -> BTreeMap<String, String> {
        let answer = self.json("/api/v1/agents");
        let text = |v: &Value| v.as_str().expect("a string").to_owned();
        list(&answer, "agents").iter().map(|agent| (text(&agent["id"]), text(&agent["state"]))).collect()
    }

    /// The calls.
    #[must_use]
    pub fn calls(&self) -> Vec<Value> {
        list(&self.json("/api/v1/calls"), "calls").clone()
    }

    /// Everything about one agent.
    #[must_use]
    pub fn agent(&self, id: &str) -> Value {
        let answer = self.json("/api/v1/agents");
        let found = list(&answer, "agents").iter().find(|agent| agent["id"] == id);
        found.unwrap_or_else(|| panic!("no {id} in {answer}")).clone()
    }

    /// Waits for an agent's state.
    #[track_caller]
    pub fn wait_for_state(&self, agent: &str, state: &str) {
        until(&format!("{agent} to be {state}"), STATE, || {
            (self.agents().get(agent).map(String::as_str) == Some(state)).then_some(())
        });
    }

    /// Asks for an agent's state.
    #[must_use]
    pub fn set_state(&self, agent: &str, state: &str) -> Reply {
        self.ask("PUT", &format!("/api/v1/agents/{agent}/state"), &format!(r#"{{"state":"{state}"}}"#))
    }

    /// The value of a metric without labels, or the sum over all labels that contain `label`.
    #[must_use]
    pub fn metric(&self, name: &str, label: &str) -> f64 {
        let reply = self.get("/metrics");
        assert_eq!(reply.status, 200);
        let lines = reply.body.lines().filter(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|r| r.starts_with(['{', ' '])) && line.contains(label)
        });
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// The event stream from now on.
    #[must_use]
    pub fn events(&self) -> Events {
        let stream = Stream::open(self.at, "/api/v1/events", Some(&self.token)).expect("an event stream");
        Events::follow(stream)
    }
}

/// The event stream, kept as it comes.
pub struct Events(Arc<Mutex<Vec<(Instant, Value)>>>);

impl Events {
    fn follow(mut stream: Stream) -> Self {
        let kept: Arc<Mutex<Vec<(Instant, Value)>>> = Arc::default();
        let events = Arc::clone(&kept);
        thread::spawn(move || {
            while let Some(line) = stream.line() {
                let Some(data) = line.strip_prefix("data:") else { continue };
                if let Ok(event) = serde_json::from_str(data.trim()) {
                    events.lock().expect("tests do not panic with it held").push((Instant::now(), event));
                }
            }
        });
        Self(kept)
    }

    /// All so far.
    #[must_use]
    pub fn all(&self) -> Vec<(Instant, Value)> {
        self.0.lock().expect("the reader does not panic").clone()
    }

    /// Those of this kind so far.
    #[must_use]
    pub fn of(&self, kind: &str) -> Vec<(Instant, Value)> {
        self.all().into_iter().filter(|(_, e)| kind_of(e) == kind).collect()
    }

    /// Waits for the `nth` (from 1) event of a kind.
    #[track_caller]
    pub fn wait(&self, kind: &str, nth: usize, limit: Duration) -> (Instant, Value) {
        let start = Instant::now();
        loop {
            if let Some(found) = self.of(kind).into_iter().nth(nth - 1) {
                return found;
            }
            assert!(
                start.elapsed() < limit,
                "waited {limit:?} in vain for event {kind:?} no. {nth}; there were:\n{}",
                self.log()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until a call is answered (the `nth` time), and says by whom.
    #[track_caller]
    pub fn answered_by(&self, nth: usize, limit: Duration) -> String {
        let (_, event) = self.wait("answered", nth, limit);
        event["agent"].as_str().unwrap_or_else(|| panic!("no agent in {event}")).to_owned()
    }

    /// The ids of all calls seen.
    #[must_use]
    pub fn calls(&self) -> HashSet<String> {
        self.all().iter().filter_map(|(_, e)| Some(e["call"].as_str()?.to_owned())).collect()
    }

    /// All as text, with seconds since the first, for a failed test.
    #[must_use]
    pub fn log(&self) -> String {
        let all = self.all();
        let first = all.first().map(|(at, _)| *at);
        let line = |(at, event): &(Instant, Value)| {
            format!("{:8.3} {event}", first.map_or(0.0, |first| at.duration_since(first).as_secs_f64()))
        };
        all.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// The kind of an event: `CallEvent`s say `what`.
fn kind_of(event: &Value) -> &str {
    ["what", "kind", "event", "type"].iter().find_map(|key| event[*key].as_str()).unwrap_or("")
}

fn list<'a>(answer: &'a Value, name: &str) -> &'a Vec<Value> {
    answer
        .as_array()
        .or_else(|| answer[name].as_array())
        .unwrap_or_else(|| panic!("no list of {name}: {answer}"))
}
