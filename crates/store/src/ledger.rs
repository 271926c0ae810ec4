//! Who holds whom, under which offer: the store's rules of claim and confirm for a single node.

use std::collections::HashMap;

use havre_model::{AgentId, OfferId};
use havre_queue::{Ack, Lease, Op};

/// The leases of one node. Nobody else can hold anything, so nothing has to run out.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    held: HashMap<AgentId, OfferId>,
}

impl Ledger {
    /// Carries out one op; the answer, if it has one.
    pub(crate) fn carry_out(&mut self, op: Op) -> Option<Ack> {
        match op {
            Op::Claim { op, lease } => {
                self.held.insert(lease.agent, lease.offer);
                Some(Ack::Claimed { op, ok: true })
            }
            Op::Confirm { op, lease } => {
                let ok = self.held.get(&lease.agent).is_none_or(|offer| *offer == lease.offer);
                if ok {
                    self.held.insert(lease.agent, lease.offer);
                }
                Some(Ack::Confirmed { op, ok })
            }
            Op::Renew(leases) => {
                for lease in leases {
                    self.held.entry(lease.agent).or_insert(lease.offer);
                }
                None
            }
            Op::Release(Lease { agent, offer, .. }) => {
                if self.held.get(&agent) == Some(&offer) {
                    self.held.remove(&agent);
                }
                None
            }
            Op::Sync { leases, .. } => {
                self.held = leases.into_iter().map(|lease| (lease.agent, lease.offer)).collect();
                None
            }
            Op::DropAgent(agent) => {
                self.held.remove(&agent);
                None
            }
            // The engine itself is the memory of who waits and in which state agents are.
            Op::PutCaller(_) | Op::DropCaller(_) | Op::PutAgent(_) => None,
        }
    }
}
