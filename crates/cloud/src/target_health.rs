//! Health of one target as seen by one load-balancer node, from the checks that the node made itself.

use tiketi_scenario::topology::HealthCheck;

/// The check results of one node for one target.
///
/// A target that has never passed needs a single pass, however often it failed while booting; the healthy count applies to
/// targets that were healthy before.
#[derive(Clone, Debug)]
pub struct TargetHealth {
    check: HealthCheck,
    status: Status,
    /// Consecutive results that contradict the status.
    streak: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    /// Registered; has never passed.
    Initial,
    Healthy,
    Unhealthy,
}

impl TargetHealth {
    /// Builds the state of a target that has just been registered.
    pub const fn new(check: HealthCheck) -> Self {
        Self {
            check,
            status: Status::Initial,
            streak: 0,
        }
    }

    /// Whether the target gets requests from this node.
    pub fn is_healthy(&self) -> bool {
        self.status == Status::Healthy
    }

    /// Processes the result of one check. Returns whether the target is healthy now if that has changed; `None` otherwise.
    pub fn handle_check(&mut self, passed: bool) -> Option<bool> {
        let agrees = passed == self.is_healthy();
        self.streak = if agrees { 0 } else { self.streak + 1 };
        let needed = match self.status {
            Status::Initial => 1,
            Status::Healthy => self.check.unhealthy_count,
            Status::Unhealthy => self.check.healthy_count,
        };
        if self.streak < needed {
            return None;
        }
        self.streak = 0;
        self.status = if passed {
            Status::Healthy
        } else {
            Status::Unhealthy
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
    fn a_new_target_needs_one_pass_even_after_failures_during_boot() {
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
