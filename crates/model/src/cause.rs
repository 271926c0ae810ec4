//! Why something ended: one table to SIP status codes (RFC 3261 §21) and Q.850 causes (RFC 3326).

use std::fmt;

macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $sip:literal, $q850:literal;)*) => {
        /// Why a leg or a call ended.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Cause { $($(#[$doc])* $name,)* }

        impl Cause {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable spelling.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The SIP status that refuses a call for this cause.
            #[must_use]
            pub const fn sip_status(self) -> u16 {
                match self { $(Self::$name => $sip,)* }
            }

            /// The Q.850 cause value for a `Reason` header (RFC 3326 §2).
            #[must_use]
            pub const fn q850(self) -> u8 {
                match self { $(Self::$name => $q850,)* }
            }
        }
    };
}

causes! {
    /// The caller hung up (BYE), before or after the answer.
    CallerHungUp = "caller_hung_up", 200, 16;
    /// The caller gave up before the call was established (CANCEL).
    CallerCancelled = "caller_cancelled", 487, 16;
    /// The caller's phone no longer knows the dialog (481), or is silent in signalling and media.
    CallerGone = "caller_gone", 481, 41;
    /// The advocate ended the call.
    AgentHungUp = "agent_hung_up", 200, 16;
    /// The advocate's phone or network went away.
    AgentLost = "agent_lost", 408, 41;
    /// An offer rang out.
    NoAnswer = "no_answer", 480, 19;
    /// The far phone said busy or declined.
    Declined = "declined", 603, 21;
    /// Another agent answered first, or the caller left.
    Withdrawn = "withdrawn", 487, 26;
    /// The far phone could not be reached.
    Unreachable = "unreachable", 480, 20;
    /// The dialled number is no line of ours.
    NotFound = "not_found", 404, 1;
    /// The source may not place calls here.
    Forbidden = "forbidden", 403, 21;
    /// No common codec, or no acceptable media description.
    NotAcceptable = "not_acceptable", 488, 88;
    /// A named limit is reached.
    Overloaded = "overloaded", 503, 42;
    /// The node is shutting down.
    Draining = "draining", 503, 41;
    /// A fault of ours.
    Internal = "internal", 500, 41;
    /// A feature code or a test call did what it was for, or the talk goes on on another device.
    Done = "done", 200, 16;
}

impl Cause {
    /// From the stable spelling.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|c| c.as_str() == name)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_a_spelling_and_a_place_in_the_tables() {
        for cause in Cause::ALL {
            assert_eq!(Cause::from_name(cause.as_str()), Some(*cause));
            assert!((200..=699).contains(&cause.sip_status()), "{cause}");
            assert!((1..=127).contains(&cause.q850()), "{cause}");
        }
    }
}
