//! Hold (RFC 3264 §8.4): the same session description with another direction.

use bytes::Bytes;
use havre_media::sdp::{Direction, Negotiated};

/// `sdp` as the far side is to see it: silenced while we hold, and `revision` versions newer than the session knows
/// of, since holding changes nothing else (RFC 3264 §8: a changed description has a higher version).
pub(crate) fn revise(sdp: &[u8], held: bool, revision: u64) -> Bytes {
    let text = String::from_utf8_lossy(sdp);
    let mut out = String::with_capacity(text.len() + 4);
    for line in text.split_terminator("\r\n") {
        match line {
            "a=sendrecv" if held => out.push_str("a=sendonly"),
            "a=recvonly" if held => out.push_str("a=inactive"),
            _ => match newer_origin(line, revision) {
                Some(origin) => out.push_str(&origin),
                None => out.push_str(line),
            },
        }
        out.push_str("\r\n");
    }
    Bytes::from(out)
}

/// What an answer of ours means while we hold: nothing is expected from the far side.
pub(crate) fn silence(negotiated: &mut Negotiated) {
    negotiated.direction = match negotiated.direction {
        Direction::SendRecv | Direction::SendOnly => Direction::SendOnly,
        Direction::RecvOnly | Direction::Inactive => Direction::Inactive,
    };
}

/// `o=- <id> <version> IN IP4 <addr>`, with the version raised.
fn newer_origin(line: &str, by: u64) -> Option<String> {
    let rest = line.strip_prefix("o=")?;
    let mut words = rest.splitn(4, ' ');
    let (user, id, version, rest) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let version: u64 = version.parse().ok()?;
    Some(format!("o={user} {id} {} {rest}", version.wrapping_add(by)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SDP: &str = "v=0\r\no=- 7 3 IN IP4 192.0.2.1\r\ns=-\r\nm=audio 4000 RTP/AVP 0\r\na=sendrecv\r\n";

    #[test]
    fn a_held_description_differs_in_version_and_direction_only() {
        let held = revise(SDP.as_bytes(), true, 1);
        let expected = SDP.replace("7 3", "7 4").replace("sendrecv", "sendonly");
        assert_eq!(held, expected.as_bytes());
    }

    #[test]
    fn resuming_gives_the_old_description_in_a_new_version() {
        assert_eq!(revise(SDP.as_bytes(), false, 2), SDP.replace("7 3", "7 5").as_bytes());
    }
}
