//! Messages that an instance has still to send.
//!
//! A message is *due* to every socket of its room when it is published. It arrives when the processor of the instance has sent
//! it, if instance and socket are still there: what an instance has not sent when it ends is lost.

use std::collections::VecDeque;
use std::time::Duration;

use tiketi_core::units::{BuyerId, SimTime};

/// A room of the Socket.IO server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    Queue,
    Seats,
}

/// To whom a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Receivers {
    /// The sockets of a room, as many as were in it.
    Room(Room, u32),
    /// One buyer.
    Buyer(BuyerId),
}

impl Receivers {
    const fn count(self) -> u32 {
        match self {
            Self::Room(_, sockets) => sockets,
            Self::Buyer(_) => 1,
        }
    }
}

/// A message on its way through the processor.
#[derive(Clone, Copy, Debug)]
struct Letter {
    sent_at: SimTime,
    published: SimTime,
    receivers: Receivers,
}

/// A message that has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arrived {
    /// When.
    pub(super) at: SimTime,
    /// Time since its publication.
    pub(super) delay: Duration,
    /// How many sockets got it.
    pub(super) receivers: u32,
}

/// The messages of one instance, in the order in which its processor sends them.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    letters: VecDeque<Letter>,
}

impl Outbox {
    /// Adds a message that was published at `published` and leaves at `sent_at`, which is not before that of any earlier
    /// message: the processor works first come, first served.
    pub(super) fn handle_published(
        &mut self,
        published: SimTime,
        sent_at: SimTime,
        receivers: Receivers,
    ) {
        self.letters.push_back(Letter {
            sent_at,
            published,
            receivers,
        });
    }

    /// Takes out the next message that was sent before `now`; `None` if there is none.
    pub(super) fn poll_arrived(&mut self, now: SimTime) -> Option<Arrived> {
        let first = self.letters.front().filter(|first| first.sent_at < now)?;
        let arrived = Arrived {
            at: first.sent_at,
            delay: first.sent_at.saturating_since(first.published),
            receivers: first.receivers.count(),
        };
        self.letters.pop_front();
        Some(arrived)
    }

    /// Whether a message to this buyer leaves at `now`.
    pub(super) fn has_letter_for(&self, buyer: BuyerId, now: SimTime) -> bool {
        let is_it =
            |letter: &Letter| letter.sent_at == now && letter.receivers == Receivers::Buyer(buyer);
        let until_now = self.letters.iter();
        until_now
            .take_while(|letter| letter.sent_at <= now)
            .any(is_it)
    }

    /// Returns to how many sockets messages are still to be sent, each counted once per message.
    pub(super) fn receivers(&self) -> u64 {
        let receivers = self.letters.iter().map(|letter| letter.receivers.count());
        receivers.map(u64::from).sum()
    }

    /// A socket has left a room: messages to the room that are still to be sent do not reach it. Returns how many these are.
    pub(super) fn handle_left(&mut self, room: Room) -> u64 {
        let mut missed = 0;
        for letter in &mut self.letters {
            match &mut letter.receivers {
                Receivers::Room(of, sockets) if *of == room && *sockets > 0 => {
                    *sockets -= 1;
                    missed += 1;
                }
                Receivers::Room(..) | Receivers::Buyer(_) => {}
            }
        }
        missed
    }

    /// A buyer's socket has closed: messages to this buyer that are still to be sent do not arrive. Returns how many these are.
    pub(super) fn handle_closed(&mut self, buyer: BuyerId) -> u64 {
        let before = self.letters.len();
        self.letters
            .retain(|letter| letter.receivers != Receivers::Buyer(buyer));
        (before - self.letters.len()) as u64
    }

    /// The instance has ended: nothing more is sent.
    pub(super) fn clear(&mut self) {
        self.letters = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(second: u64) -> SimTime {
        SimTime::from_secs(second)
    }

    fn filled() -> Outbox {
        let mut outbox = Outbox::default();
        outbox.handle_published(at(1), at(2), Receivers::Room(Room::Seats, 10));
        outbox.handle_published(at(1), at(3), Receivers::Buyer(BuyerId(7)));
        outbox.handle_published(at(1), at(4), Receivers::Room(Room::Queue, 5));
        outbox
    }

    fn receivers(outbox: &mut Outbox, now: SimTime) -> u32 {
        let arrived = std::iter::from_fn(|| outbox.poll_arrived(now));
        arrived.map(|one| one.receivers).sum()
    }

    #[test]
    fn messages_arrive_when_the_processor_has_sent_them() {
        let mut outbox = filled();
        assert_eq!(outbox.poll_arrived(at(2)), None);
        let first = outbox.poll_arrived(at(3)).expect("it was sent at 2 s");
        assert_eq!((first.at, first.delay), (at(2), Duration::from_secs(1)));
        assert!(outbox.has_letter_for(BuyerId(7), at(3)));
        assert_eq!(receivers(&mut outbox, at(10)), 1 + 5);
    }

    #[test]
    fn an_instance_that_ends_sends_nothing_more() {
        let mut outbox = filled();
        assert_eq!(receivers(&mut outbox, at(3)), 10);
        outbox.clear();
        assert_eq!(receivers(&mut outbox, at(10)), 0);
    }

    #[test]
    fn a_socket_that_leaves_misses_what_is_still_to_be_sent() {
        let mut outbox = filled();
        assert_eq!(outbox.handle_left(Room::Queue), 1);
        assert_eq!(outbox.handle_closed(BuyerId(7)), 1);
        assert_eq!(outbox.receivers(), 10 + 4);
        assert_eq!(receivers(&mut outbox, at(10)), 10 + 4);
    }
}
