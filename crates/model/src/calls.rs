//! Requests in progress.

use tiketi_buyer::observation::Failure;
use tiketi_cloud::routing::Cookie;
use tiketi_core::units::{BuyerId, SimTime, ZoneId};
use tiketi_network::Path;
use tiketi_scenario::operation::Operation;

/// A reference to a request. Slots are reused; the generation tells whether a calendar entry was made for the request that
/// is in the slot now, or for an earlier one that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CallRef {
    generation: u16,
    slot: u32,
}

/// The current step of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Is on its way over the network of the buyers.
    Access,
    /// Waits for the address of an edge location.
    SiteName,
    /// Is on its way to an edge location.
    Edge,
    /// Waits for the address of the load balancer.
    Name,
    /// Waits for a connection to a load-balancer node that has fallen silent.
    Connection,
    /// Is on its way to a load-balancer node, over an impaired path.
    ToNode,
    /// Is on its way from the node to the instance, over an impaired path.
    ToInstance,
    /// Waits for the CPU of the instance, or uses it.
    Processor,
    /// Waits for Redis.
    Cache,
    /// Waits for Redis until the instance gives up on it.
    NoCache,
    /// Waits for the database: for a connection and for the transaction.
    Database,
    /// Waits for the payment provider, which authorizes the payment.
    Provider,
    /// Waits for the payment provider, which declines the payment.
    Declined,
    /// Waits for the payment provider until the attempt has failed.
    NoProvider,
    /// Waits for the next attempt to reach the payment provider.
    ProviderPause,
    /// Waits for the database again, to commit the payment.
    Commit,
    /// Waits for Redis to publish what was committed.
    Announce,
    /// The response is on its way to the buyer.
    Answer,
    /// The response has left the system and is on its way over the network of the buyers.
    Home,
}

/// The response of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// The request succeeded.
    Done,
    /// The buyer is in the queue.
    Queued,
    /// The buyer is admitted.
    Admitted,
    /// The buyer neither waits nor was admitted.
    Dropped,
    /// The seat map, as it is when the response arrives.
    Seats,
    /// The seat is held under this reservation.
    Held(u32),
    /// The reservation is paid.
    Paid,
    /// The request was rejected for a business reason.
    Refused,
    /// The request failed.
    Failed(Failure),
    /// The request was over the rate limit; the seconds after which to try again.
    TooMany(u32),
}

/// A request in progress.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) buyer: BuyerId,
    pub(super) operation: Operation,
    pub(super) step: Step,
    pub(super) reply: Reply,
    /// Zone of the load-balancer node it went through.
    pub(super) node: u8,
    /// The instance that serves it; `u32::MAX` if none does.
    pub(super) instance: u32,
    /// The seat or reservation that it is about.
    pub(super) subject: u32,
    /// When it was due.
    pub(super) intended: SimTime,
    /// When it was sent.
    pub(super) sent: SimTime,
    /// The cookie that comes with a response of the instance. Responses of the load balancer itself set none.
    pub(super) cookie: Option<Cookie>,
    /// Attempts to reach the payment provider so far.
    pub(super) attempts: u32,
    /// Way of the current one; `None` if there is none.
    pub(super) path: Option<Path>,
    /// When the instance gives up the current one.
    pub(super) gives_up_at: SimTime,
    /// Whether the buyer has given up on it. The system does not know that, and continues to work on it.
    pub(super) is_abandoned: bool,
    /// Whether its timeout is in the calendar.
    pub(super) is_watched: bool,
}

impl Call {
    /// A request about a seat or reservation that is sent at `now`, and reaches nothing until somebody says so.
    pub(super) const fn new(
        now: SimTime,
        buyer: BuyerId,
        (operation, subject): (Operation, u32),
        intended: SimTime,
    ) -> Self {
        Self {
            buyer,
            operation,
            step: Step::Answer,
            reply: Reply::Failed(Failure::ConnectRefused),
            node: 0,
            instance: u32::MAX,
            subject,
            intended,
            sent: now,
            cookie: None,
            attempts: 0,
            path: None,
            gives_up_at: SimTime::ZERO,
            is_abandoned: false,
            is_watched: false,
        }
    }
}

/// All requests in progress, in slots that are reused.
#[derive(Debug, Default)]
pub(super) struct Calls {
    slots: Vec<(u16, Option<Call>)>,
    free: Vec<u32>,
    /// Requests in progress through the node of each zone, and those that have not reached one.
    open: [u32; ZONES_MAX + 1],
    /// The most there were: the edge has kept as many connections.
    open_peak: [u32; ZONES_MAX + 1],
}

/// The most zones of a scenario.
const ZONES_MAX: usize = 6;

/// In place of a zone's node: none yet.
pub(super) const NOWHERE: u8 = 6;
const _: () = assert!(NOWHERE as usize == ZONES_MAX);

impl Calls {
    /// Adds a request.
    pub(super) fn insert(&mut self, call: Call) -> CallRef {
        let node = usize::from(call.node);
        self.open[node] += 1;
        self.open_peak[node] = self.open_peak[node].max(self.open[node]);
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

    /// Returns the request; `None` if it has ended.
    pub(super) fn find(&mut self, call: CallRef) -> Option<&mut Call> {
        let (generation, place) = &mut self.slots[call.slot as usize];
        place.as_mut().filter(|_| *generation == call.generation)
    }

    /// Removes a request and returns it; `None` if it has ended before.
    pub(super) fn remove(&mut self, call: CallRef) -> Option<Call> {
        let (generation, place) = &mut self.slots[call.slot as usize];
        if *generation != call.generation {
            return None;
        }
        let ended = place.take()?;
        self.open[usize::from(ended.node)] -= 1;
        // A reference would be valid again after 65,536 requests in the same slot, but no calendar entry lives that long.
        *generation = generation.wrapping_add(1);
        self.free.push(call.slot);
        Some(ended)
    }

    /// Returns whose request it is; `None` if it has ended.
    pub(super) fn buyer(&self, call: CallRef) -> Option<BuyerId> {
        let (generation, place) = &self.slots[call.slot as usize];
        let open = place.as_ref().filter(|_| *generation == call.generation)?;
        Some(open.buyer)
    }

    /// Returns the request in a slot, the number by which the database knows it; `None` if the slot is free.
    pub(super) fn in_slot(&self, slot: u32) -> Option<CallRef> {
        let (generation, place) = self.slots.get(slot as usize)?;
        place.is_some().then_some(CallRef {
            generation: *generation,
            slot,
        })
    }

    /// Returns all requests that meet a condition, in the order of their slots.
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

    /// Returns how many connections to a node are kept open without a request on them.
    pub(super) fn kept(&self, node: ZoneId) -> u32 {
        self.open_peak[node.index()] - self.open[node.index()]
    }

    /// Returns the number of requests in progress.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

impl CallRef {
    /// Returns the number by which the database knows the request.
    pub(super) const fn slot(self) -> u32 {
        self.slot
    }
}
