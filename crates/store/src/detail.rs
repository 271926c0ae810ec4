//! Events as JSON: the one spelling of the record.

use havre_model::What;
use serde_json::{Value, json};

/// What belongs to an event, beside its kind.
pub(crate) fn detail(what: &What) -> Value {
    match what {
        What::Arrived { line, trunk } => json!({"line": line.as_str(), "trunk": trunk.as_str()}),
        What::Joined { language, risk } | What::Rejoined { language, risk } => {
            json!({"language": language.as_str(), "risk": risk.as_str()})
        }
        What::Language(language) => json!({"language": language.as_str()}),
        What::Risk(risk) => json!({"risk": risk.as_str()}),
        What::Mode(mode) => {
            json!({"silent": mode.silent, "discreet": mode.discreet, "sound": mode.sound.as_str()})
        }
        What::Offered { offer, agent, kind } => {
            json!({"offer": offer.to_string(), "agent": agent.as_str(), "kind": kind.as_str()})
        }
        What::Withdrawn { offer, agent, why } => {
            json!({"offer": offer.to_string(), "agent": agent.as_str(), "why": why.as_str()})
        }
        What::Answered { agent, waited } => {
            json!({"agent": agent.as_str(), "waited_ms": u64::try_from(waited.as_millis()).unwrap_or(u64::MAX)})
        }
        What::AgentLost { agent } => json!({"agent": agent.as_str()}),
        What::CallerMedia { flowing } => json!({"flowing": flowing}),
        What::Ended { outcome, cause } => json!({"outcome": outcome.as_str(), "cause": cause.as_str()}),
        // What a caller keyed in a talk is said to the advocate, and recorded nowhere.
        What::Key(_) | What::Picked | What::Alerted | What::Paged => json!({}),
    }
}
