//! The rules that no configuration may break, and the bounds of what a file may hold.

use std::time::Duration;

/// INVITE to queue with no key (journey, rule 2). No path may take longer.
pub const JOIN_WITHOUT_KEY: Duration = Duration::from_secs(20);
/// First key that does something to queue (journey, rule 2).
pub const JOIN_AFTER_KEY: Duration = Duration::from_secs(5);
/// The whole greeting, in either order (journey, the flow).
pub const GREETING: Duration = Duration::from_secs(15);

/// More keys than this within [`KEY_STORM_WINDOW`] raise the class to `elevated` (journey, "Risk and order").
pub const KEY_STORM_KEYS: usize = 10;
/// See [`KEY_STORM_KEYS`].
pub const KEY_STORM_WINDOW: Duration = Duration::from_secs(5);

/// How much later than its computed end a message counts as over although media never said so: a lost
/// "prompt done" must not leave a caller without further messages.
pub const PLAY_SLACK: Duration = Duration::from_secs(2);

/// Largest dialplan or catalogue file read, in bytes: a hand-written file is a few kilobytes.
pub const MAX_FILE: usize = 1 << 20;
/// Lines of one dialplan.
pub const MAX_LINES: usize = 256;
/// Numbers of one line.
pub const MAX_NUMBERS: usize = 256;
/// Menus of one dialplan. The hotline has one; each more costs the caller time.
pub const MAX_MENUS: usize = 16;
/// Menus one after the other on any path: with five seconds after the first key, more cannot be heard anyway.
pub const MAX_MENU_DEPTH: usize = 3;
/// Key paths that the prover walks before it gives up. The hotline has 20,000; each takes some ten microseconds, and a
/// reload must not hold up calls.
pub const MAX_PATHS: usize = 250_000;
/// Prompts said in one go.
pub const MAX_SAY: usize = 32;
/// Prompts of a catalogue.
pub const MAX_PROMPTS: usize = 512;
/// Steps of one widening schedule.
pub const MAX_STEPS: usize = 64;
/// `[[test]]` blocks, and keys and events in each.
pub const MAX_TESTS: usize = 512;
/// Area codes that are French-first.
pub const MAX_AREA_CODES: usize = 1_000;
/// Longest clip read, in seconds of audio; the waiting sound is the longest of all.
pub const MAX_CLIP_SECONDS: usize = 900;
/// Diagnostics reported of one file: beyond it, more lines help nobody.
pub const MAX_DIAGNOSTICS: usize = 100;
