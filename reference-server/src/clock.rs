//! The server's only clock. Scenario time runs `speed` times as fast as real time.

#[cfg(test)]
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// Resolution of the runtime's timer. Shorter sleeps are not accurate.
const TIMER_STEP: Duration = Duration::from_millis(1);

/// Scenario time since the data tier was created, shared by all instances on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
    origin_wall: Timestamp,
    speed: f64,
    /// Set for a clock that a test moves by hand.
    #[cfg(test)]
    hands: Option<&'static Hands>,
}

/// Scenario time of a clock that a test moves by hand.
#[cfg(test)]
#[derive(Debug, Default)]
pub(crate) struct Hands(AtomicU64);

#[cfg(test)]
impl Hands {
    /// Returns hands that point to zero. Clocks are `Copy`, so each call leaks eight bytes.
    pub(crate) fn leak() -> &'static Self {
        Box::leak(Box::default())
    }

    pub(crate) fn set(&self, now: Duration) {
        let nanos = u64::try_from(now.as_nanos()).expect("tests stay below 500 years");
        self.0.store(nanos, Ordering::SeqCst);
    }

    pub(crate) fn now(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::SeqCst))
    }
}

impl Clock {
    /// Starts scenario time now.
    #[expect(clippy::disallowed_methods, reason = "the server's only clock")]
    pub(crate) fn start(speed: f64) -> Self {
        assert!(
            speed.is_finite() && speed > 0.0,
            "speed must be positive, not {speed}"
        );
        Self {
            origin: Instant::now(),
            origin_wall: Timestamp::now(),
            speed,
            #[cfg(test)]
            hands: None,
        }
    }

    /// Returns a clock that shows what `hands` point to; a wait on it takes real time.
    #[cfg(test)]
    pub(crate) fn stopped(hands: &'static Hands) -> Self {
        Self {
            hands: Some(hands),
            ..Self::start(1.0)
        }
    }

    /// Returns a clock whose scenario time started at this instant of real time, the same in all processes of a deployment.
    pub(crate) fn since(origin_unix_ns: u64, speed: f64) -> Self {
        let started = Self::start(speed);
        let origin_wall = Timestamp::from_nanosecond(i128::from(origin_unix_ns));
        let origin_wall = origin_wall.unwrap_or(started.origin_wall);
        let passed = started.origin_wall.duration_since(origin_wall);
        let passed = Duration::try_from(passed).unwrap_or_default();
        Self {
            origin: started.origin.checked_sub(passed).unwrap_or(started.origin),
            origin_wall,
            ..started
        }
    }

    /// Returns the scenario time since the start.
    #[expect(clippy::disallowed_methods, reason = "the server's only clock")]
    pub(crate) fn now(&self) -> Duration {
        #[cfg(test)]
        if let Some(hands) = self.hands {
            return hands.now();
        }
        Instant::now()
            .saturating_duration_since(self.origin)
            .mul_f64(self.speed)
    }

    /// Converts a duration from scenario time to real time.
    pub(crate) fn wall(&self, scenario: Duration) -> Duration {
        scenario.div_f64(self.speed)
    }

    /// Converts a duration from real time to scenario time.
    pub(crate) fn scenario(&self, wall: Duration) -> Duration {
        wall.mul_f64(self.speed)
    }

    /// Returns the current real time as RFC 3339 with milliseconds.
    pub(crate) fn timestamp() -> String {
        format!("{:.3}", Timestamp::now())
    }

    /// Returns the real time of an instant of the scenario as RFC 3339 with milliseconds.
    pub(crate) fn calendar(&self, at: Duration) -> String {
        format!("{:.3}", self.calendar_instant(at))
    }

    /// Returns the current real time in seconds since 1970.
    pub(crate) fn unix_seconds() -> i64 {
        Timestamp::now().as_second()
    }

    /// Returns the current real time in milliseconds since 1970.
    pub(crate) fn unix_millis() -> u64 {
        u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default()
    }

    /// Waits until scenario time `at`, to within half the resolution of the timer.
    pub(crate) async fn sleep_until(&self, at: Duration) {
        let wall = self.wall(at.saturating_sub(self.now()));
        // Rounding to the nearest step instead of up keeps short service times correct on average.
        if wall >= TIMER_STEP / 2 {
            tokio::time::sleep(wall.saturating_sub(TIMER_STEP / 2)).await;
        }
    }

    /// Waits until scenario time `at` has passed, never less.
    pub(crate) async fn sleep_past(&self, at: Duration) {
        let wall = self.wall(at.saturating_sub(self.now()));
        tokio::time::sleep(wall.max(TIMER_STEP)).await;
    }

    /// Waits for `length` of scenario time.
    pub(crate) async fn sleep(&self, length: Duration) {
        self.sleep_until(self.now() + length).await;
    }

    fn calendar_instant(&self, at: Duration) -> Timestamp {
        // Holds and tokens carry real time, so that a client sees when they end, whatever the speed.
        self.origin_wall
            .checked_add(self.wall(at))
            .unwrap_or(Timestamp::MAX)
    }
}
