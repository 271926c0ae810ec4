//! Who did what: written behind the acts, in their order, so that no act waits for a disk.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use havre_model::{AccountChange, AuditEntry, Now};
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use super::{Keep, Who};
use crate::config::Clock;
use crate::office::OfficeError;
use crate::problem::Problem;

/// Entries that may wait for the disk: more than people do in a day.
const MOST_WAITING: usize = 10_000;
/// Entries kept in one go.
const BATCH: usize = 64;
/// Time between attempts when the disk refuses.
const RETRY: Duration = Duration::from_secs(1);
/// Longest target and detail, in characters.
const LONGEST: usize = 500;

macro_rules! acts {
    ($($(#[$doc:meta])* $name:ident = $word:literal;)*) => {
        /// What is written down.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Act { $($(#[$doc])* $name,)* }

        impl Act {
            /// All of them: the pages have a text for each.
            #[cfg(test)]
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable word.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

acts! {
    SignIn = "sign_in";
    SignOut = "sign_out";
    /// One's own.
    Password = "password";
    /// The first account, by the link.
    Setup = "setup";
    AccountAdd = "account_add";
    AccountChange = "account_change";
    AccountRemove = "account_remove";
    AgentState = "agent_state";
    Escalate = "escalate";
    Take = "take";
    Roster = "roster";
    Dialplan = "dialplan";
    /// A prompt's.
    Recording = "recording";
    Reload = "reload";
    ReloadRefused = "reload_refused";
}

/// What stands first in the detail of an act whose answer never came: the pages have a text for it.
const OUTCOME_UNKNOWN: &str = "outcome_unknown";

/// Writes the audit. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Audit {
    jobs: mpsc::Sender<Job>,
    clock: Clock,
}

enum Job {
    Entry(AuditEntry),
    /// Answered once everything before it is kept.
    Barrier(oneshot::Sender<()>),
}

impl Audit {
    /// With its writer on the current runtime, which ends with the last clone.
    pub(crate) fn start(keep: Arc<dyn Keep>, clock: Clock) -> Self {
        let (jobs, queue) = mpsc::channel(MOST_WAITING);
        tokio::spawn(write(keep, queue));
        Self { jobs, clock }
    }

    /// `who` did `act` to `target`, in such a way. Never waits. Nothing of a caller but the random call
    /// id may stand in it.
    pub(crate) fn write(&self, who: &Who, act: Act, target: impl Display, detail: impl Display) {
        self.write_as(&who.name, act, target, detail);
    }

    /// As [`Audit::write`], for somebody who is not signed in yet, or no longer.
    pub(crate) fn write_as(&self, user: &str, act: Act, target: impl Display, detail: impl Display) {
        let Now { unix: at, .. } = (self.clock)();
        let act = act.as_str();
        let cut = |text: String| text.chars().take(LONGEST).collect::<String>();
        let (target, detail) = (cut(target.to_string()), cut(detail.to_string()));
        tracing::info!(target: "audit", user, act, ?target, ?detail, "done");
        let entry = AuditEntry { id: 0, at, user: user.to_owned(), act: act.to_owned(), target, detail };
        if self.jobs.try_send(Job::Entry(entry)).is_err() {
            tracing::error!("the audit cannot be written and its queue is full: an entry is in the log only");
        }
    }

    /// `who` asks for `act` to `target`: to be settled with the answer. One that is not, because no answer came in time or
    /// nobody waits for it any more, may have been done all the same, and is written down as that.
    pub(crate) fn ask(&self, who: &Who, act: Act, target: impl Display, detail: impl Display) -> Asked {
        let (audit, user) = (self.clone(), who.name.clone());
        Asked { audit, user, act, target: target.to_string(), detail: detail.to_string(), settled: false }
    }

    /// Returns once everything written so far is kept.
    pub(crate) async fn kept(&self) {
        let (done, told) = oneshot::channel();
        if self.jobs.send(Job::Barrier(done)).await.is_ok() {
            let _ = told.await;
        }
    }
}

/// An act that was asked for and not answered yet.
#[must_use]
pub(crate) struct Asked {
    audit: Audit,
    user: String,
    act: Act,
    target: String,
    detail: String,
    settled: bool,
}

impl Asked {
    /// It was done.
    pub(crate) fn done(mut self) {
        self.settled = true;
        self.audit.write_as(&self.user, self.act, &self.target, &self.detail);
    }

    /// It was done, and now it is known to what.
    pub(crate) fn done_to(mut self, target: impl Display) {
        self.target = target.to_string();
        self.done();
    }

    /// It was done, and now it is known how.
    pub(crate) fn done_so(mut self, detail: impl Display) {
        self.detail = detail.to_string();
        self.done();
    }

    /// It was refused: nothing was changed.
    pub(crate) fn refused(mut self) {
        self.settled = true;
    }

    /// The house did not do it, or, where a file or the record failed on the way, not all of it.
    pub(crate) fn failed(self, error: OfficeError) -> Problem {
        if !matches!(error, OfficeError::Unavailable(_)) {
            self.refused();
        }
        Problem::office(error)
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if !self.settled {
            let space = if self.detail.is_empty() { "" } else { " " };
            let detail = format!("{OUTCOME_UNKNOWN}{space}{}", self.detail);
            self.audit.write_as(&self.user, self.act, &self.target, detail);
        }
    }
}

async fn write(keep: Arc<dyn Keep>, mut queue: mpsc::Receiver<Job>) {
    let mut jobs = Vec::new();
    while queue.recv_many(&mut jobs, BATCH).await > 0 {
        let mut changes = Vec::new();
        let mut waiting = Vec::new();
        for job in jobs.drain(..) {
            match job {
                Job::Entry(entry) => changes.push(AccountChange::Done(entry)),
                Job::Barrier(done) => waiting.push(done),
            }
        }
        let mut failing = false;
        while let Err(error) = keep.apply(changes.clone()).await {
            if !failing {
                tracing::error!(%error, "the audit cannot be written; its entries wait in memory");
            }
            failing = true;
            sleep(RETRY).await;
        }
        for done in waiting {
            let _ = done.send(());
        }
    }
}
