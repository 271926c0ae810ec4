//! What a shard did and dropped.

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What a shard did and dropped, since it began.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counters {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counters {
            /// Name and value of each.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
                [$((stringify!($name), self.$name)),*].into_iter()
            }
        }
    };
}

counters! {
    /// RTP packets received and taken.
    received,
    /// Packets of one leg passed on to another.
    relayed,
    /// Frames of one leg decoded and encoded for another.
    transcoded,
    /// Frames of conferences mixed and encoded, each for one listener or for several who hear the same.
    mixed,
    /// Packets of prompts, tones and loops sent.
    played,
    /// Packets of comfort noise sent while there was nothing else.
    filled,
    /// Keys heard.
    digits,
    /// Packets and commands for a leg that is not open.
    dropped_unknown_leg,
    /// Packets for a leg whose SDP is not agreed yet.
    dropped_not_configured,
    /// Datagrams that are neither RTP nor RTCP.
    dropped_malformed,
    /// Packets with a payload type that was not agreed.
    dropped_payload_type,
    /// Packets and reports for a leg with SRTP that are none, or not the far side's.
    bad_srtp,
    /// Packets and reports of SRTP that came before, or too late to tell.
    replayed_srtp,
    /// Packets for a browser's leg before its DTLS handshake.
    dropped_not_keyed,
    /// Datagrams on the shared port that should be checks of ICE, and are none.
    bad_stun,
    /// Checks for a leg that there is not.
    ice_unknown_user,
    /// Checks without the leg's password, or of another browser than SDP named.
    ice_unauthentic,
    /// Checks beyond the most that are answered in a second, from another leg's address, or repeated from elsewhere.
    ice_refused,
    /// Checks answered with an error: a role that we cannot take, or a demand that we do not understand.
    ice_errors,
    /// Checks answered.
    ice_checks,
    /// Legs' packets going to another address from then on.
    ice_moves,
    /// Legs whose browser has not consented for 30 s.
    ice_lost,
    /// Packets from an address that is not the leg's.
    dropped_stranger,
    /// Packets that came before.
    dropped_duplicate,
    /// Packets of a stream that has not shown itself twice, or far too old.
    dropped_unfit,
    /// Packets from before a bridge, or out of a stream's memory.
    dropped_late,
    /// RTCP that cannot be read.
    dropped_rtcp,
    /// `Open` beyond the most legs.
    refused_legs,
    /// Clips beyond the most of one `Play`.
    refused_clips,
    /// Keys beyond the most that may wait.
    refused_digits,
    /// Bridges of a leg with itself.
    refused_bridges,
    /// Joins beyond the most members of a conference or the most conferences.
    refused_joins,
    /// Rounds of the clock left out because the shell called too late.
    skipped_rounds,
}
