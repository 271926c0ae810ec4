//! How many messages of each kind passed.

use std::collections::BTreeMap;

use havre_model::{Kind, Traffic};

use crate::Method;
use crate::endpoint::Transport;
use crate::wire::{method_name, reason_phrase};

/// Sums since the start, by direction, transport and kind: a few hundred at most, whatever others send.
#[derive(Default)]
pub(crate) struct Counts(BTreeMap<(bool, &'static str, Kind), u64>);

/// A code that no RFC names: others may send any of six hundred.
fn is_unnamed(status: u16) -> bool {
    status != 200 && reason_phrase(status) == reason_phrase(status / 100 * 100 + 98)
}

impl Counts {
    pub(crate) fn add(&mut self, sent: bool, transport: Transport, method: Method, status: Option<u16>) {
        let kind = match status {
            None => Kind::Method(method_name(method)),
            Some(status) if is_unnamed(status) => Kind::OtherStatus,
            Some(status) => Kind::Status(status),
        };
        *self.0.entry((sent, transport.as_str(), kind)).or_default() += 1;
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Traffic> {
        self.0.iter().map(|((sent, transport, what), count)| Traffic {
            sent: *sent,
            transport,
            what: *what,
            count: *count,
        })
    }
}
