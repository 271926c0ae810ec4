//! A caller in virtual time: [`Walk`] with a media that plays each clip for exactly as long as it is.
//!
//! `havre dialplan walk` prints what happens; the prover and the `[[test]]` blocks look at the same.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use havre_model::{Digit, Language, LineId, Mode, Mono, Now, PlayId, Risk, Unix, WaitingSound};

use crate::limits::JOIN_WITHOUT_KEY;
use crate::said::comma;
use crate::walk::Limits;
use crate::{Clip, Cue, Dialplan, Input, Output, Walk};

/// What a caller does and what happens to the call; times from the INVITE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The line dialled.
    pub line: LineId,
    /// The caller's number in E.164, where it matters.
    pub caller: Option<String>,
    /// What happens, in any order. `Picked` and `PlayDone` happen by themselves.
    pub inputs: Vec<(Duration, Input)>,
    /// How long to listen.
    pub until: Duration,
}

/// First key of a list without times: a second after the greeting began.
const FIRST_KEY: Duration = Duration::from_secs(1);
/// Between keys of a list without times.
const NEXT_KEY: Duration = Duration::from_secs(5);
/// What is listened to after the last key of a list.
const AFTER_LAST_KEY: Duration = Duration::from_secs(70);
/// Keys of one list, and the latest time of one, in seconds.
const MAX_KEYS: usize = 1_000;
const MAX_AT: f64 = 3_600.0;

impl Script {
    /// From keys as on the command line: `2,5` or, with seconds from the INVITE, `2@1.5,5@30`. An empty text presses
    /// nothing.
    ///
    /// # Errors
    /// What is wrong with the text, and the remedy, in one line.
    pub fn keys(line: &LineId, keys: &str) -> Result<Self, String> {
        let mut script = Self { line: line.clone(), caller: None, inputs: Vec::new(), until: Duration::ZERO };
        let mut at = Duration::ZERO;
        for word in keys.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let (key, time) = word.split_once('@').map_or((word, None), |(key, time)| (key, Some(time)));
            let mut chars = key.chars();
            let digit = chars.next().filter(|_| chars.next().is_none()).and_then(Digit::from_char);
            let digit = digit.ok_or_else(|| {
                format!("\"{key}\" is no key of a telephone: write keys such as 2,5 or 2@1.5,#")
            })?;
            at = match time {
                Some(time) => match time.parse::<f64>() {
                    Ok(seconds) if (0.0..=MAX_AT).contains(&seconds) => Duration::from_secs_f64(seconds),
                    _ => {
                        return Err(format!(
                            "\"{time}\" is no time: write seconds from 0 to {MAX_AT}, such as 2@1.5"
                        ));
                    }
                },
                None if script.inputs.is_empty() => FIRST_KEY,
                None => at + NEXT_KEY,
            };
            script.inputs.push((at, Input::Digit(digit)));
            if script.inputs.len() > MAX_KEYS {
                return Err(format!("there are more than {MAX_KEYS} keys: press fewer"));
            }
        }
        script.until = JOIN_WITHOUT_KEY.max(at) + AFTER_LAST_KEY;
        Ok(script)
    }
}

/// Plays `script` on `plan`.
#[must_use]
pub fn run(plan: &Arc<Dialplan>, script: &Script) -> Trace {
    let french_first = plan.french_first(&script.line, script.caller.as_deref());
    let mut run = Run::new(plan, &script.line, french_first, Limits::JOURNEY);
    let mut inputs = script.inputs.clone();
    inputs.push((plan.answer_after(), Input::Picked));
    // Stable: what happens at once happens in the order of the script.
    inputs.sort_by_key(|(at, _)| *at);
    for (at, input) in inputs.into_iter().filter(|(at, _)| *at <= script.until) {
        run.advance(at);
        run.input(input);
    }
    run.advance(script.until);
    run.trace
}

/// What happened, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// Each with its time from the INVITE.
    pub entries: Vec<(Duration, Happened)>,
    /// When the caller joined the queue.
    pub joined: Option<Duration>,
    /// As what the caller was known at the end.
    pub language: Option<Language>,
    /// In which class at the end.
    pub risk: Option<Risk>,
    /// In which manner at the end.
    pub mode: Mode,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Happened {
    /// Something was done to the walk.
    Input(Input),
    /// A clip begins to be heard.
    Heard(Arc<Clip>),
    /// A message was cut short.
    Cut,
    /// The sound under the messages is this one from now on.
    Sound(Arc<Clip>),
    /// All sound stops.
    Silence,
    /// The walk said this.
    Said(Output),
}

impl Trace {
    /// The clips that began to be heard.
    pub fn heard(&self) -> impl Iterator<Item = &Arc<Clip>> {
        self.entries.iter().filter_map(|(_, what)| match what {
            Happened::Heard(clip) => Some(clip),
            _ => None,
        })
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, what) in &self.entries {
            writeln!(f, "{:>7.2} s  {what}", at.as_secs_f64())?;
        }
        Ok(())
    }
}

impl fmt::Display for Happened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(Input::Digit(digit)) => write!(f, "key {digit}"),
            Self::Input(Input::Picked) => f.write_str("picked up"),
            Self::Input(Input::Answered) => f.write_str("an advocate answers"),
            Self::Input(Input::AgentSilent) => f.write_str("the advocate's phone falls silent"),
            Self::Input(Input::AgentBack) => f.write_str("the advocate's phone is back"),
            Self::Input(Input::AgentLost) => f.write_str("the advocate is lost"),
            Self::Input(Input::MoreHelp) => f.write_str("on-call phones ring"),
            Self::Input(Input::PartnerOffered) => f.write_str("the partner centre is offered"),
            Self::Input(Input::InterpreterComing) => f.write_str("an interpreter is called"),
            Self::Input(Input::Trouble) => f.write_str("a technical problem"),
            Self::Input(Input::PlayDone(_)) => f.write_str("a message is over"),
            Self::Heard(clip) => {
                write!(f, "hears {clip} ({:.1} s): {}", clip.duration().as_secs_f64(), clip.text)
            }
            Self::Cut => f.write_str("the message is cut"),
            Self::Sound(clip) => write!(f, "sound: {clip}"),
            Self::Silence => f.write_str("all sound stops"),
            Self::Said(Output::Join { language, risk, mode }) => {
                write!(f, "JOINS THE QUEUE: language {language} {risk}{}", Manner(*mode))
            }
            Self::Said(Output::Changed { language, risk, mode }) => {
                f.write_str("now known:")?;
                language.map_or(Ok(()), |l| write!(f, " language {l}"))?;
                risk.map_or(Ok(()), |r| write!(f, " {r}"))?;
                mode.map_or(Ok(()), |m| write!(f, "{}", Manner(m)))
            }
            Self::Said(Output::Partner) => f.write_str("chooses the partner centre"),
            Self::Said(other) => write!(f, "{other:?}"),
        }
    }
}

impl Happened {
    /// The same in Canadian French: the command line speaks English, the console both.
    pub(crate) fn french(&self) -> String {
        let fixed = match self {
            Self::Input(Input::Digit(digit)) => return format!("touche {digit}"),
            Self::Heard(clip) => {
                let lasts = comma(clip.duration().as_secs_f64());
                return format!("entend {clip} ({lasts} s)\u{a0}: {}", clip.text);
            }
            Self::Sound(clip) => return format!("son\u{a0}: {clip}"),
            Self::Said(Output::Join { language, risk, mode }) => {
                let (language, risk) = (french_language(*language), french_risk(*risk));
                return format!(
                    "ENTRE DANS LA FILE\u{a0}: langue {language}, risque {risk}{}",
                    french_manner(*mode)
                );
            }
            Self::Said(Output::Changed { language, risk, mode }) => {
                let language = language.map(|language| format!(" langue {}", french_language(language)));
                let risk = risk.map(|risk| format!(" risque {}", french_risk(risk)));
                let known =
                    [language, risk, mode.map(french_manner)].into_iter().flatten().collect::<String>();
                return format!("on sait maintenant\u{a0}:{}", known.trim_start_matches(','));
            }
            Self::Said(Output::Partner) => "choisit le centre partenaire",
            Self::Said(other) => return format!("{other:?}"),
            Self::Input(Input::Picked) => "on décroche",
            Self::Input(Input::Answered) => "une intervenante ou un intervenant répond",
            Self::Input(Input::AgentSilent) => "le téléphone de l’intervention se tait",
            Self::Input(Input::AgentBack) => "le téléphone de l’intervention est de retour",
            Self::Input(Input::AgentLost) => "l’intervention est perdue",
            Self::Input(Input::MoreHelp) => "les téléphones de garde sonnent",
            Self::Input(Input::PartnerOffered) => "le centre partenaire est proposé",
            Self::Input(Input::InterpreterComing) => "un service d’interprétation est appelé",
            Self::Input(Input::Trouble) => "un problème technique",
            Self::Input(Input::PlayDone(_)) => "un message est terminé",
            Self::Cut => "le message est coupé",
            Self::Silence => "tout son s’arrête",
        };
        fixed.to_owned()
    }
}

const fn french_language(language: Language) -> &'static str {
    match language {
        Language::En => "anglaise",
        Language::Fr => "française",
        Language::Unknown => "inconnue",
        Language::Other => "autre",
    }
}

const fn french_risk(risk: Risk) -> &'static str {
    match risk {
        Risk::Urgent => "urgent",
        Risk::Elevated => "élevé",
        Risk::Standard => "standard",
        Risk::Information => "information",
    }
}

fn french_manner(Mode { silent, discreet, sound }: Mode) -> String {
    let sound = match sound {
        WaitingSound::Full => None,
        WaitingSound::NoMessages => Some("sans messages"),
        WaitingSound::Tick => Some("tic discret"),
    };
    let manner = [silent.then_some("ne peut pas parler"), discreet.then_some("mode discret"), sound];
    manner.into_iter().flatten().map(|word| format!(", {word}")).collect()
}

struct Manner(Mode);

impl fmt::Display for Manner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mode { silent, discreet, sound } = self.0;
        for (chosen, word) in [(silent, "silent"), (discreet, "discreet")] {
            if chosen {
                write!(f, " {word}")?;
            }
        }
        if sound == WaitingSound::Full { Ok(()) } else { write!(f, " {}", sound.as_str()) }
    }
}

/// A walk being driven. A clone goes its own way from here.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) walk: Walk,
    pub(crate) now: Duration,
    pub(crate) trace: Trace,
    pub(crate) sound: bool,
    /// The walk asked to be woken at once, again and again: it would hang a node.
    pub(crate) spins: bool,
    wakeups: usize,
    playing: Option<Playing>,
}

#[derive(Clone, Debug)]
struct Playing {
    play: PlayId,
    cues: std::vec::IntoIter<Cue>,
    /// When the present cue ends.
    next: Duration,
}

/// More wake-ups than this at one moment are a spin.
const MAX_WAKEUPS: usize = 64;

impl Run {
    pub(crate) fn new(plan: &Arc<Dialplan>, line: &LineId, french_first: bool, limits: Limits) -> Self {
        let walk = Walk::with_limits(plan.clone(), line, french_first, moment(Duration::ZERO), limits);
        let (now, trace) = (Duration::ZERO, Trace::default());
        Self { walk, now, trace, sound: false, spins: false, wakeups: 0, playing: None }
    }

    pub(crate) fn input(&mut self, input: Input) {
        if !matches!(input, Input::PlayDone(_)) {
            self.note(Happened::Input(input));
        }
        self.walk.handle_input(input, moment(self.now));
        self.drain();
    }

    /// Lets time pass up to `to`.
    pub(crate) fn advance(&mut self, to: Duration) {
        while self.advance_one(to) {}
    }

    /// Lets time pass up to the next thing that happens by itself, at most up to `to`. Whether something happened.
    pub(crate) fn advance_one(&mut self, to: Duration) -> bool {
        let woken = self.walk.poll_timeout().map(|w| w.at.since_start().max(self.now));
        let media = self.playing.as_ref().map(|p| p.next);
        let next = [woken, media].into_iter().flatten().min().filter(|next| *next <= to && !self.spins);
        let Some(next) = next else {
            self.now = self.now.max(to);
            return false;
        };
        self.wakeups = if next > self.now { 0 } else { self.wakeups + 1 };
        self.spins = self.wakeups > MAX_WAKEUPS;
        self.now = next;
        // At the same moment media comes first, as it would: its report is already on the way.
        if media == Some(next) {
            self.next_cue();
        } else {
            self.walk.handle_timeout(moment(self.now));
            self.drain();
        }
        true
    }

    fn drain(&mut self) {
        let mut began = false;
        while let Some(output) = self.walk.poll_output() {
            match output {
                Output::Play { play, cues } => {
                    self.cut();
                    self.playing = Some(Playing { play, cues: cues.into_iter(), next: self.now });
                    began = true;
                }
                Output::Sound(clip) => {
                    self.sound = true;
                    self.note(Happened::Sound(clip));
                }
                Output::Stop => {
                    self.cut();
                    if std::mem::take(&mut self.sound) {
                        self.note(Happened::Silence);
                    }
                }
                // Where a way leads is seen by what follows.
                Output::Went { .. } => {}
                said => {
                    if matches!(said, Output::Join { .. }) {
                        self.trace.joined.get_or_insert(self.now);
                    }
                    self.note(Happened::Said(said));
                }
            }
        }
        let (language, risk) = (self.walk.language(), self.walk.risk());
        (self.trace.language, self.trace.risk, self.trace.mode) =
            (Some(language), Some(risk), self.walk.mode());
        if began {
            self.next_cue();
        }
    }

    fn cut(&mut self) {
        if self.playing.take().is_some_and(|p| p.next > self.now || !p.cues.as_slice().is_empty()) {
            self.note(Happened::Cut);
        }
    }

    fn next_cue(&mut self) {
        let Some(playing) = &mut self.playing else { return };
        match playing.cues.next() {
            Some(cue) => {
                playing.next = self.now + cue.duration();
                if let Cue::Clip(clip) = cue {
                    self.note(Happened::Heard(clip));
                }
            }
            None => {
                let play = playing.play;
                self.playing = None;
                self.input(Input::PlayDone(play));
            }
        }
    }

    pub(crate) fn is_playing(&self) -> bool {
        self.playing.is_some()
    }

    fn note(&mut self, what: Happened) {
        self.trace.entries.push((self.now, what));
    }
}

fn moment(since_invite: Duration) -> Now {
    Now { mono: Mono::from_start(since_invite), unix: Unix::default() }
}
