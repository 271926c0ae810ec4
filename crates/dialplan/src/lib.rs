//! Dialplans and prompts: what a caller hears and what a key does, as data that is proven before it is used.
//!
//! A dialplan is strict TOML ([`Dialplan::load`]), compiled to an immutable graph with a content hash. Before it is
//! accepted, every key path is driven through [`Walk`], the machine that real calls use, with the real lengths of
//! the audio, and must reach a person within [`limits`]. The prompts are a [`Catalogue`]: texts in both languages
//! and one 16 kHz recording each, checked for format, loudness, length and staleness.
//!
//! Pure but for the loaders, which read (and, for [`prompts::replace`], write) the files they are given. No clock,
//! no sockets, no media types: a [`Clip`] hands out plain samples.

mod catalogue;
pub mod compare;
mod diagnostic;
mod draw;
mod file;
pub mod limits;
mod outline;
mod plan;
pub mod prompts;
mod reader;
mod said;
pub mod simulate;
mod walk;

pub use catalogue::{Catalogue, Clip, ClipKey, Confirmation, Notice, PromptId, Source};
pub use diagnostic::{Diagnostic, Severity};
pub use outline::{Outline, Place, Pressed, Way};
pub use plan::{Dialplan, Line, Proof, ProvenPath, Targets};
pub use reader::toml_in_french;
pub use said::Said;
pub use walk::{Cue, Input, Output, Walk};
