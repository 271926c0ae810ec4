//! Named limits: every table that outsiders can fill has one. The reason for each value stands beside it.

use std::time::Duration;

/// Calls (callers) at once on one node. 500 bridged calls fit one core with room; a surge of 10 × the busiest
/// measured hour (988 Canada: 31 calls/h) is two orders of magnitude below.
pub const MAX_CALLS: usize = 4_096;
/// Accounts of one configuration.
pub const MAX_AGENTS: usize = 10_000;
/// Contacts that one account may register at once: a desk phone, a softphone, a browser, and spares.
pub const MAX_BINDINGS_PER_AGENT: usize = 8;
/// Ringing offers of one call at once.
pub const MAX_OFFERS_PER_CALL: usize = 64;
/// Keys kept of one call; a key storm beyond it is counted, not kept.
pub const MAX_KEYS_PER_CALL: usize = 64;
/// Open connections: TCP, TLS and WebSockets.
pub const MAX_FLOWS: usize = 4_096;
/// TLS handshakes under way at once: a second of what one core does with RSA keys, the slowest.
pub const MAX_HANDSHAKES: usize = 512;
/// Of these from one address: an office of advocates behind a NAT comes back together after a restart.
pub const MAX_HANDSHAKES_PER_SOURCE: usize = 64;
/// Largest SIP message taken, in bytes (RFC 3261 §18.1.1 asks for 65,535 on UDP).
pub const MAX_SIP_MESSAGE: usize = 65_535;
/// Server and client transactions at once, of which each waits for an answer, an ACK or a timer.
pub const MAX_TRANSACTIONS: usize = 65_536;
/// Answered transactions of which only so much is kept that a repetition is not taken for a new request: three entries
/// of a call, for 32 s, at 10,000 calls a second. The oldest go first.
pub const MAX_FINISHED_TRANSACTIONS: usize = 1 << 20;
/// People who can sign in to the console.
pub const MAX_USERS: usize = 10_000;
/// Sessions in the console at once: every advocate of a large line with a spare tab.
pub const MAX_SESSIONS: usize = 2_000;
/// Calls of which the signalling is remembered: as many as can be in progress.
pub const MAX_TRACED_CALLS: usize = MAX_CALLS;
/// Dialogs remembered of one call: its own, and the first and last offers of a long wait.
pub const MAX_TRACED_DIALOGS: usize = 64;
/// Messages remembered of one dialog: the first, which set it up, and the last.
pub const MAX_TRACED_MESSAGES: usize = 64;
/// Messages remembered in all, at 24 bytes each: a day of a busy line. The oldest call makes room.
pub const MAX_TRACED_IN_ALL: usize = 131_072;
/// INVITEs remembered that became no call. A flood of them displaces only one another.
pub const MAX_TRACED_ATTEMPTS: usize = 512;
/// What the line looks like is published at most this often, and a wallboard is told of it as often, so that no news waits
/// twice: a storm of changes, told to fifty viewers, stays below one percent of a core.
pub const PUBLISH_EVERY: Duration = Duration::from_millis(75);
