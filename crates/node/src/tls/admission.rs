//! How many may shake hands at once: a handshake costs us a thousand times what it costs to ask for one.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;

use havre_model::limits;

/// Handshakes under way, by where they come from.
#[derive(Clone, Default)]
pub(super) struct Admission(Rc<RefCell<Under>>);

#[derive(Default)]
struct Under {
    way: usize,
    by_source: HashMap<IpAddr, usize>,
}

/// A handshake's place, given back when it is dropped.
pub(super) struct Place {
    source: IpAddr,
    admission: Admission,
}

impl Admission {
    /// A place, if there is one.
    pub(super) fn enter(&self, ip: IpAddr) -> Option<Place> {
        let source = source(ip);
        let under = &mut *self.0.borrow_mut();
        let here = under.by_source.get(&source).copied().unwrap_or(0);
        if under.way >= limits::MAX_HANDSHAKES || here >= limits::MAX_HANDSHAKES_PER_SOURCE {
            return None;
        }
        under.way += 1;
        under.by_source.insert(source, here + 1);
        Some(Place { source, admission: self.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let under = &mut *self.admission.0.borrow_mut();
        under.way -= 1;
        if let Some(here) = under.by_source.get_mut(&self.source) {
            *here -= 1;
            if *here == 0 {
                under.by_source.remove(&self.source);
            }
        }
    }
}

/// Whoever has one IPv6 address has a whole /64 of them.
fn source(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_source_takes_its_share_and_gives_it_back() {
        let admission = Admission::default();
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut places: Vec<_> = (0..limits::MAX_HANDSHAKES_PER_SOURCE)
            .map(|_| admission.enter(ip("2001:db8::1")).unwrap())
            .collect();
        assert!(admission.enter(ip("2001:db8::2")).is_none(), "the same /64");
        assert!(admission.enter(ip("2001:db8:0:1::1")).is_some());
        places.pop();
        assert!(admission.enter(ip("2001:db8::1")).is_some());
        drop(places);
        assert!(admission.0.borrow().by_source.is_empty());
    }

    #[test]
    fn all_sources_together_have_a_limit() {
        let admission = Admission::default();
        let sources = (0_u32..).map(|n| IpAddr::from(n.to_be_bytes()));
        let places: Vec<_> = sources.map_while(|ip| admission.enter(ip)).collect();
        assert_eq!(places.len(), limits::MAX_HANDSHAKES);
    }
}
