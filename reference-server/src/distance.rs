//! Impaired paths between one instance and its data tier: how much longer each command takes. Real servers are on loopback,
//! which is never late, so that the instance waits before it sends a command and before it uses the answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tiketi_core::impairment::{Quality, tcp};
use tiketi_core::rng::{Stream, Streams};

use crate::clock::Clock;

/// Bytes of a command, a statement or a response: less than a segment.
const SMALL: u64 = 200;

/// The paths from one instance to Redis and to the database.
#[derive(Debug)]
pub(crate) struct Distance {
    /// Whether a path is impaired. Asked for every command, and false in most runs.
    is_impaired: AtomicBool,
    paths: Mutex<Paths>,
}

#[derive(Debug)]
struct Paths {
    redis: Quality,
    database: Quality,
    draws: Stream,
}

/// How much longer a command takes on its way there and back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trip {
    /// To the server.
    pub(crate) there: Duration,
    /// From the server.
    pub(crate) back: Duration,
}

impl Trip {
    /// Carries out a command of a client that gives up after `timeout` of scenario time: it begins when it has arrived, and its
    /// result counts when that has. `None` if the client has given up.
    pub(crate) async fn carry<T>(
        self,
        (clock, timeout): (Clock, Duration),
        command: impl Future<Output = T>,
    ) -> Option<T> {
        let Self { there, back } = self;
        clock.sleep(there.min(timeout)).await;
        if there > timeout {
            return None;
        }
        let result = command.await;
        let left = timeout.saturating_sub(there);
        clock.sleep(back.min(left)).await;
        (back <= left).then_some(result)
    }
}

impl Distance {
    /// Clear paths of the instance with this name.
    pub(crate) fn new(seed: u64, instance: &str) -> Self {
        let paths = Paths {
            redis: Quality::default(),
            database: Quality::default(),
            draws: Streams::new(seed).named(&format!("paths of {instance}")),
        };
        Self {
            is_impaired: AtomicBool::new(false),
            paths: Mutex::new(paths),
        }
    }

    /// The paths from now on.
    pub(crate) fn set(&self, redis: Quality, database: Quality) {
        let mut paths = self.paths();
        paths.redis = redis;
        paths.database = database;
        let is_impaired = !(redis.is_clear() && database.is_clear());
        self.is_impaired.store(is_impaired, Ordering::Relaxed);
    }

    /// Draws the way of a command to Redis and back; `None` if the path is clear.
    pub(crate) fn trip_to_redis(&self) -> Option<Trip> {
        if !self.is_impaired.load(Ordering::Relaxed) {
            return None;
        }
        let mut paths = self.paths();
        let Paths { redis, draws, .. } = &mut *paths;
        Some(Trip {
            there: tcp::transfer(*redis, SMALL, draws),
            back: tcp::transfer(*redis, SMALL, draws),
        })
    }

    /// Draws how much longer a transaction with so many round trips takes.
    pub(crate) fn trips_to_database(&self, trips: u32) -> Duration {
        if !self.is_impaired.load(Ordering::Relaxed) {
            return Duration::ZERO;
        }
        let mut paths = self.paths();
        let Paths {
            database, draws, ..
        } = &mut *paths;
        let trips = (0..trips).map(|_| tcp::exchange(*database, (SMALL, SMALL), draws));
        trips.sum()
    }

    fn paths(&self) -> MutexGuard<'_, Paths> {
        self.paths.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_take_longer_only_where_the_path_is_impaired() {
        let late = Quality {
            delay: Duration::from_millis(30),
            ..Quality::default()
        };
        let distance = Distance::new(1, "i-0");
        assert_eq!(distance.trip_to_redis(), None);
        distance.set(late, Quality::default());
        let trip = distance.trip_to_redis().expect("the path is impaired");
        assert_eq!((trip.there, trip.back), (late.delay, late.delay));
        assert_eq!(distance.trips_to_database(2), Duration::ZERO);
        distance.set(Quality::default(), late);
        assert_eq!(distance.trips_to_database(2), 4 * late.delay);
        distance.set(Quality::default(), Quality::default());
        assert_eq!(distance.trip_to_redis(), None);
    }
}
