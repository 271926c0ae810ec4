//! A ladder in text: whoever called at the left, this node in the middle, advocates' phones at the right.

use std::fmt::Write;

use super::{Ladder, Message};

/// Columns between two of the three.
const WIDTH: usize = 30;

/// All of it, each message on a line.
pub(super) fn ladder(ladder: &Ladder) -> String {
    let mut text = String::new();
    let Some(first) = ladder.messages.first() else {
        return "  nothing passed\n".to_owned();
    };
    let left = first.peer.id.as_deref().unwrap_or("unknown");
    // Writing to a `String` does not fail.
    let _ = writeln!(text, "{:>12}   {left:<WIDTH$} {:<WIDTH$} phones", moment(first.at), "havre");
    for message in &ladder.messages {
        line(&mut text, message);
    }
    if ladder.left_out > 0 {
        let _ = writeln!(text, "{:>12}   {} more were left out", "", ladder.left_out);
    }
    text
}

fn line(text: &mut String, message: &Message) {
    let caller = message.dialog == 0;
    // To the right: from the caller to us, and from us to a phone.
    let arrow = arrow(&label(message), caller != message.sent);
    let empty = " ".repeat(WIDTH);
    let (left, right) = if caller { (&arrow, &empty) } else { (&empty, &arrow) };
    let seconds = format!("{}.{:03} s", message.after_ms / 1000, message.after_ms % 1000);
    let _ = write!(text, "{seconds:>12}   │{left}│{right}│ {}", message.transport);
    if let (false, Some(phone)) = (caller, &message.peer.id) {
        let _ = write!(text, " {phone}");
    }
    text.push('\n');
}

fn label(message: &Message) -> String {
    let mut label = match message.status {
        None => message.method.clone(),
        Some(status) => format!("{status} ({})", message.method),
    };
    if message.sdp {
        label.push_str(" SDP");
    }
    if let Some(cause) = message.cause {
        let _ = write!(label, " Q.850 {cause}");
    }
    if message.again {
        label.push_str(" again");
    }
    label
}

/// `── INVITE SDP ───────────▶`, as wide as there is room; longer labels are cut.
fn arrow(label: &str, to_the_right: bool) -> String {
    let label: String = label.chars().take(WIDTH - 6).collect();
    let line = "─".repeat(WIDTH - 5 - label.chars().count());
    if to_the_right { format!("── {label} {line}▶") } else { format!("◀{line} {label} ──") }
}

/// `04:52:01.123`, UTC.
pub(super) fn moment(millis: i64) -> String {
    let of_day = millis.rem_euclid(86_400_000);
    let (seconds, millis) = (of_day / 1000, of_day % 1000);
    format!("{:02}:{:02}:{:02}.{millis:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::super::Peer;
    use super::*;

    fn message(after_ms: u64, dialog: usize, sent: bool, method: &str, status: Option<u16>) -> Message {
        Message {
            at: 1_000 + i64::try_from(after_ms).unwrap(),
            after_ms,
            peer: Peer { id: Some(if dialog == 0 { "carrier" } else { "advocate-fr" }.to_owned()) },
            dialog,
            sent,
            transport: "udp".to_owned(),
            method: method.to_owned(),
            status,
            again: false,
            sdp: method == "INVITE",
            cause: None,
        }
    }

    #[test]
    fn arrows_lead_from_whoever_spoke() {
        let mut bye = message(61_002, 0, false, "BYE", None);
        bye.cause = Some(16);
        let mut ok = message(500, 0, true, "INVITE", Some(200));
        ok.again = true;
        let messages = vec![
            message(0, 0, false, "INVITE", None),
            ok,
            message(700, 1, true, "INVITE", None),
            message(790, 1, false, "INVITE", Some(180)),
            bye,
        ];
        let drawn = ladder(&Ladder { messages, left_out: 2 });
        let expected = "\
00:00:01.000   carrier                        havre                          phones
     0.000 s   │── INVITE SDP ───────────────▶│                              │ udp
     0.500 s   │◀─── 200 (INVITE) SDP again ──│                              │ udp
     0.700 s   │                              │── INVITE SDP ───────────────▶│ udp advocate-fr
     0.790 s   │                              │◀───────── 180 (INVITE) SDP ──│ udp advocate-fr
    61.002 s   │── BYE Q.850 16 ─────────────▶│                              │ udp
               2 more were left out
";
        assert_eq!(drawn, expected);
    }
}
