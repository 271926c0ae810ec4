//! DNS messages (RFC 1035 §4), as far as SIP needs them: one question out, NAPTR, SRV, A and AAAA in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use havre_sip::{Answer, Question, Record, RecordKind};

/// Longest name on the wire (RFC 1035 §2.3.4).
const MAX_NAME: usize = 255;
/// Compression pointers of one name; a chain longer than that is no honest one.
const MAX_JUMPS: usize = 16;
/// Records looked at in one message: CNAMEs and answers.
const MAX_RECORDS: usize = 64;
/// What "there is nothing" is kept for, where no SOA says how long, in seconds.
const NOTHING: u32 = 30;
/// Largest datagram that we take (RFC 6891; 1232 fits every path).
pub(super) const MAX_DATAGRAM: u16 = 1232;

/// What a message says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// To be asked over TCP.
    Truncated,
    /// The answer.
    Answer(Answer),
    /// The server failed (SERVFAIL, REFUSED …).
    Failed,
    /// Not an answer to this question, or not readable.
    Junk,
}

/// The question as a message.
pub(super) fn ask(id: u16, question: &Question) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(64);
    out.extend(id.to_be_bytes());
    // Recursion desired; one question, one additional record (EDNS).
    out.extend([0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 1]);
    out.extend(asked(question)?);
    out.extend([0, 0, 41]);
    out.extend(MAX_DATAGRAM.to_be_bytes());
    out.extend([0; 6]);
    Some(out)
}

/// Name, type and class as they stand in both messages.
fn asked(question: &Question) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for label in question.name.trim_end_matches('.').split('.') {
        if label.is_empty() || label.len() > 63 {
            return None;
        }
        out.push(u8::try_from(label.len()).ok()?);
        out.extend(label.bytes());
    }
    out.push(0);
    out.extend(type_of(question.kind).to_be_bytes());
    out.extend([0, 1]);
    (out.len() <= MAX_NAME + 4).then_some(out)
}

const fn type_of(kind: RecordKind) -> u16 {
    match kind {
        RecordKind::A => 1,
        RecordKind::Aaaa => 28,
        RecordKind::Srv => 33,
        RecordKind::Naptr => 35,
    }
}

/// Reads what came back.
pub(super) fn read(message: &[u8], id: u16, question: &Question) -> Reading {
    parse(message, id, question).unwrap_or(Reading::Junk)
}

fn parse(message: &[u8], id: u16, question: &Question) -> Option<Reading> {
    let mut at = Cursor { message, at: 0 };
    let (their_id, flags) = (at.u16()?, at.u16()?);
    let (questions, answers, authorities) = (at.u16()?, at.u16()?, at.u16()?);
    at.u16()?;
    if their_id != id || flags & 0x8000 == 0 || questions != 1 {
        return None;
    }
    // What was not asked is not answered: a forged message has to guess this, too.
    let wanted = asked(question)?;
    if !at.take(wanted.len())?.eq_ignore_ascii_case(&wanted) {
        return None;
    }
    if flags & 0x0200 != 0 {
        return Some(Reading::Truncated);
    }
    match flags & 0xf {
        0 | 3 => {}
        _ => return Some(Reading::Failed),
    }
    let (mut records, mut shortest) = (Vec::new(), None::<u32>);
    for _ in 0..usize::from(answers).min(MAX_RECORDS) {
        let (kind, ttl, data) = at.record()?;
        if kind == type_of(question.kind) {
            records.extend(record(message, kind, data));
            shortest = Some(shortest.map_or(ttl, |known| known.min(ttl)));
        } else if kind == 5 {
            // A CNAME on the way: its end is in the same answer.
            shortest = Some(shortest.map_or(ttl, |known| known.min(ttl)));
        }
    }
    if records.is_empty() {
        shortest = None;
        for _ in 0..usize::from(authorities).min(MAX_RECORDS) {
            let (kind, ttl, _) = at.record()?;
            // RFC 2308 §5: the SOA says for how long there is nothing.
            if kind == 6 {
                shortest = Some(ttl);
            }
        }
    }
    Some(Reading::Answer((records, shortest.unwrap_or(NOTHING))))
}

/// One record's data; what cannot be read is left out.
fn record(message: &[u8], kind: u16, (start, length): (usize, usize)) -> Option<Record> {
    let mut at = Cursor { message, at: start };
    match kind {
        1 => Some(Record::Address(IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(at.take(length)?).ok()?)))),
        28 => Some(Record::Address(IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(at.take(length)?).ok()?)))),
        33 => {
            let (priority, weight, port) = (at.u16()?, at.u16()?, at.u16()?);
            let target = at.name()?;
            // "." says that the service is decidedly not available (RFC 2782).
            (!target.is_empty()).then_some(Record::Srv { priority, weight, port, target })
        }
        35 => {
            let (order, preference) = (at.u16()?, at.u16()?);
            let (flags, service, _regexp) = (at.text()?, at.text()?, at.text()?);
            let replacement = at.name()?;
            flags.eq_ignore_ascii_case("s").then_some(Record::Naptr {
                order,
                preference,
                service,
                replacement,
            })
        }
        _ => None,
    }
}

struct Cursor<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let taken = self.message.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    /// A character-string.
    fn text(&mut self) -> Option<String> {
        let length = usize::from(*self.take(1)?.first()?);
        Some(String::from_utf8_lossy(self.take(length)?).into_owned())
    }

    /// Type, time to live, and where the data stands.
    fn record(&mut self) -> Option<(u16, u32, (usize, usize))> {
        self.name()?;
        let kind = self.u16()?;
        self.u16()?;
        let ttl = self.u32()?;
        let length = usize::from(self.u16()?);
        let start = self.at;
        self.take(length)?;
        Some((kind, ttl, (start, length)))
    }

    /// A domain name, compressed or not (§4.1.4), without its last dot.
    fn name(&mut self) -> Option<String> {
        let mut name = String::new();
        let (mut at, mut end, mut jumps) = (self.at, None, 0);
        loop {
            let length = usize::from(*self.message.get(at)?);
            match length {
                0 => {
                    self.at = end.unwrap_or(at + 1);
                    return Some(name);
                }
                1..=63 => {
                    let label = self.message.get(at + 1..at + 1 + length)?;
                    if !name.is_empty() {
                        name.push('.');
                    }
                    // A label that is no host name leads nowhere, and must not get into a log.
                    let sound = label.iter().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(b));
                    if !sound || name.len() + length > MAX_NAME {
                        return None;
                    }
                    name.push_str(std::str::from_utf8(label).ok()?);
                    at += 1 + length;
                }
                192.. => {
                    let low = usize::from(*self.message.get(at + 1)?);
                    end = end.or(Some(at + 2));
                    at = (length & 0x3f) << 8 | low;
                    jumps += 1;
                    if jumps > MAX_JUMPS {
                        return None;
                    }
                }
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(name: &str, kind: RecordKind) -> Question {
        Question { name: name.to_owned(), kind }
    }

    /// A response with these records, their names a pointer to the question's.
    fn response(question: &Question, records: &[(u16, u32, Vec<u8>)]) -> Vec<u8> {
        let mut out = vec![0, 7, 0x81, 0x80, 0, 1, 0, u8::try_from(records.len()).unwrap(), 0, 0, 0, 0];
        out.extend(asked(question).unwrap());
        for (kind, ttl, data) in records {
            out.extend([0xc0, 12]);
            out.extend(kind.to_be_bytes());
            out.extend([0, 1]);
            out.extend(ttl.to_be_bytes());
            out.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
            out.extend(data);
        }
        out
    }

    #[test]
    fn srv_naptr_and_addresses_are_read() {
        let asked = question("_sip._udp.carrier.example", RecordKind::Srv);
        // The target is compressed: `a`, and the question's name from its second label on.
        let data = [&[0, 10, 0, 60, 0x13, 0xc4, 1, b'a'][..], &[0xc0, 22]].concat();
        let read_back = read(&response(&asked, &[(33, 300, data)]), 7, &asked);
        let target = "a.carrier.example".to_owned();
        let srv = Record::Srv { priority: 10, weight: 60, port: 5060, target };
        assert_eq!(read_back, Reading::Answer((vec![srv], 300)));

        let asked = question("carrier.example", RecordKind::Naptr);
        let mut data = vec![0, 1, 0, 2, 1, b's', 7];
        data.extend(b"SIP+D2U\0\x04_sip\x04_udp\xc0\x0c");
        let naptr = Record::Naptr {
            order: 1,
            preference: 2,
            service: "SIP+D2U".to_owned(),
            replacement: "_sip._udp.carrier.example".to_owned(),
        };
        assert_eq!(read(&response(&asked, &[(35, 60, data)]), 7, &asked), Reading::Answer((vec![naptr], 60)));

        let asked = question("carrier.example", RecordKind::A);
        // The alias counts for the time to live.
        let records = [(5, 20, vec![1, b'x', 0xc0, 12]), (1, 60, vec![192, 0, 2, 1])];
        let address = Record::Address("192.0.2.1".parse().unwrap());
        assert_eq!(read(&response(&asked, &records), 7, &asked), Reading::Answer((vec![address], 20)));
    }

    #[test]
    fn only_the_answer_to_our_question_counts() {
        let ours = question("carrier.example", RecordKind::A);
        let good = response(&ours, &[(1, 60, vec![192, 0, 2, 1])]);
        assert_eq!(read(&good, 8, &ours), Reading::Junk, "another id");
        assert_eq!(read(&good, 7, &question("carrier.example", RecordKind::Aaaa)), Reading::Junk);
        assert_eq!(read(&good, 7, &question("carrier.exampl", RecordKind::A)), Reading::Junk);
        assert_eq!(read(&ask(7, &ours).unwrap(), 7, &ours), Reading::Junk, "a question is no answer");
        let with_flags = |low: u8, high: u8| {
            let mut message = good.clone();
            (message[2], message[3]) = (high, low);
            read(&message, 7, &ours)
        };
        assert_eq!(with_flags(0x80, 0x83), Reading::Truncated);
        assert_eq!(with_flags(0x82, 0x81), Reading::Failed);
        assert_eq!(read(&response(&ours, &[]), 7, &ours), Reading::Answer((Vec::new(), NOTHING)));
    }

    #[test]
    fn nothing_hostile_is_followed() {
        let ours = question("carrier.example", RecordKind::Srv);
        // A pointer to itself, and labels that would forge a line of a log.
        for target in [vec![0xc0, 49], b"\x03a\nb\0".to_vec(), vec![63], vec![0x80, 1]] {
            let data = [&[0, 1, 0, 1, 0x13, 0xc4][..], &target].concat();
            assert_eq!(
                read(&response(&ours, &[(33, 60, data)]), 7, &ours),
                Reading::Answer((Vec::new(), NOTHING))
            );
        }
        let good = response(&ours, &[(33, 60, vec![0, 1, 0, 1, 0x13, 0xc4, 1, b'a', 0])]);
        for cut in 0..good.len() {
            assert_eq!(read(&good[..cut], 7, &ours), Reading::Junk, "cut at {cut}");
        }
        assert!(ask(1, &question("a..b", RecordKind::A)).is_none());
        assert!(ask(1, &question(&"a.".repeat(200), RecordKind::A)).is_none());
    }
}
