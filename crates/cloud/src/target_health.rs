//! What one load-balancer node believes about one target, from the checks it made itself.

use tiketi_scenario::topology::HealthCheck;

/// The counts of one node for one target.
///
/// A target that has never passed needs a single pass, however often it failed while it booted; the healthy count
/// applies to targets that were healthy before.
#[derive(Clone, Debug)]
pub struct TargetHealth {
    check: HealthCheck,
    standing: Standing,
    /// Results in a row that speak against the standing.
    streak: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Registered, never passed.
    Initial,
    Healthy,
    Unhealthy,
}

impl TargetHealth {
    /// Begins to count for a target that has just been registered.
    pub const fn new(check: HealthCheck) -> Self {
        Self {
            check,
            standing: Standing::Initial,
            streak: 0,
        }
    }

    /// Whether the target gets requests from this node.
    pub fn is_healthy(&self) -> bool {
        self.standing == Standing::Healthy
    }

    /// Takes the result of one check. Returns whether the target is healthy now if that has changed.
    pub fn handle_check(&mut self, passed: bool) -> Option<bool> {
        let agrees = passed == self.is_healthy();
        self.streak = if agrees { 0 } else { self.streak + 1 };
        let needed = match self.standing {
            Standing::Initial => 1,
            Standing::Healthy => self.check.unhealthy_count,
            Standing::Unhealthy => self.check.healthy_count,
        };
        if self.streak < needed {
            return None;
        }
        self.streak = 0;
        self.standing = if passed {
            Standing::Healthy
        } else {
            Standing::Unhealthy
        };
        Some(passed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn target() -> TargetHealth {
        TargetHealth::new(HealthCheck {
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
            healthy_count: 5,
            unhealthy_count: 2,
        })
    }

    #[test]
    fn a_new_target_needs_one_pass_even_after_failures_while_it_booted() {
        let mut target = target();
        for _ in 0..8 {
            assert_eq!(target.handle_check(false), None);
        }
        assert!(!target.is_healthy());
        assert_eq!(target.handle_check(true), Some(true));
        assert!(target.is_healthy());
    }

    #[test]
    fn two_failures_in_a_row_make_a_target_unhealthy_and_five_passes_bring_it_back() {
        let mut target = target();
        target.handle_check(true);
        assert_eq!(target.handle_check(false), None);
        assert_eq!(target.handle_check(true), None, "a pass clears the streak");
        assert_eq!(target.handle_check(false), None);
        assert_eq!(target.handle_check(false), Some(false));
        for _ in 0..4 {
            assert_eq!(target.handle_check(true), None);
        }
        assert_eq!(target.handle_check(true), Some(true));
    }

    #[test]
    fn a_failure_during_recovery_starts_the_count_again() {
        let mut target = target();
        target.handle_check(true);
        target.handle_check(false);
        target.handle_check(false);
        for _ in 0..4 {
            target.handle_check(true);
        }
        assert_eq!(target.handle_check(false), None);
        for _ in 0..4 {
            assert_eq!(target.handle_check(true), None);
        }
        assert_eq!(target.handle_check(true), Some(true));
    }
}
