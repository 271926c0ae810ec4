//! `havre run`: everything is read and proven first, then the ports open, then the line is there until it is told to stop.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::Args;
use havre_console::{Board, Console, Events, Limits, Origin, SessionTimes, System, Token};
use havre_node::clock::Clock;
use havre_node::media::{MediaConfig, MediaThreads};
use havre_node::{Control, Handle, Parts, Sockets, TlsCounters, TlsParts};
use havre_queue::{Ack, Op};
use havre_store::{Records, Redis, RedisConfig};
use havre_switch::{BrowserMedia, Configuration, Switch};
use havre_tls::Tls;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

use crate::config::Config;
use crate::line::Running;
use crate::load::{self, Loaded};
use crate::logging::Lost;
use crate::people::{self, Kept};
use crate::tls::Certificates;
use crate::watch::{Published, Watcher};
use crate::{banner, logging, office};

/// Events of the data plane that may wait for the control thread: every leg of a full node at once.
const MEDIA_EVENTS: usize = 16_384;
/// Time for the last BYEs to be answered.
const FAREWELL: Duration = Duration::from_secs(2);
/// Answers of the store that may wait.
const ACKS: usize = 4_096;

/// Answer calls.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The configuration; without it, the built-in demo on loopback.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Runs the line until SIGTERM or SIGINT.
pub(crate) fn run(args: RunArgs) -> anyhow::Result<ExitCode> {
    let loaded = match load::load(args.config.as_deref()) {
        Ok(loaded) => loaded,
        Err(findings) => {
            crate::print_findings(findings);
            return Ok(ExitCode::FAILURE);
        }
    };
    let log = logging::init(loaded.config.log_json, &loaded.config.log_level)?;
    forbid_core_dumps();
    raise_descriptors();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("havre-io")
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(serve(loaded, args.config, log.lost()))
}

async fn serve(loaded: Loaded, path: Option<PathBuf>, lost: Lost) -> anyhow::Result<ExitCode> {
    let clock = Clock::new();
    let (ack_sender, acks) = mpsc::channel(ACKS);
    let store = open_store(&loaded.config, ack_sender).await?;
    let records = Records::open(&loaded.config.records).await.map_err(|error| anyhow!("{error}"))?;
    let now = clock.now();
    let events = Events::new(now.unix);
    let mut board = Board::new(Arc::clone(&events), now.unix);
    board.on_agents(&load::profiles(&loaded.config), now);
    // The day's curves go on where an earlier process left them.
    match havre_store::calls_since(&loaded.config.records, now.unix - Duration::from_secs(24 * 3600)).await {
        Ok(past) => past.iter().for_each(|call| board.on_past_call(&office::past(call))),
        Err(error) => warn!(%error, "today's earlier calls are not shown"),
    }
    board.on_system(System::Started, now.unix);
    let published = Published::new(board.snapshot(now));
    let trunks = loaded.config.trunks.iter().map(|trunk| trunk.id.clone()).collect();
    let tls_counters = Arc::new(TlsCounters::default());
    let certificates =
        Arc::new(Certificates::new(Arc::clone(&loaded.material), loaded.config.tls.clone(), clock));
    let (tls, watched) = (certificates.tls.clone(), Arc::clone(&certificates));
    let watcher = Watcher::new(
        board,
        Arc::clone(&published),
        records.clone(),
        trunks,
        Arc::clone(&tls_counters),
        tls.clone(),
        lost,
    );
    tokio::spawn(async move { watched.watch().await });

    let sockets = Sockets::bind(&loaded.config.sip_listen)?.bind_tls(&loaded.config.sip_tls_listen)?;
    let sip: Vec<SocketAddr> = sockets.addresses().collect();
    let sip_tls: Vec<SocketAddr> = sockets.tls_addresses().collect();
    let tls_parts = TlsParts { server: tls.sip(), client: tls.client(), counters: tls_counters };
    let (handle, control_ended) = start_control(&loaded, sockets, tls_parts, clock, store, acks, watcher)?;
    let roster = office::read_roster(&loaded.config)?;
    let running =
        Running::new(handle.clone(), published, path, &loaded, roster, certificates, records.clone());
    let running = Arc::new(running);
    let console = open_console(&loaded.config, Arc::clone(&running), events, &tls, clock).await?;
    let http = console.local_addr();
    let setup = console.setup_path();
    let (stop_console, console_stops) = oneshot::channel::<()>();
    let console_task = tokio::spawn(console.serve(async {
        let _ = console_stops.await;
    }));
    info!(node = %loaded.config.node, ?sip, ?sip_tls, %http, dialplan = loaded.plan.hash(), "ready for calls");
    banner::print(&loaded, &sip, http, setup.as_deref());

    let drain = loaded.config.drain;
    drop(loaded);
    let code = tokio::select! {
        () = until_told_to_stop(&running, drain) => ExitCode::SUCCESS,
        _ = control_ended => {
            error!("the control thread ended by itself");
            ExitCode::FAILURE
        }
    };
    // Whoever is still there is told (BYE), not left with silence.
    let _ = tokio::time::timeout(FAREWELL, handle.hang_up()).await;
    handle.stop().await;
    let _ = stop_console.send(());
    let _ = console_task.await;
    records.close().await;
    info!("stopped");
    Ok(code)
}

/// The control thread, with all that speaks to it.
fn start_control(
    loaded: &Loaded,
    sockets: Sockets,
    tls: TlsParts,
    clock: Clock,
    store: Box<dyn FnMut(Op) + Send>,
    acks: mpsc::Receiver<Ack>,
    watcher: Watcher,
) -> anyhow::Result<(Handle, oneshot::Receiver<()>)> {
    let (media_sender, media_events) = mpsc::channel(MEDIA_EVENTS);
    let config = &loaded.config;
    let media_config = MediaConfig {
        listen: config.rtp_listen,
        ports: config.rtp_ports.clone(),
        browser_ports: config.browser_ports.clone(),
        shards: config.shards,
        // Often enough for a live screen, seldom enough for the control thread: 500 legs say 250 things a second.
        shard: havre_media::Config {
            quality_every: Duration::from_secs(2),
            suppress_silence: config.suppress_silence,
            ..havre_media::Config::default()
        },
    };
    let media = MediaThreads::start(media_config, clock, rand::random(), media_sender)?;
    let configuration = Configuration {
        sip: load::sip_config(config, Arc::clone(&loaded.carriers)),
        agents: load::profiles(config),
        ring_first: load::ring_first(config),
        srtp: load::srtp(config),
        codecs: load::codecs(config),
        outsiders: load::outsiders(config),
        plan: Arc::clone(&loaded.plan),
        library: Arc::clone(&loaded.library),
        rtp_advertise: config.rtp_advertise,
        rtp_advertise_other: config.rtp_advertise_other,
        browser: config.browser_ports.as_ref().map(|_| BrowserMedia {
            fingerprint: media.fingerprint(),
            candidates_host: load::media_addresses(config),
        }),
        shards: media.shards(),
    };
    let dns = config.dns.clone();
    let (ended, control_ended) = oneshot::channel();
    let (started, handle) = std::sync::mpsc::channel();
    std::thread::Builder::new().name("havre-control".into()).spawn(move || {
        let switch = Switch::new(configuration, rand::random(), clock.now());
        let observer = Box::new(watcher);
        let (control, handle) = Control::new(Parts {
            switch,
            sockets,
            tls,
            media,
            media_events,
            clock,
            store,
            acks,
            observer,
            dns,
        });
        let _ = started.send(handle);
        if let Err(error) = control.run() {
            error!(%error, "the control thread cannot run");
        }
        let _ = ended.send(());
    })?;
    Ok((handle.recv().context("the control thread did not start")?, control_ended))
}

async fn open_store(config: &Config, acks: mpsc::Sender<Ack>) -> anyhow::Result<Box<dyn FnMut(Op) + Send>> {
    let Some(url) = config.redis.clone() else {
        return Ok(Box::new(havre_store::embedded(acks)));
    };
    let redis_config = RedisConfig { url, prefix: config.redis_prefix.clone(), node: config.node.clone() };
    let redis = Redis::connect(redis_config, acks).await.map_err(|error| anyhow!("store.url: {error}"))?;
    Ok(Box::new(move |op| redis.submit(op)))
}

async fn open_console(
    config: &Config,
    running: Arc<Running>,
    events: Arc<Events>,
    tls: &Tls,
    clock: Clock,
) -> anyhow::Result<Console> {
    let keep = Arc::new(Kept::open(&config.console.accounts).await?);
    let most = config.console.session;
    let console_config = havre_console::Config {
        token: Token::new(&config.http_token)?,
        open_metrics: config.metrics_open,
        limits: Limits::default(),
        version: env!("CARGO_PKG_VERSION").into(),
        zone: "America/Toronto".into(),
        origins: origins(config, tls),
        realm: config.realm.clone(),
        sessions: SessionTimes { idle: most / 2, most },
        oidc: config.console.oidc.clone(),
        demo: if config.console.demo { people::demo(config) } else { Vec::new() },
    };
    let https = tls.https().filter(|_| config.http_secure);
    let parts = havre_console::Parts {
        line: running,
        events,
        keep,
        clock: Arc::new(move || clock.now()),
        tls: https.map(|server| Arc::new(move || server.config()) as havre_console::Tls),
    };
    Ok(Console::bind(config.http_listen, console_config, parts).await?)
}

/// Those that are configured, and those that our certificate is for.
fn origins(config: &Config, tls: &Tls) -> Vec<Origin> {
    let mut origins = config.console.origins.clone();
    if config.http_secure {
        let port = config.http_listen.port();
        let port = if port == 443 { String::new() } else { format!(":{port}") };
        let material = tls.material();
        let own = material.names().iter().filter_map(|name| format!("https://{name}{port}").parse().ok());
        for origin in own {
            if !origins.contains(&origin) {
                origins.push(origin);
            }
        }
    }
    origins
}

/// Serves signals: SIGHUP reloads; the first SIGTERM or SIGINT drains, the second ends at once.
async fn until_told_to_stop(running: &Arc<Running>, drain: Duration) {
    let (Ok(mut hangup), Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::hangup()), signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        error!("signals cannot be received: stop this process with SIGKILL");
        return std::future::pending().await;
    };
    loop {
        tokio::select! {
            _ = hangup.recv() => {
                let running = Arc::clone(running);
                tokio::spawn(async move { running.reload_files().await.map_err(drop) });
            }
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    running.draining.store(true, Ordering::Relaxed);
    let left = running.control.count().await;
    if left > 0 {
        let seconds = drain.as_secs();
        info!(calls = left, seconds, "waiting for calls to end; a second signal ends them");
    }
    tokio::select! {
        () = running.control.drain() => {}
        () = tokio::time::sleep(drain) => {
            let left = running.control.count().await;
            warn!(calls = left, "the time to drain is over: these calls are cut");
        }
        _ = terminate.recv() => warn!("told twice: calls in progress are cut"),
        _ = interrupt.recv() => warn!("told twice: calls in progress are cut"),
    }
}

/// A core dump would hold callers' numbers.
fn forbid_core_dumps() {
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    if rustix::process::setrlimit(rustix::process::Resource::Core, none).is_err() {
        warn!("core dumps cannot be switched off here; a core dump would hold callers' numbers");
    }
}

/// Every leg has up to three sockets: all the descriptors that the system allows, where shells give 1,024 unasked.
fn raise_descriptors() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let all = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = rustix::process::setrlimit(rustix::process::Resource::Nofile, all) {
        warn!(%error, "the limit of open descriptors (`ulimit -n`) stays as it is, which limits the calls");
    }
}
