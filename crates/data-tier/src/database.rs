//! The database behind the pools of the instances: connections, row locks, cores, commits, outages.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tiketi_station::ServiceTimes;

use super::SeatNumber;
use super::cores::Cores;
use super::pool::Pool;
use tiketi_core::units::{InstanceId, SimTime};
use tiketi_scenario::Plan;

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
    is_up: bool,
    pools: Vec<Option<Pool>>,
    /// Instances whose pools have a place free that somebody may wait for.
    freed: VecDeque<InstanceId>,
    jobs: Vec<Job>,
    vacant: Vec<u32>,
    /// Connects that hang, and when they time out.
    hanging: VecDeque<(SimTime, u32)>,
    /// Rows that are locked, and who waits for each.
    locks: BTreeMap<SeatNumber, VecDeque<u32>>,
    cores: Cores,
    /// Commits on their way, and when each is durable.
    committing: VecDeque<(SimTime, u32)>,
    done: VecDeque<(u32, Done)>,
    pool_max: u32,
    connect_timeout: Duration,
    connections_max: u32,
    query: Duration,
    commit: Duration,
    figures: DatabaseFigures,
}

#[derive(Clone, Copy, Debug)]
struct Job {
    ticket: u32,
    instance: InstanceId,
    transaction: Transaction,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
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
}

impl Stage {
    const fn has_connection(self) -> bool {
        matches!(self, Self::Blocked | Self::Running | Self::Committing)
    }
}

impl Database {
    /// A server without connections, and no instances yet.
    pub fn new(plan: &Plan) -> Self {
        let database = &plan.topology.database;
        Self {
            is_up: true,
            pools: Vec::new(),
            freed: VecDeque::new(),
            jobs: Vec::new(),
            vacant: Vec::new(),
            hanging: VecDeque::new(),
            locks: BTreeMap::new(),
            cores: Cores::new(database.cores),
            committing: VecDeque::new(),
            done: VecDeque::new(),
            pool_max: database.pool_max,
            connect_timeout: database.pool_connect_timeout,
            connections_max: database.connections_max,
            query: ServiceTimes::of(&plan.topology.instances.profile).query,
            commit: database.commit,
            figures: DatabaseFigures::default(),
        }
    }

    /// Whether a primary answers.
    pub const fn is_up(&self) -> bool {
        self.is_up
    }

    /// An instance starts, with an empty pool.
    pub fn handle_instance(&mut self, instance: InstanceId) {
        let index = instance.0 as usize;
        if self.pools.len() <= index {
            self.pools.resize_with(index + 1, || None);
        }
        self.pools[index] = Some(Pool::default());
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
        if self.pool(instance).is_none() {
            return; // The instance is gone, and with it whoever asks.
        }
        let job = self.insert(Job {
            ticket,
            instance,
            transaction,
            stage: Stage::Waiting,
        });
        let (pool_max, deadline) = (self.pool_max, now + self.connect_timeout);
        let Some(pool) = self.pool(instance) else {
            return;
        };
        if pool.in_use < pool_max {
            pool.in_use += 1;
            self.connect(now, job);
            self.serve_freed(now);
        } else {
            pool.waiting.push_back((deadline, job));
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
            self.hanging.front().map(at),
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

    /// A transaction that has ended, by the caller's ticket.
    pub fn poll_done(&mut self) -> Option<(u32, Done)> {
        self.done.pop_front()
    }

    /// Loses the primary: connections break with whatever runs on them, and new ones hang until they time out.
    pub fn handle_lost(&mut self, now: SimTime) {
        if !std::mem::replace(&mut self.is_up, false) {
            return;
        }
        self.cores.clear(now);
        self.committing.clear();
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
        if std::mem::replace(&mut self.is_up, true) {
            return;
        }
        for (_, job) in std::mem::take(&mut self.hanging) {
            self.connect(now, job);
        }
        self.serve_freed(now);
    }

    /// Connections of an instance's pool that are in use or being opened.
    pub fn in_use(&self, instance: InstanceId) -> u32 {
        let pool = self.pools.get(instance.0 as usize);
        pool.and_then(Option::as_ref).map_or(0, |pool| pool.in_use)
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
            self.finish(job, Done::Ok);
        } else if let Some((_, job)) = pop_due(&mut self.hanging, now) {
            self.figures.pool_timeouts += 1;
            self.finish(job, Done::Unavailable);
        } else {
            let pools = self.pools.iter_mut().flatten();
            let due = pools.filter_map(|pool| pop_due(&mut pool.waiting, now));
            let due: Vec<u32> = due.map(|(_, job)| job).collect();
            for job in due {
                self.figures.pool_timeouts += 1;
                self.done
                    .push_back((self.jobs[job as usize].ticket, Done::PoolTimeout));
                self.vacate(job);
            }
        }
    }

    /// Gives places that are free to those who wait for them.
    fn serve_freed(&mut self, now: SimTime) {
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
        if !self.is_up {
            self.hanging.push_back((now + self.connect_timeout, job));
            return;
        }
        let instance = self.jobs[job as usize].instance;
        if self.pool(instance).is_some_and(Pool::take_idle) {
            self.lock(now, job);
        } else if self.figures.connections_open < self.connections_max {
            let figures = &mut self.figures;
            figures.connections_open += 1;
            figures.connections_opened += 1;
            figures.connections_peak = figures.connections_peak.max(figures.connections_open);
            self.lock(now, job);
        } else {
            self.figures.connections_refused += 1;
            self.finish(job, Done::TooManyConnections);
        }
    }

    /// Goes on with a job that has a connection: when the row it changes is not locked.
    fn lock(&mut self, now: SimTime, job: u32) {
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

    fn run(&mut self, now: SimTime, job: u32) {
        self.jobs[job as usize].stage = Stage::Running;
        self.cores.start(now, job, self.query);
    }

    fn handle_ran(&mut self, now: SimTime, job: u32) {
        self.figures.queries += 1;
        match self.jobs[job as usize].transaction {
            Transaction::Read => self.finish(job, Done::Ok),
            Transaction::Write { .. } => {
                self.jobs[job as usize].stage = Stage::Committing;
                self.committing.push_back((now + self.commit, job));
            }
        }
    }

    /// Gives the job's row to whoever waits for it next.
    fn unlock(&mut self, now: SimTime, job: u32) {
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

    fn row(&self, job: u32) -> Option<SeatNumber> {
        match self.jobs[job as usize].transaction {
            Transaction::Read => None,
            Transaction::Write { seat } => seat,
        }
    }

    /// Ends a job that has a place in its pool; its connection, if it has one, is idle then.
    fn finish(&mut self, job: u32, done: Done) {
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

    fn pool(&mut self, instance: InstanceId) -> Option<&mut Pool> {
        self.pools.get_mut(instance.0 as usize)?.as_mut()
    }
}

fn number(job: usize) -> u32 {
    u32::try_from(job).expect("far fewer jobs at once than numbers")
}

/// Takes the first entry of a list in order of time if it is due.
fn pop_due(list: &mut VecDeque<(SimTime, u32)>, now: SimTime) -> Option<(SimTime, u32)> {
    list.pop_front_if(|(at, _)| *at <= now)
}

#[cfg(test)]
#[path = "database_tests.rs"]
mod tests;
