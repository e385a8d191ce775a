//! The Lambda that reads the queue's size once per period (A13), and the agent that does the same for the CPU.

use std::time::Duration;

use rand::RngExt;

use tiketi_core::rng::Stream;
use tiketi_core::units::SimTime;

/// A sampler with a fixed period and a phase.
#[derive(Clone, Debug)]
pub struct QueueMonitor {
    period: Duration,
    next: SimTime,
}

impl QueueMonitor {
    /// Builds a monitor whose first sample is due at `phase`; if that is `None`, at a time drawn from `stream`, uniform
    /// within the period.
    pub fn new(period: Duration, phase: Option<Duration>, stream: &mut Stream) -> Self {
        assert!(
            period > Duration::ZERO,
            "a monitor needs a period, or it would be due for ever"
        );
        let phase = phase.unwrap_or_else(|| period.mul_f64(stream.random::<f64>()));
        Self {
            period,
            next: SimTime::ZERO + phase,
        }
    }

    /// When the next sample is due.
    pub const fn poll_timeout(&self) -> SimTime {
        self.next
    }

    /// Whether a sample is due at `now`. If so, schedules the next one, without drift.
    pub fn poll_due(&mut self, now: SimTime) -> bool {
        let due = now >= self.next;
        if due {
            self.next += self.period;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_core::rng::Streams;

    #[test]
    fn samples_keep_their_phase_even_if_polled_late() {
        let mut stream = Streams::new(1).named("unused");
        let mut monitor = QueueMonitor::new(
            Duration::from_secs(60),
            Some(Duration::from_secs(17)),
            &mut stream,
        );
        assert!(!monitor.poll_due(SimTime::from_secs(16)));
        assert!(monitor.poll_due(SimTime::from_secs(30)));
        assert!(!monitor.poll_due(SimTime::from_secs(30)));
        assert_eq!(monitor.poll_timeout(), SimTime::from_secs(77));
    }

    #[test]
    fn a_drawn_phase_lies_within_the_period_and_differs_by_seed() {
        let period = Duration::from_secs(60);
        let first_of = |seed| {
            QueueMonitor::new(period, None, &mut Streams::new(seed).named("phase")).poll_timeout()
        };
        assert!((0..200).all(|seed| first_of(seed) < SimTime::ZERO + period));
        assert_ne!(first_of(1), first_of(2));
        assert_eq!(first_of(1), first_of(1));
    }
}
