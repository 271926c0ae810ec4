//! A console on a free port over a line of the test's own making, and a client that is a few lines of hyper.

// Each test file uses its own part of this; a helper of tests may panic as a test may.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

mod office;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use havre_console::{
    Answer, Board, CommandError, Config, Console, Counter, Events, Finding, Limits, Line, Measures,
    Readiness, ReloadRefused, Reloaded, Roster, Rtp, Snapshot, Token,
};
use havre_model::{
    AgentCommand, AgentId, AgentProfile, AgentState, CallEvent, CallId, Language, Mono, Now, Risk, Role,
    Spoken, Unix, What, WrapUp,
};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub const TOKEN: &str = "test-token-0123456789";

/// A running console and what feeds it.
pub struct Server {
    pub address: SocketAddr,
    pub line: Arc<TestLine>,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

impl Server {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config {
            token: Token::new(TOKEN).unwrap(),
            open_page: false,
            open_metrics: false,
            version: "9.8.7".to_owned(),
            zone: "America/Toronto".to_owned(),
            limits: Limits::default(),
        };
        change(&mut config);
        let line = Arc::new(TestLine::new());
        let events = Arc::clone(&line.events);
        let console =
            Console::bind(([127, 0, 0, 1], 0).into(), config, Arc::clone(&line) as _, events).await.unwrap();
        let address = console.local_addr();
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(console.serve(async { drop(stopped.await) }));
        Self { address, line, stop: Some(stop), serving }
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

/// A line at 100 s past the epoch; what happens in it is what the test says.
pub struct TestLine {
    pub events: Arc<Events>,
    pub board: Mutex<Board>,
    pub readiness: Mutex<Readiness>,
    published: watch::Sender<Arc<Snapshot>>,
    pub roster: Mutex<Arc<Roster>>,
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
        Self { events, board: Mutex::new(board), readiness, published, roster: Mutex::default() }
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
            rtp,
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

    fn reload(&self) -> Answer<'_, Result<Reloaded, ReloadRefused>> {
        let finding = Finding {
            file: "dialplans/hotline.toml".to_owned(),
            line: Some(12),
            key: "menu.greeting.no_input".to_owned(),
            what: "is missing".to_owned(),
            remedy: "say where a caller who presses nothing goes".to_owned(),
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
