//! How one party's connection sounds. Whole numbers, so that records can be compared; nothing of a far side's identity.

use std::fmt;
use std::time::Duration;

/// Whose connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The caller's.
    Caller,
    /// The advocate's.
    Advocate,
}

impl Side {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Caller, Self::Advocate];

    /// The stable spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Advocate => "advocate",
        }
    }
}

/// Which way audio goes, seen from the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// What the party says, towards us.
    From,
    /// What the party hears, from us.
    To,
}

impl Way {
    /// Both.
    pub const ALL: [Self; 2] = [Self::From, Self::To];

    /// The stable spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::From => "from",
            Self::To => "to",
        }
    }
}

/// A mean opinion score as estimated by the E-model (ITU-T G.107), from 1.00 (bad) to 4.50, in hundredths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mos(u16);

impl Mos {
    /// From a score; what is beyond 1 to 4.5, or no number, is held to it.
    #[must_use]
    pub fn new(score: f32) -> Self {
        let score = if score.is_nan() { 1.0 } else { score.clamp(1.0, 4.5) };
        Self((score * 100.0).round() as u16)
    }

    /// The score.
    #[must_use]
    pub fn score(self) -> f64 {
        f64::from(self.0) / 100.0
    }
}

impl fmt::Display for Mos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

/// How a leg's audio arrives here, and, where the far side tells, there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quality {
    /// The codec's name, as in SDP.
    pub codec: &'static str,
    /// The crypto suite's name, as in SDP, where packets are SRTP; `None` if they are in the clear.
    pub srtp: Option<&'static str>,
    /// Packets received since the leg began.
    pub received: u64,
    /// Packets lost since the leg began (RFC 3550 §6.4.1).
    pub lost: u64,
    /// Loss in thousandths of what should have come: lately, or in a leg's last report since it began.
    pub loss_permille: u16,
    /// Interarrival jitter (RFC 3550 §6.4.1), now.
    pub jitter: Duration,
    /// Round trip by RTCP, once known.
    pub round_trip: Option<Duration>,
    /// How what the party says sounds, over the same time as `loss_permille`; `None` if nothing was due.
    pub mos: Option<Mos>,
    /// What the far side reported of our audio, last.
    pub far: Option<Far>,
}

/// How our audio arrives at a far side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Far {
    /// Loss in thousandths, between its last two reports.
    pub loss_permille: u16,
    /// Its own estimate (RFC 3611 §4.7) where it makes one, or ours from its loss.
    pub mos: Mos,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_held_to_the_scale() {
        for (score, text) in
            [(4.409, "4.41"), (f32::NAN, "1.00"), (9.0, "4.50"), (-1.0, "1.00"), (3.0, "3.00")]
        {
            assert_eq!(Mos::new(score).to_string(), text);
        }
        assert!((Mos::new(4.41).score() - 4.41).abs() < 1e-9);
    }
}
