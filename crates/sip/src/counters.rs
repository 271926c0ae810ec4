//! What an endpoint counted since it began: drops with their reasons, refusals, repetitions.

use crate::passport::Attestation;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        /// Plain sums since the start.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Counters { $($(#[$doc])* pub $name: u64,)* }

        impl Counters {
            /// Every counter with its name.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }
        }
    };
}

counters! {
    /// Messages read.
    received;
    /// Messages handed to the shell.
    sent;
    /// Datagrams and stream parts that were no SIP message.
    malformed;
    /// Requests of ours sent again.
    request_retransmissions;
    /// Responses of ours sent again (timer G, repeated requests, unacknowledged 2xx).
    response_retransmissions;
    /// Repeated requests absorbed.
    absorbed_requests;
    /// Answered transactions forgotten early, because there were too many.
    finished_forgotten;
    /// Responses that match nothing we asked, or come too late.
    stray_responses;
    /// ACKs that match no call.
    stray_acks;
    /// Requests inside a dialog that we do not know, answered 481.
    unknown_dialogs;
    /// Our transactions that ran out of time.
    transaction_timeouts;
    /// Our transactions whose path failed.
    transaction_unreachable;
    /// INVITEs answered 503 at a limit, under load or while draining.
    overload_refusals;
    /// Of these, those that were refused at a glance, without being read.
    glances;
    /// Times that what arrives had to wait so long that new calls had to, too.
    overloads;
    /// New calls that had to wait to be let in.
    calls_delayed;
    /// Requests handled without a transaction because the table is full.
    transactions_full;
    /// Requests of methods that mean nothing here, answered 405.
    refused_methods;
    /// INVITEs refused, or calls of ours sent elsewhere, because of a trunk's own caps.
    trunk_full;
    /// Calls of ours that went on to another trunk.
    trunk_failovers;
    /// Calls of ours to numbers that the configuration does not name: none was placed.
    unnamed_numbers;
    /// Questions that DNS did not answer.
    dns_failures;
    /// INVITEs refused by the edge (403, 404).
    edge_refusals;
    /// Callers without an `Identity` header.
    identity_absent;
    /// Callers with one that nobody here can judge: its certificate is not here, or it is of another kind.
    identity_unverifiable;
    /// Callers with one that is wrong: broken, forged, old, or of other numbers.
    identity_invalid;
    /// Callers whose carrier vouches for no number (attestation C).
    identity_gateway;
    /// Callers whose carrier knows them, and not their number (attestation B).
    identity_partial;
    /// Callers whose carrier vouches for their number (attestation A).
    identity_full;
    /// Datagrams of strangers that were not read under load.
    strangers_dropped;
    /// Requests of scanners from unknown sources, dropped without an answer.
    scanners_dropped;
    /// Requests challenged.
    challenges;
    /// Credentials that were wrong.
    authentication_failures;
    /// Reports of somebody who guesses passwords, and has to wait between guesses.
    guessers;
    /// Connections refused at the limit.
    flows_full;
    /// Connections closed for silence, or for what they sent.
    flows_dropped;
    /// Connections closed because a message was begun and not finished in time.
    slow_senders;
    /// Connections closed because TLS was spoken to a port that has none.
    tls_on_plain_port;
    /// Browsers' connections closed because their page registered over a newer one.
    flows_superseded;
    /// Messages to a connection that is gone.
    flow_gone;
    /// Bindings dropped to make room for a newer one of the same account.
    bindings_replaced;
    /// Registered phones found gone: no answer to OPTIONS, or nobody listening.
    phones_gone;
    /// 2xx answers to calls that we no longer wanted: acknowledged and ended.
    unwanted_answers;
    /// Commands for a leg that is gone, or that its state does not allow.
    stray_commands;
    /// INFO bodies that were no digit.
    unreadable_digits;
}

impl Counters {
    /// One more caller whose carrier vouches for them so far.
    pub(crate) const fn count_identity(&mut self, attestation: Attestation) {
        *match attestation {
            Attestation::Absent => &mut self.identity_absent,
            Attestation::Unverifiable => &mut self.identity_unverifiable,
            Attestation::Invalid => &mut self.identity_invalid,
            Attestation::Gateway => &mut self.identity_gateway,
            Attestation::Partial => &mut self.identity_partial,
            Attestation::Full => &mut self.identity_full,
        } += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_is_listed_by_name() {
        let counters = Counters { malformed: 3, ..Counters::default() };
        assert!(counters.iter().any(|pair| pair == ("malformed", 3)));
        assert_eq!(counters.iter().filter(|(_, n)| *n == 0).count() + 1, counters.iter().count());
    }
}
