//! What one Redis node holds, changed only by [`Change`]s, each of which tells how to take it back.

use std::time::Duration;

use super::sessions::Sessions;
use super::waiting_room::{NONE, WaitingRoom, millis_of};
use tiketi_core::units::BuyerId;
use tiketi_scenario::Plan;

/// A cached answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cached {
    /// The list of shows.
    ShowList,
    /// The detail of the show.
    ShowDetail,
}

impl Cached {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::ShowList, Self::ShowDetail];
}

/// One write; [`NONE`] takes away.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    /// Gives a place in the line.
    Ticket { buyer: BuyerId, ticket: u32 },
    /// Gives or renews an active place.
    Seen { buyer: BuyerId, seen: u32 },
    /// Writes a session.
    Session { buyer: BuyerId, set_at: u32 },
    /// Writes a cached body.
    Body { what: Cached, filled_at: u32 },
    /// Counts requests until the end of a window.
    Requests {
        buyer: BuyerId,
        window_ends: u32,
        count: u32,
    },
}

impl Change {
    /// Whose keys it changes; `None` if they belong to nobody.
    pub(super) const fn buyer(&self) -> Option<BuyerId> {
        match *self {
            Self::Ticket { buyer, .. }
            | Self::Seen { buyer, .. }
            | Self::Session { buyer, .. }
            | Self::Requests { buyer, .. } => Some(buyer),
            Self::Body { .. } => None,
        }
    }
}

/// What one buyer has in Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Holdings {
    pub(super) waits: bool,
    pub(super) is_active: bool,
    pub(super) has_session: bool,
}

/// The contents of the node.
#[derive(Clone, Debug)]
pub(super) struct Contents {
    pub(super) room: WaitingRoom,
    pub(super) sessions: Sessions,
    bodies: [Body; 2],
    /// Requests of each buyer; empty without a limit.
    requests: Vec<Requests>,
}

#[derive(Clone, Copy, Debug)]
struct Body {
    filled_at: u32,
    ttl: u32,
}

/// Requests in the current window of one buyer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Requests {
    pub(super) window_ends: u32,
    pub(super) count: u32,
}

impl Contents {
    pub(super) fn new(plan: &Plan, buyers: usize) -> Self {
        let body = |ttl: Duration| Body {
            filled_at: NONE,
            ttl: millis_of(ttl),
        };
        let none = Requests {
            window_ends: 0,
            count: 0,
        };
        let counted = plan.server.rate_limit.map_or(0, |_| buyers);
        Self {
            room: WaitingRoom::new(buyers, plan.waiting_room.idle_timeout),
            sessions: Sessions::new(buyers, plan.server.session_ttl),
            bodies: [
                body(plan.server.show_list_ttl),
                body(plan.server.show_detail_ttl),
            ],
            requests: vec![none; counted],
        }
    }

    /// A node with the same settings and nothing in it.
    pub(super) fn emptied(&self) -> Self {
        let empty = |body: Body| Body {
            filled_at: NONE,
            ..body
        };
        let none = Requests {
            window_ends: 0,
            count: 0,
        };
        Self {
            room: self.room.emptied(),
            sessions: self.sessions.emptied(),
            bodies: self.bodies.map(empty),
            requests: vec![none; self.requests.len()],
        }
    }

    /// Makes a change; returns the one that takes it back.
    pub(super) fn apply(&mut self, change: Change) -> Change {
        match change {
            Change::Ticket { buyer, ticket } => Change::Ticket {
                buyer,
                ticket: self.room.set_ticket(buyer, ticket),
            },
            Change::Seen { buyer, seen } => Change::Seen {
                buyer,
                seen: self.room.set_seen(buyer, seen),
            },
            Change::Session { buyer, set_at } => Change::Session {
                buyer,
                set_at: self.sessions.set(buyer, set_at),
            },
            Change::Body { what, filled_at } => {
                let body = &mut self.bodies[what as usize];
                Change::Body {
                    what,
                    filled_at: std::mem::replace(&mut body.filled_at, filled_at),
                }
            }
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

    /// What a buyer has here, expired or not.
    pub(super) fn holdings(&self, buyer: BuyerId) -> Holdings {
        Holdings {
            waits: self.room.waits(buyer),
            is_active: self.room.is_active(buyer),
            has_session: self.sessions.set_at(buyer).is_some(),
        }
    }

    /// Whether the body's key is there, expired or not.
    pub(super) const fn has_body(&self, what: Cached) -> bool {
        self.bodies[what as usize].filled_at != NONE
    }

    /// Whether the body is there and has not expired.
    pub(super) fn is_fresh(&self, now: u32, what: Cached) -> bool {
        let body = self.bodies[what as usize];
        body.filled_at != NONE && body.filled_at.saturating_add(body.ttl) > now
    }

    /// What was counted of a buyer's requests; `None` without a limit.
    pub(super) fn requests(&self, buyer: BuyerId) -> Option<Requests> {
        self.requests.get(buyer.0 as usize).copied()
    }
}
