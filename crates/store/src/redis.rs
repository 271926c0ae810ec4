//! The shared store: ops are carried to Redis in order; it may be lost, hung or empty at any time, and is then `Down`
//! until it answers again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use havre_model::NodeId;
use havre_queue::{Ack, LEASE, Lease, Op};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tracing::{info, warn};

use crate::scripts::Scripts;

/// Ops that may wait. A full line of 4,096 callers that all change at once, twice.
const MAX_QUEUED: usize = 8_192;
/// Without an answer for this long Redis is hung.
const RESPONSE: Duration = Duration::from_millis(500);
/// Time to connect at the start.
const CONNECT: Duration = Duration::from_secs(3);
/// How often a node says that it lives, and finds out that Redis does.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// A node that said nothing for this long is lost.
const HEARTBEAT_EXPIRY: Duration = Duration::from_secs(15);
/// Pauses between attempts to reconnect.
const BACK_OFF: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
];

/// Where Redis is, and who we are there.
#[derive(Clone)]
pub struct RedisConfig {
    /// `redis://[user:password@]host:port/db`.
    pub url: String,
    /// Before every key.
    pub prefix: String,
    /// This node.
    pub node: NodeId,
}

/// Redis cannot be used.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The address is none.
    #[error("the address of Redis is not understood ({0}); write redis://host:6379/0")]
    Address(String),
    /// Nobody answers.
    #[error("Redis does not answer: {0}; is it running, and is the address right? (\"embedded\" needs none)")]
    Unreachable(String),
}

/// What was counted.
#[derive(Debug, Default)]
pub struct RedisCounters {
    ops: AtomicU64,
    failures: AtomicU64,
    overflows: AtomicU64,
}

impl RedisCounters {
    /// Name and value of each.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [("ops", &self.ops), ("failures", &self.failures), ("overflows", &self.overflows)]
            .map(|(name, value)| (name, value.load(Ordering::Relaxed)))
            .into_iter()
    }
}

#[derive(Default)]
struct Shared {
    up: AtomicBool,
    overflowed: AtomicBool,
    counters: RedisCounters,
}

/// A connection to the shared store. Dropping it ends its task.
#[derive(Clone)]
pub struct Redis {
    ops: mpsc::Sender<Op>,
    shared: Arc<Shared>,
}

impl Redis {
    /// Connects, says `Up`, and carries ops from then on.
    ///
    /// # Errors
    /// Redis does not answer within 3 s.
    pub async fn connect(config: RedisConfig, acks: mpsc::Sender<Ack>) -> Result<Self, StoreError> {
        // Messages of the client may quote the address, and so its password.
        let client =
            Client::open(config.url.as_str()).map_err(|error| StoreError::Address(category(&error)))?;
        let connection = timeout(CONNECT, connect(&client))
            .await
            .map_err(|_| StoreError::Unreachable("no answer in 3 s".into()))?
            .map_err(|error| StoreError::Unreachable(category(&error)))?;
        let (ops, queue) = mpsc::channel(MAX_QUEUED);
        let shared = Arc::new(Shared::default());
        let carrier = Carrier {
            client,
            connection,
            key: format!("{{{}}}", config.prefix),
            node: config.node,
            scripts: Scripts::new(),
            queue,
            acks,
            shared: Arc::clone(&shared),
        };
        tokio::spawn(carrier.run());
        Ok(Self { ops, shared })
    }

    /// Carries an op, soon. Never blocks: if Redis is so slow that too many wait, it counts as down.
    pub fn submit(&self, op: Op) {
        if self.ops.try_send(op).is_err() {
            self.shared.counters.overflows.fetch_add(1, Ordering::Relaxed);
            self.shared.overflowed.store(true, Ordering::Relaxed);
        }
    }

    /// Whether Redis answers.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.shared.up.load(Ordering::Relaxed)
    }

    /// What was counted.
    #[must_use]
    pub fn counters(&self) -> &RedisCounters {
        &self.shared.counters
    }
}

async fn connect(client: &Client) -> Result<MultiplexedConnection, RedisError> {
    let config = AsyncConnectionConfig::new()
        .set_response_timeout(Some(RESPONSE))
        .set_connection_timeout(Some(Duration::from_secs(1)));
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    let _: String = redis::cmd("PING").query_async(&mut connection).await?;
    Ok(connection)
}

/// What kind of failure it was, without the text, which may quote an address.
fn category(error: &RedisError) -> String {
    if error.is_connection_refusal() {
        return "connection refused".into();
    }
    if error.is_timeout() {
        return "no answer in time".into();
    }
    error.category().to_owned()
}

/// The task that owns the connection.
struct Carrier {
    client: Client,
    connection: MultiplexedConnection,
    /// The prefix of every key, as a hash tag.
    key: String,
    node: NodeId,
    scripts: Scripts,
    queue: mpsc::Receiver<Op>,
    acks: mpsc::Sender<Ack>,
    shared: Arc<Shared>,
}

impl Carrier {
    async fn run(mut self) {
        loop {
            self.shared.up.store(true, Ordering::Relaxed);
            self.shared.overflowed.store(false, Ordering::Relaxed);
            if self.acks.send(Ack::Up).await.is_err() {
                return;
            }
            let Some(fault) = self.serve().await else { return };
            warn!(fault, "Redis is lost; trying again until it answers");
            self.shared.up.store(false, Ordering::Relaxed);
            self.shared.counters.failures.fetch_add(1, Ordering::Relaxed);
            if self.acks.send(Ack::Down).await.is_err() || !self.reconnect().await {
                return;
            }
            info!("Redis answers again");
        }
    }

    /// Carries ops until Redis fails (why), or nobody sends any more (`None`).
    async fn serve(&mut self) -> Option<String> {
        let mut heartbeat = interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let done = tokio::select! {
                op = self.queue.recv() => {
                    self.shared.counters.ops.fetch_add(1, Ordering::Relaxed);
                    self.carry(op?).await
                }
                _ = heartbeat.tick() => self.beat().await,
            };
            if let Err(error) = done {
                return Some(category(&error));
            }
            if self.shared.overflowed.load(Ordering::Relaxed) {
                return Some("too many ops wait".into());
            }
        }
    }

    /// Until Redis answers; `false` if nobody is interested any more. What was to be carried meanwhile is outdated: the
    /// engine says everything again after `Up`.
    async fn reconnect(&mut self) -> bool {
        let mut attempt = 0;
        loop {
            let pause = BACK_OFF[attempt.min(BACK_OFF.len() - 1)];
            attempt += 1;
            let until = Instant::now() + pause;
            while let Ok(op) = tokio::time::timeout_at(until, self.queue.recv()).await {
                if op.is_none() {
                    return false;
                }
            }
            if let Ok(Ok(connection)) = timeout(CONNECT, connect(&self.client)).await {
                self.connection = connection;
                while self.queue.try_recv().is_ok() {}
                return true;
            }
            // A refused connection fails at once; never spin on it.
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn beat(&mut self) -> Result<(), RedisError> {
        let key = format!("{}:node:{}", self.key, self.node);
        let expiry = HEARTBEAT_EXPIRY.as_millis() as u64;
        redis::cmd("SET").arg(key).arg("alive").arg("PX").arg(expiry).query_async(&mut self.connection).await
    }

    async fn carry(&mut self, op: Op) -> Result<(), RedisError> {
        match op {
            Op::Claim { op, lease } => {
                let ok = self.lease_script(&self.scripts.claim.clone(), &lease).await?;
                self.answer(Ack::Claimed { op, ok }).await;
            }
            Op::Confirm { op, lease } => {
                let ok = self.lease_script(&self.scripts.confirm.clone(), &lease).await?;
                self.answer(Ack::Confirmed { op, ok }).await;
            }
            Op::Renew(leases) => self.renew(&leases).await?,
            Op::Release(lease) => {
                self.lease_script(&self.scripts.release.clone(), &lease).await?;
            }
            Op::PutCaller(record) => self.put_caller(&record).await?,
            Op::DropCaller(call) => {
                self.run_script(&self.scripts.drop_caller.clone(), &[call.to_string()]).await?;
            }
            Op::PutAgent(record) => self.put_agent(&record).await?,
            Op::DropAgent(agent) => {
                self.run_script(&self.scripts.drop_agent.clone(), &[agent.to_string()]).await?;
            }
            Op::Sync { callers, agents, leases } => {
                self.run_script(&self.scripts.forget.clone(), &[]).await?;
                for record in &callers {
                    self.put_caller(record).await?;
                }
                for record in &agents {
                    self.put_agent(record).await?;
                }
                self.renew(&leases).await?;
            }
        }
        Ok(())
    }

    async fn answer(&self, ack: Ack) {
        // A closed channel means that the node is stopping.
        let _ = self.acks.send(ack).await;
    }

    async fn renew(&mut self, leases: &[Lease]) -> Result<(), RedisError> {
        for lease in leases {
            self.lease_script(&self.scripts.renew.clone(), lease).await?;
        }
        Ok(())
    }

    async fn put_caller(&mut self, record: &havre_queue::CallerRecord) -> Result<(), RedisError> {
        let arguments = [
            record.call.to_string(),
            record.score.to_string(),
            record.arrival.as_millis().to_string(),
            record.language.to_string(),
            record.risk.to_string(),
        ];
        self.run_script(&self.scripts.put_caller.clone(), &arguments).await
    }

    async fn put_agent(&mut self, record: &havre_queue::AgentRecord) -> Result<(), RedisError> {
        let arguments = [record.agent.to_string(), record.state.as_str().to_owned()];
        self.run_script(&self.scripts.put_agent.clone(), &arguments).await
    }

    async fn run_script(&mut self, script: &redis::Script, arguments: &[String]) -> Result<(), RedisError> {
        let mut call = script.key(&self.key);
        call.arg(self.node.as_str());
        for argument in arguments {
            call.arg(argument);
        }
        let _: u8 = call.invoke_async(&mut self.connection).await?;
        Ok(())
    }

    async fn lease_script(&mut self, script: &redis::Script, lease: &Lease) -> Result<bool, RedisError> {
        let mut call = script.key(&self.key);
        call.arg(self.node.as_str())
            .arg(lease.offer.to_string())
            .arg(lease.call.to_string())
            .arg(lease.agent.as_str())
            .arg(LEASE.as_millis() as u64)
            .arg(u8::from(lease.talking));
        let granted: u8 = call.invoke_async(&mut self.connection).await?;
        Ok(granted == 1)
    }
}
