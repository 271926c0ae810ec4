//! A console on a free port over a line of the test's own making, and a client that is a few lines of hyper.

// Each test file uses its own part of this; a helper of tests may panic as a test may.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

mod office;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use havre_console::{
    Answer, Board, CommandError, Config, Console, Counter, Events, Finding, Keep, KeepError, Limits, Line,
    Measures, Parts, Readiness, ReloadRefused, Reloaded, Roster, Rtp, SessionTimes, SipFlow, Snapshot, Stage,
    TakeError, Tls, Token,
};
use havre_model::{
    AccountChange, AgentCommand, AgentId, AgentProfile, AgentState, Attempt, AuditEntry, CallEvent, CallId,
    KeptAccounts, Kind, Ladder, Language, Mono, Now, Passed, Peer, Risk, Role, Said, Spoken, Traffic, Unix,
    What, WrapUp,
};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub const TOKEN: &str = "test-token-0123456789";

/// A running console and what feeds it.
pub struct Server {
    pub address: SocketAddr,
    pub line: Arc<TestLine>,
    pub keep: Arc<TestKeep>,
    pub clock: Arc<TestClock>,
    /// Of the link for the first account.
    pub setup: Option<String>,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

impl Server {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        Self::start_over(Arc::default(), Arc::default(), change).await
    }

    /// On what was kept before, at a moment.
    pub async fn start_over(
        keep: Arc<TestKeep>,
        clock: Arc<TestClock>,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        Self::start_at(keep, clock, None, change).await
    }

    /// Over TLS.
    pub async fn start_secure(tls: Tls) -> Self {
        Self::start_at(Arc::default(), Arc::default(), Some(tls), |_| {}).await
    }

    async fn start_at(
        keep: Arc<TestKeep>,
        clock: Arc<TestClock>,
        tls: Option<Tls>,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let mut config = Config {
            token: Token::new(TOKEN).unwrap(),
            open_metrics: false,
            version: "9.8.7".to_owned(),
            zone: "America/Toronto".to_owned(),
            origins: Vec::new(),
            realm: "havre".to_owned(),
            sessions: SessionTimes::default(),
            oidc: None,
            demo: Vec::new(),
            limits: Limits::default(),
        };
        change(&mut config);
        let line = Arc::new(TestLine::new());
        let events = Arc::clone(&line.events);
        let reads = Arc::clone(&clock);
        let parts = Parts {
            line: Arc::clone(&line) as _,
            events,
            keep: Arc::clone(&keep) as _,
            clock: Arc::new(move || reads.now()),
            tls,
        };
        let console = Console::bind(([127, 0, 0, 1], 0).into(), config, parts).await.unwrap();
        let address = console.local_addr();
        let setup = console.setup_path().map(|path| path.rsplit('/').next().unwrap().to_owned());
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(console.serve(async { drop(stopped.await) }));
        Self { address, line, keep, clock, setup, stop: Some(stop), serving }
    }

    /// Asks the console to stop and waits until it has.
    pub async fn stop(&mut self) {
        drop(self.stop.take());
        (&mut self.serving).await.unwrap();
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.ask(Method::GET, path, &[BEARER], "").await
    }

    pub async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let (parts, body) = self.open(method, path, headers, body).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Reply { status: parts.status, headers: parts.headers, body }
    }

    /// The response with its body still coming.
    pub async fn open(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response<Incoming> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut request =
            Request::builder().method(method).uri(path).header("host", self.address.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
        sender.send_request(request.body(body).unwrap()).await.unwrap()
    }

    pub async fn put_state(&self, agent: &str, body: &str) -> Reply {
        let path = format!("/api/v1/agents/{agent}/state");
        self.ask(Method::PUT, &path, &[BEARER, ("content-type", "application/json")], body).await
    }
}

/// Somebody who is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub cookie: String,
    pub csrf: String,
}

pub const PASSWORD: &str = "correct horse battery";

impl Server {
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes an account, as a machine with the token may.
    pub async fn account(&self, user: &str, roles: &[&str], agent: Option<&str>) {
        let wish = json!({
            "user": user, "name": user, "roles": roles, "agent": agent, "language": "en", "password": PASSWORD
        });
        let reply = self.ask(Method::POST, "/api/v1/accounts", &[BEARER, JSON], &wish.to_string()).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.text());
    }

    pub async fn try_sign_in(&self, user: &str, password: &str) -> Reply {
        let body = json!({"user": user, "password": password}).to_string();
        let origin = self.origin();
        self.ask(Method::POST, "/api/v1/session", &[("origin", &origin), JSON], &body).await
    }

    pub async fn sign_in(&self, user: &str) -> Person {
        Person::from(&self.try_sign_in(user, PASSWORD).await)
    }

    /// As a page of the console asks for somebody.
    pub async fn ask_as(&self, person: &Person, method: Method, path: &str, body: &str) -> Reply {
        let origin = self.origin();
        let headers =
            [("cookie", &*person.cookie), ("origin", &origin), ("x-csrf-token", &person.csrf), JSON];
        self.ask(method, path, &headers, body).await
    }
}

impl From<&Reply> for Person {
    fn from(reply: &Reply) -> Self {
        assert!(reply.status.is_success(), "{}", reply.text());
        let cookie = reply.header("set-cookie").split(';').next().unwrap().to_owned();
        Self { cookie, csrf: reply.json()["csrf"].as_str().unwrap().to_owned() }
    }
}

pub const JSON: (&str, &str) = ("content-type", "application/json");
pub const BEARER: (&str, &str) = ("authorization", "Bearer test-token-0123456789");

/// A whole response.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// The line's end of a SIP flow: whose, what they say, what they hear.
pub type Flow = (AgentId, mpsc::Receiver<Bytes>, mpsc::Sender<Bytes>);

/// A line at 100 s past the epoch; what happens in it is what the test says.
pub struct TestLine {
    pub events: Arc<Events>,
    pub board: Mutex<Board>,
    pub readiness: Mutex<Readiness>,
    published: watch::Sender<Arc<Snapshot>>,
    pub roster: Mutex<Arc<Roster>>,
    /// The line's end of each SIP flow that was asked for.
    pub flows: Mutex<Vec<Flow>>,
    /// What rings for whoever took it.
    pub taken: Mutex<Vec<(CallId, AgentId)>>,
}

impl TestLine {
    fn new() -> Self {
        let events = Events::new(Unix::from_millis(0));
        let mut board = Board::new(Arc::clone(&events), Unix::from_millis(0));
        let profile = |id: &str, spoken: &[Spoken], roles: &[Role]| AgentProfile {
            id: id.parse().unwrap(),
            languages: spoken.iter().copied().collect(),
            ui_language: spoken[0],
            roles: roles.iter().copied().collect(),
            wrap_up: WrapUp::Manual,
            ready_on_register: false,
        };
        let profiles = [
            profile("advocate-fr", &[Spoken::Fr], &[Role::Advocate]),
            profile("supervisor", &[Spoken::En, Spoken::Fr], &[Role::Advocate, Role::Supervisor]),
        ];
        board.on_agents(&profiles, NOW);
        let readiness = Mutex::new(Readiness { store_up: true, ..Readiness::default() });
        let published = watch::Sender::new(Arc::new(board.snapshot(NOW)));
        Self {
            events,
            board: Mutex::new(board),
            readiness,
            published,
            flows: Mutex::default(),
            taken: Mutex::default(),
            roster: Mutex::default(),
        }
    }

    /// Lets the board be told something, and publishes what it then shows.
    pub fn tell(&self, what: impl FnOnce(&mut Board)) {
        let mut board = self.board.lock().unwrap();
        what(&mut board);
        self.published.send_replace(Arc::new(board.snapshot(NOW)));
    }

    /// `at` in seconds.
    pub fn call(&self, at: i64, call: u64, what: What) {
        let event = CallEvent { call: CallId(call), at: Unix::from_millis(at * 1000), what };
        self.tell(|board| board.on_call(&event));
    }

    pub fn arrive_and_join(&self, at: i64, call: u64, language: Language, risk: Risk) {
        let arrived = What::Arrived { line: "hotline".parse().unwrap(), trunk: "demo".parse().unwrap() };
        self.call(at, call, arrived);
        self.call(at, call, What::Joined { language, risk });
    }

    pub fn agent(&self, agent: &str, state: AgentState) {
        self.tell(|board| board.on_agent(&agent.parse().unwrap(), state, NOW));
    }
}

pub const NOW: Now =
    Now { mono: Mono::from_start(Duration::from_secs(50)), unix: Unix::from_millis(100_000) };

fn traffic(sent: bool, what: Kind, count: u64) -> Traffic {
    Traffic { sent, transport: "udp", what, count }
}

fn made_up_ladder() -> Ladder {
    let passed = |millis, sent, said| Passed {
        at: NOW.unix + Duration::from_millis(millis),
        after: Duration::from_millis(millis),
        peer: Peer::Trunk("demo".parse().unwrap()),
        dialog: 0,
        sent,
        transport: "udp",
        said,
        seq: 1,
        again: false,
        described: !sent,
        cause: None,
    };
    let ringing = Said::Response { status: 180, to: "INVITE" };
    Ladder {
        messages: vec![passed(0, false, Said::Request("INVITE")), passed(12, true, ringing)],
        left_out: 3,
    }
}

impl Line for TestLine {
    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.published.borrow())
    }

    fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.published.subscribe()
    }

    fn measures(&self) -> Measures {
        let mut rtp = Rtp { received: 1000, lost: 3, ..Rtp::default() };
        rtp.jitter.observe(0.004);
        rtp.mos[0].observe(4.1);
        Measures {
            counters: vec![Counter { component: "sip", name: "parse_error", value: 2 }],
            trunk_errors: vec![("demo".parse().unwrap(), "timeout", 1)],
            transport_errors: vec![("udp", 4)],
            traffic: vec![
                traffic(false, Kind::Method("INVITE"), 7),
                traffic(true, Kind::Status(200), 6),
                traffic(true, Kind::OtherStatus, 1),
            ],
            rtp,
            certificate_ends: Some(1_800_000_000),
            store_up: self.readiness.lock().unwrap().store_up,
        }
    }

    fn readiness(&self) -> Readiness {
        self.readiness.lock().unwrap().clone()
    }

    fn command(&self, agent: AgentId, command: AgentCommand) -> Answer<'_, Result<AgentState, CommandError>> {
        Box::pin(async move {
            if agent.as_str() == "nobody" {
                return Err(CommandError::UnknownAgent);
            }
            match command {
                AgentCommand::Ready => Ok(AgentState::Ready { since: NOW.unix }),
                AgentCommand::HardCall => Err(CommandError::Unavailable),
                AgentCommand::Break => std::future::pending().await,
                AgentCommand::EndWrapUp => Err(CommandError::Refused {
                    detail: "The advocate is not in wrap-up.".to_owned(),
                    remedy: "Nothing to do.".to_owned(),
                }),
            }
        })
    }

    fn escalate(&self, call: CallId) -> Answer<'_, Option<bool>> {
        let known = self.board.lock().unwrap().snapshot(NOW).calls.iter().any(|entry| entry.id == call);
        Box::pin(async move { Some(known) })
    }

    fn ladder(&self, call: CallId) -> Answer<'_, Option<Option<Ladder>>> {
        let known = self.board.lock().unwrap().snapshot(NOW).calls.iter().any(|entry| entry.id == call);
        Box::pin(async move { Some(known.then(made_up_ladder)) })
    }

    fn attempts(&self) -> Answer<'_, Option<Vec<Attempt>>> {
        let attempt = Attempt {
            at: NOW.unix,
            peer: Peer::Trunk("demo".parse().unwrap()),
            status: Some(404),
            ladder: made_up_ladder(),
        };
        Box::pin(async move { Some(vec![attempt]) })
    }

    fn take(&self, call: CallId, agent: AgentId) -> Answer<'_, Option<Result<(), TakeError>>> {
        let waits = self.board.lock().unwrap().snapshot(NOW);
        let waits = waits.calls.iter().any(|entry| entry.id == call && entry.stage == Stage::Waiting);
        let taken = match (agent.as_str(), waits) {
            ("nobody", _) => Err(TakeError::UnknownAgent),
            (_, false) => Err(TakeError::NotWaiting),
            ("advocate-fr", true) => Err(TakeError::Busy),
            ("supervisor", true) => {
                self.taken.lock().unwrap().push((call, agent));
                Ok(())
            }
            _ => Err(TakeError::Unreachable),
        };
        Box::pin(async move { Some(taken) })
    }

    fn sip_flow(&self, agent: AgentId, _remote: SocketAddr, _secure: bool) -> Option<SipFlow> {
        let (to_line, from_browser) = mpsc::channel(4);
        let (to_browser, from_line) = mpsc::channel(4);
        self.flows.lock().unwrap().push((agent, from_browser, to_browser));
        Some(SipFlow { to_line, from_line })
    }

    fn reload(&self) -> Answer<'_, Result<Reloaded, ReloadRefused>> {
        let finding = Finding {
            file: "dialplans/hotline.toml".to_owned(),
            line: Some(12),
            key: "menu.greeting.no_input".to_owned(),
            what: "is missing".to_owned(),
            remedy: "say where a caller who presses nothing goes".to_owned(),
            what_fr: Some("manque".to_owned()),
            remedy_fr: Some("dites où va qui ne presse aucune touche".to_owned()),
        };
        let draining = self.readiness().draining;
        Box::pin(async move {
            if draining {
                return Err(ReloadRefused { findings: vec![finding] });
            }
            Ok(Reloaded { dialplan: "abc123".to_owned(), lines: 1, agents: 2, warnings: vec![finding] })
        })
    }
}

/// One server-sent event.
#[derive(Debug, PartialEq)]
pub struct Event {
    pub id: String,
    pub kind: String,
    pub data: Value,
}

/// A stream of server-sent events.
pub struct Stream {
    body: Incoming,
    read: String,
}

impl Stream {
    pub async fn open(server: &Server, path: &str, last: Option<&str>) -> Self {
        let mut headers = vec![BEARER];
        headers.extend(last.map(|id| ("last-event-id", id)));
        let response = server.open(Method::GET, path, &headers, "").await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body(), read: String::new() }
    }

    /// The next event; comments are passed over.
    pub async fn next(&mut self) -> Event {
        loop {
            let block = self.block().await.expect("the stream ended");
            let field =
                |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            let Some(data) = field("data: ") else { continue };
            let data = serde_json::from_str(&data).unwrap();
            return Event { id: field("id: ").unwrap_or_default(), kind: field("event: ").unwrap(), data };
        }
    }

    /// The next block of lines; `None` at the end.
    pub async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.read.split_once("\n\n") {
                let block = block.to_owned();
                self.read = rest.to_owned();
                return Some(block);
            }
            let frame = timeout(Duration::from_secs(10), self.body.frame()).await.expect("nothing comes")?;
            self.read.push_str(std::str::from_utf8(&frame.ok()?.into_data().unwrap()).unwrap());
        }
    }
}

/// Checks that an answer is exactly as the file of examples says, which the web app is built and tested against. With
/// `HAVRE_WRITE_SHAPES=1` the file is written instead.
pub fn assert_shape(name: &str, seen: &Value) {
    let path = format!("{}/tests/shapes/{name}.json", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("HAVRE_WRITE_SHAPES").is_some() {
        std::fs::write(&path, format!("{}\n", serde_json::to_string_pretty(seen).unwrap())).unwrap();
    }
    let expected: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(*seen, expected, "{path} differs; is the change meant? HAVRE_WRITE_SHAPES=1 writes it anew");
}

/// A clock that goes on only as the test says.
pub struct TestClock(Mutex<Now>);

impl Default for TestClock {
    fn default() -> Self {
        Self(Mutex::new(NOW))
    }
}

impl TestClock {
    pub fn now(&self) -> Now {
        *self.0.lock().unwrap()
    }

    pub fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = now.after(by);
    }
}

/// What is kept, in memory: a later console can start over it.
#[derive(Default)]
pub struct TestKeep {
    pub kept: Mutex<KeptAccounts>,
    pub audit: Mutex<Vec<AuditEntry>>,
    /// The disk is full.
    pub full: Mutex<bool>,
}

impl Keep for TestKeep {
    fn load(&self) -> Answer<'_, Result<KeptAccounts, KeepError>> {
        Box::pin(async { Ok(self.kept.lock().unwrap().clone()) })
    }

    fn apply(&self, changes: Vec<AccountChange>) -> Answer<'_, Result<(), KeepError>> {
        Box::pin(async move {
            if *self.full.lock().unwrap() {
                return Err(KeepError("the disk is full".to_owned()));
            }
            let (mut kept, mut audit) = (self.kept.lock().unwrap(), self.audit.lock().unwrap());
            for change in changes {
                match change {
                    AccountChange::Put(account) => {
                        kept.accounts.retain(|other| other.user != account.user);
                        kept.accounts.push(*account);
                    }
                    AccountChange::Remove(user) => kept.accounts.retain(|other| other.user != user),
                    AccountChange::SignedIn(session) => kept.sessions.push(session),
                    AccountChange::Seen(key, at) => {
                        kept.sessions.iter_mut().filter(|s| s.key == key).for_each(|s| s.seen = at);
                    }
                    AccountChange::SignedOut(key) => kept.sessions.retain(|session| session.key != key),
                    AccountChange::Done(entry) => {
                        let id = i64::try_from(audit.len()).unwrap() + 1;
                        audit.push(AuditEntry { id, ..entry });
                    }
                }
            }
            Ok(())
        })
    }

    fn audit(&self, before: i64, limit: usize) -> Answer<'_, Result<Vec<AuditEntry>, KeepError>> {
        Box::pin(async move {
            let audit = self.audit.lock().unwrap();
            Ok(audit.iter().rev().filter(|entry| entry.id < before).take(limit).cloned().collect())
        })
    }
}

/// Checks that `reply` is a problem of this status and kind that says what to do, and returns it.
#[track_caller]
pub fn problem(reply: &Reply, status: u16, kind: &str) -> Value {
    let text = String::from_utf8_lossy(&reply.body);
    assert_eq!(reply.status.as_u16(), status, "{text}");
    assert_eq!(reply.header("content-type"), "application/problem+json");
    let problem = reply.json();
    assert_eq!(problem["status"], status);
    assert_eq!(problem["type"], format!("urn:havre:problem:{kind}"));
    for said in ["title", "detail", "remedy"] {
        assert!(!problem[said].as_str().unwrap().is_empty(), "{said}");
    }
    problem
}
