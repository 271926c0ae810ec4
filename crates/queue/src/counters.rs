//! What was dropped or went otherwise than planned, and how often.

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Callers who joined (again).
    pub joins: u64,
    /// Offers that rang.
    pub offers: u64,
    /// Talks begun.
    pub connects: u64,
    /// Offers unanswered for the ring time.
    pub no_answers: u64,
    /// Telephones outside that were answered by nobody who took the call.
    pub not_taken: u64,
    /// Offers declined.
    pub declines: u64,
    /// Offers to phones that could not be reached.
    pub unreachable: u64,
    /// Offers to phones over which nobody can talk.
    pub phones_failed: u64,
    /// Claims and confirmations the store refused in time.
    pub claims_refused: u64,
    /// Refusals that came after the engine had gone on with local truth.
    pub late_refusals: u64,
    /// Answers of the store that did not come within [`crate::ACK_WITHIN`].
    pub acks_missed: u64,
    /// Answers of the store to nothing that was asked, or repeated.
    pub acks_dropped: u64,
    /// Answers of phones whose offer was over.
    pub late_answers: u64,
    /// Inputs about a call that is not here.
    pub unknown_calls: u64,
    /// Inputs about an agent that is not configured.
    pub unknown_agents: u64,
    /// Inputs about an offer that is over.
    pub unknown_offers: u64,
    /// Accounts beyond [`havre_model::limits::MAX_AGENTS`].
    pub agents_dropped: u64,
}

impl Counters {
    /// Each counter with its stable name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("joins", self.joins),
            ("offers", self.offers),
            ("connects", self.connects),
            ("no_answers", self.no_answers),
            ("not_taken", self.not_taken),
            ("declines", self.declines),
            ("unreachable", self.unreachable),
            ("phones_failed", self.phones_failed),
            ("claims_refused", self.claims_refused),
            ("late_refusals", self.late_refusals),
            ("acks_missed", self.acks_missed),
            ("acks_dropped", self.acks_dropped),
            ("late_answers", self.late_answers),
            ("unknown_calls", self.unknown_calls),
            ("unknown_agents", self.unknown_agents),
            ("unknown_offers", self.unknown_offers),
            ("agents_dropped", self.agents_dropped),
        ]
        .into_iter()
    }
}
