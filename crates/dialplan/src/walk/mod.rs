//! One caller's way: the greeting, waiting, and waiting again after an advocate is lost.
//!
//! The prover, the `[[test]]` blocks and `havre dialplan walk` drive this very machine. What it decides is what the
//! caller hears and what the keys say; who is rung is the queue's, and legs and media are the call's.

mod caller;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use havre_model::{Digit, Language, LineId, Mode, Mono, Now, PlayId, Risk, Wakeup};

use crate::limits::{JOIN_AFTER_KEY, JOIN_WITHOUT_KEY, PLAY_SLACK};
use crate::plan::{NoMatch, Then};
use crate::{Clip, Dialplan};

use caller::Caller;
use waiting::Waiting;

/// What happens to a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// The 200 is sent (or confirmed): the greeting starts.
    Picked,
    /// A key. Ignored while talking: those are the advocate's.
    Digit(Digit),
    /// An [`Output::Play`] came to its end by itself. Of an older one, it changes nothing.
    PlayDone(PlayId),
    /// An advocate (or the partner centre) and the caller are bridged: everything stops.
    Answered,
    /// The advocate's leg sends nothing and is being probed: the caller hears the waiting sound.
    AgentSilent,
    /// The advocate's leg lives after all.
    AgentBack,
    /// The talk was cut off on our side: P12, then waiting again.
    AgentLost,
    /// On-call phones really ring: P7.
    MoreHelp,
    /// The partner centre may be offered: P8, but never in silent mode.
    PartnerOffered,
    /// An interpreter is being called: P9.
    InterpreterComing,
    /// A technical problem of ours keeps the caller waiting: P10.
    Trouble,
}

/// One thing to be heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cue {
    /// A clip.
    Clip(Arc<Clip>),
    /// Nothing, for so long.
    Pause(Duration),
}

impl Cue {
    /// How long it lasts.
    #[must_use]
    pub fn duration(&self) -> Duration {
        match self {
            Self::Clip(clip) => clip.duration(),
            Self::Pause(pause) => *pause,
        }
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// The caller joins the queue. Once per walk.
    Join {
        /// As what.
        language: Language,
        /// The class wished for: to be applied with [`Risk::changed_to`].
        risk: Risk,
        /// The manner chosen.
        mode: Mode,
    },
    /// Something changed after joining; what did not is `None`.
    Changed {
        /// The language.
        language: Option<Language>,
        /// The class wished for: to be applied with [`Risk::changed_to`].
        risk: Option<Risk>,
        /// The manner.
        mode: Option<Mode>,
    },
    /// Play these in order, in place of the message that plays now; over the sound.
    Play {
        /// To be given back in [`Input::PlayDone`]. Counts from 1 in each walk.
        play: PlayId,
        /// What is heard.
        cues: Vec<Cue>,
    },
    /// Loop this whenever no message plays, until told otherwise.
    Sound(Arc<Clip>),
    /// Stop message and sound at once.
    Stop,
    /// The caller chose the partner centre, and keeps waiting until it answers.
    Partner,
    /// The caller went this way out of a menu: for whoever counts them.
    Went {
        /// Which menu: see [`Dialplan::menu_id`].
        menu: usize,
        /// By which key; `None` by pressing none.
        key: Option<Digit>,
    },
}

/// One caller's way, from INVITE to the end of the call.
#[derive(Clone, Debug)]
pub struct Walk {
    caller: Caller,
    stage: Stage,
    /// The walk joins by then, whatever has or has not happened: no lost event may keep a caller out of the queue.
    join_by: Mono,
    limits: Limits,
    joined: bool,
}

/// How long joining may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) without_key: Duration,
    pub(crate) after_key: Duration,
}

impl Limits {
    /// Those of the journey.
    pub(crate) const JOURNEY: Self = Self { without_key: JOIN_WITHOUT_KEY, after_key: JOIN_AFTER_KEY };
}

#[derive(Clone, Debug, PartialEq)]
enum Stage {
    /// Not picked up yet.
    Ringing { menu: usize },
    /// In a menu, before the queue.
    Menu { menu: usize, heard: Heard },
    /// In the queue.
    Waiting(Waiting),
    /// With an advocate.
    Talking,
    /// With an advocate whose phone is silent and being probed.
    Held,
}

/// How much of a menu was heard.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Heard {
    /// It plays, and should end at `ends`.
    Playing { play: PlayId, ends: Mono },
    /// It was said; `no_input` comes at `until`.
    All { until: Mono },
}

impl Walk {
    /// At the INVITE: the time to join is counted from here. An unknown line is greeted like the first one.
    #[must_use]
    pub fn new(plan: Arc<Dialplan>, line: &LineId, french_first: bool, now: Now) -> Self {
        Self::with_limits(plan, line, french_first, now, Limits::JOURNEY)
    }

    /// With other limits than the journey's: the prover must see how long a path takes without being cut short.
    pub(crate) fn with_limits(
        plan: Arc<Dialplan>,
        line: &LineId,
        french_first: bool,
        now: Now,
        limits: Limits,
    ) -> Self {
        let menu = plan.line(line).or_else(|| plan.lines().first()).map_or(0, |line| line.menu);
        Self {
            caller: Caller::new(plan, french_first),
            stage: Stage::Ringing { menu },
            join_by: now.mono + limits.without_key,
            limits,
            joined: false,
        }
    }

    /// Takes what happened.
    pub fn handle_input(&mut self, input: Input, now: Now) {
        let now = now.mono;
        match input {
            Input::Picked => {
                if let Stage::Ringing { menu } = self.stage {
                    self.enter(menu, now);
                }
            }
            Input::Digit(digit) => self.on_digit(digit, now),
            Input::PlayDone(play) => self.on_play_done(play, now),
            Input::Answered => {
                self.caller.emit(Output::Stop);
                self.stage = Stage::Talking;
            }
            Input::AgentSilent => {
                if self.stage == Stage::Talking {
                    self.stage = Stage::Held;
                    self.caller.emit_sound();
                }
            }
            Input::AgentBack => {
                if self.stage == Stage::Held {
                    self.stage = Stage::Talking;
                    self.caller.emit(Output::Stop);
                }
            }
            Input::AgentLost => {
                if matches!(self.stage, Stage::Talking | Stage::Held) {
                    self.wait(now, waiting::Kind::Lost);
                }
            }
            Input::MoreHelp => self.say(waiting::Kind::MoreHelp, now),
            Input::PartnerOffered => self.say(waiting::Kind::Partner, now),
            Input::InterpreterComing => self.say(waiting::Kind::Interpreter, now),
            Input::Trouble => self.say(waiting::Kind::Trouble, now),
        }
    }

    /// To be called at or after [`Walk::poll_timeout`].
    pub fn handle_timeout(&mut self, now: Now) {
        let now = now.mono;
        match &mut self.stage {
            Stage::Ringing { .. } | Stage::Menu { .. } if self.join_by <= now => self.join(now),
            Stage::Menu { menu, heard } => match heard {
                Heard::All { until } if *until <= now => {
                    let then = self.caller.plan.graph.menus[*menu].no_input;
                    self.caller.emit(Output::Went { menu: *menu, key: None });
                    self.go(then, now);
                }
                Heard::Playing { ends, .. } if *ends + PLAY_SLACK <= now => {
                    let until = *ends + self.caller.plan.graph.menus[*menu].no_input_after;
                    *heard = Heard::All { until };
                }
                _ => {}
            },
            Stage::Waiting(waiting) => waiting.handle_timeout(&mut self.caller, now),
            Stage::Ringing { .. } | Stage::Talking | Stage::Held => {}
        }
    }

    /// What is to be done, until `None`.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.caller.poll_output()
    }

    /// When to call [`Walk::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Wakeup> {
        let join = Wakeup { at: self.join_by, why: "join deadline" };
        match &self.stage {
            Stage::Ringing { .. } => Some(join),
            Stage::Menu { heard: Heard::All { until }, .. } => {
                Wakeup::earliest(Some(join), Some(Wakeup { at: *until, why: "no input" }))
            }
            Stage::Menu { heard: Heard::Playing { ends, .. }, .. } => {
                Wakeup::earliest(Some(join), Some(Wakeup { at: *ends + PLAY_SLACK, why: "prompt overdue" }))
            }
            Stage::Waiting(waiting) => waiting.poll_timeout(&self.caller),
            Stage::Talking | Stage::Held => None,
        }
    }

    /// The caller's language, as far as it is known.
    #[must_use]
    pub fn language(&self) -> Language {
        self.caller.language
    }

    /// The class wished for so far.
    #[must_use]
    pub fn risk(&self) -> Risk {
        self.caller.risk
    }

    /// The manner chosen so far.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.caller.mode
    }

    /// The number of the menu that the caller is in (or will be, when picked up).
    pub(crate) fn menu(&self) -> Option<usize> {
        match self.stage {
            Stage::Ringing { menu } | Stage::Menu { menu, .. } => Some(menu),
            Stage::Waiting(_) | Stage::Talking | Stage::Held => None,
        }
    }

    /// Whether two walks will go on in the same way, but for the memory of a key storm.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let set = |w: &Self| (w.caller.language, w.caller.risk, w.caller.mode, w.join_by);
        self.stage == other.stage && set(self) == set(other)
    }

    fn on_digit(&mut self, digit: Digit, now: Mono) {
        if matches!(self.stage, Stage::Talking | Stage::Held) {
            return;
        }
        if self.caller.is_storm(now) {
            let before = self.caller.wishes();
            self.caller.risk = self.caller.risk.changed_to(Risk::Elevated);
            if self.joined {
                self.caller.emit_changes(before);
            }
        }
        match &mut self.stage {
            Stage::Ringing { menu } | Stage::Menu { menu, .. } => {
                let menu = *menu;
                self.on_menu_digit(menu, digit, now);
            }
            Stage::Waiting(waiting) => waiting.on_digit(digit, &mut self.caller, now),
            Stage::Talking | Stage::Held => {}
        }
    }

    fn on_menu_digit(&mut self, number: usize, digit: Digit, now: Mono) {
        let menu = &self.caller.plan.graph.menus[number];
        let then = match (menu.keys.get(&digit), menu.no_match) {
            (Some(choice), _) => {
                let (set, then) = (choice.set, choice.then);
                self.caller.apply(&set);
                self.caller.emit(Output::Went { menu: number, key: Some(digit) });
                then
            }
            (None, NoMatch::Join) => Then::Join,
            (None, NoMatch::Ignore) => return,
        };
        self.join_by = self.join_by.min(now + self.limits.after_key);
        self.go(then, now);
    }

    fn on_play_done(&mut self, done: PlayId, now: Mono) {
        match &mut self.stage {
            Stage::Menu { menu, heard } => {
                if matches!(heard, Heard::Playing { play, .. } if *play == done) {
                    let until = now + self.caller.plan.graph.menus[*menu].no_input_after;
                    *heard = Heard::All { until };
                }
            }
            Stage::Waiting(waiting) => waiting.on_play_done(done, &mut self.caller, now),
            Stage::Ringing { .. } | Stage::Talking | Stage::Held => {}
        }
    }

    fn go(&mut self, then: Then, now: Mono) {
        match then {
            Then::Join => self.join(now),
            Then::Menu(menu) => self.enter(menu, now),
        }
    }

    fn enter(&mut self, menu: usize, now: Mono) {
        let cues = self.caller.menu_cues(menu);
        let lasts: Duration = cues.iter().map(Cue::duration).sum();
        let play = self.caller.play(cues);
        self.stage = Stage::Menu { menu, heard: Heard::Playing { play, ends: now + lasts } };
    }

    fn join(&mut self, now: Mono) {
        self.wait(now, waiting::Kind::Opening);
    }

    /// Into the queue, with this to be said first.
    fn wait(&mut self, now: Mono, first: waiting::Kind) {
        if !self.joined {
            self.joined = true;
            let Caller { language, risk, mode, .. } = self.caller;
            self.caller.emit(Output::Join { language, risk, mode });
        }
        self.caller.emit(Output::Stop);
        self.caller.emit_sound();
        self.stage = Stage::Waiting(Waiting::new(first, &mut self.caller, now));
    }

    /// Something to be told to a waiting caller; others are not told.
    fn say(&mut self, kind: waiting::Kind, now: Mono) {
        if let Stage::Waiting(waiting) = &mut self.stage {
            waiting.tell(kind, &mut self.caller, now);
        }
    }
}
