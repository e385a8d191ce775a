//! Redis: one thread that works on commands in turn, a replica that is a little behind, and a limit of memory.

use std::hint::black_box;
use std::time::Duration;

use tiketi_core::units::{BuyerId, SimTime};
use tiketi_station::Fifo;

use super::ShowNumber;
use super::ballast::Ballast;
use super::contents::{Contents, Payload};
use super::eviction::Evictor;
use super::replication::Unseen;
use super::settings::RedisSettings;
use super::waiting_room::WaitingRoom;
use super::witness::{Ledger, Witness};

/// Redis with the waiting rooms in it. Its methods are the commands and scripts of the reference server; each is atomic.
#[derive(Clone, Debug)]
pub struct Redis<P: Payload> {
    pub(super) thread: Fifo,
    /// Time the threads of lost primaries have worked.
    pub(super) busy_before: Duration,
    pub(super) is_up: bool,
    /// The primary is paused until this instant.
    pub(super) paused_until: SimTime,
    /// When the primary was lost, the last time it was.
    pub(super) lost_at: SimTime,
    /// Whether its clients heard nothing of that loss.
    pub(super) was_lost_silently: bool,
    pub(super) contents: Contents<P>,
    pub(super) unseen: Unseen<P>,
    pub(super) ballast: Ballast,
    pub(super) outside: Vec<Outside>,
    pub(super) settings: RedisSettings,
    pub(super) evictor: Evictor<P>,
    buyers: usize,
    pub(super) swept_at: SimTime,
    pub(super) figures: RedisFigures,
}

/// What is known of a show outside Redis.
#[derive(Clone, Debug)]
pub(super) struct Outside {
    pub(super) witness: Witness,
    /// Length of the line that was announced last.
    announced: u32,
}

/// Where a buyer is after entering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Has an active place.
    Active,
    /// Waits.
    Waiting,
}

/// Where Redis has a buyer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueState {
    /// In the line.
    Waiting,
    /// In the active set.
    Active,
    /// In neither. The server says `queued: false`, which a buyer takes for an admission.
    Unknown,
}

/// When commands are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The last is done at this instant: make its effect then.
    Done(SimTime),
    /// The primary is paused, or was lost without a word. The client gives up at this instant, and the commands have no
    /// effect.
    Silent(SimTime),
    /// The primary is lost, and its host refuses connections: commands fail at once.
    Down,
}

/// Why a command was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedisError {
    /// No primary answers: it is lost and none is promoted yet, or it is paused.
    #[error("redis does not answer")]
    Down,
    /// A write beyond `maxmemory`, and nothing may be evicted: the answer is `OOM command not allowed`.
    #[error("redis refuses the write: out of memory")]
    OutOfMemory,
}

/// What Redis counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RedisFigures {
    /// Commands sent to it, including those without an answer.
    pub operations: u64,
    /// Cached bodies that were there.
    pub hits: u64,
    /// Cached bodies that were not.
    pub misses: u64,
    /// Of these, the ones that were there but had outlived their time.
    pub expired: u64,
    /// Requests of a buyer in a rate-limit window up to the first one that was refused, that one included: the fewest of all
    /// refusals. `None` if none was refused.
    pub refused_from: Option<u32>,
    /// Bytes in use, `memory_other` and the empty server included.
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
    /// Times a whole line was evicted: it is one key.
    pub lines: u64,
    /// Buyers who were in these lines.
    pub waiting: u64,
    /// Times a whole active set was evicted.
    pub active_sets: u64,
    /// Buyers who were in these sets.
    pub active: u64,
    /// Keys of foreign clients.
    pub foreign: u64,
}

/// Construction, and what can be read at any time.
impl<P: Payload> Redis<P> {
    /// An empty Redis without shows, for the buyers with numbers below `buyers`.
    pub fn new(settings: RedisSettings, buyers: usize) -> Self {
        let evictor = Evictor::new(&settings);
        let contents = Contents::new(&settings, buyers);
        let ballast = Ballast::default();
        let used = evictor.bytes_used(&contents, &ballast);
        let figures = RedisFigures {
            memory_used: used,
            memory_peak: used,
            memory_max: evictor.bytes_max(),
            ..RedisFigures::default()
        };
        Self {
            thread: Fifo::new(1),
            busy_before: Duration::ZERO,
            is_up: true,
            paused_until: SimTime::ZERO,
            lost_at: SimTime::ZERO,
            was_lost_silently: false,
            contents,
            unseen: Unseen::new(settings.lost_window),
            ballast,
            outside: Vec::new(),
            settings,
            evictor,
            buyers,
            swept_at: SimTime::ZERO,
            figures,
        }
    }

    /// Adds a show with an empty waiting room.
    pub fn add_show(&mut self) -> ShowNumber {
        let number = u16::try_from(self.outside.len()).expect("fewer than 65,536 shows");
        let settings = &self.settings;
        self.contents.rooms.push(WaitingRoom::new(
            self.buyers,
            settings.idle_timeout,
            settings.tells_places,
        ));
        self.outside.push(Outside {
            witness: Witness::new(self.buyers),
            announced: 0,
        });
        ShowNumber(number)
    }

    /// Makes room for the buyers with numbers below `buyers`; does nothing if there is room.
    pub fn grow(&mut self, buyers: usize) {
        if buyers <= self.buyers {
            return;
        }
        self.buyers = buyers;
        self.contents.grow(buyers, self.settings.counts_requests);
        for outside in &mut self.outside {
            outside.witness.grow(buyers);
        }
    }

    /// Whether there is a primary, even if paused.
    pub const fn is_up(&self) -> bool {
        self.is_up
    }

    /// Whether a primary answers.
    pub fn answers(&self, now: SimTime) -> bool {
        self.is_up && now >= self.paused_until
    }

    /// Until when the primary is paused; `None` if it is not.
    pub fn paused_until(&self, now: SimTime) -> Option<SimTime> {
        (self.is_up && now < self.paused_until).then_some(self.paused_until)
    }

    /// Time that the thread has worked until `now`.
    pub fn busy_until(&self, now: SimTime) -> Duration {
        // What came during a stop is booked from its end on: the thread idles until then.
        let at = now.max(self.paused_until);
        self.busy_before + self.thread.busy_until(at)
    }

    /// Brings what is kept of a buyer of the first show into the processor's cache.
    pub fn fetch(&self, buyer: BuyerId) {
        black_box(self.contents.room(ShowNumber::FIRST).waits(buyer));
    }

    /// Buyers in the line of a show; what the primary held last during an outage.
    pub fn waiting(&self, show: ShowNumber) -> u32 {
        self.contents.room(show).waiting()
    }

    /// Buyers with an active place in a show; what the primary held last during an outage.
    pub fn active(&self, show: ShowNumber) -> u32 {
        self.contents.room(show).active()
    }

    /// Place of a buyer in the line, 1 for its head; `None` for one who does not wait.
    pub fn position(&self, show: ShowNumber, buyer: BuyerId) -> Option<u32> {
        self.contents.room(show).position(buyer)
    }

    /// Admissions per second of a show, smoothed; assumed until some are measured.
    pub fn admission_rate(&self, show: ShowNumber) -> f64 {
        self.contents.room(show).rate()
    }

    /// Whether the line's length differs from the one announced last; it counts as announced then.
    pub fn announce_size(&mut self, show: ShowNumber) -> bool {
        let size = self.waiting(show);
        std::mem::replace(&mut self.outside[show.index()].announced, size) != size
    }

    /// The ledger of a show's waiting room.
    pub fn ledger(&self, show: ShowNumber) -> Ledger {
        self.outside[show.index()].witness.ledger()
    }

    /// Buyers who are elsewhere in Redis than the ledger saw them go, one by one; `None` during an outage, when nobody can
    /// tell who waits.
    pub fn astray(&self, show: ShowNumber) -> Option<u64> {
        let witness = &self.outside[show.index()].witness;
        self.is_up.then(|| witness.astray(self.contents.room(show)))
    }

    /// How far the replica is behind: age of the oldest write that it has not seen.
    pub fn replica_lag(&mut self, now: SimTime) -> Duration {
        self.unseen.forget_seen(now);
        self.unseen.reaches_back(now).unwrap_or_default()
    }

    /// What was counted so far.
    pub const fn figures(&self) -> RedisFigures {
        self.figures
    }
}

/// The thread.
impl<P: Payload> Redis<P> {
    /// Sends `commands` commands: when the last is done, or why it is not. What they do is done by the other methods, called
    /// at that time.
    pub fn ask(&mut self, now: SimTime, commands: u32) -> Asked {
        self.figures.operations += u64::from(commands);
        if !self.is_up {
            return if self.was_lost_silently {
                Asked::Silent(self.silence_ends_at(now))
            } else {
                Asked::Down
            };
        }
        let gives_up_at = now + self.settings.timeout;
        if self.paused_until > gives_up_at {
            return Asked::Silent(gives_up_at);
        }
        self.tend_ballast(now);
        let starts_at = now.max(self.paused_until);
        let work = self.settings.command * commands;
        Asked::Done(self.thread.book(starts_at, work))
    }

    /// As [`Self::ask`], for a client that does not wait for the answer of a paused primary: `None` if there is none.
    pub fn book(&mut self, now: SimTime, commands: u32) -> Option<SimTime> {
        match self.ask(now, commands) {
            Asked::Done(at) => Some(at),
            Asked::Silent(_) | Asked::Down => None,
        }
    }
}

#[cfg(test)]
#[path = "redis_tests.rs"]
mod tests;
