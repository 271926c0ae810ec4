//! What a call asks for.

use std::sync::Arc;

use havre_dialplan::{Clip, Cue};
use havre_model::{AgentId, CallEvent, Cause, Digit, Language, LegId, Mode, PlayId, Risk, Unix, Widening};

/// What a call asks of the outside.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send 180.
    Ring,
    /// Send 200.
    Pick,
    /// Play these clips one after the other, in place of what plays.
    Play {
        /// Reported back as [`crate::Input::PlayDone`].
        play: PlayId,
        /// What to play.
        cues: Vec<Cue>,
    },
    /// Loop this from now on, under the prompts: waiting sound, or the tick.
    Sound(Arc<Clip>),
    /// Silence, at once.
    Stop,
    /// Put the caller in the line.
    Join {
        /// As what.
        language: Language,
        /// In which class.
        risk: Risk,
        /// In which manner.
        mode: Mode,
        /// How the search widens.
        widening: Arc<Widening>,
        /// The first arrival, when the caller had joined before.
        arrival: Option<Unix>,
    },
    /// Tell the line what changed.
    Change {
        /// As what.
        language: Language,
        /// In which class.
        risk: Risk,
        /// In which manner.
        mode: Mode,
    },
    /// Take the caller out of the line.
    Leave,
    /// Let caller and advocate hear each other.
    Bridge {
        /// The advocate's leg.
        agent: LegId,
    },
    /// Dial this advocate's browser as soon as there is one, in place of the leg that was lost; until [`Self::TalkEnded`].
    Reattach {
        /// Who.
        agent: AgentId,
    },
    /// The caller pressed a key in the talk: for the advocate's eyes, and kept nowhere.
    Key {
        /// Whose.
        agent: AgentId,
        /// Which key.
        digit: Digit,
    },
    /// A caller who cannot speak pressed 1 or 2, and the advocate's phone has no page to show it on: it is said there.
    Word {
        /// The advocate's leg.
        agent: LegId,
        /// 1, or 2.
        yes: bool,
    },
    /// The caller went this way of the plan, out of a menu: counted, and kept nowhere.
    Went {
        /// The menu's place in the plan's outline.
        from: String,
        /// By which key; `None` by pressing none.
        key: Option<Digit>,
    },
    /// Ask the caller's phone whether it is there (in-dialog OPTIONS).
    ProbeCaller,
    /// Ask the advocate's phone.
    ProbeAgent {
        /// The advocate's leg.
        agent: LegId,
    },
    /// End the caller's leg.
    HangUpCaller(Cause),
    /// End the advocate's leg.
    HangUpAgent {
        /// The advocate's leg.
        agent: LegId,
        /// Why.
        cause: Cause,
    },
    /// Nothing was ever heard of the advocate's browser: its network lets no media through.
    AgentUnheard {
        /// Whose.
        agent: AgentId,
    },
    /// The talk is over for the advocate.
    TalkEnded {
        /// Who.
        agent: AgentId,
        /// Whether their phone is thought to be there.
        reachable: bool,
    },
    /// For the record, the stream and the log.
    Event(CallEvent),
    /// Nothing more will come: forget this call.
    Over,
}
