//! What a data thread did and dropped.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counters of one thread, written by it (but for `commands_refused`) and read by whoever shows them.
        #[derive(Debug, Default)]
        pub(super) struct Counters {
            $($(#[$doc])* pub(super) $name: AtomicU64,)*
            /// Those of the shard itself, as of its last look.
            shard: Mutex<Vec<(&'static str, u64)>>,
        }

        impl Counters {
            /// Adds all to `sums`.
            pub(super) fn add_to(&self, sums: &mut BTreeMap<&'static str, u64>) {
                $(*sums.entry(stringify!($name)).or_default() += self.$name.load(Ordering::Relaxed);)*
                for (name, value) in self.shard.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                    *sums.entry(name).or_default() += value;
                }
            }
        }
    };
}

counters! {
    /// Legs with sockets, now.
    open_legs,
    /// `Open` that found no free pair of ports, or too many legs.
    open_failed,
    /// `Open` of a leg that is open.
    opened_twice,
    /// Port pairs that somebody else had taken.
    ports_busy,
    /// Datagrams read.
    received_packets,
    /// Datagrams written.
    sent_packets,
    /// Datagrams larger than a media packet can be.
    oversized_packets,
    /// Datagrams that the kernel did not take.
    send_errors,
    /// Reads that failed.
    receive_errors,
    /// Sockets connected to a phone that stays where it is.
    connected_sockets,
    /// Such as could not be had, so that the unconnected one sends on.
    connect_failed,
    /// ICMP said that a port is unreachable.
    icmp_unreachable,
    /// Other ICMP errors, and such as name an address that we no longer send to.
    icmp_other,
    /// Commands refused because the thread is far behind.
    commands_refused,
    /// Events dropped because nobody read them.
    events_dropped,
    /// Handshakes of browsers that ended well.
    dtls_done,
    /// Handshakes that nobody ended, or that agreed upon nothing.
    dtls_failed,
    /// Handshakes with another certificate than SDP named.
    dtls_wrong_certificate,
    /// Datagrams of handshakes beyond the most of a leg, or of all.
    dtls_refused,
    /// Datagrams of handshakes that made no sense.
    dtls_errors,
    /// Panics caught in a shard.
    panics,
}

impl Counters {
    /// One more, counted by the thread itself: nobody else writes, so no bus is locked for it, twice a packet.
    pub(super) fn count(counter: &AtomicU64) {
        counter.store(counter.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    /// One more, counted by whoever commands the thread.
    pub(super) fn count_from_outside(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes over what the shard counted.
    pub(super) fn publish(&self, shard: &havre_media::Counters) {
        let mut copy = self.shard.lock().unwrap_or_else(PoisonError::into_inner);
        copy.clear();
        copy.extend(shard.iter());
    }
}
