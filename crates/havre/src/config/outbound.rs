//! `[trunks.outbound]`: how calls of ours go out, and the telephones that they reach.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use havre_model::{Role, Roles, TrunkGroup};
use havre_sip::{Account as Credentials, NumberFormat, Outbound, Outside, Password, Peer, Ping, Transport};

use super::raw::{RawAgent, RawOutbound};
use super::{Account, Check, Trunk};

impl Check<'_> {
    pub(super) fn outbound(&mut self, i: usize, raw: &RawOutbound) -> Option<Outbound> {
        let key = |name: &str| format!("trunks.{i}.outbound.{name}");
        let peer = peer_of(&raw.peer, if raw.transport.as_deref() == Some("tls") { 5061 } else { 5060 });
        if peer.is_none() {
            let remedy = "write an address or a name, with a port if it is not the usual one: sip.carrier.example:5070";
            self.error(&key("peer"), format!("{:?} is no peer", raw.peer), remedy);
        }
        let transport = match raw.transport.as_deref() {
            None => None,
            Some("udp") => Some(Transport::Udp),
            Some("tcp") => Some(Transport::Tcp),
            Some("tls") => Some(Transport::Tls),
            Some(other) => {
                let remedy = "write \"udp\", \"tcp\" or \"tls\", or leave it out: then DNS says";
                self.error(&key("transport"), format!("{other:?} is not known"), remedy);
                None
            }
        };
        let account = match (&raw.user, &raw.password, &raw.realm) {
            (Some(user), Some(password), Some(realm)) => Some(Credentials {
                user: user.clone(),
                realm: realm.clone(),
                password: Password::new(password.as_str()),
            }),
            (None, None, None) => None,
            _ => {
                let remedy =
                    "give `user`, `password` and `realm`: a challenge of another realm is never answered";
                self.error(&key("user"), "user, password and realm go together", remedy);
                None
            }
        };
        if raw.register.is_some() && account.is_none() {
            self.error(&key("register"), "needs an account", "give `user`, `password` and `realm` too");
        }
        if raw.register.is_some_and(|seconds| !(60..=86_400).contains(&seconds)) {
            self.error(&key("register"), "is no lifetime", "write seconds from 60 to 86400, as 600");
        }
        let numbers = match raw.numbers.as_str() {
            "e164" => NumberFormat::E164,
            "national" => NumberFormat::National,
            other => match other.strip_prefix("prefix:").filter(|prefix| is_prefix(prefix)) {
                Some(prefix) => NumberFormat::Prefix(prefix.to_owned()),
                None => {
                    let remedy = "write \"e164\", \"national\", or \"prefix:9\" for digits behind a prefix";
                    self.error(&key("numbers"), format!("{other:?} is not known"), remedy);
                    NumberFormat::E164
                }
            },
        };
        let ping = (raw.options_every > 0).then(|| Ping {
            every: Duration::from_secs(raw.options_every.clamp(5, 3_600)),
            every_down: Duration::from_secs(raw.options_every.clamp(5, 10)),
            user: raw.options_user.clone(),
            ..Ping::default()
        });
        if raw.from.as_deref().is_some_and(|host| havre_sip::wire::Host::parse(host).is_err()) {
            self.error(&key("from"), "is no host", "write the host that this carrier wants in From");
        }
        Some(Outbound {
            peer: peer?,
            transport,
            account,
            group: self.group(&key("group"), &raw.group)?,
            priority: raw.priority,
            weight: raw.weight,
            answer_within: self.seconds(&key("answer_within"), raw.answer_within, 32.0),
            ring_within: self.seconds(&key("ring_within"), raw.ring_within, 60.0),
            numbers,
            from: raw.from.clone(),
            user_phone: raw.user_phone,
            asserted: raw.asserted_identity,
            reliable: raw.reliable,
            session_timer: raw.session_timer,
            ping,
            register: raw.register.map(Duration::from_secs),
        })
    }

    /// What several trunks, or a trunk and our listeners, have to agree on.
    pub(super) fn ways_out(&mut self, trunks: &[Trunk], tls_listen: &[SocketAddr]) {
        let mut groups: HashMap<&TrunkGroup, &Trunk> = HashMap::new();
        for trunk in trunks {
            let Some(outbound) = &trunk.outbound else { continue };
            if outbound.transport == Some(Transport::Tls) {
                let family = match &outbound.peer {
                    Peer::At(at) => Some(at.is_ipv4()),
                    Peer::Name(..) => None,
                };
                let heard = tls_listen.iter().any(|local| family.is_none_or(|v4| local.is_ipv4() == v4));
                if !heard {
                    let remedy = "open one with `tls_listen` in [sip]: the carrier connects there for what comes later in a call";
                    let what =
                        format!("{}: calls over TLS need a listener for TLS of the same family", trunk.id);
                    self.error("sip.tls_listen", what, remedy);
                }
            }
            let first = *groups.entry(&outbound.group).or_insert(trunk);
            if first.srtp != trunk.srtp {
                let remedy = "write the same `srtp` in both, or put one into another `group`: a call may go over either";
                let what = format!("{} and {} are in one group and differ in `srtp`", first.id, trunk.id);
                self.error("trunks", what, remedy);
            }
        }
    }

    pub(super) fn seconds(&mut self, key: &str, seconds: f64, most: f64) -> Duration {
        if !(0.5..=most).contains(&seconds) {
            self.error(
                key,
                format!("{seconds} is not possible"),
                format!("write seconds from 0.5 to {most}"),
            );
            return Duration::from_secs(4);
        }
        Duration::from_secs_f64(seconds)
    }

    fn group(&mut self, key: &str, name: &str) -> Option<TrunkGroup> {
        let group = name.parse().ok();
        if group.is_none() {
            self.error(key, format!("{name:?} is not a name"), "use letters, digits, '.', '_', '-'");
        }
        group
    }

    pub(super) fn dns(&mut self, servers: &[String]) -> Vec<SocketAddr> {
        if servers.is_empty() {
            return havre_node::dns::system_servers();
        }
        let mut found = Vec::new();
        for text in servers {
            match text
                .parse::<SocketAddr>()
                .or_else(|_| text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53)))
            {
                Ok(at) => found.push(at),
                Err(_) => {
                    self.error(
                        "sip.dns",
                        format!("{text:?} is no address"),
                        "write 192.0.2.53 or 192.0.2.53:5353",
                    );
                }
            }
        }
        found
    }

    /// The telephone of an account.
    pub(super) fn telephone(&mut self, i: usize, raw: &RawAgent, roles: Roles) -> Option<Outside> {
        let key = |name: &str| format!("agents.{i}.{name}");
        let text = raw.phone.as_deref()?;
        let number = number_of(text);
        if number.is_none() {
            let remedy = "write it in E.164, as +15145550123";
            self.error(&key("phone"), "is no telephone number", remedy);
        }
        if !roles.contains(Role::OnCall) {
            let remedy =
                "add \"on_call\" to its roles, or remove the phone: others are reached where they register";
            self.error(&key("phone"), "only people on call are rung outside", remedy);
        }
        Some(Outside { group: self.group(&key("phone_group"), &raw.phone_group)?, number: number? })
    }

    /// Every telephone has a way out.
    pub(super) fn telephones(&mut self, agents: &[Account], trunks: &[Trunk]) {
        for (i, account) in agents.iter().enumerate() {
            let Some(outside) = &account.telephone else { continue };
            let leads = |trunk: &Trunk| trunk.outbound.as_ref().is_some_and(|out| out.group == outside.group);
            if !trunks.iter().any(leads) {
                let remedy = "give a [[trunks]] table an `outbound` side with this `group`";
                let what = format!("no trunk of the group {} leads out", outside.group);
                self.error(&format!("agents.{i}.phone"), what, remedy);
            }
        }
    }
}

/// A number in E.164, `tel:` and visual separators taken away.
fn number_of(text: &str) -> Option<String> {
    let text = text.strip_prefix("tel:").unwrap_or(text);
    let digits: String =
        text.strip_prefix('+')?.chars().filter(|c| !matches!(c, '-' | '.' | ' ' | '(' | ')')).collect();
    let sound = (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    sound.then(|| format!("+{digits}"))
}

fn is_prefix(text: &str) -> bool {
    text.len() <= 8 && text.bytes().all(|b| b.is_ascii_digit() || b"+*#".contains(&b))
}

fn peer_of(text: &str, usual_port: u16) -> Option<Peer> {
    if let Ok(at) = text.parse::<SocketAddr>() {
        return Some(Peer::At(at));
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(Peer::At(SocketAddr::new(ip, usual_port)));
    }
    let (name, port) = match text.split_once(':') {
        Some((name, port)) => (name, Some(port.parse::<u16>().ok().filter(|port| *port > 0)?)),
        None => (text, None),
    };
    let sound = !name.is_empty() && name.len() < 254 && !name.contains('@');
    (sound && havre_sip::wire::Host::parse(name).is_ok()).then(|| Peer::Name(name.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_addresses_or_names() {
        let at = |text: &str| Some(Peer::At(text.parse().unwrap()));
        assert_eq!(peer_of("203.0.113.7", 5060), at("203.0.113.7:5060"));
        assert_eq!(peer_of("203.0.113.7:5070", 5060), at("203.0.113.7:5070"));
        assert_eq!(peer_of("[2001:db8::7]:5060", 5060), at("[2001:db8::7]:5060"));
        assert_eq!(
            peer_of("sip.carrier.example", 5060),
            Some(Peer::Name("sip.carrier.example".into(), None))
        );
        assert_eq!(
            peer_of("carrier.example:5070", 5060),
            Some(Peer::Name("carrier.example".into(), Some(5070)))
        );
        for bad in ["", "sip:carrier.example", "carrier.example:0", "a b", "user@carrier.example", "x:99999"]
        {
            assert_eq!(peer_of(bad, 5060), None, "{bad}");
        }
    }

    #[test]
    fn telephones_are_written_in_e164() {
        for text in ["+15145550123", "tel:+1-514-555-0123", "+1 (514) 555.0123"] {
            assert_eq!(number_of(text).as_deref(), Some("+15145550123"), "{text}");
        }
        for bad in ["5145550123", "+1514", "+1514555012a", "tel:5145550123", "sip:+15145550123@x"] {
            assert_eq!(number_of(bad), None, "{bad}");
        }
    }
}
