//! Events as JSON: the one spelling of the record.

use std::time::Duration;

use havre_model::{Mos, Quality, What};
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
        What::AgentLost { agent }
        | What::AgentAway { agent }
        | What::AgentBack { agent }
        | What::AgentMoved { agent } => {
            json!({"agent": agent.as_str()})
        }
        What::CallerMedia { flowing } => json!({"flowing": flowing}),
        What::OneWay { side, way, flowing } => {
            json!({"side": side.as_str(), "way": way.as_str(), "flowing": flowing})
        }
        What::Quality { side, quality } => json!({"side": side.as_str(), "quality": of_quality(quality)}),
        What::Ended { outcome, cause } => json!({"outcome": outcome.as_str(), "cause": cause.as_str()}),
        // What a caller keyed in a talk is said to the advocate, and recorded nowhere.
        What::Key(_) | What::Picked | What::Tty | What::Alerted | What::Paged => json!({}),
    }
}

fn of_quality(quality: &Quality) -> Value {
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    json!({
        "codec": quality.codec,
        "srtp": quality.srtp,
        "received": quality.received,
        "lost": quality.lost,
        "lost_permille": quality.loss_permille,
        "jitter_us": micros(quality.jitter),
        "round_trip_us": quality.round_trip.map(micros),
        "mos": quality.mos.map(Mos::score),
        "far_lost_permille": quality.far.map(|far| far.loss_permille),
        "far_mos": quality.far.map(|far| far.mos.score()),
    })
}
