//! Sessions: a key for each buyer who has one, with a time to live.

use std::time::Duration;

use super::waiting_room::{NONE, millis_of};
use tiketi_core::units::BuyerId;

/// The sessions of all buyers.
#[derive(Clone, Debug)]
pub(super) struct Sessions {
    buyers: Vec<Session>,
    /// Who has one, in no order, so that one of them can be drawn.
    holders: Vec<u32>,
    ttl: u32,
}

#[derive(Clone, Copy, Debug)]
struct Session {
    slot: u32,
    /// Milliseconds: when it was last set.
    set_at: u32,
}

impl Sessions {
    pub(super) fn new(buyers: usize, ttl: Duration) -> Self {
        Self::empty(buyers, millis_of(ttl))
    }

    /// The same buyers without sessions.
    pub(super) fn emptied(&self) -> Self {
        Self::empty(self.buyers.len(), self.ttl)
    }

    fn empty(buyers: usize, ttl: u32) -> Self {
        let none = Session {
            slot: NONE,
            set_at: NONE,
        };
        Self {
            buyers: vec![none; buyers],
            holders: Vec::new(),
            ttl,
        }
    }

    pub(super) const fn count(&self) -> usize {
        self.holders.len()
    }

    pub(super) fn holder(&self, slot: usize) -> BuyerId {
        BuyerId(self.holders[slot])
    }

    /// When the buyer's session was last set; `None` without one.
    pub(super) fn set_at(&self, buyer: BuyerId) -> Option<u32> {
        let set_at = self.buyers[buyer.0 as usize].set_at;
        (set_at != NONE).then_some(set_at)
    }

    /// Whether the buyer has a session that has not expired.
    pub(super) fn is_live(&self, now: u32, buyer: BuyerId) -> bool {
        self.set_at(buyer)
            .is_some_and(|set_at| set_at.saturating_add(self.ttl) > now)
    }

    /// Those whose session has expired and is still there.
    pub(super) fn expired(&self, now: u32) -> Vec<BuyerId> {
        let holders = self.holders.iter().map(|buyer| BuyerId(*buyer));
        holders.filter(|buyer| !self.is_live(now, *buyer)).collect()
    }

    /// Sets a session, or drops it ([`NONE`]); returns when it was set before.
    pub(super) fn set(&mut self, buyer: BuyerId, set_at: u32) -> u32 {
        let index = buyer.0 as usize;
        let session = &mut self.buyers[index];
        let before = std::mem::replace(&mut session.set_at, set_at);
        if before == NONE && set_at != NONE {
            session.slot = u32::try_from(self.holders.len()).expect("no more than buyers");
            self.holders.push(buyer.0);
        } else if before != NONE && set_at == NONE {
            let slot = std::mem::replace(&mut session.slot, NONE) as usize;
            self.holders.swap_remove(slot);
            if let Some(moved) = self.holders.get(slot) {
                self.buyers[*moved as usize].slot = u32::try_from(slot).expect("it was a slot");
            }
        }
        before
    }
}
