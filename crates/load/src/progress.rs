//! What is told while a run goes on: on a terminal one line that is written anew each second, elsewhere a line now
//! and then.
#![allow(clippy::print_stderr, reason = "progress is for people; results go to standard output")]

use std::io::{IsTerminal as _, Write as _, stderr};
use std::time::Duration;

use havre_model::Mono;

use crate::crowd::Crowd;
use crate::ladder::Ladder;
use crate::step::Usage;

/// Time between two lines where there is no terminal.
const QUIET: Duration = Duration::from_secs(10);

/// See the module's page.
pub(crate) struct Progress {
    silent: bool,
    terminal: bool,
    last: Option<(Mono, Used)>,
    next: Mono,
}

/// Processor time up to one moment.
#[derive(Clone, Copy)]
pub(crate) struct Used {
    /// The server's, where it was named.
    pub(crate) server: Option<Usage>,
    /// Ours.
    pub(crate) own: Duration,
}

impl Progress {
    /// Tells everything, or nothing at all.
    pub(crate) fn new(silent: bool) -> Self {
        Self { silent, terminal: stderr().is_terminal(), last: None, next: Mono::ZERO }
    }

    /// Tells where the run is.
    pub(crate) fn show(&mut self, ladder: &Ladder, crowd: &Crowd, used: Used, now: Mono) {
        let before = self.last.replace((now, used));
        if self.silent || now < self.next {
            return;
        }
        if !self.terminal {
            self.next = now + QUIET;
        }
        let census = crowd.census();
        let tally = crowd.tally();
        let mut line = format!("{}: {} waiting, {} talking", ladder.phase(), census.waiting, census.talking);
        let (registered, agents) = crowd.agents();
        if registered < agents {
            line += &format!(", {registered} of {agents} agents");
        }
        if tally.failures() > 0 {
            line += &format!(", {} failed", tally.failures());
        }
        if tally.heard.relayed > 0 {
            line += &format!(", {} packets lost", tally.heard.lost);
        }
        if let Some(delay) = tally.heard.delay.quantile(0.99) {
            line += &format!(", delay p99 {:.2} ms", delay.as_secs_f64() * 1_000.0);
        }
        if let Some((then, earlier)) = before {
            let percent = |to: Duration, from: Duration| {
                100.0 * to.saturating_sub(from).as_secs_f64() / now.since(then).as_secs_f64().max(0.001)
            };
            if let (Some(to), Some(from)) = (used.server, earlier.server) {
                line += &format!(" | server {:.0} %", percent(to.processor, from.processor));
            }
            line += &format!(" | load {:.0} %", percent(used.own, earlier.own));
        }
        self.write(&line);
    }

    /// Something worth a line of its own.
    pub(crate) fn remark(&self, text: &str) {
        if !self.silent {
            eprintln!("{}{text}", if self.terminal { "\r\x1b[K" } else { "" });
        }
    }

    fn write(&self, line: &str) {
        if self.terminal {
            // Cut off at the edge, not wrapped: only one line can be written anew.
            let _ = write!(stderr(), "\r\x1b[K\x1b[?7l{line}\x1b[?7h");
            let _ = stderr().flush();
        } else {
            eprintln!("{line}");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.terminal && !self.silent {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}
