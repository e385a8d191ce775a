//! Calls on their way through the system.

use tiketi_buyer::observation::Failure;
use tiketi_core::units::{BuyerId, SimTime};
use tiketi_scenario::operation::Operation;

/// A call, named so that an entry made for one that has ended is recognized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CallRef {
    generation: u16,
    slot: u32,
}

/// What a call does at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Waits for the instance's processor, or is on it.
    Processor,
    /// Waits for Redis.
    Cache,
    /// Waits for Redis until the instance gives up on it.
    NoCache,
    /// Waits for the database: a connection, the transaction.
    Database,
    /// Waits for the payment provider.
    Provider,
    /// Waits for the database once more, to commit the payment.
    Commit,
    /// Redis is told what was committed.
    Announce,
    /// The answer is on its way to the buyer.
    Answer,
}

/// What the system answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// Done.
    Done,
    /// Waits in the queue.
    Queued,
    /// May choose a seat.
    Admitted,
    /// The seat map, as it is when the answer arrives.
    Seats,
    /// The seat is held under this reservation.
    Held(u32),
    /// The reservation is paid.
    Paid,
    /// Refused for a reason of the business.
    Refused,
    /// Not done.
    Failed(Failure),
    /// Not done: too many requests; the seconds after which to try again.
    TooMany(u32),
}

/// A call on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) buyer: BuyerId,
    pub(super) operation: Operation,
    pub(super) step: Step,
    pub(super) reply: Reply,
    /// Zone of the load-balancer node it went through.
    pub(super) node: u8,
    /// The instance that serves it.
    pub(super) instance: u32,
    /// The seat or the reservation it is about.
    pub(super) subject: u32,
    /// When it should have left.
    pub(super) intended: SimTime,
    /// When it left.
    pub(super) sent: SimTime,
    /// Whether the buyer has given up on it; the system goes on all the same.
    pub(super) is_abandoned: bool,
    /// Whether an entry for its time-out is made.
    pub(super) is_watched: bool,
}

/// All calls on their way, in slots that are used again.
#[derive(Debug, Default)]
pub(super) struct Calls {
    slots: Vec<(u16, Option<Call>)>,
    free: Vec<u32>,
}

impl Calls {
    /// Starts a call.
    pub(super) fn insert(&mut self, call: Call) -> CallRef {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push((0, None));
            u32::try_from(self.slots.len() - 1).expect("fewer calls than buyers")
        });
        let (generation, place) = &mut self.slots[slot as usize];
        *place = Some(call);
        CallRef {
            generation: *generation,
            slot,
        }
    }

    /// The call, if it has not ended.
    pub(super) fn find(&mut self, call: CallRef) -> Option<&mut Call> {
        let (generation, place) = &mut self.slots[call.slot as usize];
        place.as_mut().filter(|_| *generation == call.generation)
    }

    /// Ends a call.
    pub(super) fn remove(&mut self, call: CallRef) -> Option<Call> {
        let (generation, place) = &mut self.slots[call.slot as usize];
        if *generation != call.generation {
            return None;
        }
        let ended = place.take()?;
        *generation = generation.wrapping_add(1);
        self.free.push(call.slot);
        Some(ended)
    }

    /// Whose call it is, if it has not ended.
    pub(super) fn buyer(&self, call: CallRef) -> Option<BuyerId> {
        let (generation, place) = &self.slots[call.slot as usize];
        let open = place.as_ref().filter(|_| *generation == call.generation)?;
        Some(open.buyer)
    }

    /// The call in a slot, by the number the database knows it by.
    pub(super) fn in_slot(&self, slot: u32) -> Option<CallRef> {
        let (generation, place) = self.slots.get(slot as usize)?;
        place.is_some().then_some(CallRef {
            generation: *generation,
            slot,
        })
    }

    /// All calls for which `is_meant` holds, in the order of their slots.
    pub(super) fn matching(&self, is_meant: impl Fn(&Call) -> bool) -> Vec<CallRef> {
        let numbered = (0..).zip(&self.slots);
        let meant = numbered.filter(|(_, (_, call))| call.as_ref().is_some_and(&is_meant));
        meant
            .map(|(slot, (generation, _))| CallRef {
                generation: *generation,
                slot,
            })
            .collect()
    }

    /// Calls on their way.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

impl CallRef {
    /// The number by which the database knows the call.
    pub(super) const fn slot(self) -> u32 {
        self.slot
    }
}
