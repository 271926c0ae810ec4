//! What the API shows: the snapshot in JSON. Nothing here comes from the caller but the choices made by keys.

mod board;
mod desk;
mod row;
mod today;

use std::time::Duration;

use havre_model::{AgentState, Language, Mode, Mos, Now, Outcome, Quality, Risk, Unix, Way};
use serde::Serialize;
use utoipa::ToSchema;

pub(crate) use board::{AgentChanges, Board, CallChanges, Change, alarm, board, same_agent, same_call};
pub(crate) use desk::{Desk, Light, desk};
pub(crate) use row::Row;
pub(crate) use today::{Curves, curves};

use crate::board::{AgentEntry, CallEntry, LegEntry, Snapshot, Stage};
use crate::tally::{MEAN_TARGET, SHARE_TARGET, Tally, WAIT_TARGET};
use crate::words::{
    AttentionWord, LanguageWord, ReasonWord, RiskWord, RoleWord, SoundWord, SpokenWord, StageWord, StateWord,
};

/// The queue by language and class, counts since the start, and how each language is served.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Queues {
    /// The moment of these figures, in milliseconds since 1970 (UTC).
    pub(crate) at: i64,
    /// The moment since which calls are counted, likewise.
    pub(crate) since: i64,
    /// Callers who wait for an advocate.
    pub(crate) waiting: usize,
    /// The longest of their waits, in milliseconds.
    pub(crate) longest_wait_ms: Option<u64>,
    /// All calls since the start.
    pub(crate) totals: Totals,
    /// One entry for every language and class, empty ones too.
    pub(crate) queues: Vec<Queue>,
    /// One entry for every language.
    pub(crate) service: Vec<Service>,
}

/// offered = answered + abandoned + lost + in_progress.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Totals {
    pub(crate) offered: u64,
    pub(crate) answered: u64,
    /// The caller left before an advocate answered.
    pub(crate) abandoned: u64,
    /// We failed the caller.
    pub(crate) lost: u64,
    pub(crate) in_progress: u64,
}

/// Waiting callers of one language and class.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Queue {
    pub(crate) language: LanguageWord,
    pub(crate) risk: RiskWord,
    pub(crate) waiting: usize,
    /// Of them: for whom a phone rings.
    pub(crate) ringing: usize,
    pub(crate) longest_wait_ms: Option<u64>,
    /// Since when the one who waits longest waits, in milliseconds since 1970 (UTC): lets a screen tick.
    pub(crate) longest_since: Option<i64>,
}

/// How one language is served, since the start.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Service {
    pub(crate) language: LanguageWord,
    pub(crate) answered: u64,
    pub(crate) abandoned: u64,
    pub(crate) lost: u64,
    /// Mean wait of those answered, from joining the queue.
    pub(crate) mean_wait_ms: Option<u64>,
    /// The wait within which a caller should be answered.
    pub(crate) target_ms: u64,
    /// The share of them that should be, in percent.
    pub(crate) target_percent: u8,
    /// The mean wait that should not be passed.
    pub(crate) target_mean_ms: u64,
    /// Waits that ended by an answer within the target,
    pub(crate) within: u64,
    /// of those that ended by an answer, by our loss, or by the caller leaving after the target.
    pub(crate) of: u64,
}

/// The calls in progress.
#[derive(Serialize, ToSchema)]
pub(crate) struct Calls {
    /// The moment of these figures, in milliseconds since 1970 (UTC).
    pub(crate) at: i64,
    /// Waiting ones in the order of the line, then those greeted, then those talking.
    pub(crate) calls: Vec<Call>,
}

/// One call.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Call {
    /// Random; tells nothing of who called.
    #[schema(example = "c00000000deadbeef")]
    pub(crate) id: String,
    pub(crate) line: String,
    pub(crate) trunk: String,
    pub(crate) language: LanguageWord,
    pub(crate) risk: RiskWord,
    pub(crate) mode: ModeView,
    pub(crate) stage: StageWord,
    /// Since when it is in that stage, in milliseconds since 1970 (UTC).
    pub(crate) since: i64,
    /// When it came in, likewise.
    pub(crate) arrived: i64,
    /// When the caller first joined the line, likewise. Waiting callers stand in the order of this moment less the
    /// head start of their class (urgent 600 s, elevated 60 s, information −60 s).
    pub(crate) joined: Option<i64>,
    /// How long the caller has waited for an advocate, or did before the talk; null in the greeting.
    pub(crate) waited_ms: Option<u64>,
    /// Advocates whose phones ring for it.
    pub(crate) ringing: Vec<String>,
    /// The advocate who talks with the caller.
    pub(crate) agent: Option<String>,
    /// The caller speaks neither English nor French.
    pub(crate) interpreter_needed: bool,
    pub(crate) attention: AttentionWord,
    /// Whether the caller's audio arrives. Nobody is hung up when it does not.
    pub(crate) media_flowing: bool,
    /// TTY tones were heard: the caller types, and whoever answers needs a TTY.
    pub(crate) tty: bool,
    /// How the caller's audio goes.
    pub(crate) caller: LegView,
    /// How the advocate's audio goes; null unless they talk.
    pub(crate) advocate: Option<LegView>,
}

/// One party's audio.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Leg)]
pub(crate) struct LegView {
    /// Nothing arrives from this party, although it should.
    pub(crate) from_missing: bool,
    /// This party's phone reports that it receives nothing of ours.
    pub(crate) to_missing: bool,
    /// What was measured last; null in the first seconds.
    pub(crate) quality: Option<QualityView>,
}

/// How a party's audio arrives at the line: lately, or, in the event at the end of its connection, since it began.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Quality)]
pub(crate) struct QualityView {
    #[schema(example = "PCMU")]
    pub(crate) codec: &'static str,
    /// The crypto suite that protects the audio; null if it is in the clear.
    #[schema(example = "AES_CM_128_HMAC_SHA1_80")]
    pub(crate) srtp: Option<&'static str>,
    /// Packets received since the connection began.
    pub(crate) received: u64,
    /// Packets lost since the connection began.
    pub(crate) lost: u64,
    pub(crate) lost_percent: f64,
    /// Interarrival jitter (RFC 3550).
    pub(crate) jitter_ms: f64,
    /// Round trip between the line and the phone, once RTCP has told it.
    pub(crate) round_trip_ms: Option<f64>,
    /// Estimated mean opinion score (E-model, ITU-T G.107), 1 to 4.5; null if nothing was due.
    pub(crate) mos: Option<f64>,
    /// Loss on the way to the party, as its phone reported last.
    pub(crate) far_lost_percent: Option<f64>,
    /// Estimated mean opinion score of what the party hears of the line.
    pub(crate) far_mos: Option<f64>,
}

/// How the caller wishes to be spoken to.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Mode)]
pub(crate) struct ModeView {
    /// The caller cannot speak: keys 1 and 2 say yes and no.
    pub(crate) silent: bool,
    /// Neutral messages; the advocate opens with "Hello? / Allô?".
    pub(crate) discreet: bool,
    pub(crate) sound: SoundWord,
}

/// The accounts.
#[derive(Serialize, ToSchema)]
pub(crate) struct Agents {
    /// The moment of these figures, in milliseconds since 1970 (UTC).
    pub(crate) at: i64,
    /// By id.
    pub(crate) agents: Vec<Agent>,
}

/// One advocate, supervisor or on-call person.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Agent {
    #[schema(example = "advocate-fr")]
    pub(crate) id: String,
    pub(crate) languages: Vec<SpokenWord>,
    pub(crate) roles: Vec<RoleWord>,
    pub(crate) state: StateWord,
    /// Why not ready.
    pub(crate) reason: Option<ReasonWord>,
    /// Since when in that state, in milliseconds since 1970 (UTC).
    pub(crate) since: i64,
    /// Time until the state ends by itself, if it does.
    pub(crate) ends_in_ms: Option<u64>,
    /// The call offered or talked in.
    pub(crate) call: Option<String>,
}

pub(crate) fn queues(snapshot: &Snapshot) -> Queues {
    let (tally, now) = (&snapshot.tally, snapshot.at.unix);
    let none = |language, risk| Queue {
        language: LanguageWord(language),
        risk: RiskWord(risk),
        waiting: 0,
        ringing: 0,
        longest_wait_ms: None,
        longest_since: None,
    };
    let urgent_first = || Risk::ALL.into_iter().rev();
    let all = Language::ALL.into_iter().flat_map(|language| urgent_first().map(move |risk| (language, risk)));
    let mut queues: Vec<Queue> = all.map(|(language, risk)| none(language, risk)).collect();
    let (mut waiting, mut longest_wait_ms) = (0, None);
    // Once through the calls, for every telling of the walls.
    for call in snapshot.calls.iter().filter(|call| call.stage == Stage::Waiting) {
        let wait = call.waited_at(now).map(millis);
        waiting += 1;
        longest_wait_ms = longest_wait_ms.max(wait);
        let (language, risk) = (LanguageWord(call.language), RiskWord(call.risk));
        let Some(queue) = queues.iter_mut().find(|one| (one.language, one.risk) == (language, risk)) else {
            continue;
        };
        queue.waiting += 1;
        queue.ringing += usize::from(!call.ringing.is_empty());
        queue.longest_wait_ms = queue.longest_wait_ms.max(wait);
        let since = call.since.as_millis();
        queue.longest_since = Some(queue.longest_since.map_or(since, |longest| longest.min(since)));
    }
    Queues {
        at: now.as_millis(),
        since: tally.since.as_millis(),
        waiting,
        longest_wait_ms,
        totals: totals(tally),
        queues,
        service: Language::ALL.into_iter().map(|language| service(snapshot, language)).collect(),
    }
}

pub(crate) fn totals(tally: &Tally) -> Totals {
    Totals {
        offered: tally.offered,
        answered: tally.ended_so(Outcome::Answered),
        abandoned: tally.ended_so(Outcome::Abandoned),
        lost: tally.ended_so(Outcome::Lost),
        in_progress: tally.in_progress(),
    }
}

fn service(snapshot: &Snapshot, language: Language) -> Service {
    let tally = &snapshot.tally;
    let in_time = tally.in_time(language);
    Service {
        language: LanguageWord(language),
        answered: tally.ended_in(language, Outcome::Answered),
        abandoned: tally.ended_in(language, Outcome::Abandoned),
        lost: tally.ended_in(language, Outcome::Lost),
        mean_wait_ms: tally.waits(language).mean().map(Duration::from_secs_f64).map(millis),
        target_ms: millis(WAIT_TARGET),
        target_percent: SHARE_TARGET,
        target_mean_ms: millis(MEAN_TARGET),
        within: in_time.within,
        of: in_time.of,
    }
}

impl Queue {
    /// Whether a screen that lets waits tick shows both alike.
    pub(crate) fn same(&self, other: &Self) -> bool {
        (self.waiting, self.ringing, self.longest_since)
            == (other.waiting, other.ringing, other.longest_since)
    }
}

pub(crate) fn calls(snapshot: &Snapshot) -> Calls {
    let now = snapshot.at.unix;
    Calls { at: now.as_millis(), calls: snapshot.calls.iter().map(|entry| call(entry, now)).collect() }
}

pub(crate) fn call(entry: &CallEntry, now: Unix) -> Call {
    Call {
        id: entry.id.to_string(),
        line: entry.line.to_string(),
        trunk: entry.trunk.to_string(),
        language: LanguageWord(entry.language),
        risk: RiskWord(entry.risk),
        mode: mode(entry.mode),
        stage: StageWord(entry.stage),
        since: entry.since.as_millis(),
        arrived: entry.arrived.as_millis(),
        joined: entry.joined.map(Unix::as_millis),
        waited_ms: entry.waited_at(now).map(millis),
        ringing: entry.ringing.iter().map(|ringing| ringing.agent.to_string()).collect(),
        agent: entry.agent.as_ref().map(ToString::to_string),
        interpreter_needed: entry.language == Language::Other,
        attention: AttentionWord(entry.attention),
        media_flowing: entry.media_flowing,
        tty: entry.tty,
        caller: leg(&entry.caller),
        advocate: entry.agent.as_ref().map(|_| leg(&entry.advocate)),
    }
}

pub(crate) fn leg(entry: &LegEntry) -> LegView {
    LegView {
        from_missing: entry.missing[Way::From as usize].is_some(),
        to_missing: entry.missing[Way::To as usize].is_some(),
        quality: entry.quality.as_ref().map(quality),
    }
}

pub(crate) fn quality(quality: &Quality) -> QualityView {
    let percent = |permille: u16| f64::from(permille) / 10.0;
    // Tenths of a millisecond are more than anybody hears.
    let tenths = |time: Duration| (time.as_secs_f64() * 10_000.0).round() / 10.0;
    QualityView {
        codec: quality.codec,
        srtp: quality.srtp,
        received: quality.received,
        lost: quality.lost,
        lost_percent: percent(quality.loss_permille),
        jitter_ms: tenths(quality.jitter),
        round_trip_ms: quality.round_trip.map(tenths),
        mos: quality.mos.map(Mos::score),
        far_lost_percent: quality.far.map(|far| percent(far.loss_permille)),
        far_mos: quality.far.map(|far| far.mos.score()),
    }
}

pub(crate) fn mode(mode: Mode) -> ModeView {
    ModeView { silent: mode.silent, discreet: mode.discreet, sound: SoundWord(mode.sound) }
}

pub(crate) fn agents(snapshot: &Snapshot) -> Agents {
    Agents {
        at: snapshot.at.unix.as_millis(),
        agents: snapshot.agents.iter().map(|entry| agent(entry, snapshot.at)).collect(),
    }
}

pub(crate) fn agent(entry: &AgentEntry, now: Now) -> Agent {
    let (reason, until, call) = match entry.state {
        AgentState::SignedOut | AgentState::Ready { .. } => (None, None, None),
        AgentState::NotReady { reason, until, .. } => (Some(ReasonWord(reason)), until, None),
        AgentState::Offered { call, until, .. } => (None, Some(until), Some(call)),
        AgentState::Talking { call, .. } => (None, None, Some(call)),
        AgentState::WrapUp { until, .. } => (None, until, None),
    };
    let roles = havre_model::Role::ALL.into_iter().filter(|role| entry.profile.roles.contains(*role));
    Agent {
        id: entry.profile.id.to_string(),
        languages: entry.profile.languages.iter().map(SpokenWord).collect(),
        roles: roles.map(RoleWord).collect(),
        state: StateWord(entry.state),
        reason,
        since: entry.since.as_millis(),
        ends_in_ms: until.map(|until| millis(until.since(now.mono))),
        call: call.map(|call| call.to_string()),
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
