//! The store of a single node, in its own memory.

use havre_queue::{Ack, Op};
use tokio::sync::mpsc;

use crate::ledger::Ledger;

/// Answers in the same breath. Says `Up` at once.
pub fn embedded(acks: mpsc::Sender<Ack>) -> impl FnMut(Op) + Send + 'static {
    let mut ledger = Ledger::default();
    // A full channel loses an answer; the engine goes on by itself after 100 ms, as with any lost answer.
    let _ = acks.try_send(Ack::Up);
    move |op| {
        if let Some(ack) = ledger.carry_out(op) {
            let _ = acks.try_send(ack);
        }
    }
}
