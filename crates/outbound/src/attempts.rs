//! How often a call is made, and how long each attempt may take.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Pause between two attempts of a call (assumption).
const PAUSE: Duration = Duration::from_millis(500);

/// How a call that fails is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempts {
    /// How long one attempt may take, from the connection to the end of the response.
    pub timeout: Duration,
    /// Attempts in all.
    pub max: u32,
}

impl Attempts {
    /// Returns the pause before the next attempt, after `made` have failed; `None` if none is left.
    pub fn pause_after(&self, made: u32) -> Option<Duration> {
        (made < self.max).then_some(PAUSE)
    }

    /// Returns the longest time that a call can take with all its attempts.
    pub fn longest(&self) -> Duration {
        let pauses = self.max.saturating_sub(1);
        self.timeout.saturating_mul(self.max) + PAUSE.saturating_mul(pauses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_ends_after_its_last_attempt() {
        let attempts = Attempts {
            timeout: Duration::from_secs(4),
            max: 2,
        };
        assert_eq!(attempts.pause_after(1), Some(PAUSE));
        assert_eq!(attempts.pause_after(2), None);
        assert_eq!(attempts.longest(), Duration::from_millis(8_500));
    }
}
