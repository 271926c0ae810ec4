//! One leg's two RTP streams: where theirs may come from, how it arrives, how it is decoded, and how ours goes out.

pub(crate) mod ear;
pub(crate) mod loss;
pub(crate) mod outgoing;
pub(crate) mod reception;
pub(crate) mod source;
