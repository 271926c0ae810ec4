//! The data plane: SDP, RTP, RTCP, codecs, DTMF, prompts, bridges; bytes and time in, bytes out.
//!
//! [`Shard`] owns the streams of many legs and does what [`Command`]s say: it plays [`Prompt`]s, relays one leg's
//! packets to another, reads and writes telephone-events, and reports what it noticed as [`Event`]s. It never sees
//! a call. [`sdp::Session`] is the other half: it turns offers and answers into the [`sdp::Negotiated`] values that a
//! shard is configured with. Nothing here opens a socket or reads a clock.

mod api;
mod codec;
mod counters;
mod dtmf;
mod emodel;
mod ice;
mod leg;
mod legs;
mod meter;
mod mixer;
mod outbox;
mod plain;
mod prompt;
mod resample;
pub mod rtcp;
pub mod rtp;
pub mod sdp;
mod shard;
mod shared_port;
pub mod srtp;
mod stream;
mod telephone_event;
mod tone;
mod tty;
mod wheel;

pub use api::{Channel, Command, Config, Event, Face, Handshake, Input, Output, Voice, limits};
pub use codec::Codec;
pub use counters::Counters;
pub use ice::IceLocal;
pub use legs::{LegHasher, LegMap};
pub use plain::{PlainDecoder, encode_frames};
pub use prompt::{Clip, Prompt};
pub use shard::Shard;
