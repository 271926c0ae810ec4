//! Packets that wait for their turn, in the order of the timeline.

use super::{Grains, Sound};

/// Most that wait: more than a second of 10 ms packets.
pub(super) const MAX_PACKETS: usize = 128;

/// The packets.
#[derive(Clone, Debug)]
pub(super) struct Packets {
    /// Places are used again, the first free one first, so that a quiet stream has no more of them than it needs.
    places: Vec<Waiting>,
    used: u128,
    /// Places of the waiting packets, the first to be played last.
    order: Vec<u8>,
}

/// One packet.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) position: Grains,
    pub(super) sequence: u16,
    pub(super) sound: Sound,
    pub(super) payload: Vec<u8>,
}

impl Default for Packets {
    fn default() -> Self {
        Self { places: Vec::new(), used: 0, order: Vec::with_capacity(MAX_PACKETS) }
    }
}

impl Packets {
    /// Puts a packet in its place. One that waits already is not taken twice; if none is free, the oldest goes.
    pub(super) fn insert(&mut self, position: Grains, sequence: u16, sound: Sound, payload: &[u8]) {
        let later = |place: &u8| self.places[usize::from(*place)].position > position;
        let at = self.order.iter().rposition(later).map_or(0, |last| last + 1);
        let same = |place: &u8| self.places[usize::from(*place)].sequence == sequence;
        if self.order.iter().any(same) {
            return;
        }
        if self.order.len() == MAX_PACKETS {
            if at == MAX_PACKETS {
                return;
            }
            self.drop_first();
        }
        let place = self.used.trailing_ones() as usize;
        if place == self.places.len() {
            self.places.push(Waiting { position, sequence, sound, payload: Vec::new() });
        }
        let waiting = &mut self.places[place];
        (waiting.position, waiting.sequence, waiting.sound) = (position, sequence, sound);
        waiting.payload.clear();
        waiting.payload.extend_from_slice(payload);
        self.used |= 1 << place;
        self.order.insert(at, place as u8);
    }

    /// The next to be played.
    pub(super) fn first(&self) -> Option<&Waiting> {
        self.order.last().map(|place| &self.places[usize::from(*place)])
    }

    /// The first has been played, or never will be.
    pub(super) fn drop_first(&mut self) {
        if let Some(place) = self.order.pop() {
            self.used &= !(1 << place);
        }
    }

    pub(super) fn clear(&mut self) {
        self.order.clear();
        self.used = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Codec;

    fn drain(packets: &mut Packets) -> Vec<(Grains, u16, u8)> {
        let mut all = Vec::new();
        while let Some(first) = packets.first() {
            all.push((first.position, first.sequence, first.payload[0]));
            packets.drop_first();
        }
        all
    }

    #[test]
    fn order_is_that_of_the_timeline_and_a_double_is_left_out() {
        let mut packets = Packets::default();
        for (position, sequence, byte) in
            [(20, 2, 0), (40, 3, 1), (0, 1, 2), (20, 2, 3), (60, 5, 4), (40, 4, 5)]
        {
            packets.insert(position, sequence, Sound::Audio(Codec::Pcmu), &[byte]);
        }
        assert_eq!(drain(&mut packets), [(0, 1, 2), (20, 2, 0), (40, 3, 1), (40, 4, 5), (60, 5, 4)]);
    }

    #[test]
    fn when_it_is_full_the_oldest_goes() {
        let mut packets = Packets::default();
        for n in 0..500 {
            packets.insert(n, n as u16, Sound::Audio(Codec::Pcmu), &[n as u8]);
        }
        packets.insert(0, 0, Sound::Audio(Codec::Pcmu), &[0]);
        let all = drain(&mut packets);
        assert_eq!((all.len(), all[0].0, all[MAX_PACKETS - 1].0), (MAX_PACKETS, 372, 499));
        assert_eq!(packets.places.len(), MAX_PACKETS);
    }

    #[test]
    fn a_place_is_used_again() {
        let mut packets = Packets::default();
        for n in 0..500 {
            packets.insert(n, n as u16, Sound::Audio(Codec::Pcmu), &[0; 160]);
            if n > 2 {
                packets.drop_first();
            }
        }
        assert!(packets.places.len() <= 4);
    }
}
