//! Redis: one thread that works on commands in turn, a replica that is a little behind, and a limit of memory.

use std::hint::black_box;
use std::time::Duration;

use tiketi_station::Fifo;

pub use super::contents::Cached;
use super::contents::{Change, Contents};
use super::eviction::{Evictor, Key, LastUsed};
use super::replication::Unseen;
use super::waiting_room::{NONE, millis};
use super::witness::Witness;
use tiketi_core::units::{BuyerId, SimTime};
use tiketi_measure::ending::{AdmissionFacts, Loss};
use tiketi_scenario::Plan;
use tiketi_scenario::topology::CpuCredits;

/// Time between two removals of expired sessions.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Length of a rate-limit window (B8), milliseconds.
const RATE_WINDOW: u32 = 60_000;

/// Redis with the waiting room in it.
#[derive(Clone, Debug)]
pub struct Redis {
    thread: Fifo,
    /// Time the threads of lost primaries have worked.
    busy_before: Duration,
    command: Duration,
    is_up: bool,
    /// When the primary was lost, the last time it was.
    lost_at: SimTime,
    contents: Contents,
    unseen: Unseen,
    evictor: Evictor,
    last_used: LastUsed,
    witness: Witness,
    active_max: u32,
    rate_limit: Option<u32>,
    announced: u32,
    swept_at: SimTime,
    figures: RedisFigures,
}

/// Where a buyer stands after entering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Holds an active place.
    Active,
    /// Waits.
    Waiting,
}

/// Where Redis has a buyer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// In the line.
    Waiting,
    /// In the active set.
    Active,
    /// In neither. The server says `queued: false`, which a buyer takes for an admission.
    Unknown,
}

/// Why a command was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedisError {
    /// The primary is lost, and none is promoted yet.
    Down,
    /// A write beyond `maxmemory`, and nothing may be evicted: the answer is `OOM command not allowed`.
    OutOfMemory,
}

/// What Redis counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RedisFigures {
    /// Commands sent to it, those without an answer included.
    pub operations: u64,
    /// Cached bodies that were there.
    pub hits: u64,
    /// Cached bodies that were not.
    pub misses: u64,
    /// Bytes in use, `other` and the empty server included.
    pub memory_used: u64,
    /// The most there were.
    pub memory_peak: u64,
    /// Bytes beyond which keys are evicted or writes refused.
    pub memory_max: u64,
    /// Keys evicted under memory pressure.
    pub evicted: Evicted,
    /// Writes refused for lack of memory.
    pub writes_refused: u64,
}

/// Keys evicted, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evicted {
    /// Sessions.
    pub sessions: u64,
    /// Cached bodies.
    pub bodies: u64,
    /// Times the whole line went: it is one key.
    pub lines: u64,
    /// Buyers who stood in these lines.
    pub waiting: u64,
    /// Times the whole active set went.
    pub active_sets: u64,
    /// Buyers who were in these sets.
    pub active: u64,
}

impl Redis {
    /// An empty Redis, for the buyers with numbers below `buyers`.
    pub fn new(plan: &Plan, buyers: usize) -> Self {
        let redis = &plan.topology.redis;
        let slowdown = match redis.cpu_credits {
            CpuCredits::Full => 1.0,
            CpuCredits::Spent => 1.0 / redis.baseline.get(),
        };
        let evictor = Evictor::new(plan);
        let contents = Contents::new(plan, buyers);
        let figures = RedisFigures {
            memory_used: evictor.bytes_used(&contents),
            memory_peak: evictor.bytes_used(&contents),
            memory_max: evictor.bytes_max(),
            ..RedisFigures::default()
        };
        Self {
            thread: Fifo::new(1),
            busy_before: Duration::ZERO,
            command: redis.command.mul_f64(slowdown),
            is_up: true,
            lost_at: SimTime::ZERO,
            contents,
            unseen: Unseen::new(redis.lost_window),
            evictor,
            last_used: LastUsed::default(),
            witness: Witness::new(buyers),
            active_max: plan.waiting_room.active_max,
            rate_limit: plan.server.rate_limit,
            announced: 0,
            swept_at: SimTime::ZERO,
            figures,
        }
    }

    /// Whether a primary takes commands.
    pub const fn is_up(&self) -> bool {
        self.is_up
    }

    /// Books `commands` commands; returns when the last is done, or `None` while no primary takes them.
    ///
    /// What they do is done by the other methods, called at that time.
    pub fn book(&mut self, now: SimTime, commands: u32) -> Option<SimTime> {
        self.figures.operations += u64::from(commands);
        self.is_up
            .then(|| self.thread.book(now, self.command * commands))
    }

    /// Time that the thread has worked until `now`.
    pub fn busy_until(&self, now: SimTime) -> Duration {
        self.busy_before + self.thread.busy_until(now)
    }

    /// Brings what is kept of a buyer into the cache.
    pub fn fetch(&self, buyer: BuyerId) {
        black_box(self.contents.room.waits(buyer));
    }

    /// Takes an active place or joins the line; whoever is in either stays there.
    pub fn enter(&mut self, now: SimTime, buyer: BuyerId) -> Result<Place, RedisError> {
        self.look(now)?;
        // Redis evicts before it runs a script, whatever the script then does.
        let space = self.make_space(now);
        let room = &self.contents.room;
        let (waits, is_active) = (room.waits(buyer), room.is_active(buyer));
        let room_is_free = room.waiting() == 0 && room.active() < self.active_max;
        if is_active || (room_is_free && !waits) {
            self.need(space)?;
            let seen = millis(now);
            self.write(now, Change::Seen { buyer, seen });
            if !is_active {
                self.witness.handle_join(buyer);
                self.witness.handle_admission(buyer);
            }
            return Ok(Place::Active);
        }
        if !waits {
            self.need(space)?;
            let ticket = self.contents.room.next_ticket();
            self.write(now, Change::Ticket { buyer, ticket });
            self.witness.handle_join(buyer);
        }
        Ok(Place::Waiting)
    }

    /// Where the buyer stands. The server touches the place of whoever does not wait; that is a command of its own.
    pub fn status(&mut self, now: SimTime, buyer: BuyerId) -> Result<Standing, RedisError> {
        self.look(now)?;
        let room = &self.contents.room;
        Ok(if room.waits(buyer) {
            Standing::Waiting
        } else if room.is_active(buyer) {
            Standing::Active
        } else {
            Standing::Unknown
        })
    }

    /// Renews the active place of a buyer who does something; nothing happens without one.
    pub fn touch(&mut self, now: SimTime, buyer: BuyerId) -> Result<(), RedisError> {
        self.up()?;
        let space = self.make_space(now);
        if self.contents.room.is_active(buyer) {
            self.need(space)?;
            let seen = millis(now);
            self.write(now, Change::Seen { buyer, seen });
        }
        Ok(())
    }

    /// Leaves the line, or gives the active place back.
    pub fn leave(&mut self, now: SimTime, buyer: BuyerId) -> Result<(), RedisError> {
        self.up()?;
        let room = &self.contents.room;
        let (waits, is_active) = (room.waits(buyer), room.is_active(buyer));
        if waits {
            self.write(
                now,
                Change::Ticket {
                    buyer,
                    ticket: NONE,
                },
            );
            self.witness.handle_left_waiting(buyer);
        }
        if is_active {
            self.write(now, Change::Seen { buyer, seen: NONE });
            self.witness.handle_left_active(buyer);
        }
        Ok(())
    }

    /// One admission tick: takes back idle places and gives free ones to the head of the line; adds the admitted to
    /// `admitted`, in order. Nobody is admitted during an outage, nor while writes are refused.
    pub fn admit(&mut self, now: SimTime, admitted: &mut Vec<BuyerId>) {
        if self.look(now).is_err() {
            return;
        }
        self.sweep(now);
        let space = self.make_space(now);
        if self.need(space).is_err() {
            return;
        }
        while let Some(buyer) = self.contents.room.poll_idle(millis(now)) {
            self.write(now, Change::Seen { buyer, seen: NONE });
            self.witness.handle_left_active(buyer);
        }
        let free = self.active_max.saturating_sub(self.contents.room.active());
        for buyer in self.contents.room.first(free) {
            self.write(
                now,
                Change::Ticket {
                    buyer,
                    ticket: NONE,
                },
            );
            let seen = millis(now);
            self.write(now, Change::Seen { buyer, seen });
            self.witness.handle_admission(buyer);
            admitted.push(buyer);
        }
    }

    /// Buyers in the line; what the primary held last during an outage.
    pub fn waiting(&self) -> u64 {
        u64::from(self.contents.room.waiting())
    }

    /// Buyers with an active place; what the primary held last during an outage.
    pub fn active(&self) -> u64 {
        u64::from(self.contents.room.active())
    }

    /// Whether the line's length differs from the one announced last; it counts as announced then.
    pub fn announce_size(&mut self) -> bool {
        let size = self.contents.room.waiting();
        std::mem::replace(&mut self.announced, size) != size
    }

    /// Reads the buyer's session and writes it anew; whether there was one.
    pub fn session(&mut self, now: SimTime, buyer: BuyerId) -> Result<bool, RedisError> {
        self.up()?;
        let space = self.make_space(now);
        let was_there = self.contents.sessions.is_live(millis(now), buyer);
        self.need(space)?;
        let set_at = millis(now);
        self.write(now, Change::Session { buyer, set_at });
        Ok(was_there)
    }

    /// Whether the body is cached; counts the hit or the miss. An outage is a miss that nobody counts.
    pub fn cached(&mut self, now: SimTime, what: Cached) -> bool {
        if !self.is_up {
            return false;
        }
        self.last_used.bodies[what as usize] = second(now);
        let is_hit = self.contents.is_fresh(millis(now), what);
        let count = if is_hit {
            &mut self.figures.hits
        } else {
            &mut self.figures.misses
        };
        *count += 1;
        is_hit
    }

    /// Caches a body; nothing happens during an outage or while writes are refused.
    pub fn store(&mut self, now: SimTime, what: Cached) {
        if !self.is_up {
            return;
        }
        let space = self.make_space(now);
        if self.need(space).is_ok() {
            let filled_at = millis(now);
            self.write(now, Change::Body { what, filled_at });
        }
    }

    /// Drops a cached body; during an outage there is nothing to drop, and what a failover brings back ends with its time.
    pub fn invalidate(&mut self, now: SimTime, what: Cached) {
        if self.is_up && self.contents.has_body(what) {
            let filled_at = NONE;
            self.write(now, Change::Body { what, filled_at });
        }
    }

    /// Counts a request of a buyer (B8); the time to wait if it is one too many. Without a limit, during an outage and
    /// while writes are refused nobody is turned away.
    pub fn count_request(&mut self, now: SimTime, buyer: BuyerId) -> Option<Duration> {
        let limit = self.rate_limit.filter(|_| self.is_up)?;
        let before = self.contents.requests(buyer)?;
        let at = millis(now);
        let (window_ends, counted) = if before.window_ends > at {
            (before.window_ends, before.count)
        } else {
            (at.saturating_add(RATE_WINDOW), 0)
        };
        if counted >= limit {
            return Some(Duration::from_millis(u64::from(window_ends - at)));
        }
        let space = self.make_space(now);
        if self.need(space).is_ok() {
            let count = counted + 1;
            let change = Change::Requests {
                buyer,
                window_ends,
                count,
            };
            self.write(now, change);
        }
        None
    }

    /// Loses the primary, together with the writes that the replica has not seen.
    pub fn handle_lost(&mut self, now: SimTime) {
        if std::mem::replace(&mut self.is_up, false) {
            self.lost_at = now;
            self.unseen.forget_seen(now);
            self.busy_before += self.thread.busy_until(now);
            self.thread = Fifo::new(1);
        }
    }

    /// Makes the replica the primary; returns what was lost with the old one. Nothing happens without an outage.
    pub fn handle_promoted(&mut self, _now: SimTime) -> Loss {
        if std::mem::replace(&mut self.is_up, true) {
            return Loss::default();
        }
        let mut loss = Loss::default();
        let reaches_back = self.unseen.reaches_back(self.lost_at);
        let changed: Vec<_> = self.unseen.buyers().into_iter().collect();
        let had = |contents: &Contents| -> Vec<_> {
            let each = changed.iter().map(|buyer| contents.holdings(*buyer));
            each.collect()
        };
        let before = had(&self.contents);
        for reverse in self.unseen.take() {
            self.contents.apply(reverse);
        }
        for (before, after) in before.iter().zip(had(&self.contents)) {
            loss.places += u64::from(before.waits && !after.waits);
            loss.places_put_back += u64::from(after.waits && !before.waits);
            loss.active_places += u64::from(before.is_active && !after.is_active);
            loss.sessions += u64::from(before.has_session && !after.has_session);
        }
        if loss != Loss::default() {
            // Renewals of places are writes too, but nobody misses one.
            loss.reaches_back = reaches_back;
        }
        self.contents.room.rebuild_due();
        self.witness.handle_failover(&self.contents.room);
        self.note_memory();
        loss
    }

    /// Starts an empty Redis, as it comes back where there is no replica; returns what there was, without how far it
    /// reached back. Nothing happens without an outage.
    pub fn handle_restored_empty(&mut self, _now: SimTime) -> Loss {
        if std::mem::replace(&mut self.is_up, true) {
            return Loss::default();
        }
        let loss = Loss {
            places: u64::from(self.contents.room.waiting()),
            active_places: u64::from(self.contents.room.active()),
            sessions: self.contents.sessions.count() as u64,
            ..Loss::default()
        };
        self.contents = self.contents.emptied();
        self.unseen.clear();
        self.witness.handle_failover(&self.contents.room);
        self.note_memory();
        loss
    }

    /// The ledger of the waiting room; `None` during an outage, when nobody can tell who waits.
    pub fn admission_facts(&self) -> Option<AdmissionFacts> {
        self.is_up.then(|| self.witness.facts(&self.contents.room))
    }

    /// What was counted so far.
    pub const fn figures(&self) -> RedisFigures {
        self.figures
    }

    fn up(&self) -> Result<(), RedisError> {
        if self.is_up {
            Ok(())
        } else {
            Err(RedisError::Down)
        }
    }

    /// Looks at both keys of the waiting room, which are used by that.
    fn look(&mut self, now: SimTime) -> Result<(), RedisError> {
        self.up()?;
        self.last_used.line = second(now);
        self.last_used.active_set = second(now);
        Ok(())
    }

    fn write(&mut self, now: SimTime, change: Change) {
        match change {
            Change::Ticket { .. } => self.last_used.line = second(now),
            Change::Seen { .. } => self.last_used.active_set = second(now),
            Change::Body { what, .. } => self.last_used.bodies[what as usize] = second(now),
            Change::Session { .. } | Change::Requests { .. } => {}
        }
        let reverse = self.contents.apply(change);
        self.unseen.note(now, reverse);
        self.note_memory();
    }

    fn note_memory(&mut self) {
        let used = self.evictor.bytes_used(&self.contents);
        self.figures.memory_used = used;
        self.figures.memory_peak = self.figures.memory_peak.max(used);
    }

    /// What precedes each command: beyond the limit, keys go until there is room; or writes are refused.
    fn make_space(&mut self, now: SimTime) -> Result<(), RedisError> {
        while self.figures.memory_used > self.evictor.bytes_max() {
            let key = self
                .evictor
                .choose(second(now), &self.contents, &self.last_used);
            let Some(key) = key else {
                return Err(RedisError::OutOfMemory);
            };
            self.evict(now, key);
        }
        Ok(())
    }

    /// Counts a write that is refused.
    const fn need(&mut self, space: Result<(), RedisError>) -> Result<(), RedisError> {
        self.figures.writes_refused += space.is_err() as u64;
        space
    }

    fn evict(&mut self, now: SimTime, key: Key) {
        let evicted = &mut self.figures.evicted;
        match key {
            Key::Line => {
                evicted.lines += 1;
                evicted.waiting += u64::from(self.contents.room.waiting());
                for buyer in self.contents.room.everybody_waiting() {
                    self.write(
                        now,
                        Change::Ticket {
                            buyer,
                            ticket: NONE,
                        },
                    );
                }
            }
            Key::ActiveSet => {
                evicted.active_sets += 1;
                evicted.active += u64::from(self.contents.room.active());
                for buyer in self.contents.room.everybody_active() {
                    self.write(now, Change::Seen { buyer, seen: NONE });
                }
            }
            Key::Body(what) => {
                evicted.bodies += 1;
                let filled_at = NONE;
                self.write(now, Change::Body { what, filled_at });
            }
            Key::Session(buyer) => {
                evicted.sessions += 1;
                let set_at = NONE;
                self.write(now, Change::Session { buyer, set_at });
            }
        }
    }

    /// Drops sessions that have expired, once a minute.
    fn sweep(&mut self, now: SimTime) {
        if now.saturating_since(self.swept_at) < SWEEP_EVERY {
            return;
        }
        self.swept_at = now;
        for buyer in self.contents.sessions.expired(millis(now)) {
            let set_at = NONE;
            self.write(now, Change::Session { buyer, set_at });
        }
    }
}

/// The LRU clock.
fn second(now: SimTime) -> u32 {
    u32::try_from(now.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[path = "redis_tests.rs"]
mod tests;
