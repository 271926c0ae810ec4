//! The model's words on the wire: each type serialises to its one stable spelling, and its schema lists them.

use std::borrow::Cow;

use havre_model::{
    AgentCommand, AgentState, Cause, Language, OfferKind, Outcome, Risk, Role, Side, Spoken, StateReason,
    UserRole, WaitingSound, WithdrawReason,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::api::TrunkWhy;
use crate::tally::OUTCOMES_ALL;
use crate::views::Light;
use crate::{AlarmKind, Attention, Stage};

macro_rules! words {
    ($($word:ident($type:ty) $name:literal $doc:literal $spellings:expr;)*) => {$(
        #[doc = $doc]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) struct $word(pub(crate) $type);

        impl Serialize for $word {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.0.as_str())
            }
        }

        impl PartialSchema for $word {
            fn schema() -> RefOr<Schema> {
                let words: Vec<&str> = $spellings.into();
                let string = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words));
                string.description(Some($doc)).into()
            }
        }

        impl ToSchema for $word {
            fn name() -> Cow<'static, str> {
                $name.into()
            }
        }
    )*};
}

/// The spellings of `AgentState`, which carries data and so has no list of its own.
pub(crate) const AGENT_STATES: [&str; 6] =
    ["signed_out", "not_ready", "ready", "offered", "talking", "wrap_up"];

words! {
    LanguageWord(Language) "Language" "What is known of the caller's language."
        Language::ALL.map(Language::as_str);
    RiskWord(Risk) "Risk" "The class of a call."
        Risk::ALL.map(Risk::as_str);
    StageWord(Stage) "Stage" "How far a call has come."
        Stage::ALL.map(Stage::as_str);
    AttentionWord(Attention) "Attention" "Whether supervisors were told that a caller waits too long."
        Attention::ALL.map(Attention::as_str);
    SoundWord(WaitingSound) "WaitingSound" "What a waiting caller hears."
        ["full", "no_messages", "tick"];
    SpokenWord(Spoken) "Spoken" "A language that an advocate speaks."
        Spoken::ALL.map(Spoken::as_str);
    RoleWord(Role) "Role" "What an account may be rung for."
        Role::ALL.map(Role::as_str);
    UserRoleWord(UserRole) "UserRole" "What a person may do in the console."
        UserRole::ALL.map(UserRole::as_str);
    ScreenWord(Spoken) "ScreenLanguage" "The language of a person's screens."
        ["en", "fr"];
    StateWord(AgentState) "AgentState" "Where an advocate is."
        AGENT_STATES;
    ReasonWord(StateReason) "StateReason" "Why an advocate is not ready."
        ["signed_in", "break", "no_answer", "phone_failed", "hard_call"];
    CommandWord(AgentCommand) "AgentCommand" "What may be asked of an advocate's state."
        AgentCommand::ALL.map(AgentCommand::as_str);
    OfferKindWord(OfferKind) "OfferKind" "Why an advocate's phone rings."
        ["single", "ring_all", "wrap_up", "reserve"];
    WithdrawnWord(WithdrawReason) "WithdrawReason" "Why an offer ended without a talk."
        ["answered_elsewhere", "caller_left", "no_answer", "not_taken", "declined", "unreachable", "phone_failed", "claimed",
         "agent_changed"];
    AlarmWord(AlarmKind) "AlarmKind" "What an alarm is about."
        AlarmKind::ALL.map(AlarmKind::as_str);
    SideWord(Side) "Side" "Whose connection."
        Side::ALL.map(Side::as_str);
    LightWord(Light) "Light" "How a talk sounds: good (an estimated mean opinion score of 3.8 or more), fair (3.1 or more), poor (less, or sound goes one way only), or not measured yet."
        ["good", "fair", "poor", "unknown"];
    OutcomeWord(Outcome) "Outcome" "How a call counts."
        OUTCOMES_ALL.map(Outcome::as_str);
    WhyWord(TrunkWhy) "TrunkWhy" "Why it is thought so: it answers when it is asked; it does not in time; nobody listens at its address (ICMP); no connection to it can be opened; it answers 503; its name leads to no address; it refuses our registration; it carries calls now; it brought one in the last 24 hours; none in that time; none since the start."
        TrunkWhy::all().map(TrunkWhy::as_str).collect::<Vec<_>>();
    CauseWord(Cause) "Cause" "Why a call ended."
        Cause::ALL.iter().map(|cause| cause.as_str()).collect::<Vec<_>>();
}

/// Those that clients say too: `known` finds the word, `all` lists them for whoever said another.
macro_rules! read_words {
    ($($word:ident $what:literal $known:expr, $all:expr;)*) => {$(
        impl<'de> Deserialize<'de> for $word {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = Cow::<'_, str>::deserialize(deserializer)?;
                $known(&word).map(Self).ok_or_else(|| {
                    de::Error::custom(format!("the {} must be one of: {}", $what, $all.join(", ")))
                })
            }
        }
    )*};
}

read_words! {
    CommandWord "state" AgentCommand::from_name, AgentCommand::ALL.map(AgentCommand::as_str);
    UserRoleWord "role" UserRole::from_name, UserRole::ALL.map(UserRole::as_str);
    ScreenWord "language" screen_language, ["en", "fr"];
}

fn screen_language(name: &str) -> Option<Spoken> {
    Spoken::from_name(name).filter(|language| *language != Spoken::Es)
}
