//! The clock of live runs: real time in, scenario time out.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use tiketi_core::units::SimTime;

/// More than the rounding error of converting a time to scenario time and back: a timer must never fire early.
const ROUNDING: Duration = Duration::from_micros(1);

/// How late the runtime's timer wakes a thread that sleeps. The timer rounds a deadline up to the next whole millisecond, and
/// the thread sleeps for whole milliseconds, so it wakes up half a millisecond too late twice, on average.
const TIMER_LATE: Duration = Duration::from_millis(1);

/// Waits for a length of real time that is right on average: single waits may be a millisecond off, but if all of them were late,
/// the network would be slower than the scenario says. A wait of a millisecond or less takes no time.
pub(crate) async fn pause(length: Duration) {
    let asked_for = length_for_timer(length);
    if !asked_for.is_zero() {
        tokio::time::sleep(asked_for).await;
    }
}

/// Returns what the timer has to be asked for, so that a wait has this length on average.
const fn length_for_timer(length: Duration) -> Duration {
    length.saturating_sub(TIMER_LATE)
}

/// Maps real time to scenario time. All processes of a run agree, because the start is an absolute time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// The start of the run on the monotonic clock; if that has passed, the creation of this clock.
    start: Instant,
    /// Scenario time that had passed at `start`.
    passed: Duration,
    start_at_unix_ns: u64,
    speed: f64,
}

impl Clock {
    /// Builds a clock that shows zero until `start_at_unix_ns` (nanoseconds since 1970) and then runs at `speed` scenario
    /// seconds per second of real time.
    pub fn starting_at(start_at_unix_ns: u64, speed: f64) -> Self {
        let now = unix_now_ns();
        let ahead = Duration::from_nanos(start_at_unix_ns.saturating_sub(now));
        let behind = Duration::from_nanos(now.saturating_sub(start_at_unix_ns));
        Self {
            start: wall_now() + ahead,
            passed: behind.mul_f64(speed),
            start_at_unix_ns,
            speed,
        }
    }

    /// Returns the current scenario time; zero before the start.
    pub fn now(&self) -> SimTime {
        self.scenario_time(wall_now())
    }

    /// Returns the scenario time at an instant of real time; zero before the start.
    pub fn scenario_time(&self, at: Instant) -> SimTime {
        SimTime::ZERO + self.passed + self.scenario(at.saturating_duration_since(self.start))
    }

    /// Returns when the scenario time `at` comes in real time, never early; the start if it was before that.
    pub fn wall_instant(&self, at: SimTime) -> Instant {
        let ahead = at.since_start().saturating_sub(self.passed);
        self.start
            .checked_add(self.wall(ahead) + ROUNDING)
            .unwrap_or_else(|| self.start + Duration::from_hours(24 * 365))
    }

    /// Returns the real time since the start of the run; zero before it.
    pub fn wall_passed(&self) -> Duration {
        self.wall(self.passed) + wall_now().saturating_duration_since(self.start)
    }

    /// Returns how long a length of scenario time takes in real time.
    pub fn wall(&self, scenario: Duration) -> Duration {
        scenario.div_f64(self.speed)
    }

    /// Returns how much scenario time passes in a length of real time.
    pub fn scenario(&self, wall: Duration) -> Duration {
        wall.mul_f64(self.speed)
    }

    /// Returns the scenario seconds per second of real time.
    pub const fn speed(&self) -> f64 {
        self.speed
    }

    /// Returns the scenario time from an absolute time (nanoseconds since 1970) to now; `None` if that is in the future by
    /// more than `skew_max` of real time, because the two clocks then do not agree.
    pub fn since_unix(&self, unix_ns: i128, skew_max: Duration) -> Option<Duration> {
        let passed = wall_now().saturating_duration_since(self.start);
        let behind = self.passed.div_f64(self.speed);
        let now = i128::from(self.start_at_unix_ns)
            + i128::try_from((passed + behind).as_nanos()).unwrap_or(i128::MAX);
        let wall_ns = now - unix_ns;
        if wall_ns < -i128::try_from(skew_max.as_nanos()).unwrap_or(i128::MAX) {
            return None;
        }
        let wall = Duration::from_nanos(u64::try_from(wall_ns.max(0)).unwrap_or(u64::MAX));
        Some(self.scenario(wall))
    }

    /// Returns the start of the run in seconds since 1970.
    pub const fn start_at_unix_s(&self) -> u64 {
        self.start_at_unix_ns / 1_000_000_000
    }
}

/// Returns the current instant of the monotonic clock.
#[expect(
    clippy::disallowed_methods,
    reason = "this file is the one place that reads the clock"
)]
pub fn wall_now() -> Instant {
    Instant::now()
}

/// Returns the current time in nanoseconds since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "this file is the one place that reads the clock"
)]
pub fn unix_now_ns() -> u64 {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since_1970.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timer_is_asked_for_a_millisecond_less_and_never_for_less_than_nothing() {
        let asked_for = |micros| length_for_timer(Duration::from_micros(micros));
        assert_eq!(asked_for(10_000), Duration::from_millis(9));
        assert_eq!(asked_for(1_000), Duration::ZERO);
        assert_eq!(asked_for(400), Duration::ZERO);
    }

    #[test]
    fn scenario_time_runs_at_the_stated_speed_from_the_stated_start() {
        let clock = Clock::starting_at(unix_now_ns() + 2_000_000_000, 5.0);
        assert_eq!(clock.now(), SimTime::ZERO);
        let later = clock.scenario_time(wall_now() + Duration::from_secs(3));
        let off = later.as_secs_f64() - 5.0;
        assert!(off.abs() < 0.1, "off by {off} s");
        let wall = clock.wall_instant(SimTime::from_secs(10));
        let there = clock.scenario_time(wall);
        assert!(there >= SimTime::from_secs(10), "woken too early: {there}");
        assert!(there < SimTime::from_secs_f64(10.001));
    }

    #[test]
    fn a_process_that_starts_late_joins_in_the_middle() {
        let clock = Clock::starting_at(unix_now_ns() - 2_000_000_000, 5.0);
        let off = clock.now().as_secs_f64() - 10.0;
        assert!(off.abs() < 0.1, "off by {off} s");
        let wall = clock.wall_passed().as_secs_f64();
        assert!((wall - 2.0).abs() < 0.1, "{wall} s");
    }

    #[test]
    fn the_age_of_a_message_is_scenario_time_and_unknown_if_clocks_disagree() {
        let clock = Clock::starting_at(unix_now_ns(), 5.0);
        let second_ago = i128::from(unix_now_ns()) - 1_000_000_000;
        let age = clock.since_unix(second_ago, Duration::ZERO).unwrap();
        assert!((age.as_secs_f64() - 5.0).abs() < 0.1, "{age:?}");
        let ahead = second_ago + 2_000_000_000;
        assert_eq!(clock.since_unix(ahead, Duration::from_millis(5)), None);
    }
}
