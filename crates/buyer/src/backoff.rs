//! Exponential backoff with a maximum and jitter.

use std::time::Duration;

use rand::RngExt;

use tiketi_core::rng::Stream;
use tiketi_scenario::plan::Retry;

/// Counts consecutive failures and returns the pause before the next try.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backoff {
    tries: u16,
}

impl Backoff {
    /// The state without failures.
    pub const NONE: Self = Self { tries: 0 };

    /// Counts a failed try; returns the pause before the next one, or `None` if it was the last.
    ///
    /// The pause is `first`, doubled for each further failure, at most `max`, times a random factor of `1 ± jitter`.
    pub fn handle_failure(&mut self, retry: &Retry, stream: &mut Stream) -> Option<Duration> {
        self.tries = self.tries.saturating_add(1);
        if retry
            .tries_max
            .is_some_and(|tries_max| u32::from(self.tries) >= tries_max)
        {
            return None;
        }
        let doublings = i32::from(self.tries.min(64)) - 1;
        let pause =
            (retry.first.as_secs_f64() * 2_f64.powi(doublings)).min(retry.max.as_secs_f64());
        let variation = 1.0 + retry.jitter.get() * (2.0 * stream.random::<f64>() - 1.0);
        Some(Duration::from_secs_f64(pause * variation))
    }

    /// Resets the count after a success.
    pub const fn handle_success(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_core::rng::Streams;
    use tiketi_core::units::Share;

    fn retry(tries_max: Option<u32>) -> Retry {
        Retry {
            first: Duration::from_secs(1),
            max: Duration::from_secs(5),
            jitter: Share::try_from(0.5).unwrap(),
            tries_max,
        }
    }

    #[test]
    fn pauses_double_up_to_the_maximum_with_jitter() {
        let mut stream = Streams::new(1).named("backoff");
        let mut backoff = Backoff::default();
        for expected in [1.0, 2.0, 4.0, 5.0, 5.0] {
            let pause = backoff.handle_failure(&retry(None), &mut stream).unwrap();
            let ratio = pause.as_secs_f64() / expected;
            assert!((0.5..=1.5).contains(&ratio), "{ratio} of {expected} s");
        }
        backoff.handle_success();
        let pause = backoff.handle_failure(&retry(None), &mut stream).unwrap();
        assert!(pause <= Duration::from_millis(1_500));
    }

    #[test]
    fn there_is_no_pause_after_the_last_try() {
        let mut stream = Streams::new(1).named("backoff");
        let mut backoff = Backoff::default();
        assert!(
            backoff
                .handle_failure(&retry(Some(3)), &mut stream)
                .is_some()
        );
        assert!(
            backoff
                .handle_failure(&retry(Some(3)), &mut stream)
                .is_some()
        );
        assert!(
            backoff
                .handle_failure(&retry(Some(3)), &mut stream)
                .is_none()
        );
    }
}
