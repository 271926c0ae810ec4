//! `[rtp]`: codecs, ports and addresses.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use havre_media::Codec;

use super::Check;
use super::raw::OneOrMany;

impl Check<'_> {
    pub(super) fn codecs(&mut self, key: &str, names: &[String]) -> Vec<Codec> {
        let remedy = "write some of \"pcmu\", \"pcma\", \"g722\", \"opus\" and \"l16\", each once, the preferred one first";
        if names.is_empty() {
            self.error(key, "is empty", remedy);
        }
        let mut codecs = Vec::new();
        for name in names {
            match Codec::ALL.into_iter().find(|codec| codec.name().eq_ignore_ascii_case(name)) {
                Some(codec) if !codecs.contains(&codec) => codecs.push(codec),
                Some(_) => self.error(key, format!("{name:?} stands twice"), remedy),
                None => self.error(key, format!("{name:?} is no codec"), remedy),
            }
        }
        codecs
    }

    /// Those of one trunk, of which prompts have to be encoded in each.
    pub(super) fn codecs_of_trunk(&mut self, key: &str, names: &[String], all: &[Codec]) -> Vec<Codec> {
        let codecs = self.codecs(key, names);
        for codec in codecs.iter().filter(|codec| !all.contains(codec)) {
            let remedy = "write it into `codecs` of [rtp], too, or remove it here";
            self.error(key, format!("{:?} is none of the line's codecs", codec.name()), remedy);
        }
        codecs
    }

    /// What peers are told of where media are: one address, or one of each family, the usual one first.
    pub(super) fn rtp_told(
        &mut self,
        text: Option<OneOrMany>,
        listen: IpAddr,
        default: IpAddr,
    ) -> (IpAddr, Option<IpAddr>) {
        let key = "rtp.advertise";
        let Some(text) = text else { return (default, None) };
        let ip = "write an IP address, as 203.0.113.7";
        let told: Vec<IpAddr> =
            text.into_vec().iter().map(|text| self.value(key, text, default, ip)).collect();
        match told[..] {
            [one] => (one, None),
            [one, other] if one.is_ipv4() != other.is_ipv4() => {
                if !(listen.is_unspecified() && listen.is_ipv6()) {
                    let remedy = "write `listen = \"::\"`, which takes IPv4 and IPv6";
                    self.error("rtp.listen", "is of one family, and `advertise` of both", remedy);
                }
                (one, Some(other))
            }
            _ => {
                let remedy = "write one address, or one of IPv4 and one of IPv6, the usual one first";
                self.error(key, "is neither one address nor one of each family", remedy);
                (default, None)
            }
        }
    }

    /// One port for each data thread: those written, or the last ones of `rtp`, which a firewall lets through anyway.
    pub(super) fn browser_ports(
        &mut self,
        text: Option<&str>,
        rtp: &RangeInclusive<u16>,
        shards: usize,
    ) -> Option<RangeInclusive<u16>> {
        let key = "rtp.browser_ports";
        let remedy = "write first-last, as 19000-19007; each data thread takes one";
        let Some(text) = text else {
            // A range that has hardly room for calls gives none away.
            let spare = rtp.len() / 32 >= shards;
            let first = rtp.end() - u16::try_from(shards).unwrap_or(u16::MAX).min(*rtp.end()) + 1;
            return spare.then(|| first..=*rtp.end());
        };
        let ports = self.ports(key, text, remedy)?;
        if ports.len() < shards {
            self.error(
                key,
                format!("{text:?} has fewer ports than there are data threads ({shards})"),
                remedy,
            );
        }
        Some(ports)
    }

    pub(super) fn ports(&mut self, key: &str, text: &str, remedy: &str) -> Option<RangeInclusive<u16>> {
        let parsed = text.split_once('-').and_then(|(first, last)| {
            let (first, last) = (first.trim().parse::<u16>().ok()?, last.trim().parse::<u16>().ok()?);
            (first >= 1024 && last >= first).then_some(first..=last)
        });
        if parsed.is_none() {
            self.error(key, format!("{text:?} is no range of ports from 1024 up"), remedy);
        }
        parsed
    }
}
