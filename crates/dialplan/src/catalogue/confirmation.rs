//! What Havre says to an advocate who dialled a feature code.

use havre_model::{AgentCommand, AgentState, StateReason};

/// What Havre says to an advocate who dialled a feature code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// The command was done.
    Done(AgentCommand),
    /// `*44`: this is your state.
    State(AgentState),
    /// The command cannot be done in this state.
    Refused,
    /// A fault of ours: it was not done.
    Failed,
}

impl Confirmation {
    /// The prompts that a catalogue must have for them.
    pub(crate) const NAMES: &[&str] = &[
        "A-ready",
        "A-break",
        "A-end-wrap-up",
        "A-hard-call",
        "A-refused",
        "A-failed",
        "A-state-signed-out",
        "A-state-signed-in",
        "A-state-break",
        "A-state-no-answer",
        "A-state-phone-failed",
        "A-state-hard-call",
        "A-state-ready",
        "A-state-offered",
        "A-state-talking",
        "A-state-wrap-up",
    ];

    /// The prompt that says it.
    #[must_use]
    pub const fn prompt(&self) -> &'static str {
        match self {
            Self::Done(AgentCommand::Ready) => "A-ready",
            Self::Done(AgentCommand::Break) => "A-break",
            Self::Done(AgentCommand::EndWrapUp) => "A-end-wrap-up",
            Self::Done(AgentCommand::HardCall) => "A-hard-call",
            Self::Refused => "A-refused",
            Self::Failed => "A-failed",
            Self::State(AgentState::SignedOut) => "A-state-signed-out",
            Self::State(AgentState::NotReady { reason, .. }) => match reason {
                StateReason::SignedIn => "A-state-signed-in",
                StateReason::Break => "A-state-break",
                StateReason::NoAnswer => "A-state-no-answer",
                // Told to another phone of theirs, or to the same one, once it is mended.
                StateReason::PhoneFailed => "A-state-phone-failed",
                StateReason::HardCall => "A-state-hard-call",
            },
            Self::State(AgentState::Ready { .. }) => "A-state-ready",
            Self::State(AgentState::Offered { .. }) => "A-state-offered",
            Self::State(AgentState::Talking { .. }) => "A-state-talking",
            Self::State(AgentState::WrapUp { .. }) => "A-state-wrap-up",
        }
    }
}
