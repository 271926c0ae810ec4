//! Digits in INFO: `application/dtmf-relay` (`Signal=5`, `Duration=160`) and `application/dtmf` (`5`). No RFC has
//! them; these are what phones and carriers send.

use bytes::Bytes;
use havre_model::{Digit, LegId};

use super::State;
use super::established::Established;
use crate::Method;
use crate::endpoint::Event;
use crate::stack::{Inbound, Outcome, Purpose, Stack};
use crate::wire::Name;

/// Digits that wait to be sent on one leg; a person cannot press faster than they go out.
const MAX_WAITING_DIGITS: usize = 32;
/// How long a digit lasts where its message does not say.
const USUAL_MILLIS: u16 = 160;

impl Established {
    pub(super) fn send_digit(mut self: Box<Self>, stack: &mut Stack, digit: Digit) -> State {
        if self.digits.len() < MAX_WAITING_DIGITS {
            self.digits.push_back(digit);
        } else {
            stack.counters.stray_commands += 1;
        }
        self.send_next_digit(stack);
        State::Established(self)
    }

    pub(super) fn on_info_outcome(mut self: Box<Self>, stack: &mut Stack, outcome: &Outcome) -> State {
        match outcome {
            Outcome::Response(response) if response.status < 200 => return State::Established(self),
            Outcome::Response(response) if response.status == 481 => return self.gone(stack),
            Outcome::Response(_) | Outcome::TimedOut | Outcome::Unreachable => self.sending_digit = None,
        }
        self.send_next_digit(stack);
        State::Established(self)
    }

    fn send_next_digit(&mut self, stack: &mut Stack) {
        if self.sending_digit.is_none() {
            self.sending_digit = self.digits.pop_front();
            self.send_digit_again(stack);
        }
    }

    pub(super) fn send_digit_again(&mut self, stack: &mut Stack) {
        let Some(digit) = self.sending_digit else { return };
        let mut info = self.dialog.request(Method::Info, &stack.config);
        info.headers.push(Name::ContentType, "application/dtmf-relay");
        info.body = Bytes::from(format!("Signal={digit}\r\nDuration={USUAL_MILLIS}\r\n"));
        self.send(stack, info, Purpose::Info);
    }
}

/// 200 and an event, 200 for an INFO without a body (it only says "alive"), or 415.
pub(super) fn answer(stack: &mut Stack, leg: LegId, inbound: &Inbound) {
    let request = &inbound.request;
    let kind = request.headers.content_type().ok().flatten();
    let digits =
        kind.is_some_and(|kind| kind.is("application", "dtmf-relay") || kind.is("application", "dtmf"));
    if !digits && !request.body.is_empty() {
        let mut response = request.respond(415, None);
        response.headers.push(Name::Accept, "application/dtmf-relay, application/dtmf");
        stack.respond(inbound.reply, &response);
        return;
    }
    super::respond(stack, inbound, 200);
    if digits {
        match parse(&request.body) {
            Some((digit, millis)) => stack.emit(Event::Digit { leg, digit, millis }),
            None => stack.counters.unreadable_digits += 1,
        }
    }
}

/// Either body. `10` and `11` stand for `*` and `#` with some senders, as in RFC 4733.
fn parse(body: &[u8]) -> Option<(Digit, u16)> {
    let text = std::str::from_utf8(body).ok()?;
    let mut millis = USUAL_MILLIS;
    let mut signal = None;
    for line in text.lines() {
        match line.split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("signal") => signal = Some(value.trim()),
            Some((name, value)) if name.trim().eq_ignore_ascii_case("duration") => {
                millis = value.trim().parse().unwrap_or(millis);
            }
            Some(_) => {}
            None if signal.is_none() && !line.trim().is_empty() => signal = Some(line.trim()),
            None => {}
        }
    }
    let signal = signal?;
    let mut keys = signal.chars();
    let digit = match (keys.next(), keys.next()) {
        (Some(key), None) => Digit::from_char(key),
        _ => signal.parse().ok().and_then(Digit::from_event),
    };
    digit.map(|digit| (digit, millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_bodies_are_read() {
        let read = |body: &str| parse(body.as_bytes()).map(|(digit, millis)| (digit.as_char(), millis));
        assert_eq!(read("Signal=5\r\nDuration=250\r\n"), Some(('5', 250)));
        assert_eq!(read("signal= #\nduration= x"), Some(('#', 160)));
        assert_eq!(read("Signal=11\r\n"), Some(('#', 160)));
        assert_eq!(read("7"), Some(('7', 160)));
        assert_eq!(read("d\r\n"), Some(('D', 160)));
        for bad in ["", "Signal=", "Signal=55", "Duration=100", "x", "Signal=é", "Signal=99999999"] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
        assert_eq!(parse(&[0xff]), None);
    }
}
