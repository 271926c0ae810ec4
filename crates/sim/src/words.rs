//! How the log puts things.

use havre_model::{AgentState, Way, What};
use havre_sip::EndedBy;

pub(crate) fn state(state: &AgentState) -> String {
    match state {
        AgentState::NotReady { reason, .. } => format!("not ready ({})", reason.as_str()),
        other => other.as_str().replace('_', " "),
    }
}

pub(crate) fn what(what: &What) -> Option<String> {
    Some(match what {
        What::Arrived { line, .. } => format!("arrived at {line}"),
        What::Joined { language, risk } => format!("joined: {language}, {risk}"),
        What::Rejoined { language, risk } => format!("joined again: {language}, {risk}"),
        What::Language(language) => format!("language {language}"),
        What::Risk(risk) => format!("class {risk}"),
        What::Mode(mode) => {
            let silent = if mode.silent { " silent" } else { "" };
            let discreet = if mode.discreet { " discreet" } else { "" };
            format!("mode {}{silent}{discreet}", mode.sound.as_str())
        }
        What::Offered { agent, kind, .. } => format!("offered to {agent} ({})", kind.as_str()),
        What::Withdrawn { agent, why, .. } => format!("withdrawn from {agent} ({})", why.as_str()),
        What::Answered { agent, waited } => {
            format!("answered by {agent} after {:.1} s", waited.as_secs_f64())
        }
        What::Key(digit) => format!("key {digit}"),
        What::AgentLost { agent } => format!("lost {agent}"),
        What::AgentAway { agent } => format!("away {agent}"),
        What::AgentBack { agent } => format!("back {agent}"),
        What::AgentMoved { agent } => format!("moved {agent}"),
        What::CallerMedia { flowing } => if *flowing { "audible" } else { "inaudible" }.to_owned(),
        What::Tty => "TTY tones heard".to_owned(),
        What::OneWay { side, way: Way::To, flowing } => {
            let verb = if *flowing { "hears again" } else { "hears nothing" };
            format!("the {} {verb}", side.as_str())
        }
        What::Alerted => "supervisors alerted".to_owned(),
        What::Paged => "supervisors paged".to_owned(),
        What::Ended { outcome, cause } => format!("ended: {} ({cause})", outcome.as_str()),
        // The greeting says as much; so does what is done about a party that is not heard; and figures are no story.
        What::Picked | What::OneWay { way: Way::From, .. } | What::Quality { .. } => return None,
    })
}

pub(crate) const fn ended(by: EndedBy) -> &'static str {
    match by {
        EndedBy::Remote => "hung up",
        EndedBy::Cancelled => "cancelled",
        EndedBy::Refused => "refused",
        EndedBy::Timeout => "timed out",
        EndedBy::Unknown481 => "unknown",
        EndedBy::Us => "by own choice",
        EndedBy::Transfer => "since it may not be handed on",
    }
}
