//! The database machine in real time: callers wait until their transaction has ended, and a thread of its own takes the
//! machine from one instant to the next.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use tiketi_core::units::{InstanceId, SimTime};
use tiketi_data_tier::{Database, DatabaseSettings, Done, PoolFigures, Transaction};
use tokio::sync::oneshot;

use super::lock;
use crate::clock::Clock;
use crate::tier::Unavailable;

/// What is due within this wall time is done at once: a thread that sleeps and wakes up takes about as long.
const AT_ONCE: Duration = Duration::from_micros(500);

/// The machine, who waits for it, and the thread that drives it. The thread ends when this is dropped.
#[derive(Debug)]
pub(super) struct Transactions {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    clock: Clock,
    state: Mutex<State>,
    /// Rings when something is due earlier than the thread has been told.
    earlier: Condvar,
}

#[derive(Debug)]
struct State {
    machine: Database,
    /// Who waits for each ticket, on which instance.
    callers: Vec<Option<(InstanceId, oneshot::Sender<Done>)>>,
    vacant: Vec<u32>,
    instances: u32,
    /// The machine's time never goes back, whichever caller advances it.
    latest: SimTime,
    /// The next instant that the thread knows of.
    told: Option<SimTime>,
    is_over: bool,
}

impl Transactions {
    pub(super) fn new(clock: Clock, settings: DatabaseSettings) -> Self {
        let shared = Arc::new(Shared {
            clock,
            state: Mutex::new(State {
                machine: Database::new(settings),
                callers: Vec::new(),
                vacant: Vec::new(),
                instances: 0,
                latest: SimTime::ZERO,
                told: None,
                is_over: false,
            }),
            earlier: Condvar::new(),
        });
        let driven = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("database".to_owned());
        let thread = thread.spawn(move || driven.drive());
        drop(thread.expect("the machine has room for one more thread"));
        Self { shared }
    }

    /// Adds an instance with an empty pool; each of its queries takes `query` of a core.
    pub(super) fn add_instance(&self, query: Duration) -> InstanceId {
        let mut state = lock(&self.shared.state);
        let instance = InstanceId(state.instances);
        state.instances += 1;
        state.machine.handle_instance_of(instance, query);
        instance
    }

    /// An instance is gone, with its pool.
    pub(super) fn remove_instance(&self, instance: InstanceId) {
        self.act(|machine, now| machine.handle_instance_gone(now, instance));
        lock(&self.shared.state).forget_callers(instance);
    }

    /// Runs a transaction whose packets take so much longer than on a clear path: returns when it is committed, or why it is
    /// not.
    pub(super) async fn run(
        &self,
        instance: InstanceId,
        transaction: (Transaction, Duration),
    ) -> Result<(), Unavailable> {
        let done = {
            let mut state = lock(&self.shared.state);
            let now = self.shared.now(&mut state);
            let (ticket, done) = state.expect_answer(instance);
            state
                .machine
                .handle_distant_request(now, instance, ticket, transaction);
            self.shared.advance(&mut state, now);
            done
        };
        match done.await {
            Ok(Done::Ok) => Ok(()),
            Ok(Done::PoolTimeout) => Err(Unavailable::PoolTimeout),
            // Without an answer the instance itself is gone.
            Ok(Done::TooManyConnections | Done::Unavailable) | Err(_) => Err(Unavailable::Database),
        }
    }

    /// Does something to the machine.
    pub(super) fn act<T>(&self, act: impl FnOnce(&mut Database, SimTime) -> T) -> T {
        let mut state = lock(&self.shared.state);
        let now = self.shared.now(&mut state);
        let result = act(&mut state.machine, now);
        self.shared.advance(&mut state, now);
        result
    }

    /// Reads the machine.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Database) -> T) -> T {
        read(&lock(&self.shared.state).machine)
    }

    /// Whether the machine's thread, or a caller, has panicked while it changed the machine.
    pub(super) fn is_broken(&self) -> bool {
        self.shared.state.is_poisoned()
    }

    pub(super) fn pool_figures(&self, instance: InstanceId) -> PoolFigures {
        self.read(|machine| machine.pool_figures(instance))
    }
}

impl Drop for Transactions {
    fn drop(&mut self) {
        lock(&self.shared.state).is_over = true;
        self.shared.earlier.notify_one();
    }
}

impl Shared {
    fn now(&self, state: &mut State) -> SimTime {
        let now = SimTime::ZERO + self.clock.now();
        state.latest = state.latest.max(now);
        state.latest
    }

    /// Does what is due by `now`, or so soon that nobody could tell; tells the callers, and the thread if it sleeps for too
    /// long.
    fn advance(&self, state: &mut State, now: SimTime) {
        let horizon = now + self.clock.scenario(AT_ONCE);
        while let Some(at) = state.machine.poll_timeout().filter(|at| *at <= horizon) {
            state.latest = state.latest.max(at);
            state.machine.handle_timeout(at);
        }
        while let Some((ticket, done)) = state.machine.poll_done() {
            state.answer(ticket, done);
        }
        let next = state.machine.poll_timeout();
        if next.is_some_and(|next| state.told.is_none_or(|told| next < told)) {
            self.earlier.notify_one();
        }
        state.told = next;
    }

    /// Is the whole of the thread.
    fn drive(&self) {
        let mut state = lock(&self.state);
        while !state.is_over {
            let now = self.now(&mut state);
            self.advance(&mut state, now);
            state = self.sleep(state, now);
        }
    }

    /// Sleeps until something is due, or becomes due earlier.
    fn sleep<'a>(&self, state: MutexGuard<'a, State>, now: SimTime) -> MutexGuard<'a, State> {
        let poisoned = std::sync::PoisonError::into_inner;
        match state.told {
            None => self.earlier.wait(state).unwrap_or_else(poisoned),
            Some(due) => {
                let wall = self.clock.wall(due.saturating_since(now));
                let woken = self.earlier.wait_timeout(state, wall);
                woken.unwrap_or_else(|error| error.into_inner()).0
            }
        }
    }
}

impl State {
    /// A ticket for one more transaction, and the channel that reports its end.
    fn expect_answer(&mut self, instance: InstanceId) -> (u32, oneshot::Receiver<Done>) {
        let (sender, receiver) = oneshot::channel();
        let ticket = self.vacant.pop().unwrap_or_else(|| {
            self.callers.push(None);
            u32::try_from(self.callers.len() - 1).expect("far fewer transactions than numbers")
        });
        self.callers[ticket as usize] = Some((instance, sender));
        (ticket, receiver)
    }

    fn answer(&mut self, ticket: u32, done: Done) {
        if let Some((_, caller)) = self.callers[ticket as usize].take() {
            self.vacant.push(ticket);
            // A caller that was dropped does not want to know.
            let _ = caller.send(done);
        }
    }

    /// Nobody tells the callers of an instance that is gone how their transactions end.
    fn forget_callers(&mut self, instance: InstanceId) {
        for (ticket, caller) in (0..).zip(&mut self.callers) {
            if caller.take_if(|(of, _)| *of == instance).is_some() {
                self.vacant.push(ticket);
            }
        }
    }
}
