//! Notices that a process or a thread runs later than it should. Pure: its driver sleeps, and passes the time.

use std::time::Duration;

use super::REPORTED_MIN;

/// Real time between two wake-ups: half of the shortest delay that is reported, and negligible work (20 per second).
const PERIOD: Duration = Duration::from_millis(50);

/// Watches the delay of its own wake-ups. Times are real time since any fixed instant.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    due: Duration,
}

impl Watch {
    /// Starts at `now`.
    pub fn new(now: Duration) -> Self {
        Self { due: now + PERIOD }
    }

    /// Returns when to call [`Self::handle_wakeup`] next.
    pub const fn poll_timeout(&self) -> Duration {
        self.due
    }

    /// Handles a wake-up at `now`. Returns how late it was; `None` if that is not worth a report.
    pub fn handle_wakeup(&mut self, now: Duration) -> Option<Duration> {
        let late = now.saturating_sub(self.due);
        if now >= self.due {
            self.due = now + PERIOD;
        }
        (late >= REPORTED_MIN).then_some(late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_wakeup_on_time_or_a_little_late_is_no_lapse() {
        let mut watch = Watch::new(ms(1_000));
        assert_eq!(watch.poll_timeout(), ms(1_050));
        assert_eq!(watch.handle_wakeup(ms(1_050)), None);
        assert_eq!(watch.handle_wakeup(ms(1_199)), None, "99 ms late");
    }

    #[test]
    fn a_process_that_was_stopped_for_a_second_reports_a_second_once() {
        let mut watch = Watch::new(Duration::ZERO);
        assert_eq!(watch.handle_wakeup(ms(50)), None);
        assert_eq!(watch.handle_wakeup(ms(1_100)), Some(ms(1_000)));
        assert_eq!(watch.handle_wakeup(ms(1_150)), None);
    }

    #[test]
    fn an_early_wakeup_does_not_move_the_next_one() {
        let mut watch = Watch::new(Duration::ZERO);
        for early in 0..40 {
            assert_eq!(watch.handle_wakeup(ms(early)), None);
        }
        assert_eq!(watch.handle_wakeup(ms(150)), Some(ms(100)));
    }
}
