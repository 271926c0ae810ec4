//! The console over a made-up line, to look at the page: `cargo run -p havre-console --example demo [-- PORT [busy|calm|quiet|trouble]]`.
//!
//! The calls and advocates are invented, and nothing rings.

// An example's shell owns the clock and talks to its terminal.
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use havre_console::{
    Answer, Board, CommandError, Config, Console, Events, Keep, KeepError, Limits, Line, Measures, Office,
    Parts, Readiness, ReloadRefused, Reloaded, SessionTimes, SipFlow, Snapshot, System, Token,
};
use havre_model::{
    AccountChange, AgentCommand, AgentId, AgentProfile, AgentState, Attempt, AuditEntry, CallEvent, CallId,
    Cause, KeptAccounts, Ladder, Language, Mode, Mono, Now, OfferId, OfferKind, Outcome, Risk, Role, Spoken,
    StateReason, Unix, What, WrapUp,
};

use tokio::sync::watch;

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().map_or(Ok(8080), |port| port.parse())?;
    let scene = arguments.next().unwrap_or_else(|| "busy".to_owned());
    let clock = Clock(Instant::now());
    let events = Events::new(clock.now().unix);
    let mut board = Board::new(Arc::clone(&events), clock.now().unix - Duration::from_secs(6 * 3600));
    play(&mut board, &scene, clock.now())?;
    let published = watch::Sender::new(Arc::new(board.snapshot(clock.now())));
    let trouble = scene == "trouble";
    let line = Arc::new(MadeUp { board: Mutex::new(board), clock, trouble, published });
    tokio::spawn(publish(Arc::clone(&line)));
    tokio::spawn(keep_moving(Arc::clone(&line), scene));

    let config = Config {
        token: Token::new("demo-token")?,
        open_page: std::env::var_os("HAVRE_DEMO_SIGN_IN").is_none(),
        open_metrics: true,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        zone: "America/Toronto".to_owned(),
        origins: Vec::new(),
        realm: "havre".to_owned(),
        sessions: SessionTimes::default(),
        demo: Vec::new(),
        limits: Limits::default(),
    };
    let reads = Arc::clone(&line);
    let clock = Arc::new(move || reads.clock.now());
    let parts = Parts { line, events, keep: Arc::new(Nowhere), clock, tls: None };
    let console = Console::bind(([127, 0, 0, 1], port).into(), config, parts).await?;
    println!("http://{}/ (token: demo-token), Ctrl-C ends", console.local_addr());
    console.serve(async { drop(tokio::signal::ctrl_c().await) }).await;
    Ok(())
}

struct Clock(Instant);

impl Clock {
    fn now(&self) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // An hour of head room, so that things can have happened before the start.
        let mono = Mono::from_start(self.0.elapsed() + Duration::from_secs(3600));
        Now { mono, unix: Unix::from_millis(i64::try_from(unix.as_millis()).unwrap_or(0)) }
    }
}

struct MadeUp {
    board: Mutex<Board>,
    clock: Clock,
    trouble: bool,
    published: watch::Sender<Arc<Snapshot>>,
}

async fn publish(line: Arc<MadeUp>) {
    loop {
        line.published.send_replace(Arc::new(line.with(Board::snapshot)));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

impl MadeUp {
    fn with<T>(&self, act: impl FnOnce(&mut Board, Now) -> T) -> T {
        let now = self.clock.now();
        act(&mut self.board.lock().unwrap_or_else(std::sync::PoisonError::into_inner), now)
    }
}

impl Office for MadeUp {}

impl Line for MadeUp {
    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.published.borrow())
    }

    fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.published.subscribe()
    }

    fn measures(&self) -> Measures {
        Measures { store_up: !self.trouble, ..Measures::default() }
    }

    fn readiness(&self) -> Readiness {
        Readiness { draining: self.trouble, store_up: !self.trouble, ..Readiness::default() }
    }

    fn command(&self, agent: AgentId, command: AgentCommand) -> Answer<'_, Result<AgentState, CommandError>> {
        Box::pin(async move {
            let state = |since| match command {
                AgentCommand::Ready | AgentCommand::EndWrapUp => AgentState::Ready { since },
                AgentCommand::Break => {
                    AgentState::NotReady { reason: StateReason::Break, since, until: None }
                }
                AgentCommand::HardCall => {
                    AgentState::NotReady { reason: StateReason::HardCall, since, until: None }
                }
            };
            Ok(self.with(|board, now| {
                let state = state(now.unix);
                board.on_agent(&agent, state, now);
                state
            }))
        })
    }

    fn escalate(&self, call: CallId) -> Answer<'_, Option<bool>> {
        Box::pin(async move {
            Some(self.with(|board, now| {
                board.on_call(&CallEvent { call, at: now.unix, what: What::Risk(Risk::Urgent) });
                board.snapshot(now).calls.iter().any(|entry| entry.id == call)
            }))
        })
    }

    fn ladder(&self, _call: CallId) -> Answer<'_, Option<Option<Ladder>>> {
        Box::pin(async { Some(None) })
    }

    fn attempts(&self) -> Answer<'_, Option<Vec<Attempt>>> {
        Box::pin(async { Some(Vec::new()) })
    }

    fn sip_flow(&self, _agent: AgentId, _remote: SocketAddr, _secure: bool) -> Option<SipFlow> {
        None
    }

    fn reload(&self) -> Answer<'_, Result<Reloaded, ReloadRefused>> {
        Box::pin(async {
            Ok(Reloaded { dialplan: "made up".to_owned(), lines: 1, agents: 8, warnings: Vec::new() })
        })
    }
}

/// Keeps nothing.
struct Nowhere;

impl Keep for Nowhere {
    fn load(&self) -> Answer<'_, Result<KeptAccounts, KeepError>> {
        Box::pin(async { Ok(KeptAccounts::default()) })
    }

    fn apply(&self, _changes: Vec<AccountChange>) -> Answer<'_, Result<(), KeepError>> {
        Box::pin(async { Ok(()) })
    }

    fn audit(&self, _before: i64, _limit: usize) -> Answer<'_, Result<Vec<AuditEntry>, KeepError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

/// The state that the page opens on.
fn play(board: &mut Board, scene: &str, now: Now) -> Result<(), Failure> {
    if scene == "quiet" {
        return Ok(());
    }
    let people: [(&str, &[Spoken], &[Role]); 8] = [
        ("advocate-bi", &[Spoken::En, Spoken::Fr], &[Role::Advocate]),
        ("advocate-en", &[Spoken::En], &[Role::Advocate]),
        ("advocate-es", &[Spoken::En, Spoken::Es], &[Role::Advocate]),
        ("advocate-fr", &[Spoken::Fr], &[Role::Advocate]),
        ("advocate-night-1", &[Spoken::En, Spoken::Fr], &[Role::Advocate]),
        ("advocate-night-2", &[Spoken::Fr], &[Role::Advocate]),
        ("on-call-1", &[Spoken::En, Spoken::Fr], &[Role::OnCall]),
        ("supervisor", &[Spoken::En, Spoken::Fr], &[Role::Advocate, Role::Supervisor]),
    ];
    let profiles: Result<Vec<_>, Failure> = people
        .into_iter()
        .map(|(id, languages, roles)| {
            Ok(AgentProfile {
                id: id.parse()?,
                languages: languages.iter().copied().collect(),
                ui_language: languages[0],
                roles: roles.iter().copied().collect(),
                wrap_up: WrapUp::Manual,
                ready_on_register: true,
            })
        })
        .collect();
    board.on_agents(&profiles?, now);
    let ago = |seconds| now.unix - Duration::from_secs(seconds);
    let ahead = |seconds| now.mono + Duration::from_secs(seconds);
    let (talking, offered) = (CallId(0x71), CallId(0x73));
    if scene == "calm" {
        for agent in ["advocate-bi", "advocate-fr", "supervisor"] {
            board.on_agent(&agent.parse()?, AgentState::Ready { since: ago(1900) }, now);
        }
        return earlier_calls(board, now);
    }
    let states = [
        ("advocate-bi", AgentState::Talking { call: talking, since: ago(754) }),
        ("advocate-en", AgentState::Offered { offer: OfferId(1), call: offered, until: ahead(12) }),
        ("advocate-es", AgentState::NotReady { reason: StateReason::Break, since: ago(301), until: None }),
        ("advocate-fr", AgentState::WrapUp { since: ago(95), until: Some(ahead(25)) }),
        (
            "advocate-night-1",
            AgentState::NotReady { reason: StateReason::HardCall, since: ago(240), until: Some(ahead(660)) },
        ),
        ("supervisor", AgentState::Ready { since: ago(4210) }),
    ];
    for (agent, state) in states.into_iter().filter(|(agent, _)| scene == "busy" || *agent != "supervisor") {
        board.on_agent(&agent.parse()?, state, now);
    }
    earlier_calls(board, now)?;
    let calls = [
        (0x71, 780, Language::Fr, Risk::Urgent, Mode { silent: true, ..Mode::default() }),
        (0x72, 47, Language::Fr, Risk::Standard, Mode::default()),
        (0x73, 9, Language::En, Risk::Urgent, Mode { silent: true, discreet: true, ..Mode::default() }),
        (0x74, 31, Language::Unknown, Risk::Elevated, Mode::default()),
        (0x75, 14, Language::Other, Risk::Standard, Mode::default()),
        (0x76, 3, Language::En, Risk::Information, Mode::default()),
    ];
    for (id, joined, language, risk, mode) in calls {
        let mut say = |before, what| board.on_call(&CallEvent { call: CallId(id), at: ago(before), what });
        say(joined + 5, What::Arrived { line: "hotline".parse()?, trunk: "demo".parse()? });
        say(joined, What::Joined { language, risk });
        say(joined, What::Mode(mode));
        let then = match id {
            0x71 => {
                Some((754, What::Answered { agent: "advocate-bi".parse()?, waited: Duration::from_secs(26) }))
            }
            0x72 => Some((27, What::Alerted)),
            0x73 => Some((
                8,
                What::Offered { offer: OfferId(1), agent: "advocate-en".parse()?, kind: OfferKind::Single },
            )),
            0x74 => Some((3, What::CallerMedia { flowing: false })),
            _ => None,
        };
        if let Some((before, what)) = then {
            say(before, what);
        }
        if scene == "trouble" && id == 0x72 {
            say(1, What::Paged);
        }
    }
    let arrived = What::Arrived { line: "hotline".parse()?, trunk: "demo".parse()? };
    board.on_call(&CallEvent { call: CallId(0x77), at: ago(2), what: arrived });
    Ok(())
}

fn earlier_calls(board: &mut Board, now: Now) -> Result<(), Failure> {
    let at = now.unix - Duration::from_secs(3600);
    for n in 0..23_u64 {
        let language = if n % 3 == 0 { Language::Fr } else { Language::En };
        let (waited, outcome) =
            (Duration::from_secs(3 + n), if n % 9 == 8 { Outcome::Abandoned } else { Outcome::Answered });
        let mut say =
            |after, what| board.on_call(&CallEvent { call: CallId(0x1000 + n), at: at + after, what });
        say(Duration::ZERO, What::Arrived { line: "hotline".parse()?, trunk: "demo".parse()? });
        say(Duration::ZERO, What::Joined { language, risk: Risk::Standard });
        if outcome == Outcome::Answered {
            say(waited, What::Answered { agent: "advocate-bi".parse()?, waited });
        }
        say(waited, What::Ended { outcome, cause: Cause::CallerHungUp });
    }
    Ok(())
}

/// In the busy scene somebody calls every ten seconds and leaves half a minute later.
async fn keep_moving(line: Arc<MadeUp>, scene: String) {
    for n in 0_u64.. {
        tokio::time::sleep(Duration::from_secs(10)).await;
        if scene != "busy" {
            continue;
        }
        let (Ok(hotline), Ok(trunk)) = ("hotline".parse(), "demo".parse()) else { return };
        line.with(|board, now| {
            let mut say =
                |n, what| board.on_call(&CallEvent { call: CallId(0x2000 + n), at: now.unix, what });
            say(n, What::Arrived { line: hotline, trunk });
            let language = if n % 2 == 0 { Language::En } else { Language::Fr };
            say(n, What::Joined { language, risk: Risk::Standard });
            if let Some(left) = n.checked_sub(3) {
                say(left, What::Ended { outcome: Outcome::Abandoned, cause: Cause::CallerHungUp });
            }
            board.on_system(System::StoreUp, now.unix);
        });
    }
}
