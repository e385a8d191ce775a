//! What one Redis node holds, changed only by [`Change`]s, each of which says how to take it back.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use tiketi_core::units::BuyerId;

use super::sessions::Sessions;
use super::settings::RedisSettings;
use super::waiting_room::{NONE, WaitingRoom};
use super::{ShowNumber, TaskNumber};

/// What a driver stores in the tier for itself. The tier keeps, expires, evicts and rolls it back, and never looks at it.
pub trait Payload: Clone + Debug {
    /// What is in a session.
    type Session: Clone + Debug + Default;
    /// What a cached body is found by.
    type CacheKey: Clone + Debug + Ord;
    /// A cached body.
    type Body: Clone + Debug + Default;
}

/// No slot of a task was claimed yet.
const NO_SLOT: u64 = u64::MAX;

/// One write; [`NONE`] takes away. The model keeps the writes of the last window: 16 bytes each there.
#[derive(Clone, Debug)]
pub(super) enum Change<P: Payload> {
    /// Gives a place in the line.
    Ticket {
        show: ShowNumber,
        buyer: BuyerId,
        ticket: u32,
    },
    /// Gives or renews an active place.
    Seen {
        show: ShowNumber,
        buyer: BuyerId,
        seen: u32,
    },
    /// Sets the measured rate of admissions.
    Rate { show: ShowNumber, rate: f64 },
    /// Notes the last slot of time in which a task was done.
    Claim {
        task: TaskNumber,
        show: ShowNumber,
        slot: u64,
    },
    /// Writes a session.
    Session {
        buyer: BuyerId,
        expires: u32,
        body: P::Session,
    },
    /// Writes a cached body.
    Body {
        key: P::CacheKey,
        expires: u32,
        body: P::Body,
    },
    /// Counts requests until the end of a window.
    Requests {
        buyer: BuyerId,
        window_ends: u32,
        count: u32,
    },
}

impl<P: Payload> Change<P> {
    /// Whose keys it changes; `None` if they belong to nobody.
    pub(super) const fn buyer(&self) -> Option<BuyerId> {
        match *self {
            Self::Ticket { buyer, .. }
            | Self::Seen { buyer, .. }
            | Self::Session { buyer, .. }
            | Self::Requests { buyer, .. } => Some(buyer),
            Self::Rate { .. } | Self::Claim { .. } | Self::Body { .. } => None,
        }
    }
}

/// The contents of the node.
#[derive(Clone, Debug)]
pub(super) struct Contents<P: Payload> {
    pub(super) rooms: Vec<WaitingRoom>,
    /// Members of all lines and active sets.
    members: u64,
    pub(super) sessions: Sessions<P::Session>,
    bodies: BTreeMap<P::CacheKey, Body<P::Body>>,
    /// Bodies that are there, expired or not.
    bodies_count: u64,
    /// Requests of each buyer; empty if nobody counts them.
    requests: Vec<Requests>,
    claims: BTreeMap<(TaskNumber, ShowNumber), u64>,
}

#[derive(Clone, Debug)]
struct Body<B> {
    /// Milliseconds; [`NONE`] if it is not there.
    expires: u32,
    /// When it was last used, for eviction: the second of Redis' clock.
    used: u32,
    body: B,
}

impl<B: Default> Default for Body<B> {
    fn default() -> Self {
        Self {
            expires: NONE,
            used: 0,
            body: B::default(),
        }
    }
}

/// Requests in the current window of one buyer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Requests {
    pub(super) window_ends: u32,
    pub(super) count: u32,
}

impl Requests {
    const ZERO: Self = Self {
        window_ends: 0,
        count: 0,
    };
}

impl<P: Payload> Contents<P> {
    pub(super) fn new(settings: &RedisSettings, buyers: usize) -> Self {
        Self {
            rooms: Vec::new(),
            members: 0,
            sessions: Sessions::new(buyers, settings.session_ttl),
            bodies: BTreeMap::new(),
            bodies_count: 0,
            requests: vec![Requests::ZERO; if settings.counts_requests { buyers } else { 0 }],
            claims: BTreeMap::new(),
        }
    }

    /// A node with the same shows and buyers, and nothing in it.
    pub(super) fn emptied(&self) -> Self {
        Self {
            rooms: self.rooms.iter().map(WaitingRoom::emptied).collect(),
            members: 0,
            sessions: self.sessions.emptied(),
            bodies: BTreeMap::new(),
            bodies_count: 0,
            requests: vec![Requests::ZERO; self.requests.len()],
            claims: BTreeMap::new(),
        }
    }

    /// Makes room for the buyers with numbers below `buyers`.
    pub(super) fn grow(&mut self, buyers: usize, counts_requests: bool) {
        for room in &mut self.rooms {
            room.grow(buyers);
        }
        self.sessions.grow(buyers);
        if counts_requests {
            self.requests.resize(buyers, Requests::ZERO);
        }
    }

    pub(super) fn room(&self, show: ShowNumber) -> &WaitingRoom {
        &self.rooms[show.index()]
    }

    pub(super) fn room_mut(&mut self, show: ShowNumber) -> &mut WaitingRoom {
        &mut self.rooms[show.index()]
    }

    /// Makes a change; returns the one that takes it back.
    pub(super) fn apply(&mut self, change: Change<P>) -> Change<P> {
        match change {
            Change::Ticket {
                show,
                buyer,
                ticket,
            } => {
                let before = self.room_mut(show).set_ticket(buyer, ticket);
                self.count_member(before, ticket);
                let ticket = before;
                Change::Ticket {
                    show,
                    buyer,
                    ticket,
                }
            }
            Change::Seen { show, buyer, seen } => {
                let before = self.room_mut(show).set_seen(buyer, seen);
                self.count_member(before, seen);
                let seen = before;
                Change::Seen { show, buyer, seen }
            }
            Change::Rate { show, rate } => {
                let rate = self.room_mut(show).set_rate(rate);
                Change::Rate { show, rate }
            }
            Change::Claim { task, show, slot } => {
                let last = self.claims.entry((task, show)).or_insert(NO_SLOT);
                let slot = std::mem::replace(last, slot);
                Change::Claim { task, show, slot }
            }
            Change::Session {
                buyer,
                expires,
                body,
            } => {
                let (expires, body) = self.sessions.set(buyer, expires, body);
                Change::Session {
                    buyer,
                    expires,
                    body,
                }
            }
            Change::Body { key, expires, body } => self.set_body(key, expires, body),
            Change::Requests {
                buyer,
                window_ends,
                count,
            } => {
                let counted = &mut self.requests[buyer.0 as usize];
                let before = std::mem::replace(counted, Requests { window_ends, count });
                Change::Requests {
                    buyer,
                    window_ends: before.window_ends,
                    count: before.count,
                }
            }
        }
    }

    fn count_member(&mut self, before: u32, after: u32) {
        self.members -= u64::from(before != NONE);
        self.members += u64::from(after != NONE);
    }

    fn set_body(&mut self, key: P::CacheKey, expires: u32, body: P::Body) -> Change<P> {
        let entry = self.bodies.entry(key.clone()).or_default();
        let before = std::mem::replace(&mut entry.expires, expires);
        let body = std::mem::replace(&mut entry.body, body);
        self.bodies_count -= u64::from(before != NONE);
        self.bodies_count += u64::from(expires != NONE);
        let expires = before;
        Change::Body { key, expires, body }
    }

    /// Members of all lines and active sets.
    pub(super) const fn members(&self) -> u64 {
        self.members
    }

    /// Cached bodies, expired or not.
    pub(super) const fn bodies_count(&self) -> u64 {
        self.bodies_count
    }

    /// Whether the body's key is there, expired or not.
    pub(super) fn has_body(&self, key: &P::CacheKey) -> bool {
        self.bodies
            .get(key)
            .is_some_and(|body| body.expires != NONE)
    }

    /// Keys of the cached bodies, expired or not, in their order.
    pub(super) fn bodies(&self) -> impl Iterator<Item = &P::CacheKey> {
        let there = self.bodies.iter().filter(|(_, body)| body.expires != NONE);
        there.map(|(key, _)| key)
    }

    /// Notes that a body is used in this second of Redis' clock.
    pub(super) fn use_body(&mut self, second: u32, key: &P::CacheKey) {
        if let Some(body) = self.bodies.get_mut(key) {
            body.used = second;
        }
    }

    /// Notes that a body is written in this second of Redis' clock.
    pub(super) fn note_body_written(&mut self, second: u32, key: &P::CacheKey) {
        match self.bodies.get_mut(key) {
            Some(body) => body.used = second,
            None => {
                self.bodies.entry(key.clone()).or_default().used = second;
            }
        }
    }

    /// When a body was last used: the second of Redis' clock.
    pub(super) fn body_used(&self, key: &P::CacheKey) -> u32 {
        self.bodies.get(key).map_or(0, |body| body.used)
    }

    /// A body that has not expired.
    pub(super) fn fresh_body(&self, now: u32, key: &P::CacheKey) -> Option<&P::Body> {
        let body = self.bodies.get(key)?;
        (body.expires != NONE && body.expires > now).then_some(&body.body)
    }

    /// Keys of the bodies that have expired and are still there.
    pub(super) fn expired_bodies(&self, now: u32) -> Vec<P::CacheKey> {
        let expired = |body: &Body<P::Body>| body.expires != NONE && body.expires <= now;
        let bodies = self.bodies.iter().filter(|(_, body)| expired(body));
        bodies.map(|(key, _)| key.clone()).collect()
    }

    /// Forgets keys without a body.
    pub(super) fn forget_absent_bodies(&mut self) {
        self.bodies.retain(|_, body| body.expires != NONE);
    }

    /// What was counted of a buyer's requests; `None` if nobody counts them.
    pub(super) fn requests(&self, buyer: BuyerId) -> Option<Requests> {
        self.requests.get(buyer.0 as usize).copied()
    }

    /// The last slot in which a task was done; `None` before the first.
    pub(super) fn claimed(&self, task: TaskNumber, show: ShowNumber) -> Option<u64> {
        let last = self.claims.get(&(task, show)).copied()?;
        (last != NO_SLOT).then_some(last)
    }
}

/// When a body or a session that lives for `ttl` from `now` on expires, in milliseconds.
pub(super) fn expiry(now: u32, ttl: Duration) -> u32 {
    now.saturating_add(super::waiting_room::millis_of(ttl))
        .min(NONE - 1)
}
