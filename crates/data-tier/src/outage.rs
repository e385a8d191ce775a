//! Redis when its primary is lost, paused or replaced, and when its replica falls behind.

use std::time::Duration;

use tiketi_core::units::SimTime;
use tiketi_station::Fifo;

use super::ballast::Ballast;
use super::contents::{Contents, Payload};
use super::redis::Redis;

/// What a failover of Redis lost of what had been acknowledged (RPO).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// Places in a line.
    pub places: u64,
    /// Places in a line that came back although their buyers had left them.
    pub places_put_back: u64,
    /// Active places.
    pub active_places: u64,
    /// Sessions.
    pub sessions: u64,
    /// Age of the oldest write that was lost, at the moment of the loss; `None` if nothing was lost.
    pub reaches_back: Option<Duration>,
}

/// What one buyer has in Redis.
#[derive(Clone, Debug)]
struct Holdings {
    /// Whether the buyer waits and whether the buyer is inside, per show.
    rooms: Vec<(bool, bool)>,
    has_session: bool,
}

impl<P: Payload> Redis<P> {
    /// Loses the primary, together with the writes that the replica has not seen.
    pub fn handle_lost(&mut self, now: SimTime) {
        if std::mem::replace(&mut self.is_up, false) {
            self.lost_at = now;
            self.was_lost_silently = false;
            self.paused_until = SimTime::ZERO;
            self.unseen.forget_seen(now);
            self.busy_before += self.thread.busy_until(now);
            self.thread = Fifo::new(1);
        }
    }

    /// Loses the primary without a word, as in a loss of power. Nothing happens during an outage.
    ///
    /// Commands that it was working on fail when they would have been done.
    pub fn handle_lost_silently(&mut self, now: SimTime) {
        if self.is_up {
            self.handle_lost(now);
            self.was_lost_silently = true;
        }
    }

    /// When a client gives up on a command that it sends at `now` to a primary lost without a word.
    ///
    /// On the connection that it has, it waits for its timeout. After that it tries to connect again and again, each time
    /// for as long, and what is asked meanwhile fails together with the attempt.
    pub(super) fn silence_ends_at(&self, now: SimTime) -> SimTime {
        let timeout = self.settings.timeout;
        let silent_for = now.saturating_since(self.lost_at);
        if silent_for < timeout {
            return now + timeout;
        }
        let attempt = silent_for.as_nanos() % timeout.as_nanos().max(1);
        let passed = u64::try_from(attempt).expect("it is shorter than a timeout");
        now + timeout.saturating_sub(Duration::from_nanos(passed))
    }

    /// Makes the replica the primary; returns what was lost with the old one. Nothing happens without an outage.
    pub fn handle_promoted(&mut self) -> Loss {
        if std::mem::replace(&mut self.is_up, true) {
            return Loss::default();
        }
        let mut loss = Loss::default();
        let reaches_back = self.unseen.reaches_back(self.lost_at);
        let changed: Vec<_> = self.unseen.buyers().into_iter().collect();
        let had = |contents: &Contents<P>| -> Vec<Holdings> {
            let holdings = |buyer| Holdings {
                rooms: contents
                    .rooms
                    .iter()
                    .map(|room| (room.waits(buyer), room.is_active(buyer)))
                    .collect(),
                has_session: contents.sessions.exists(buyer),
            };
            changed.iter().map(|buyer| holdings(*buyer)).collect()
        };
        let before = had(&self.contents);
        for reverse in self.unseen.take() {
            self.contents.apply(reverse);
        }
        for (before, after) in before.iter().zip(had(&self.contents)) {
            loss.note(before, &after);
        }
        if loss != Loss::default() {
            // Renewals of places are writes too, but nobody misses one.
            loss.reaches_back = reaches_back;
        }
        self.restart();
        loss
    }

    /// Starts an empty Redis, as it comes back where there is no replica; returns what there was, without how far it
    /// reached back. Nothing happens without an outage.
    pub fn handle_restored_empty(&mut self) -> Loss {
        if std::mem::replace(&mut self.is_up, true) {
            return Loss::default();
        }
        let rooms = &self.contents.rooms;
        let loss = Loss {
            places: rooms.iter().map(|room| u64::from(room.waiting())).sum(),
            active_places: rooms.iter().map(|room| u64::from(room.active())).sum(),
            sessions: self.contents.sessions.count() as u64,
            ..Loss::default()
        };
        self.contents = self.contents.emptied();
        self.unseen.clear();
        Ballast::clear(&mut self.ballast);
        self.restart();
        loss
    }

    /// Pauses the primary until `until`: connections stay, and nothing responds. Nothing happens during an outage.
    pub fn handle_paused(&mut self, until: SimTime) {
        if self.is_up {
            self.paused_until = self.paused_until.max(until);
        }
    }

    /// Resumes a paused primary.
    pub fn handle_resumed(&mut self, now: SimTime) {
        self.paused_until = self.paused_until.min(now);
    }

    /// The link to the replica delays writes by `lag` from now on; `None`: by what the settings say.
    pub fn handle_link(&mut self, now: SimTime, lag: Option<Duration>) {
        let window = lag.unwrap_or(self.settings.lost_window);
        self.unseen.set_window(now, window);
    }

    /// After a failover: what is there now counts.
    fn restart(&mut self) {
        for (room, outside) in self.contents.rooms.iter_mut().zip(&mut self.outside) {
            room.rebuild_due();
            outside.witness.handle_failover(room);
        }
        self.note_memory();
    }
}

impl Loss {
    fn note(&mut self, before: &Holdings, after: &Holdings) {
        for ((waited, was_active), (waits, is_active)) in before.rooms.iter().zip(&after.rooms) {
            self.places += u64::from(*waited && !waits);
            self.places_put_back += u64::from(*waits && !waited);
            self.active_places += u64::from(*was_active && !is_active);
        }
        self.sessions += u64::from(before.has_session && !after.has_session);
    }
}
