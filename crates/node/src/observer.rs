//! What the outside may watch of the control plane. Called on the control thread: it must be quick and never block.

use std::net::IpAddr;

use havre_model::{AgentId, AgentState, CallEvent, CallId, Digit, Now, TrunkHealth, TrunkId};
use havre_switch::{QualityReport, Switch};

use crate::media::MediaThreads;

/// Watches the control plane.
pub trait Observer {
    /// Something happened in a call.
    fn on_call(&mut self, event: &CallEvent, now: Now);
    /// An agent's state changed.
    fn on_agent(&mut self, agent: &AgentId, state: AgentState, now: Now);
    /// A caller pressed a key in the talk with this agent: to be shown at the desk, and kept nowhere.
    fn on_key(&mut self, call: CallId, agent: &AgentId, digit: Digit, now: Now);
    /// A caller went this way of the plan, out of a menu: by this key, or by pressing none.
    fn on_went(&mut self, from: &str, key: Option<Digit>, now: Now);
    /// The store went away (`true`) or came back.
    fn on_degraded(&mut self, degraded: bool, now: Now);
    /// The edge refused an INVITE.
    fn on_refused(&mut self, status: u16, why: &'static str, trunk: Option<&TrunkId>);
    /// Somebody at `source` guesses passwords of SIP accounts, and has been wrong so often.
    fn on_guessing(&mut self, source: IpAddr, failures: u32);
    /// What is known of an outbound trunk has changed.
    fn on_trunk(&mut self, trunk: &TrunkId, health: TrunkHealth, now: Now);
    /// How a leg sounds, every few seconds and at its end.
    fn on_quality(&mut self, report: &QualityReport);
    /// A packet or connection failed; `transport` is `udp`, `tcp`, `tls` or `ws`.
    fn on_transport_error(&mut self, transport: &'static str);
    /// No new calls are taken from now on.
    fn on_drain(&mut self, now: Now);
    /// A new plan and new accounts are in force.
    fn on_reload(&mut self, switch: &Switch, now: Now);
    /// A new plan was wrong; the old one stays.
    fn on_reload_refused(&mut self, now: Now);
    /// About twenty times a second, to publish what changed.
    fn on_tick(&mut self, switch: &Switch, media: &MediaThreads, now: Now);
}
