//! From a name to addresses (RFC 3263): NAPTR, SRV, A and AAAA, each kept for its TTL. Loss of DNS is survived: what was
//! known goes on being used until there is a newer answer.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use havre_model::Mono;

use super::attempt::usual_port;
use super::order::Rank;
use crate::endpoint::Transport;

/// An answer lives at least so long, whatever its TTL says: a TTL of 0 must not make a storm.
const SHORTEST: Duration = Duration::from_secs(5);
/// And at most so long: a carrier that moves is found again.
const LONGEST: Duration = Duration::from_secs(3_600);
/// "There is no such name" is asked again after this time at the latest: a carrier's mistake is mended soon.
const NEGATIVE: Duration = Duration::from_secs(30);
/// Without an answer the question is asked again after this time.
const RETRY: Duration = Duration::from_secs(10);
/// Records of one answer that are looked at; beyond it somebody is playing with us.
const MAX_RECORDS: usize = 32;

/// What is asked of DNS.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Question {
    /// Without a trailing dot.
    pub name: String,
    /// Which records.
    pub kind: RecordKind,
}

/// A kind of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordKind {
    /// Which transports a domain speaks (RFC 3403).
    Naptr,
    /// Which hosts serve a transport (RFC 2782).
    Srv,
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// NAPTR with the flag `s`.
    Naptr {
        /// Lower ones first.
        order: u16,
        /// Lower ones first, within one order.
        preference: u16,
        /// `SIP+D2U`, `SIP+D2T`, `SIPS+D2T`.
        service: String,
        /// The name to ask for SRV.
        replacement: String,
    },
    /// SRV.
    Srv {
        /// Lower ones first.
        priority: u16,
        /// Share within one priority.
        weight: u16,
        /// Where.
        port: u16,
        /// The host.
        target: String,
    },
    /// A or AAAA.
    Address(IpAddr),
}

/// What DNS said: records and for how many seconds they hold; none where there are none.
pub type Answer = (Vec<Record>, u32);

/// Every answer that a trunk's name led to.
#[derive(Default)]
pub(crate) struct Resolver {
    known: BTreeMap<Question, Known>,
}

struct Known {
    records: Option<Vec<Record>>,
    /// The last question was not answered.
    failed: bool,
    /// When to ask (again); `None` while asked.
    ask_at: Option<Mono>,
}

/// What a name leads to, as far as is known.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) targets: Vec<(Rank, Transport, SocketAddr)>,
    /// Something is still to be answered for the first time.
    pub(crate) pending: bool,
    /// DNS was asked for it, and did not answer.
    pub(crate) failed: bool,
}

/// Which kinds of address we can call from.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Families {
    /// IPv4 and IPv6, in clear.
    pub(crate) plain: [bool; 2],
    /// The same over TLS.
    pub(crate) tls: [bool; 2],
}

impl Families {
    fn over(self, transport: Transport) -> [bool; 2] {
        if transport == Transport::Tls { self.tls } else { self.plain }
    }
}

/// A walk through what is known, noting what had to be known for it.
struct Walk<'a> {
    resolver: &'a Resolver,
    used: &'a mut BTreeSet<Question>,
    families: Families,
    found: Found,
}

impl Resolver {
    /// What `name` leads to. `used` gets every question that this stands on.
    pub(crate) fn find(
        &self,
        name: &str,
        port: Option<u16>,
        transport: Option<Transport>,
        families: Families,
        used: &mut BTreeSet<Question>,
    ) -> Found {
        let mut walk = Walk { resolver: self, used, families, found: Found::default() };
        match (port, transport) {
            // RFC 3263 §4.2: with a port there is no SRV.
            (Some(port), transport) => {
                walk.addresses(
                    name,
                    port,
                    transport.unwrap_or(Transport::Udp),
                    Rank { priority: 0, weight: 0 },
                );
            }
            (None, Some(transport)) => walk.services(&[(srv_name(name, transport), transport)], name),
            (None, None) => walk.by_naptr(name),
        }
        walk.found
    }

    /// Forgets what nobody stands on, and tells what is to be asked now.
    pub(crate) fn ask(&mut self, used: &BTreeSet<Question>, now: Mono) -> Vec<Question> {
        self.known.retain(|question, _| used.contains(question));
        let mut due = Vec::new();
        for question in used {
            let known = self.known.entry(question.clone()).or_insert(Known {
                records: None,
                failed: false,
                ask_at: Some(now),
            });
            if known.ask_at.is_some_and(|at| at <= now) {
                known.ask_at = None;
                due.push(question.clone());
            }
        }
        due
    }

    /// When the next question is due.
    pub(crate) fn due(&self) -> Option<Mono> {
        self.known.values().filter_map(|known| known.ask_at).min()
    }

    /// `None`: DNS did not answer.
    pub(crate) fn on_answer(&mut self, question: &Question, answer: Option<Answer>, now: Mono) {
        let Some(known) = self.known.get_mut(question) else { return };
        known.failed = answer.is_none();
        known.ask_at = Some(match answer {
            None => now + RETRY,
            Some((mut records, seconds)) => {
                records.truncate(MAX_RECORDS);
                let most = if records.is_empty() { NEGATIVE } else { LONGEST };
                known.records = Some(records);
                now + Duration::from_secs(u64::from(seconds)).clamp(SHORTEST, most)
            }
        });
    }
}

impl Walk<'_> {
    fn records(&mut self, name: &str, kind: RecordKind) -> Option<&[Record]> {
        let question = Question { name: name.to_owned(), kind };
        let known = self.resolver.known.get(&question);
        let records = known.and_then(|known| known.records.as_deref());
        self.found.pending |= records.is_none();
        self.found.failed |= known.is_some_and(|known| known.failed);
        self.used.insert(question);
        records
    }

    fn by_naptr(&mut self, name: &str) {
        let tls = self.families.tls.contains(&true);
        let Some(records) = self.records(name, RecordKind::Naptr) else { return };
        let mut services: Vec<_> = records
            .iter()
            .filter_map(|record| match record {
                Record::Naptr { order, preference, service, replacement } => {
                    let transport = match service.to_ascii_uppercase().as_str() {
                        "SIP+D2U" => Transport::Udp,
                        "SIP+D2T" => Transport::Tcp,
                        "SIPS+D2T" if tls => Transport::Tls,
                        _ => return None,
                    };
                    Some((*order, *preference, replacement.clone(), transport))
                }
                _ => None,
            })
            .collect();
        services.sort_by_key(|(order, preference, ..)| (*order, *preference));
        let mut services: Vec<_> =
            services.into_iter().map(|(.., replacement, transport)| (replacement, transport)).collect();
        if services.is_empty() {
            // §4.1: no NAPTR: SRV of each transport.
            services = [Transport::Udp, Transport::Tcp].map(|t| (srv_name(name, t), t)).to_vec();
        }
        self.services(&services, name);
    }

    /// SRV of each service, those of the first before those of the next; without any, the addresses of the name.
    fn services(&mut self, services: &[(String, Transport)], name: &str) {
        let (mut some, mut open) = (false, false);
        for (nth, (service, transport)) in services.iter().enumerate() {
            let Some(records) = self.records(service, RecordKind::Srv).map(<[_]>::to_vec) else {
                open = true;
                continue;
            };
            for record in records {
                let Record::Srv { priority, weight, port, target } = record else { continue };
                some = true;
                // Priorities of one service do not compare with another's.
                let nth = u16::try_from(nth).unwrap_or(u16::MAX);
                let rank = Rank { priority: nth.saturating_mul(8_192).saturating_add(priority), weight };
                self.addresses(&target, port, *transport, rank);
            }
        }
        if !some && !open {
            let transport = services.first().map_or(Transport::Udp, |(_, transport)| *transport);
            self.addresses(name, usual_port(transport), transport, Rank { priority: 0, weight: 0 });
        }
    }

    fn addresses(&mut self, name: &str, port: u16, transport: Transport, rank: Rank) {
        let [v4, v6] = self.families.over(transport);
        for (wanted, kind) in [(v4, RecordKind::A), (v6, RecordKind::Aaaa)] {
            if !wanted {
                continue;
            }
            let found: Vec<IpAddr> = self
                .records(name, kind)
                .into_iter()
                .flatten()
                .filter_map(|record| match record {
                    Record::Address(ip) => Some(*ip),
                    _ => None,
                })
                .collect();
            self.found
                .targets
                .extend(found.into_iter().map(|ip| (rank, transport, SocketAddr::new(ip, port))));
        }
    }
}

fn srv_name(name: &str, transport: Transport) -> String {
    let service = match transport {
        Transport::Udp => "_sip._udp",
        Transport::Tls => "_sips._tcp",
        _ => "_sip._tcp",
    };
    format!("{service}.{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const IPV4: Families = Families { plain: [true, false], tls: [false, false] };

    fn at(seconds: u64) -> Mono {
        Mono::from_start(Duration::from_secs(seconds))
    }

    fn question(name: &str, kind: RecordKind) -> Question {
        Question { name: name.to_owned(), kind }
    }

    fn srv(priority: u16, weight: u16, target: &str) -> Record {
        Record::Srv { priority, weight, port: 5070, target: target.to_owned() }
    }

    fn address(text: &str) -> Record {
        Record::Address(text.parse().unwrap())
    }

    /// Asks until nothing is to be asked; the zone answers.
    fn resolve(resolver: &mut Resolver, now: Mono, zone: impl Fn(&Question) -> Option<Answer>) -> Found {
        loop {
            let mut used = BTreeSet::new();
            let found = resolver.find("carrier.example", None, None, IPV4, &mut used);
            let asked = resolver.ask(&used, now);
            if asked.is_empty() {
                return found;
            }
            for question in asked {
                resolver.on_answer(&question, zone(&question), now);
            }
        }
    }

    fn zone(asked: &Question) -> Option<Answer> {
        let records = match (asked.name.as_str(), asked.kind) {
            ("carrier.example", RecordKind::Naptr) => {
                [("SIP+D2T", 20, "_sip._tcp"), ("SIP+D2U", 10, "_sip._udp")]
                    .map(|(service, order, name)| Record::Naptr {
                        order,
                        preference: 1,
                        service: service.to_owned(),
                        replacement: format!("{name}.carrier.example"),
                    })
                    .to_vec()
            }
            ("_sip._udp.carrier.example", RecordKind::Srv) => {
                vec![srv(10, 60, "a.carrier.example"), srv(20, 0, "b.carrier.example")]
            }
            ("_sip._tcp.carrier.example", RecordKind::Srv) => vec![srv(1, 0, "a.carrier.example")],
            ("a.carrier.example", RecordKind::A) => vec![address("192.0.2.1"), address("192.0.2.2")],
            ("b.carrier.example", RecordKind::A) => vec![address("192.0.2.3")],
            _ => Vec::new(),
        };
        Some((records, 60))
    }

    #[test]
    fn naptr_leads_to_srv_and_srv_to_addresses() {
        let mut resolver = Resolver::default();
        let found = resolve(&mut resolver, at(0), zone);
        assert!(!found.pending);
        let told: Vec<_> = found
            .targets
            .iter()
            .map(|(rank, transport, at)| (rank.priority, *transport, at.to_string()))
            .collect();
        let expected = [
            (10, Transport::Udp, "192.0.2.1:5070"),
            (10, Transport::Udp, "192.0.2.2:5070"),
            (20, Transport::Udp, "192.0.2.3:5070"),
            (8_193, Transport::Tcp, "192.0.2.1:5070"),
            (8_193, Transport::Tcp, "192.0.2.2:5070"),
        ];
        assert_eq!(told, expected.map(|(p, t, at)| (p, t, at.to_owned())));
    }

    #[test]
    fn tls_is_taken_where_we_can_be_called_back_over_it() {
        let secure = |asked: &Question| {
            let records = match (asked.name.as_str(), asked.kind) {
                ("carrier.example", RecordKind::Naptr) => {
                    [("SIPS+D2T", 1, "_sips._tcp"), ("SIP+D2U", 2, "_sip._udp")]
                        .map(|(service, order, name)| Record::Naptr {
                            order,
                            preference: 1,
                            service: service.to_owned(),
                            replacement: format!("{name}.carrier.example"),
                        })
                        .to_vec()
                }
                ("_sips._tcp.carrier.example", RecordKind::Srv) => vec![srv(1, 0, "a.carrier.example")],
                _ => return zone(asked),
            };
            Some((records, 60))
        };
        let told = |families: Families, transport: Option<Transport>| {
            let mut resolver = Resolver::default();
            loop {
                let mut used = BTreeSet::new();
                let found = resolver.find("carrier.example", None, transport, families, &mut used);
                let asked = resolver.ask(&used, at(0));
                if asked.is_empty() {
                    return found.targets.iter().map(|(_, transport, _)| *transport).collect::<Vec<_>>();
                }
                for question in asked {
                    resolver.on_answer(&question, secure(&question), at(0));
                }
            }
        };
        let both = Families { tls: [true, false], ..IPV4 };
        assert_eq!(told(both, None)[..2], [Transport::Tls; 2], "the domain's first choice");
        assert_eq!(told(both, Some(Transport::Tls)), [Transport::Tls; 2]);
        assert!(told(IPV4, None).iter().all(|transport| *transport == Transport::Udp));
        assert_eq!(told(IPV4, Some(Transport::Tls)), [], "nobody could call us back");
    }

    #[test]
    fn a_name_without_srv_is_its_address() {
        let mut resolver = Resolver::default();
        let found = resolve(&mut resolver, at(0), |asked| match asked.kind {
            RecordKind::A if asked.name == "carrier.example" => Some((vec![address("192.0.2.9")], 60)),
            _ => Some((Vec::new(), 0)),
        });
        let rank = Rank { priority: 0, weight: 0 };
        assert_eq!(found.targets, [(rank, Transport::Udp, "192.0.2.9:5060".parse().unwrap())]);
    }

    #[test]
    fn answers_live_for_their_ttl_and_outlive_the_loss_of_dns() {
        let mut resolver = Resolver::default();
        let known = resolve(&mut resolver, at(0), zone);
        let mut used = BTreeSet::new();
        resolver.find("carrier.example", None, None, IPV4, &mut used);
        assert!(resolver.ask(&used, at(59)).is_empty(), "nothing is asked while it is known");
        assert_eq!(resolver.due(), Some(at(60)));
        // DNS is gone for an hour.
        for minute in 1..60 {
            assert_eq!(resolve(&mut resolver, at(60 * minute), |_| None).targets, known.targets);
        }
        assert_eq!(resolver.due(), Some(at(59 * 60 + 10)), "asked again every ten seconds");
        // It is back, and the carrier has moved.
        let moved = |asked: &Question| match asked.kind {
            RecordKind::A => Some((vec![address("198.51.100.1")], 60)),
            _ => zone(asked),
        };
        let found = resolve(&mut resolver, at(3_600), moved);
        assert!(found.targets.iter().all(|(.., at)| at.ip().to_string() == "198.51.100.1"), "{found:?}");
    }

    #[test]
    fn what_does_not_exist_is_asked_again_soon_and_no_storm_comes_of_a_ttl_of_zero() {
        let mut resolver = Resolver::default();
        let nothing = resolve(&mut resolver, at(0), |_| Some((Vec::new(), 86_400)));
        assert_eq!((nothing.targets.len(), nothing.pending), (0, false));
        assert_eq!(resolver.due(), Some(at(30)));
        let mut resolver = Resolver::default();
        resolve(&mut resolver, at(0), |asked| zone(asked).map(|(records, _)| (records, 0)));
        assert_eq!(resolver.due(), Some(at(5)));
    }

    #[test]
    fn a_record_that_is_not_known_yet_is_pending() {
        let mut resolver = Resolver::default();
        let found = resolve(&mut resolver, at(0), |_| None);
        assert_eq!((found.targets.len(), found.pending, found.failed), (0, true, true));
        assert_eq!(
            resolver.ask(&[question("x", RecordKind::A)].into(), at(0)),
            [question("x", RecordKind::A)],
            "and what nobody uses is forgotten"
        );
        assert_eq!(resolver.known.len(), 1);
    }
}
