//! The database behind the pools of the instances: connections, row locks, cores, commits, outages.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use tiketi_core::units::{InstanceId, SimTime};

use super::SeatNumber;
use super::cores::Cores;
use super::interference::{Foreign, Standstill};
use super::pool::{Pool, PoolFigures};
use super::settings::DatabaseSettings;

/// What an instance asks of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transaction {
    /// One query.
    Read,
    /// One query that changes rows, and the commit.
    Write {
        /// The seat whose row is locked from the start to the commit; `None` for rows that nobody contends for.
        seat: Option<SeatNumber>,
    },
}

impl Transaction {
    /// How often its instance waits for the server: for the query, and for the commit if there is one.
    pub const fn round_trips(self) -> u32 {
        match self {
            Self::Read => 1,
            Self::Write { .. } => 2,
        }
    }
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// It is committed, if it wrote: its effect is to be applied now.
    Ok,
    /// All connections of the pool were busy for the whole connect time-out (B6).
    PoolTimeout,
    /// The server has no connection left for a pool that wanted one more.
    TooManyConnections,
    /// The primary was lost on the way, or the connect to it timed out.
    Unavailable,
}

/// What the database and its pools counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DatabaseFigures {
    /// Queries that were answered.
    pub queries: u64,
    /// Times a transaction found all connections of its pool busy.
    pub pool_waits: u64,
    /// Times a transaction got no connection in time: the pool's or, during an outage, the server's.
    pub pool_timeouts: u64,
    /// Connections open now.
    pub connections_open: u32,
    /// The most there were.
    pub connections_peak: u32,
    /// Connections opened, the reopened ones after a failover included.
    pub connections_opened: u64,
    /// Connections refused because the server had all it admits.
    pub connections_refused: u64,
    /// Writes that waited for another one to the same row.
    pub row_lock_waits: u64,
}

/// The database server and a pool for each instance.
#[derive(Clone, Debug)]
pub struct Database {
    pub(super) is_up: bool,
    pub(super) pools: Vec<Option<Pool>>,
    /// Instances whose pools have a place free that somebody may wait for.
    freed: VecDeque<InstanceId>,
    pub(super) jobs: Vec<Job>,
    vacant: Vec<u32>,
    /// Connects that hang, and when they time out.
    pub(super) hanging: VecDeque<(SimTime, u32)>,
    /// Rows that are locked, and who waits for each.
    pub(super) locks: BTreeMap<SeatNumber, VecDeque<u32>>,
    pub(super) cores: Cores,
    /// Commits on their way, and when each is durable.
    pub(super) committing: VecDeque<(SimTime, u32)>,
    /// Jobs whose packets are late, in the order in which these arrive.
    in_transit: BTreeSet<(SimTime, u32)>,
    done: VecDeque<(u32, Done)>,
    pub(super) settings: DatabaseSettings,
    /// Time from the end of a query that writes until its commit is durable, now.
    pub(super) commit: Duration,
    /// What waits for a paused server to resume; `None` if it runs.
    pub(super) standstill: Option<Standstill>,
    /// When the keep-alive of its clients breaks the connections to a primary that has fallen silent; `None` otherwise.
    pub(super) breaks_at: Option<SimTime>,
    pub(super) foreign: Foreign,
    pub(super) figures: DatabaseFigures,
}

/// A transaction on its way, known to its caller by `ticket`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job {
    pub(super) ticket: u32,
    pub(super) instance: InstanceId,
    pub(super) transaction: Transaction,
    /// How much longer its packets take than on a clear path.
    pub(super) travel: Duration,
    pub(super) stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The slot is free.
    Vacant,
    /// Waits for a place in the pool.
    Waiting,
    /// Has a place, and waits for a server to connect to.
    Connecting,
    /// Has a connection, and waits for a row.
    Blocked,
    /// Has a connection, and runs.
    Running,
    /// Has a connection, and waits until the commit is durable.
    Committing,
    /// Is done, and has a connection on which its packets are late.
    InTransit,
}

impl Stage {
    /// Whether the server has still to do something for it on its connection.
    pub(super) const fn is_at_server(self) -> bool {
        matches!(self, Self::Blocked | Self::Running | Self::Committing)
    }

    pub(super) const fn has_connection(self) -> bool {
        self.is_at_server() || matches!(self, Self::InTransit)
    }
}

impl Database {
    /// A server without connections, and no instances yet.
    pub fn new(settings: DatabaseSettings) -> Self {
        Self {
            is_up: true,
            pools: Vec::new(),
            freed: VecDeque::new(),
            jobs: Vec::new(),
            vacant: Vec::new(),
            hanging: VecDeque::new(),
            locks: BTreeMap::new(),
            cores: Cores::new(settings.cores),
            committing: VecDeque::new(),
            in_transit: BTreeSet::new(),
            done: VecDeque::new(),
            settings,
            commit: settings.commit,
            standstill: None,
            breaks_at: None,
            foreign: Foreign::default(),
            figures: DatabaseFigures::default(),
        }
    }

    /// Whether there is a primary, even if paused.
    pub const fn is_up(&self) -> bool {
        self.is_up && self.breaks_at.is_none()
    }

    /// Whether a primary answers.
    pub const fn answers(&self) -> bool {
        self.is_up && self.standstill.is_none()
    }

    /// An instance starts, with an empty pool.
    pub fn handle_instance(&mut self, instance: InstanceId) {
        self.handle_instance_of(instance, self.settings.query);
    }

    /// As [`Self::handle_instance`], for an instance whose queries take `query` of a core.
    pub fn handle_instance_of(&mut self, instance: InstanceId, query: Duration) {
        let index = instance.0 as usize;
        if self.pools.len() <= index {
            self.pools.resize_with(index + 1, || None);
        }
        self.pools[index] = Some(Pool {
            query,
            ..Pool::default()
        });
    }

    /// An instance is gone, with its pool. Nothing more is heard of its transactions: what the server still works on is
    /// rolled back, and its connection closed when it gets that far.
    pub fn handle_instance_gone(&mut self, _now: SimTime, instance: InstanceId) {
        let Some(pool) = self.pool(instance) else {
            return;
        };
        self.figures.connections_open -= pool.idle;
        self.pools[instance.0 as usize] = None;
        let jobs = &self.jobs;
        self.hanging
            .retain(|(_, job)| jobs[*job as usize].instance != instance);
        for job in 0..self.jobs.len() {
            let is_its = self.jobs[job].instance == instance;
            if is_its && !self.jobs[job].stage.has_connection() {
                self.vacate(number(job));
            }
        }
    }

    /// An instance begins a transaction, which the caller knows by `ticket`; how it ends comes from [`Self::poll_done`].
    pub fn handle_request(
        &mut self,
        now: SimTime,
        instance: InstanceId,
        ticket: u32,
        transaction: Transaction,
    ) {
        self.handle_distant_request(now, instance, ticket, (transaction, Duration::ZERO));
    }

    /// As [`Self::handle_request`], for a transaction whose packets take `travel` longer than on a clear path, in all. It keeps
    /// its connection for so much longer.
    pub fn handle_distant_request(
        &mut self,
        now: SimTime,
        instance: InstanceId,
        ticket: u32,
        (transaction, travel): (Transaction, Duration),
    ) {
        if self.pool(instance).is_none() {
            return; // The instance is gone, and with it the caller.
        }
        let job = self.insert(Job {
            ticket,
            instance,
            transaction,
            travel,
            stage: Stage::Waiting,
        });
        let settings = &self.settings;
        let (pool_max, deadline) = (settings.pool_max, now + settings.connect_timeout);
        let Some(pool) = self.pool(instance) else {
            return;
        };
        if pool.in_use < pool_max {
            pool.in_use += 1;
            self.connect(now, job);
            self.serve_freed(now);
        } else {
            pool.waiting.push_back((deadline, job));
            pool.figures.waits += 1;
            self.figures.pool_waits += 1;
        }
    }

    /// When something is due if nothing else happens.
    pub fn poll_timeout(&self) -> Option<SimTime> {
        let at = |(at, _): &(SimTime, u32)| *at;
        let pools = self.pools.iter().flatten();
        let deadlines = pools.filter_map(|pool| pool.waiting.front().map(at));
        let others = [
            self.cores.next_done(),
            self.committing.front().map(at),
            self.in_transit.first().map(at),
            self.hanging.front().map(at),
            self.breaks_at,
            self.next_given_up(),
            self.next_foreign_look(),
        ];
        deadlines.chain(others.into_iter().flatten()).min()
    }

    /// Does what is due by `now`, in order.
    pub fn handle_timeout(&mut self, now: SimTime) {
        while let Some(at) = self.poll_timeout().filter(|at| *at <= now) {
            self.step(at);
            self.serve_freed(at);
        }
    }

    /// The next transaction that has ended, by the caller's ticket.
    pub fn poll_done(&mut self) -> Option<(u32, Done)> {
        self.done.pop_front()
    }

    /// Loses the primary: connections break with whatever runs on them, and new ones hang until they time out.
    pub fn handle_lost(&mut self, now: SimTime) {
        if !std::mem::replace(&mut self.is_up, false) {
            return;
        }
        drop(self.cores.clear(now));
        self.standstill = None;
        self.breaks_at = None;
        self.foreign.handle_cut();
        self.committing.clear();
        self.in_transit.clear();
        self.locks.clear();
        for job in 0..self.jobs.len() {
            if self.jobs[job].stage.has_connection() {
                self.finish(number(job), Done::Unavailable);
            }
        }
        for pool in self.pools.iter_mut().flatten() {
            pool.idle = 0;
        }
        self.figures.connections_open = 0;
        self.serve_freed(now);
    }

    /// Makes the standby the primary: connects that hang succeed. Nothing happens without an outage.
    pub fn handle_promoted(&mut self, now: SimTime) {
        if self.breaks_at.is_some() {
            // No connection leads from the silent primary to the new one.
            self.handle_lost(now);
        }
        if std::mem::replace(&mut self.is_up, true) {
            return;
        }
        self.foreign.handle_promoted(now);
        self.connect_hanging(now);
    }

    /// What the pool of an instance counted; all zero if the instance is gone.
    pub fn pool_figures(&self, instance: InstanceId) -> PoolFigures {
        let pool = self.pools.get(instance.0 as usize);
        let pool = pool.and_then(Option::as_ref);
        pool.map_or_else(PoolFigures::default, |pool| PoolFigures {
            in_use: pool.in_use,
            ..pool.figures
        })
    }

    /// Time that the server's cores have worked together until `now`.
    pub fn busy_until(&self, now: SimTime) -> Duration {
        self.cores.busy_until(now)
    }

    /// What was counted so far.
    pub const fn figures(&self) -> DatabaseFigures {
        self.figures
    }

    /// One thing that is due at `now`. What ends comes before what times out: a place that is free in the last moment is
    /// still had.
    fn step(&mut self, now: SimTime) {
        if let Some(job) = self.cores.poll_done(now) {
            self.handle_ran(now, job);
        } else if let Some((_, job)) = pop_due(&mut self.committing, now) {
            self.unlock(now, job);
            self.respond(now, job);
        } else if let Some((_, job)) = self.take_arrived(now) {
            self.finish(job, Done::Ok);
        } else if let Some((_, job)) = pop_due(&mut self.hanging, now) {
            self.count_timeout(job);
            self.finish(job, Done::Unavailable);
        } else if self.breaks_at.is_some_and(|at| at <= now) {
            self.handle_lost(now);
        } else if !self.give_up_unanswered(now) && !self.look_as_foreigner(now) {
            let pools = self.pools.iter_mut().flatten();
            let due = pools.filter_map(|pool| pop_due(&mut pool.waiting, now));
            let due: Vec<u32> = due.map(|(_, job)| job).collect();
            for job in due {
                self.count_timeout(job);
                self.done
                    .push_back((self.jobs[job as usize].ticket, Done::PoolTimeout));
                self.vacate(job);
            }
        }
    }

    /// Counts a transaction that got no connection in time.
    fn count_timeout(&mut self, job: u32) {
        self.figures.pool_timeouts += 1;
        let instance = self.jobs[job as usize].instance;
        if let Some(pool) = self.pool(instance) {
            pool.figures.timeouts += 1;
        }
    }

    /// Goes on with the connects that hang.
    pub(super) fn connect_hanging(&mut self, now: SimTime) {
        for (_, job) in std::mem::take(&mut self.hanging) {
            self.connect(now, job);
        }
        self.serve_freed(now);
    }

    /// Gives places that are free to those who wait for them.
    pub(super) fn serve_freed(&mut self, now: SimTime) {
        while let Some(instance) = self.freed.pop_front() {
            let Some(pool) = self.pool(instance) else {
                continue;
            };
            if let Some((_, job)) = pool.waiting.pop_front() {
                pool.in_use += 1;
                self.connect(now, job);
            }
        }
    }

    /// Goes on with a job that has a place in its pool: with an idle connection, or one more.
    fn connect(&mut self, now: SimTime, job: u32) {
        self.jobs[job as usize].stage = Stage::Connecting;
        let instance = self.jobs[job as usize].instance;
        if self.is_up && self.pool(instance).is_some_and(Pool::take_idle) {
            self.lock(now, job);
        } else if !self.answers() {
            // The kernel of a paused server accepts, but nobody answers; a lost one does not even refuse.
            let gives_up_at = now + self.settings.connect_timeout;
            self.hanging.push_back((gives_up_at, job));
        } else if self.figures.connections_open < self.settings.connections_max {
            self.count_opened(1);
            self.figures.connections_opened += 1;
            if let Some(pool) = self.pool(instance) {
                pool.figures.opened += 1;
            }
            self.lock(now, job);
        } else {
            self.figures.connections_refused += 1;
            self.finish(job, Done::TooManyConnections);
        }
    }

    /// Counts connections that the server admits.
    pub(super) fn count_opened(&mut self, count: u32) {
        let figures = &mut self.figures;
        figures.connections_open += count;
        figures.connections_peak = figures.connections_peak.max(figures.connections_open);
    }

    /// Goes on with a job that has a connection: when the row it changes is not locked.
    fn lock(&mut self, now: SimTime, job: u32) {
        self.note_unanswered(now, job);
        if let Some(seat) = self.row(job) {
            if let Some(waiting) = self.locks.get_mut(&seat) {
                waiting.push_back(job);
                self.figures.row_lock_waits += 1;
                self.jobs[job as usize].stage = Stage::Blocked;
                return;
            }
            self.locks.insert(seat, VecDeque::new());
        }
        self.run(now, job);
    }

    pub(super) fn run(&mut self, now: SimTime, job: u32) {
        self.jobs[job as usize].stage = Stage::Running;
        let usual = self.settings.query;
        let instance = self.jobs[job as usize].instance;
        let query = self.pool(instance).map_or(usual, |pool| pool.query);
        match &mut self.standstill {
            Some(standstill) => standstill.running.push(job),
            None => self.cores.start(now, job, query),
        }
    }

    fn handle_ran(&mut self, now: SimTime, job: u32) {
        self.figures.queries += 1;
        match self.jobs[job as usize].transaction {
            Transaction::Read => self.respond(now, job),
            Transaction::Write { .. } => {
                self.jobs[job as usize].stage = Stage::Committing;
                // Commits become durable in the order of the log, also after the delay has become shorter.
                let earlier = self.committing.back().map_or(now, |(at, _)| *at);
                let durable_at = (now + self.commit).max(earlier);
                self.committing.push_back((durable_at, job));
            }
        }
    }

    /// Ends a job that the server is done with, at once or when its packets have arrived.
    fn respond(&mut self, now: SimTime, job: u32) {
        let travel = self.jobs[job as usize].travel;
        if travel.is_zero() {
            return self.finish(job, Done::Ok);
        }
        self.jobs[job as usize].stage = Stage::InTransit;
        self.in_transit.insert((now + travel, job));
    }

    /// The next job whose last packet has arrived by `now`.
    fn take_arrived(&mut self, now: SimTime) -> Option<(SimTime, u32)> {
        let first = self
            .in_transit
            .first()
            .filter(|(at, _)| *at <= now)
            .copied()?;
        self.in_transit.remove(&first);
        Some(first)
    }

    /// Gives the job's row to the one who has waited for it the longest.
    pub(super) fn unlock(&mut self, now: SimTime, job: u32) {
        let Some(seat) = self.row(job) else {
            return;
        };
        match self.locks.get_mut(&seat).and_then(VecDeque::pop_front) {
            Some(next) => self.run(now, next),
            None => {
                self.locks.remove(&seat);
            }
        }
    }

    pub(super) fn row(&self, job: u32) -> Option<SeatNumber> {
        match self.jobs[job as usize].transaction {
            Transaction::Read => None,
            Transaction::Write { seat } => seat,
        }
    }

    /// Ends a job that has a place in its pool; its connection, if it has one, is idle then.
    pub(super) fn finish(&mut self, job: u32, done: Done) {
        let Job {
            ticket,
            instance,
            stage,
            ..
        } = self.jobs[job as usize];
        self.vacate(job);
        if let Some(pool) = self.pool(instance) {
            pool.in_use -= 1;
            pool.idle += u32::from(stage.has_connection());
            self.freed.push_back(instance);
            self.done.push_back((ticket, done));
        } else if stage.has_connection() {
            self.figures.connections_open -= 1;
        }
    }

    fn insert(&mut self, job: Job) -> u32 {
        if let Some(vacant) = self.vacant.pop() {
            self.jobs[vacant as usize] = job;
            return vacant;
        }
        self.jobs.push(job);
        number(self.jobs.len() - 1)
    }

    fn vacate(&mut self, job: u32) {
        if std::mem::replace(&mut self.jobs[job as usize].stage, Stage::Vacant) != Stage::Vacant {
            self.vacant.push(job);
        }
    }

    pub(super) fn pool(&mut self, instance: InstanceId) -> Option<&mut Pool> {
        self.pools.get_mut(instance.0 as usize)?.as_mut()
    }
}

fn number(job: usize) -> u32 {
    u32::try_from(job).expect("far fewer jobs at once than numbers")
}

/// Takes the first entry of a list in order of time if it is due.
pub(super) fn pop_due(list: &mut VecDeque<(SimTime, u32)>, now: SimTime) -> Option<(SimTime, u32)> {
    list.pop_front_if(|(at, _)| *at <= now)
}

#[cfg(test)]
#[path = "database_tests.rs"]
mod tests;
