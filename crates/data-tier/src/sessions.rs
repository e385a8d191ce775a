//! Sessions: a key for each buyer who has one, with a time to live.

use std::time::Duration;

use tiketi_core::units::BuyerId;

use super::waiting_room::{NONE, millis_of};

/// The sessions of all buyers; `S` is what the driver stores in each.
#[derive(Clone, Debug)]
pub(super) struct Sessions<S> {
    buyers: Vec<Session<S>>,
    /// Who has one, in no order, so that one of them can be drawn.
    holders: Vec<u32>,
    /// Life of a session: the same for all of a deployment.
    ttl: u32,
}

#[derive(Clone, Debug)]
struct Session<S> {
    slot: u32,
    /// Milliseconds; [`NONE`] without a session.
    expires: u32,
    body: S,
}

impl<S: Clone + Default> Sessions<S> {
    pub(super) fn new(buyers: usize, ttl: Duration) -> Self {
        Self::empty(buyers, millis_of(ttl))
    }

    /// The same buyers without sessions.
    pub(super) fn emptied(&self) -> Self {
        Self::empty(self.buyers.len(), self.ttl)
    }

    fn empty(buyers: usize, ttl: u32) -> Self {
        Self {
            buyers: vec![Self::none(); buyers],
            holders: Vec::new(),
            ttl,
        }
    }

    fn none() -> Session<S> {
        Session {
            slot: NONE,
            expires: NONE,
            body: S::default(),
        }
    }

    /// Makes room for the buyers with numbers below `buyers`.
    pub(super) fn grow(&mut self, buyers: usize) {
        self.buyers.resize(buyers, Self::none());
    }

    pub(super) const fn count(&self) -> usize {
        self.holders.len()
    }

    pub(super) fn holder(&self, slot: usize) -> BuyerId {
        BuyerId(self.holders[slot])
    }

    pub(super) fn exists(&self, buyer: BuyerId) -> bool {
        self.buyers[buyer.0 as usize].expires != NONE
    }

    /// When the buyer's session was last used, in milliseconds; 0 without one. Each use of a session writes it anew.
    pub(super) fn used_at(&self, buyer: BuyerId) -> u32 {
        let expires = self.buyers[buyer.0 as usize].expires;
        if expires == NONE {
            return 0;
        }
        expires.saturating_sub(self.ttl)
    }

    /// What is stored in the buyer's session; `None` without one, or if it has expired.
    pub(super) fn live(&self, now: u32, buyer: BuyerId) -> Option<&S> {
        let session = self.buyers.get(buyer.0 as usize)?;
        (session.expires != NONE && session.expires > now).then_some(&session.body)
    }

    /// Those whose session has expired and is still there.
    pub(super) fn expired(&self, now: u32) -> Vec<BuyerId> {
        let holders = self.holders.iter().map(|buyer| BuyerId(*buyer));
        holders
            .filter(|buyer| self.live(now, *buyer).is_none())
            .collect()
    }

    /// When a session that is used at `now` expires. `ttl` holds for all sessions from here on.
    pub(super) fn expiry(&mut self, now: u32, ttl: Duration) -> u32 {
        self.ttl = millis_of(ttl);
        now.saturating_add(self.ttl).min(NONE - 1)
    }

    /// Sets a session, or drops it ([`NONE`]); returns what was there before.
    pub(super) fn set(&mut self, buyer: BuyerId, expires: u32, body: S) -> (u32, S) {
        let index = buyer.0 as usize;
        let session = &mut self.buyers[index];
        let before = std::mem::replace(&mut session.expires, expires);
        let body_before = std::mem::replace(&mut session.body, body);
        if before == NONE && expires != NONE {
            session.slot = u32::try_from(self.holders.len()).expect("no more than buyers");
            self.holders.push(buyer.0);
        } else if before != NONE && expires == NONE {
            let slot = std::mem::replace(&mut session.slot, NONE) as usize;
            self.holders.swap_remove(slot);
            if let Some(moved) = self.holders.get(slot) {
                self.buyers[*moved as usize].slot = u32::try_from(slot).expect("it was a slot");
            }
        }
        (before, body_before)
    }
}
