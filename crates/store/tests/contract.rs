//! One contract, two stores: what the engine may rely on, run on the embedded store and on a real Redis; then what only
//! a shared store can do wrong: two nodes, a server that hangs, dies and comes back empty.

// Helpers of tests unwrap, and wait by the wall clock for a real server.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::cast_sign_loss)]

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use havre_model::{AgentId, AgentState, CallId, Language, OfferId, Risk, Unix};
use havre_queue::{Ack, AgentRecord, CallerRecord, Lease, Op, Score};
use havre_store::{Redis, RedisConfig, StoreError, embedded};
use tokio::sync::mpsc;

#[tokio::test]
async fn the_embedded_store_keeps_the_contract() {
    let (sender, acks) = mpsc::channel(64);
    let mut store = embedded(sender);
    contract(&mut |op| store(op), acks).await;
}

#[tokio::test]
async fn redis_keeps_the_contract() {
    let server = Server::start();
    let (redis, acks) = server.client("node-1").await;
    contract(&mut |op| redis.submit(op), acks).await;
}

/// What every store does for one node.
async fn contract(submit: &mut dyn FnMut(Op), mut acks: mpsc::Receiver<Ack>) {
    assert_eq!(next(&mut acks).await, Ack::Up, "a store says that it is there");
    submit(Op::Claim { op: 1, lease: lease(1, 1, "anna") });
    assert_eq!(next(&mut acks).await, Ack::Claimed { op: 1, ok: true });
    submit(Op::Claim { op: 2, lease: lease(2, 2, "anna") });
    assert_eq!(next(&mut acks).await, Ack::Claimed { op: 2, ok: true }, "this node replaces its own lease");
    submit(Op::Confirm { op: 3, lease: lease(1, 1, "anna") });
    assert_eq!(next(&mut acks).await, Ack::Confirmed { op: 3, ok: false }, "the older offer lost the agent");
    submit(Op::Release(lease(1, 1, "anna")));
    submit(Op::Confirm { op: 4, lease: lease(2, 2, "anna") });
    assert_eq!(
        next(&mut acks).await,
        Ack::Confirmed { op: 4, ok: true },
        "a stranger's release frees nobody"
    );
    submit(Op::Release(lease(2, 2, "anna")));
    submit(Op::Release(lease(2, 2, "anna")));
    submit(Op::Confirm { op: 5, lease: lease(3, 3, "anna") });
    assert_eq!(next(&mut acks).await, Ack::Confirmed { op: 5, ok: true }, "what ran out may be taken again");
    submit(Op::Sync {
        callers: vec![caller(9)],
        agents: vec![agent("anna")],
        leases: vec![lease(7, 7, "anna")],
    });
    submit(Op::Confirm { op: 6, lease: lease(3, 3, "anna") });
    assert_eq!(
        next(&mut acks).await,
        Ack::Confirmed { op: 6, ok: false },
        "a sync replaces what was said before"
    );
    submit(Op::DropCaller(CallId(9)));
    submit(Op::DropAgent("anna".parse().unwrap()));
}

#[tokio::test]
async fn two_nodes_never_hold_one_agent_or_one_caller() {
    let server = Server::start();
    let (one, mut one_acks) = server.client("node-1").await;
    let (two, mut two_acks) = server.client("node-2").await;
    assert_eq!(next(&mut one_acks).await, Ack::Up);
    assert_eq!(next(&mut two_acks).await, Ack::Up);
    for round in 0..1_000 {
        let offers = (lease(2 * round, round, "anna"), lease(2 * round + 1, round, "anna"));
        one.submit(Op::Claim { op: round, lease: offers.0.clone() });
        two.submit(Op::Claim { op: round, lease: offers.1.clone() });
        let won = (granted(&mut one_acks).await, granted(&mut two_acks).await);
        assert!(won.0 ^ won.1, "round {round}: {won:?}");
        one.submit(Op::Release(offers.0));
        two.submit(Op::Release(offers.1));
        // A confirm on a caller of nobody's, answered in order, shows that the release is done.
        one.submit(Op::Claim { op: 0, lease: lease(900_000, 1, "one") });
        two.submit(Op::Claim { op: 0, lease: lease(900_001, 1, "two") });
        assert!(granted(&mut one_acks).await && granted(&mut two_acks).await);
    }
    one.submit(Op::Confirm { op: 1, lease: talk(1, 77, "anna") });
    assert!(granted(&mut one_acks).await);
    two.submit(Op::Confirm { op: 1, lease: talk(2, 77, "berthe") });
    assert!(!granted(&mut two_acks).await, "the caller talks already, on the other node");
    one.submit(Op::Release(talk(1, 77, "anna")));
}

#[tokio::test]
async fn leases_run_out_and_callers_stay_in_order() {
    let server = Server::start();
    let (redis, mut acks) = server.client("node-1").await;
    assert_eq!(next(&mut acks).await, Ack::Up);
    for call in [3, 1, 2] {
        redis.submit(Op::PutCaller(caller(call)));
    }
    redis.submit(Op::PutAgent(agent("anna")));
    redis.submit(Op::Claim { op: 1, lease: lease(1, 1, "anna") });
    assert!(granted(&mut acks).await);
    let line = server.cli(&["ZRANGE", "{test}:waiting", "0", "-1"]);
    assert_eq!(line.split_whitespace().collect::<Vec<_>>(), [1, 2, 3].map(|id| CallId(id).to_string()));
    let ttl: i64 = server.cli(&["PTTL", "{test}:held:agent:anna"]).trim().parse().unwrap();
    assert!((1..=30_000).contains(&ttl), "a lost node's leases run out: {ttl} ms");
    assert_eq!(server.cli(&["HGET", "{test}:agent:anna", "state"]).trim(), "signed_out");
}

#[tokio::test]
async fn a_hung_redis_is_down_and_is_up_again_when_it_answers() {
    let server = Server::start();
    let (redis, mut acks) = server.client("node-1").await;
    assert_eq!(next(&mut acks).await, Ack::Up);
    server.signal("STOP");
    redis.submit(Op::PutAgent(agent("anna")));
    assert_eq!(next(&mut acks).await, Ack::Down);
    assert!(!redis.is_up());
    server.signal("CONT");
    assert_eq!(next(&mut acks).await, Ack::Up);
    redis.submit(Op::Claim { op: 1, lease: lease(1, 1, "anna") });
    assert!(granted(&mut acks).await);
}

#[tokio::test]
async fn a_redis_that_comes_back_empty_is_told_everything_again() {
    let mut server = Server::start();
    let (redis, mut acks) = server.client("node-1").await;
    assert_eq!(next(&mut acks).await, Ack::Up);
    redis.submit(Op::PutCaller(caller(1)));
    server.restart();
    assert_eq!(next(&mut acks).await, Ack::Down);
    assert_eq!(next(&mut acks).await, Ack::Up);
    redis.submit(Op::Sync {
        callers: vec![caller(2)],
        agents: vec![agent("anna")],
        leases: vec![talk(1, 5, "anna")],
    });
    redis.submit(Op::Claim { op: 1, lease: lease(1, 1, "other") });
    assert!(granted(&mut acks).await, "ops are in order: the sync is done");
    assert_eq!(server.cli(&["ZRANGE", "{test}:waiting", "0", "-1"]).trim(), CallId(2).to_string());
    assert_eq!(server.cli(&["GET", "{test}:held:call:c0000000000000005"]).trim(), "node-1 o0000000000000001");
}

#[tokio::test]
async fn a_redis_that_is_not_there_refuses_the_start_and_hides_the_password() {
    let (sender, _acks) = mpsc::channel(1);
    let config = RedisConfig {
        url: "redis://user:hunter2@127.0.0.1:1/0".into(),
        prefix: "test".into(),
        node: "node-1".parse().unwrap(),
    };
    let error = Redis::connect(config, sender).await.err().unwrap();
    assert!(matches!(error, StoreError::Unreachable(_)), "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

async fn next(acks: &mut mpsc::Receiver<Ack>) -> Ack {
    tokio::time::timeout(Duration::from_secs(15), acks.recv())
        .await
        .expect("an answer in 15 s")
        .expect("a store")
}

async fn granted(acks: &mut mpsc::Receiver<Ack>) -> bool {
    match next(acks).await {
        Ack::Claimed { ok, .. } | Ack::Confirmed { ok, .. } => ok,
        other => panic!("{other:?}"),
    }
}

fn lease(offer: u64, call: u64, agent: &str) -> Lease {
    Lease { offer: OfferId(offer), call: CallId(call), agent: agent.parse().unwrap(), talking: false }
}

fn talk(offer: u64, call: u64, agent: &str) -> Lease {
    Lease { talking: true, ..lease(offer, call, agent) }
}

fn caller(id: i64) -> CallerRecord {
    let arrival = Unix::from_millis(1_700_000_000_000 + id);
    let (language, risk) = (Language::Fr, Risk::Standard);
    CallerRecord { call: CallId(id as u64), score: Score::new(arrival, risk), arrival, language, risk }
}

fn agent(name: &str) -> AgentRecord {
    let agent: AgentId = name.parse().unwrap();
    AgentRecord { agent, state: AgentState::SignedOut }
}

/// A Redis of the test's own, on a port of its own.
struct Server {
    process: Child,
    port: u16,
    dir: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // The port is free when chosen; another process taking it meanwhile would fail the ping below.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { process: Self::spawn(port, dir.path()), port, dir }
    }

    fn spawn(port: u16, dir: &std::path::Path) -> Child {
        let mut process = Command::new("redis-server")
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
                "--dir",
            ])
            .arg(dir)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed: run `make setup`");
        let begun = std::time::Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(15), "redis-server does not listen");
            assert!(process.try_wait().unwrap().is_none(), "redis-server ended at once");
            std::thread::yield_now();
        }
        process
    }

    fn restart(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.process = Self::spawn(self.port, self.dir.path());
    }

    async fn client(&self, node: &str) -> (Redis, mpsc::Receiver<Ack>) {
        let (sender, acks) = mpsc::channel(64);
        let url = format!("redis://127.0.0.1:{}/0", self.port);
        let config = RedisConfig { url, prefix: "test".into(), node: node.parse().unwrap() };
        (Redis::connect(config, sender).await.unwrap(), acks)
    }

    fn signal(&self, name: &str) {
        let status =
            Command::new("kill").args([&format!("-{name}"), &self.process.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    fn cli(&self, words: &[&str]) -> String {
        let output =
            Command::new("redis-cli").args(["-p", &self.port.to_string()]).args(words).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-CONT", &self.process.id().to_string()]).status();
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
