//! What waits to be pulled out of a shard. Packets lie end to end in one buffer that is used again and again, so
//! that a packet costs no allocation.

use std::collections::VecDeque;
use std::net::SocketAddr;

use havre_model::LegId;

use crate::rtp::{HEADER, Packet};
use crate::sdp::Fingerprint;
use crate::{Channel, Event, Handshake, Output};

/// Room made at the beginning: what a hundred legs send in one turn. It grows with the legs, once.
const ITEMS: usize = 128;
const BYTES: usize = ITEMS * 192;

/// The queue of outputs.
#[derive(Debug)]
pub(crate) struct Outbox {
    queue: VecDeque<Item>,
    bytes: Vec<u8>,
}

#[derive(Debug)]
enum Item {
    Packet { leg: LegId, channel: Channel, to: SocketAddr, start: usize, end: usize },
    Answer { leg: LegId, to: SocketAddr, start: usize, end: usize },
    Handshake { leg: LegId, step: Step },
    Event(Event),
}

/// As [`Handshake`], with the place of its bytes.
#[derive(Debug)]
enum Step {
    Begin { fingerprint: Fingerprint, client: bool },
    Packet { start: usize, end: usize },
    End,
}

impl Default for Outbox {
    fn default() -> Self {
        Self { queue: VecDeque::with_capacity(ITEMS), bytes: Vec::with_capacity(BYTES) }
    }
}

impl Outbox {
    pub(crate) fn event(&mut self, event: Event) {
        self.queue.push_back(Item::Event(event));
    }

    /// Queues an RTP packet with room for `payload` bytes, to be filled in.
    pub(crate) fn rtp(
        &mut self,
        leg: LegId,
        to: SocketAddr,
        header: &Packet<'_>,
        payload: usize,
    ) -> &mut [u8] {
        let room = self.packet(leg, Channel::Rtp, to, HEADER + payload);
        let (head, payload) = room.split_at_mut(HEADER);
        head.copy_from_slice(&header.header());
        payload
    }

    /// Queues a packet of `length` bytes, to be filled in.
    pub(crate) fn packet(
        &mut self,
        leg: LegId,
        channel: Channel,
        to: SocketAddr,
        length: usize,
    ) -> &mut [u8] {
        let (start, end) = self.room(length);
        self.queue.push_back(Item::Packet { leg, channel, to, start, end });
        &mut self.bytes[start..]
    }

    /// Queues the answer to a connectivity check.
    pub(crate) fn answer(&mut self, leg: LegId, to: SocketAddr, answer: &[u8]) {
        let (start, end) = self.room(answer.len());
        self.bytes[start..].copy_from_slice(answer);
        self.queue.push_back(Item::Answer { leg, to, start, end });
    }

    pub(crate) fn handshake(&mut self, leg: LegId, step: Handshake<'_>) {
        let step = match step {
            Handshake::Begin { fingerprint, client } => Step::Begin { fingerprint, client },
            Handshake::Packet(bytes) => {
                let (start, end) = self.room(bytes.len());
                self.bytes[start..].copy_from_slice(bytes);
                Step::Packet { start, end }
            }
            Handshake::End => Step::End,
        };
        self.queue.push_back(Item::Handshake { leg, step });
    }

    /// Where the next bytes lie, from and to.
    fn room(&mut self, length: usize) -> (usize, usize) {
        if self.queue.is_empty() {
            self.bytes.clear();
        }
        let start = self.bytes.len();
        let end = start + length;
        self.bytes.resize(end, 0);
        (start, end)
    }

    /// Takes back the packet that was queued last: it could not be filled in.
    pub(crate) fn take_back(&mut self) {
        if let Some(Item::Packet { start, .. }) =
            self.queue.pop_back_if(|item| matches!(item, Item::Packet { .. }))
        {
            self.bytes.truncate(start);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Output<'_>> {
        Some(match self.queue.pop_front()? {
            Item::Event(event) => Output::Event(event),
            Item::Handshake { leg, step } => {
                let step = match step {
                    Step::Begin { fingerprint, client } => Handshake::Begin { fingerprint, client },
                    Step::Packet { start, end } => Handshake::Packet(&self.bytes[start..end]),
                    Step::End => Handshake::End,
                };
                Output::Handshake { leg, step }
            }
            Item::Answer { leg, to, start, end } => {
                Output::Answer { leg, to, bytes: &self.bytes[start..end] }
            }
            Item::Packet { leg, channel, to, start, end } => {
                Output::Transmit { leg, channel, to, bytes: &self.bytes[start..end] }
            }
        })
    }
}
