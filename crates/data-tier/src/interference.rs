//! What faults do to the database: its server is paused, a foreign client holds its connections, its commits are delayed.

use std::collections::VecDeque;
use std::time::Duration;

use tiketi_core::units::SimTime;

use super::database::{Database, Done, Stage, pop_due};

/// An instance gives up on a statement without an answer, and on its connection, after this many connect time-outs: 10 s.
/// The reference server does the same with PostgreSQL.
const ANSWER_WAITS: u32 = 5;

/// Time between two attempts of a foreign client to open the connections that are still missing.
const FOREIGN_LOOK_EVERY: Duration = Duration::from_millis(200);

/// What waits for a paused server to resume.
#[derive(Clone, Debug, Default)]
pub(super) struct Standstill {
    /// Jobs whose query was running, or begins.
    pub(super) running: Vec<u32>,
    /// Commits on their way, and how long each still takes.
    committing: VecDeque<(Duration, u32)>,
    /// Jobs with a connection, and when their instances give up on them, in order of time.
    unanswered: VecDeque<(SimTime, u32)>,
}

/// A foreign client that opens connections and keeps them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Foreign {
    wanted: u32,
    open: u32,
    look_at: SimTime,
}

impl Foreign {
    /// All connections are cut.
    pub(super) const fn handle_cut(&mut self) {
        self.open = 0;
    }

    /// There is a server to connect to again.
    pub(super) const fn handle_promoted(&mut self, now: SimTime) {
        self.look_at = now;
    }
}

impl Database {
    /// Pauses the server: connections stay, and nothing responds. Nothing happens during an outage.
    pub fn handle_paused(&mut self, now: SimTime) {
        if !self.answers() {
            return;
        }
        let left = |(at, job): (SimTime, u32)| (at.saturating_since(now), job);
        let gives_up_at = now + self.answer_timeout();
        let numbered = (0..).zip(&self.jobs);
        let unanswered = numbered.filter(|(_, job)| job.stage.is_at_server());
        self.standstill = Some(Standstill {
            // A query that is cut off begins anew: it takes milliseconds, and nobody sees the difference.
            running: self.cores.clear(now),
            unanswered: unanswered.map(|(job, _)| (gives_up_at, job)).collect(),
            committing: self.committing.drain(..).map(left).collect(),
        });
    }

    /// Loses the primary without a word, as in a loss of power: whatever runs on its connections hangs until keep-alive
    /// breaks them, and new ones hang until they time out. Nothing happens during an outage.
    pub fn handle_lost_silently(&mut self, now: SimTime) {
        if !self.is_up() {
            return;
        }
        self.handle_paused(now);
        self.breaks_at = Some(now + self.settings.keep_alive);
    }

    /// Resumes a paused server. Nothing happens to one that has been lost since.
    pub fn handle_resumed(&mut self, now: SimTime) {
        if self.breaks_at.is_some() {
            return;
        }
        let Some(standstill) = self.standstill.take() else {
            return;
        };
        let commits = standstill.committing.into_iter();
        self.committing
            .extend(commits.map(|(left, job)| (now + left, job)));
        for job in standstill.running {
            self.run(now, job);
        }
        self.connect_hanging(now);
    }

    /// A foreign client opens `count` connections and keeps them; it retries those that the server refuses.
    pub fn handle_connections_held(&mut self, now: SimTime, count: u32) {
        self.foreign.wanted = count;
        self.foreign.look_at = now;
        if self.answers() {
            self.take_foreign();
        }
    }

    /// The foreign client closes all its connections.
    pub const fn handle_connections_released(&mut self) {
        self.figures.connections_open -= self.foreign.open;
        self.foreign.open = 0;
        self.foreign.wanted = 0;
    }

    /// Each commit takes `delay` from now on, as it does behind a slow link to a synchronous standby; `None`: what the
    /// settings say. Commits on their way keep their time.
    pub fn handle_commit_delay(&mut self, delay: Option<Duration>) {
        self.commit = delay.unwrap_or(self.settings.commit);
    }

    /// Notes when an instance gives up on a statement that a paused server does not answer.
    pub(super) fn note_unanswered(&mut self, now: SimTime, job: u32) {
        let gives_up_at = now + self.answer_timeout();
        if let Some(standstill) = &mut self.standstill {
            standstill.unanswered.push_back((gives_up_at, job));
        }
    }

    pub(super) fn next_given_up(&self) -> Option<SimTime> {
        let unanswered = &self.standstill.as_ref()?.unanswered;
        unanswered.front().map(|(at, _)| *at)
    }

    /// Ends a statement on which its instance gives up at `now`; whether there was one. Its connection goes with it.
    pub(super) fn give_up_unanswered(&mut self, now: SimTime) -> bool {
        let Some(standstill) = &mut self.standstill else {
            return false;
        };
        let Some((_, job)) = pop_due(&mut standstill.unanswered, now) else {
            return false;
        };
        standstill.running.retain(|other| *other != job);
        standstill.committing.retain(|(_, other)| *other != job);
        if self.jobs[job as usize].stage == Stage::Blocked {
            for waiting in self.locks.values_mut() {
                waiting.retain(|other| *other != job);
            }
        } else {
            self.unlock(now, job);
        }
        self.figures.connections_open -= 1;
        self.jobs[job as usize].stage = Stage::Connecting;
        self.finish(job, Done::Unavailable);
        true
    }

    /// When the foreign client retries the connections that are still missing.
    pub(super) fn next_foreign_look(&self) -> Option<SimTime> {
        let is_missing = self.foreign.open < self.foreign.wanted;
        (is_missing && self.answers()).then_some(self.foreign.look_at)
    }

    /// Opens free connections for the foreign client, if it is time to; returns whether it was.
    pub(super) fn look_as_foreigner(&mut self, now: SimTime) -> bool {
        let is_due = self.next_foreign_look().is_some_and(|at| at <= now);
        if is_due {
            self.foreign.look_at = now;
            self.take_foreign();
        }
        is_due
    }

    fn take_foreign(&mut self) {
        let free = self
            .settings
            .connections_max
            .saturating_sub(self.figures.connections_open);
        let taken = free.min(self.foreign.wanted - self.foreign.open);
        self.foreign.open += taken;
        self.foreign.look_at += FOREIGN_LOOK_EVERY;
        self.count_opened(taken);
    }

    fn answer_timeout(&self) -> Duration {
        self.settings.connect_timeout * ANSWER_WAITS
    }
}
