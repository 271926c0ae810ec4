//! A caller's talk with an advocate, and what connects the two.

use havre_model::{AgentId, LegId, Mono, Now};

use crate::health::AgentHealth;

/// A talk with an advocate.
#[derive(Debug)]
pub struct Talk {
    /// Who.
    pub agent: AgentId,
    pub(crate) link: Link,
}

/// What connects an advocate with the caller.
#[derive(Debug)]
pub(crate) enum Link {
    /// A leg. A `detached` one can be told and asked nothing; its media flow.
    Here { leg: LegId, browser: bool, since: Mono, health: AgentHealth, held: bool, detached: bool },
    /// The browser's connection is gone, and its page has until then to come back; or the leg ended while another device of
    /// the advocate's was about to take its place.
    Away { until: Mono },
}

impl Talk {
    /// The advocate's leg; `None` while there is none.
    #[must_use]
    pub const fn leg(&self) -> Option<LegId> {
        match self.link {
            Link::Here { leg, .. } => Some(leg),
            Link::Away { .. } => None,
        }
    }

    /// The advocate's leg, where it is a phone's.
    pub(crate) const fn phone(&self) -> Option<LegId> {
        match self.link {
            Link::Here { leg, browser: false, .. } => Some(leg),
            Link::Here { .. } | Link::Away { .. } => None,
        }
    }
}

impl Link {
    pub(crate) fn new(leg: LegId, browser: bool, now: Now) -> Self {
        let health = AgentHealth::new(now.mono);
        Self::Here { leg, browser, since: now.mono, health, held: false, detached: false }
    }
}
