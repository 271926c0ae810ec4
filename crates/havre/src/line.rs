//! The running line, as the console's API sees it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use havre_console::{
    Answer, CommandError, Line, Measures, Readiness, ReloadRefused, Reloaded, Roster, SipFlow, Snapshot,
    TakeError,
};
use havre_dialplan::Dialplan;
use havre_model::{AgentCommand, AgentId, AgentState, Attempt, CallId, Ladder};
use havre_node::Handle;
use havre_queue as queue;
use havre_store::Records;
use tokio::sync::watch;
use tracing::{error, info};

use crate::config::Config;
use crate::load::{self, Finding, Loaded};
use crate::tls::Certificates;
use crate::watch::Published;

/// What the API asks of.
pub(crate) struct Running {
    pub(crate) control: Handle,
    pub(crate) published: Arc<Published>,
    pub(crate) config: Option<PathBuf>,
    pub(crate) draining: AtomicBool,
    pub(crate) roster: Mutex<Arc<Roster>>,
    /// Files are changed by one request at a time.
    pub(crate) changing: tokio::sync::Mutex<()>,
    force: Mutex<InForce>,
    certificates: Arc<Certificates>,
    pub(crate) records: Records,
}

/// What was read last and was good.
#[derive(Clone)]
struct InForce {
    config: Arc<Config>,
    plan: Arc<Dialplan>,
}

impl Running {
    pub(crate) fn new(
        control: Handle,
        published: Arc<Published>,
        path: Option<PathBuf>,
        loaded: &Loaded,
        roster: Roster,
        certificates: Arc<Certificates>,
        records: Records,
    ) -> Self {
        let (config, plan) = (Arc::new(loaded.config.clone()), Arc::clone(&loaded.plan));
        Self {
            control,
            published,
            config: path,
            draining: AtomicBool::new(false),
            roster: Mutex::new(Arc::new(roster)),
            changing: tokio::sync::Mutex::default(),
            force: Mutex::new(InForce { config, plan }),
            certificates,
            records,
        }
    }

    /// The configuration that was read last.
    pub(crate) fn in_force(&self) -> Arc<Config> {
        Arc::clone(&self.force.lock().unwrap_or_else(PoisonError::into_inner).config)
    }

    /// The dialplan that new calls get.
    pub(crate) fn plan(&self) -> Arc<Dialplan> {
        Arc::clone(&self.force.lock().unwrap_or_else(PoisonError::into_inner).plan)
    }

    /// Reads everything again, off the threads that serve calls, and puts it in force if it is good.
    ///
    /// # Errors
    /// Everything that is wrong; the old plan stays.
    pub(crate) async fn reload_files(&self) -> Result<Reloaded, Vec<Finding>> {
        let path = self.config.clone();
        let loaded = tokio::task::spawn_blocking(move || load::load(path.as_deref())).await;
        let loaded = loaded.unwrap_or_else(|fault| {
            Err(vec![Finding {
                file: String::new(),
                line: None,
                key: String::new(),
                what: format!("reading failed: {fault}"),
                remedy: "this is a fault of havre: please report it; the old plan stays".into(),
                french: Some((
                    format!("la lecture a échoué\u{a0}: {fault}"),
                    "c’est un défaut de havre\u{a0}: merci de le signaler; l’ancien plan reste".into(),
                )),
            }])
        });
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(findings) => {
                for finding in &findings {
                    error!(%finding, "reload refused; the old plan stays");
                }
                self.control.reload_refused().await;
                return Err(findings);
            }
        };
        let reloaded = Reloaded {
            dialplan: loaded.plan.hash().to_owned(),
            lines: loaded.plan.lines().len(),
            agents: loaded.config.agents.len(),
            warnings: loaded.plan.warnings().iter().cloned().map(Finding::from).map(to_api).collect(),
        };
        let in_force = InForce { config: Arc::new(loaded.config.clone()), plan: Arc::clone(&loaded.plan) };
        let (plan, material) = loaded.into_reload();
        if !self.control.reload(Box::new(plan)).await {
            return Err(vec![Finding {
                file: String::new(),
                line: None,
                key: String::new(),
                what: "the control thread does not answer".into(),
                remedy: "look at the log; the old plan stays".into(),
                french: Some((
                    "le fil de contrôle ne répond pas".into(),
                    "consultez le journal; l’ancien plan reste".into(),
                )),
            }]);
        }
        self.certificates.replace(material, in_force.config.tls.clone());
        *self.force.lock().unwrap_or_else(PoisonError::into_inner) = in_force;
        info!(
            dialplan = reloaded.dialplan,
            "reloaded: new calls get the new plan, calls in progress keep theirs"
        );
        Ok(reloaded)
    }
}

impl Line for Running {
    fn snapshot(&self) -> Arc<Snapshot> {
        self.published.snapshot()
    }

    fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.published.snapshots()
    }

    fn measures(&self) -> Measures {
        let certificate_ends = self.certificates.ends().map(havre_model::Unix::as_secs);
        Measures { certificate_ends, ..self.published.measures() }
    }

    fn readiness(&self) -> Readiness {
        let store_up = self.published.measures().store_up;
        Readiness {
            starting: false,
            draining: self.draining.load(Ordering::Relaxed),
            store_up,
            notes: self.certificates.note().map(|note| note.en).into_iter().collect(),
        }
    }

    fn command(&self, agent: AgentId, command: AgentCommand) -> Answer<'_, Result<AgentState, CommandError>> {
        Box::pin(async move {
            match self.control.command(agent, command).await {
                None => Err(CommandError::Unavailable),
                Some(Ok(state)) => Ok(state),
                Some(Err(queue::CommandError::UnknownAgent)) => Err(CommandError::UnknownAgent),
                Some(Err(error)) => Err(refusal(error)),
            }
        })
    }

    fn escalate(&self, call: CallId) -> Answer<'_, Option<bool>> {
        Box::pin(self.control.escalate(call))
    }

    fn ladder(&self, call: CallId) -> Answer<'_, Option<Option<Ladder>>> {
        Box::pin(self.control.ladder(call))
    }

    fn attempts(&self) -> Answer<'_, Option<Vec<Attempt>>> {
        Box::pin(self.control.attempts())
    }

    fn take(&self, call: CallId, agent: AgentId) -> Answer<'_, Option<Result<(), TakeError>>> {
        Box::pin(async move {
            let taken = self.control.take(call, agent).await?;
            Some(taken.map_err(|error| match error {
                queue::TakeError::UnknownAgent => TakeError::UnknownAgent,
                queue::TakeError::Unreachable => TakeError::Unreachable,
                queue::TakeError::Busy => TakeError::Busy,
                queue::TakeError::NotWaiting => TakeError::NotWaiting,
            }))
        })
    }

    fn sip_flow(&self, agent: AgentId, remote: SocketAddr, secure: bool) -> Option<SipFlow> {
        let (to_line, from_line) = self.control.sip_flow(agent, remote, secure)?;
        Some(SipFlow { to_line, from_line })
    }

    fn reload(&self) -> Answer<'_, Result<Reloaded, ReloadRefused>> {
        Box::pin(async move {
            self.reload_files()
                .await
                .map_err(|findings| ReloadRefused { findings: findings.into_iter().map(to_api).collect() })
        })
    }
}

fn refusal(error: queue::CommandError) -> CommandError {
    let remedy = match error {
        queue::CommandError::Unreachable => "register the advocate's phone first",
        queue::CommandError::NotInWrapUp => "nothing to end: the advocate is not in wrap-up",
        queue::CommandError::UnknownAgent => "use an id of the configuration",
    };
    CommandError::Refused { detail: error.to_string(), remedy: remedy.into() }
}

pub(crate) fn to_api(finding: Finding) -> havre_console::Finding {
    let Finding { file, line, key, what, remedy, french } = finding;
    let (what_fr, remedy_fr) = french.unzip();
    let line = line.and_then(|line| u32::try_from(line).ok());
    havre_console::Finding { file, line, key, what, remedy, what_fr, remedy_fr }
}
