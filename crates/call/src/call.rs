//! The machine of one call.

mod advocate;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use havre_dialplan::{self as dialplan, Dialplan, Walk};
use havre_model::{
    CallEvent, CallId, Cause, Digit, LineId, Mono, Now, Outcome, Pii, Risk, TrunkId, Unix, Wakeup, What,
    limits,
};

use crate::health::{CallerHealth, Verdict};
use crate::talk::{Link, Talk};
use crate::{End, Input, Output, Redial};

/// Without an ACK the greeting starts this long after the 200: a carrier that loses ACKs still has a caller on the line.
const GREET_WITHOUT_ACK: Duration = Duration::from_millis(500);

/// A carrier may say one key both ways, by INFO and in the audio: the second within this time is the same press.
const KEY_TWICE: Duration = Duration::from_secs(1);

/// A call as it arrives.
#[derive(Debug)]
pub struct Arrival {
    /// Its id.
    pub call: CallId,
    /// The line that was dialled.
    pub line: LineId,
    /// The trunk it came from.
    pub trunk: TrunkId,
    /// The caller's number, where one was sent.
    pub number: Option<Pii<String>>,
    /// Whether the trunk wants a 180 before the 200.
    pub ring_first: bool,
}

/// Where the caller is. Exactly one of these at any time.
#[derive(Debug)]
pub enum Stage {
    /// INVITE taken, not answered yet.
    Arriving {
        /// When the 200 is due.
        pick_at: Mono,
    },
    /// The 200 was asked for.
    Picking,
    /// The 200 is out; the greeting starts with the ACK, or a little later without it.
    Picked {
        /// When it starts without an ACK.
        greet_at: Mono,
    },
    /// Hears the greeting.
    Greeting,
    /// In the line.
    Waiting {
        /// Since when, this time.
        since: Mono,
    },
    /// With an advocate.
    Talking(Talk),
    /// Over.
    Ended {
        /// Why.
        cause: Cause,
        /// Not by the people of a talk: while waiting, or because a phone was gone.
        cut_off: bool,
    },
}

impl Stage {
    const fn link(&mut self) -> Option<&mut Link> {
        match self {
            Self::Talking(talk) => Some(&mut talk.link),
            _ => None,
        }
    }
}

/// One caller's life.
pub struct Call {
    id: CallId,
    line: LineId,
    trunk: TrunkId,
    number: Option<Pii<String>>,
    stage: Stage,
    plan: Arc<Dialplan>,
    walk: Walk,
    risk: Risk,
    health: CallerHealth,
    /// First join; kept when the caller joins again.
    arrival: Option<Unix>,
    answered: bool,
    /// Keys pressed while talking, as far as they are kept.
    keys: usize,
    /// The last key, whether SIP said it (INFO) rather than the media, and when; until it came the other way too.
    last_key: Option<(Digit, bool, Mono)>,
    /// Whether TTY tones were heard.
    tty: bool,
    redials: bool,
    outputs: VecDeque<Output>,
}

impl Call {
    /// The trunk that brought it.
    #[must_use]
    pub const fn trunk(&self) -> &TrunkId {
        &self.trunk
    }

    /// A call that has just arrived. `redial` says whether this caller called before.
    #[must_use]
    pub fn new(arrival: Arrival, plan: Arc<Dialplan>, redial: &mut Redial, now: Now) -> Self {
        let Arrival { call, line, trunk, number, ring_first } = arrival;
        let french_first = plan.french_first(&line, number.as_ref().map(|number| number.expose().as_str()));
        let known = redial.class_of(number.as_ref(), now.mono);
        let risk = known.unwrap_or(Risk::Standard);
        let pick_at = now.mono + plan.answer_after();
        let mut this = Self {
            id: call,
            walk: Walk::new(Arc::clone(&plan), &line, french_first, now),
            stage: Stage::Arriving { pick_at },
            health: CallerHealth::new(now.mono),
            arrival: None,
            answered: false,
            keys: 0,
            last_key: None,
            tty: false,
            redials: known.is_some(),
            outputs: VecDeque::new(),
            line,
            trunk,
            number,
            plan,
            risk,
        };
        this.event(What::Arrived { line: this.line.clone(), trunk: this.trunk.clone() }, now);
        if ring_first || pick_at > now.mono {
            this.outputs.push_back(Output::Ring);
        }
        this.handle_timeout(now);
        this
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> CallId {
        self.id
    }

    /// The number of the line that was dialled: its first one, in E.164.
    #[must_use]
    pub fn line_number(&self) -> Option<&str> {
        let line = self.plan.lines().iter().find(|line| line.id == self.line)?;
        line.numbers.first().map(String::as_str)
    }

    /// Where the caller is.
    #[must_use]
    pub const fn stage(&self) -> &Stage {
        &self.stage
    }

    /// Language, as known.
    #[must_use]
    pub fn language(&self) -> havre_model::Language {
        self.walk.language()
    }

    /// The present class.
    #[must_use]
    pub const fn risk(&self) -> Risk {
        self.risk
    }

    /// Whether the advocate holds the call.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        matches!(&self.stage, Stage::Talking(Talk { link: Link::Here { held: true, .. }, .. }))
    }

    /// Whether this caller may have called earlier.
    #[must_use]
    pub const fn redials(&self) -> bool {
        self.redials
    }

    /// The caller's manner.
    #[must_use]
    pub fn mode(&self) -> havre_model::Mode {
        self.walk.mode()
    }

    /// What has to be known before the first word to this caller.
    pub fn briefing(&self) -> impl Iterator<Item = dialplan::Notice> + use<> {
        dialplan::Notice::briefing(self.language(), self.risk, self.mode())
    }

    /// The outside says something.
    pub fn handle_input(&mut self, input: Input, now: Now) {
        if matches!(self.stage, Stage::Ended { .. }) {
            return;
        }
        match input {
            Input::Picked => self.on_picked(now),
            Input::Confirmed => self.greet(now),
            Input::NotConfirmed | Input::CallerSessionExpired => {
                self.health.on_doubt();
                self.greet(now);
            }
            Input::Digit(digit) => self.on_key(digit, false, now),
            Input::SignalledDigit(digit) => self.on_key(digit, true, now),
            Input::PlayDone(play) => self.tell_walk(dialplan::Input::PlayDone(play), now),
            Input::CallerEnded(end) => self.on_caller_ended(end, now),
            Input::CallerProbed { alive } => self.health.on_probed(alive),
            Input::CallerMedia(flowing) => {
                self.health.on_media(flowing, now.mono);
                self.event(What::CallerMedia { flowing }, now);
            }
            Input::CallerTty => {
                if !std::mem::replace(&mut self.tty, true) {
                    self.event(What::Tty, now);
                }
            }
            Input::Offered { offer, agent, kind } => self.event(What::Offered { offer, agent, kind }, now),
            Input::Withdrawn { offer, agent, why } => self.event(What::Withdrawn { offer, agent, why }, now),
            Input::Connected { agent, leg, browser } => self.on_connected(agent, leg, browser, now),
            Input::Resumed { leg, browser } => self.on_resumed(leg, browser, now),
            Input::AgentMoving => self.on_agent_moving(now),
            Input::AgentEnded(End::HungUp | End::Cancelled) => self.end(Cause::AgentHungUp, now),
            Input::AgentEnded(End::LetGo) => self.agent_let_go(now),
            Input::AgentEnded(End::Unknown | End::Lost) => self.agent_lost(now),
            Input::AgentDetached => self.on_agent_detached(now),
            Input::AgentAttached => self.on_agent_attached(),
            Input::AgentUnreachable => self.on_agent_unreachable(now),
            Input::AgentProbed { alive } => self.on_agent_probed(alive, now),
            Input::AgentMedia(flowing) => self.on_agent_media(flowing, now),
            Input::AgentHeld(held) => self.on_agent_held(held, now),
            Input::Escalated => {
                if self.change_risk(Risk::Urgent, now) {
                    self.say_change();
                }
            }
            Input::Alerted { paged } => self.event(if paged { What::Paged } else { What::Alerted }, now),
            Input::ConnectFailed => self.rejoin(now),
            Input::MoreHelp => self.tell_walk(dialplan::Input::MoreHelp, now),
            Input::PartnerOffered => self.tell_walk(dialplan::Input::PartnerOffered, now),
            Input::Fail(cause) => self.end(cause, now),
            Input::Trouble => self.tell_walk(dialplan::Input::Trouble, now),
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Now) {
        match &mut self.stage {
            Stage::Arriving { pick_at } if now.mono >= *pick_at => {
                self.stage = Stage::Picking;
                self.outputs.push_back(Output::Pick);
            }
            Stage::Picked { greet_at } if now.mono >= *greet_at => self.greet(now),
            Stage::Talking(Talk { link: Link::Here { leg, health, detached, .. }, .. }) => {
                match health.on_timeout(now.mono) {
                    // Its media say that it is there; when they no longer do, it is lost.
                    Some(Verdict::Probe) if *detached => {}
                    Some(Verdict::Probe) => self.outputs.push_back(Output::ProbeAgent { agent: *leg }),
                    Some(Verdict::Dead) => self.agent_lost(now),
                    None => {}
                }
            }
            Stage::Talking(Talk { link: Link::Away { until }, .. }) if now.mono >= *until => {
                self.agent_lost(now);
            }
            _ => {}
        }
        if self.is_established() {
            if self.health.is_gone(now.mono) {
                self.end(Cause::CallerGone, now);
                return;
            }
            if self.health.take_probe(now.mono) {
                self.outputs.push_back(Output::ProbeCaller);
            }
        }
        if matches!(self.stage, Stage::Greeting | Stage::Waiting { .. } | Stage::Talking(_)) {
            self.walk.handle_timeout(now);
            self.drain_walk(now);
        }
    }

    /// What the call asks for next.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        let output = self.outputs.pop_front();
        if output.is_none() {
            // A call is quiet for minutes: what its busiest moment needed is not kept.
            self.outputs = VecDeque::new();
        }
        output
    }

    /// When the call wants to be woken.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Wakeup> {
        let own = match &self.stage {
            Stage::Arriving { pick_at } => Some(Wakeup { at: *pick_at, why: "pick up" }),
            Stage::Picked { greet_at } => Some(Wakeup { at: *greet_at, why: "greet without ACK" }),
            Stage::Talking(Talk { link: Link::Here { health, .. }, .. }) => {
                Some(Wakeup { at: health.next(), why: "advocate's phone" })
            }
            Stage::Talking(Talk { link: Link::Away { until }, .. }) => {
                Some(Wakeup { at: *until, why: "advocate's browser" })
            }
            Stage::Picking | Stage::Greeting | Stage::Waiting { .. } | Stage::Ended { .. } => None,
        };
        let health = self.is_established().then(|| Wakeup { at: self.health.next(), why: "caller's phone" });
        let walk = match &self.stage {
            Stage::Greeting | Stage::Waiting { .. } | Stage::Talking(_) => self.walk.poll_timeout(),
            _ => None,
        };
        Wakeup::earliest(own, Wakeup::earliest(health, walk))
    }

    fn is_established(&self) -> bool {
        matches!(
            self.stage,
            Stage::Picked { .. } | Stage::Greeting | Stage::Waiting { .. } | Stage::Talking(_)
        )
    }

    fn on_key(&mut self, digit: Digit, signalled: bool, now: Now) {
        let same = |(last, way, at): (Digit, bool, Mono)| {
            last == digit && way != signalled && now.mono.since(at) <= KEY_TWICE
        };
        if self.last_key.is_some_and(same) {
            self.last_key = None;
            return;
        }
        self.last_key = Some((digit, signalled, now.mono));
        match &self.stage {
            Stage::Talking(_) => self.on_talking_key(digit, now),
            Stage::Greeting | Stage::Waiting { .. } => self.tell_walk(dialplan::Input::Digit(digit), now),
            // Keys are live from the first packet: an early one starts the greeting that it answers.
            Stage::Picked { .. } => {
                self.greet(now);
                self.tell_walk(dialplan::Input::Digit(digit), now);
            }
            Stage::Arriving { .. } | Stage::Picking | Stage::Ended { .. } => {}
        }
    }

    fn on_talking_key(&mut self, digit: Digit, now: Now) {
        if self.keys < limits::MAX_KEYS_PER_CALL {
            self.keys += 1;
            self.event(What::Key(digit), now);
        }
        if let Stage::Talking(talk) = &self.stage {
            let agent = talk.agent.clone();
            let phone = talk.phone().filter(|_| self.mode().silent);
            self.outputs.push_back(Output::Key { agent, digit });
            if let (Some(agent), '1' | '2') = (phone, digit.as_char()) {
                self.outputs.push_back(Output::Word { agent, yes: digit.as_char() == '1' });
            }
        }
    }

    fn on_picked(&mut self, now: Now) {
        if matches!(self.stage, Stage::Picking) {
            self.stage = Stage::Picked { greet_at: now.mono + GREET_WITHOUT_ACK };
            self.health = CallerHealth::new(now.mono);
            self.event(What::Picked, now);
        }
    }

    fn greet(&mut self, now: Now) {
        if matches!(self.stage, Stage::Picked { .. }) {
            self.stage = Stage::Greeting;
            self.tell_walk(dialplan::Input::Picked, now);
        }
    }

    fn tell_walk(&mut self, input: dialplan::Input, now: Now) {
        self.walk.handle_input(input, now);
        self.drain_walk(now);
    }

    fn drain_walk(&mut self, now: Now) {
        while let Some(output) = self.walk.poll_output() {
            match output {
                dialplan::Output::Join { risk, .. } => self.on_join(risk, now),
                dialplan::Output::Changed { language, risk, mode } => {
                    if let Some(language) = language {
                        self.event(What::Language(language), now);
                    }
                    if let Some(mode) = mode {
                        self.event(What::Mode(mode), now);
                    }
                    let changed = risk.is_some_and(|risk| self.change_risk(risk, now));
                    if changed || language.is_some() || mode.is_some() {
                        self.say_change();
                    }
                }
                dialplan::Output::Play { play, cues } => self.outputs.push_back(Output::Play { play, cues }),
                dialplan::Output::Sound(clip) => self.outputs.push_back(Output::Sound(clip)),
                dialplan::Output::Stop => self.outputs.push_back(Output::Stop),
                dialplan::Output::Went { menu, key } => {
                    let from = self.plan.menu_id(menu);
                    self.outputs.push_back(Output::Went { from, key });
                }
                // The partner step is refused by `check` without a target, and no target can be configured yet.
                dialplan::Output::Partner => {}
            }
        }
    }

    fn on_join(&mut self, risk: Risk, now: Now) {
        self.risk = self.risk.changed_to(risk);
        self.arrival = Some(now.unix);
        self.stage = Stage::Waiting { since: now.mono };
        let (language, risk) = (self.walk.language(), self.risk);
        self.event(What::Joined { language, risk }, now);
        // Chosen with the key that led into the line: whoever is offered the call has to know.
        let mode = self.walk.mode();
        if mode != havre_model::Mode::default() {
            self.event(What::Mode(mode), now);
        }
        self.join(None);
    }

    fn join(&mut self, arrival: Option<Unix>) {
        self.outputs.push_back(Output::Join {
            language: self.walk.language(),
            risk: self.risk,
            mode: self.walk.mode(),
            widening: Arc::clone(self.plan.widening()),
            arrival,
        });
    }

    fn say_change(&mut self) {
        if matches!(self.stage, Stage::Waiting { .. } | Stage::Talking(_)) {
            let (language, mode) = (self.walk.language(), self.walk.mode());
            self.outputs.push_back(Output::Change { language, risk: self.risk, mode });
        }
    }

    /// Whether the class is another now.
    fn change_risk(&mut self, wish: Risk, now: Now) -> bool {
        let then = self.risk.changed_to(wish);
        let changed = then != self.risk;
        if changed {
            self.risk = then;
            self.event(What::Risk(then), now);
        }
        changed
    }

    /// Back into the line, at the place that the first arrival gives.
    fn rejoin(&mut self, now: Now) {
        if matches!(self.stage, Stage::Waiting { .. }) {
            let (language, risk) = (self.walk.language(), self.risk);
            self.event(What::Rejoined { language, risk }, now);
            self.join(self.arrival.or(Some(now.unix)));
        }
    }

    fn on_caller_ended(&mut self, end: End, now: Now) {
        match end {
            // Nobody waits for who has let go of an advocate.
            End::HungUp | End::LetGo => self.end(Cause::CallerHungUp, now),
            End::Cancelled => self.end(Cause::CallerCancelled, now),
            End::Unknown | End::Lost => self.end(Cause::CallerGone, now),
        }
    }

    /// The call is over. The only ways here are the caller's, the advocate's, and a leg that cannot be set up.
    fn end(&mut self, cause: Cause, now: Now) {
        let cut_off = cause == Cause::CallerGone || !matches!(self.stage, Stage::Talking(_));
        match std::mem::replace(&mut self.stage, Stage::Ended { cause, cut_off }) {
            Stage::Waiting { .. } => self.outputs.push_back(Output::Leave),
            Stage::Talking(talk) => {
                if let (Link::Here { leg, .. }, true) = (talk.link, cause != Cause::AgentHungUp) {
                    self.outputs.push_back(Output::HangUpAgent { agent: leg, cause });
                }
                self.outputs.push_back(Output::TalkEnded { agent: talk.agent, reachable: true });
            }
            Stage::Ended { .. } => return,
            Stage::Arriving { .. } | Stage::Picking | Stage::Picked { .. } | Stage::Greeting => {}
        }
        if !matches!(cause, Cause::CallerHungUp | Cause::CallerCancelled) {
            self.outputs.push_back(Output::HangUpCaller(cause));
        }
        let outcome = match cause {
            _ if self.answered => Outcome::Answered,
            Cause::CallerHungUp | Cause::CallerCancelled | Cause::CallerGone => Outcome::Abandoned,
            _ => Outcome::Lost,
        };
        self.event(What::Ended { outcome, cause }, now);
        self.outputs.push_back(Output::Over);
    }

    /// Lets `redial` remember this caller; to be called when the call is over.
    pub fn farewell(&self, redial: &mut Redial, now: Now) {
        let cut_off = matches!(self.stage, Stage::Ended { cut_off: true, .. });
        let urgent_cut_off = self.risk == Risk::Urgent && cut_off;
        redial.remember(self.number.as_ref(), urgent_cut_off, now.mono);
    }

    fn event(&mut self, what: What, now: Now) {
        self.outputs.push_back(Output::Event(CallEvent { call: self.id, at: now.unix, what }));
    }
}
