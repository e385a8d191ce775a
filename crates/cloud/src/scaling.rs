//! Scaling policies: what an alarm does to the desired number of instances.

use std::time::Duration;

use super::instance_group::InstanceGroup;
use super::notice::SwallowReason;
use tiketi_core::units::SimTime;
use tiketi_scenario::scaling::{Comparison, Policy, PolicyKind, StepAdjustment};

/// What a policy does when its alarm invokes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It changes the desired number of instances.
    Resize(Resize),
    /// It does nothing, for this reason.
    Swallow(SwallowReason),
    /// No band of the step policy covers the datapoint.
    OutOfBands,
}

/// A new size for the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resize {
    /// The desired number of instances.
    pub desired: u32,
    /// Cooldown after the activity; `None` unless a simple policy asked for it.
    pub cooldown: Option<Duration>,
}

/// Decides what `policy` does when its alarm invokes it at `now`; `datapoint` is the most recent one, `None` if missing
/// data caused the alarm.
pub fn decide(
    policy: &Policy,
    datapoint: Option<f64>,
    group: &InstanceGroup,
    now: SimTime,
) -> Decision {
    match &policy.kind {
        PolicyKind::Simple { adjust, cooldown } => simple(*adjust, *cooldown, group, now),
        PolicyKind::Step { steps, warmup } => {
            // Without a datapoint the band closest to the threshold applies, as if it were just breached (an assumption).
            let excess = datapoint.map_or(0.0, |value| value - policy.alarm.threshold);
            steps
                .iter()
                .find(|step| covers(step, excess, policy.alarm.comparison))
                .map_or(Decision::OutOfBands, |step| {
                    stepped(step.adjust, *warmup, group, now)
                })
        }
    }
}

/// Returns the policy to apply when several are invoked at the same time: the one with the most instances, for scale-out
/// as well as for scale-in; the first of equals. `None` if there are none.
pub fn winner<'p>(resizes: &[(&'p Policy, Resize)]) -> Option<(&'p Policy, Resize)> {
    resizes.iter().copied().reduce(|best, next| {
        if next.1.desired > best.1.desired {
            next
        } else {
            best
        }
    })
}

/// Simple scaling: does nothing while an activity or a replacement is in progress, nor during the cooldown.
fn simple(adjust: i32, cooldown: Duration, group: &InstanceGroup, now: SimTime) -> Decision {
    if group.is_busy() {
        return Decision::Swallow(SwallowReason::ActivityInProgress);
    }
    if group.is_cooling_down(now) {
        return Decision::Swallow(SwallowReason::Cooldown);
    }
    let desired = clamped(group.desired(), adjust, group);
    if desired == group.desired() {
        return Decision::Swallow(SwallowReason::AtLimit);
    }
    Decision::Resize(Resize {
        desired,
        cooldown: Some(cooldown),
    })
}

/// Step scaling: has no cooldown. Scale-out adds to the instances that are warm, so instances that are still warming up
/// count towards the same band when it is invoked again; scale-in waits until all are warm.
fn stepped(adjust: i32, warmup: Duration, group: &InstanceGroup, now: SimTime) -> Decision {
    let desired = group.desired();
    if adjust < 0 && group.is_warming(now, warmup) {
        return Decision::Swallow(SwallowReason::WarmingUp);
    }
    let wanted = if adjust < 0 {
        clamped(desired, adjust, group)
    } else {
        desired.max(clamped(group.warmed(now, warmup), adjust, group))
    };
    if wanted != desired {
        return Decision::Resize(Resize {
            desired: wanted,
            cooldown: None,
        });
    }
    let (_, max) = group.limits();
    Decision::Swallow(if adjust > 0 && desired < max {
        SwallowReason::WarmingUp
    } else {
        SwallowReason::AtLimit
    })
}

fn clamped(base: u32, adjust: i32, group: &InstanceGroup) -> u32 {
    let (min, max) = group.limits();
    base.saturating_add_signed(adjust).clamp(min, max)
}

/// Whether the band covers a metric that is `excess` above the threshold (negative if below it).
fn covers(step: &StepAdjustment, excess: f64, comparison: Comparison) -> bool {
    match comparison {
        Comparison::Above => {
            step.from.is_none_or(|from| excess >= from) && step.to.is_none_or(|to| excess < to)
        }
        Comparison::Below => {
            step.from.is_none_or(|from| excess > from) && step.to.is_none_or(|to| excess <= to)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_scenario::scaling::{Alarm, Metric, MissingData};

    fn policy(name: &str) -> Policy {
        Policy {
            name: name.to_owned(),
            alarm: Alarm {
                metric: Metric::QueueSize,
                comparison: Comparison::Above,
                threshold: 5_000.0,
                period: Duration::from_secs(60),
                datapoints_to_alarm: 1,
                evaluation_periods: 1,
                missing: MissingData::Missing,
            },
            kind: PolicyKind::Simple {
                adjust: 1,
                cooldown: Duration::ZERO,
            },
        }
    }

    #[test]
    fn the_policy_that_wants_most_instances_wins() {
        let (out, more, less) = (policy("out"), policy("more"), policy("in"));
        let resize = |desired| Resize {
            desired,
            cooldown: None,
        };
        let winner_of = |resizes: &[(&Policy, Resize)]| {
            winner(resizes).map(|(policy, resize)| (policy.name.clone(), resize.desired))
        };
        assert_eq!(
            winner_of(&[(&out, resize(4)), (&more, resize(6)), (&less, resize(1))]),
            Some(("more".to_owned(), 6))
        );
        assert_eq!(
            winner_of(&[(&less, resize(1)), (&out, resize(2))]),
            Some(("out".to_owned(), 2)),
            "of two that shrink the group, the one that shrinks it less"
        );
        assert_eq!(winner_of(&[]), None);
    }

    #[test]
    fn bands_include_the_bound_nearer_to_the_threshold() {
        let band = |from, to| StepAdjustment {
            from: Some(from),
            to: Some(to),
            adjust: 1,
        };
        let above = |excess| covers(&band(0.0, 1_000.0), excess, Comparison::Above);
        assert!(above(0.0) && above(999.0) && !above(1_000.0) && !above(-1.0));
        let below = |excess| covers(&band(-1_000.0, 0.0), excess, Comparison::Below);
        assert!(below(0.0) && below(-999.0) && !below(-1_000.0) && !below(1.0));
    }
}
