//! `[[trunks]]`: carriers.

use std::collections::HashSet;
use std::net::IpAddr;

use havre_media::Codec;
use havre_media::sdp::Srtp;
use havre_model::TrunkId;
use havre_tls::Files;
use ipnet::IpNet;

use super::Check;
use super::raw::RawTrunk;

/// A carrier's peer.
#[derive(Clone, Debug)]
pub(crate) struct Trunk {
    /// Its name.
    pub(crate) id: TrunkId,
    /// Its addresses.
    pub(crate) sources: Vec<IpNet>,
    /// What it authenticates with.
    pub(crate) digest: Option<(String, String)>,
    /// Whom its certificate is for.
    pub(crate) certificate: Option<String>,
    /// Prefixes it puts before numbers.
    pub(crate) strip_prefixes: Vec<String>,
    /// Whether it wants a 180 before the 200.
    pub(crate) ring_first: bool,
    /// What it hears where there is no room.
    pub(crate) overload: havre_sip::Overload,
    /// Whether its callers' media is SRTP.
    pub(crate) srtp: Srtp,
    /// The codecs that it is spoken to in, where not all that the line has.
    pub(crate) codecs: Option<Vec<Codec>>,
    /// How much goes over it.
    pub(crate) caps: havre_sip::Caps,
    /// How calls of ours go over it.
    pub(crate) outbound: Option<havre_sip::Outbound>,
}

impl Check<'_> {
    pub(super) fn trunks(&mut self, raw: &[RawTrunk], tls: &Files, codecs: &[Codec]) -> Vec<Trunk> {
        let mut names = HashSet::new();
        let mut trunks = Vec::new();
        for (i, trunk) in raw.iter().enumerate() {
            let key = |name: &str| format!("trunks.{i}.{name}");
            let Ok(id) = trunk.id.parse::<TrunkId>() else {
                self.error(
                    &key("id"),
                    format!("{:?} is not a name", trunk.id),
                    "use letters, digits, '.', '_', '-'",
                );
                continue;
            };
            if !names.insert(id.clone()) {
                self.error(&key("id"), format!("{id} stands twice"), "give each trunk a name of its own");
            }
            let mut sources = Vec::new();
            for text in &trunk.sources {
                match text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)) {
                    Ok(net) => sources.push(net),
                    Err(_) => self.error(
                        &key("sources"),
                        format!("{text:?} is no address or network"),
                        "write 203.0.113.7 or 203.0.113.0/24",
                    ),
                }
            }
            let digest = match (&trunk.user, &trunk.password) {
                (Some(user), Some(password)) => Some((user.clone(), password.clone())),
                (None, None) => None,
                _ => {
                    self.error(&key("user"), "user and password go together", "give both or neither");
                    None
                }
            };
            if trunk.certificate.is_some() && tls.client_ca.is_none() {
                let remedy = "name in [tls] client_ca the file with the authorities that certify carriers";
                self.error(&key("certificate"), "nobody could vouch for it", remedy);
            }
            let name = |name: &String| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b));
            if !trunk.certificate.as_ref().is_none_or(name) {
                let remedy =
                    "write the domain of the carrier's certificate, as sip.carrier.example, without `*`";
                self.error(&key("certificate"), "is no domain name", remedy);
            }
            let outbound = trunk.outbound.as_ref().and_then(|raw| self.outbound(i, raw));
            let known = !sources.is_empty() || digest.is_some() || trunk.certificate.is_some();
            if !known && trunk.outbound.is_none() {
                let remedy = "list the carrier's addresses in `sources`, or give `user` and `password`, or `certificate`; or an `outbound` side";
                self.error(&key("sources"), "nothing identifies this trunk", remedy);
            }
            let overload = match trunk.overload.as_str() {
                "retry-after" => havre_sip::Overload::RetryAfter,
                "503" => havre_sip::Overload::Unavailable,
                "500" => havre_sip::Overload::ServerError,
                other => {
                    let remedy = "write \"retry-after\", \"503\" or \"500\": whichever makes this carrier try its next route";
                    self.error(&key("overload"), format!("{other:?} is not known"), remedy);
                    havre_sip::Overload::RetryAfter
                }
            };
            for (name, zero) in [
                ("max_calls", trunk.max_calls == Some(0)),
                ("max_calls_per_second", trunk.max_calls_per_second == Some(0)),
            ] {
                if zero {
                    self.error(&key(name), "is 0", "leave it out for no limit, or remove the trunk");
                }
            }
            let srtp = self.srtp(&key("srtp"), &trunk.srtp);
            let own = trunk.codecs.as_ref();
            let own = own.map(|names| self.codecs_of_trunk(&key("codecs"), names, codecs));
            trunks.push(Trunk {
                overload,
                srtp,
                codecs: own,
                caps: havre_sip::Caps { calls: trunk.max_calls, per_second: trunk.max_calls_per_second },
                outbound,
                id,
                sources,
                digest,
                certificate: trunk.certificate.clone(),
                strip_prefixes: trunk.strip_prefixes.clone(),
                ring_first: trunk.ring_first,
            });
        }
        let out_only = |trunk: &RawTrunk| {
            trunk.outbound.is_some()
                && trunk.sources.is_empty()
                && trunk.user.is_none()
                && trunk.certificate.is_none()
        };
        if !raw.is_empty() && raw.iter().all(out_only) {
            let remedy = "give one of them `sources`, `user` and `password`, or `certificate`";
            self.error("trunks", "no caller can reach the line over any of them", remedy);
        }
        if raw.is_empty() {
            let remedy = "add a [[trunks]] table with `id` and `sources`, or no caller can reach the line";
            self.error("trunks", "there is none", remedy);
        }
        trunks
    }

    pub(super) fn srtp(&mut self, key: &str, text: &str) -> Srtp {
        let srtp = Srtp::from_name(text);
        if srtp.is_none() {
            let remedy =
                "write \"off\", \"offered\" (where the far side can) or \"required\" (refused otherwise)";
            self.error(key, format!("{text:?} is not known"), remedy);
        }
        srtp.unwrap_or_default()
    }
}
