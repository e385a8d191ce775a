//! Scaling policies: what an alarm that fires does to the desired number of instances.

use std::time::Duration;

use super::instance_group::InstanceGroup;
use super::notice::SwallowReason;
use crate::scenario::scaling::{Comparison, Policy, PolicyKind, Step};
use crate::units::SimTime;

/// What a policy makes of its alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The group shall want `desired` instances.
    Resize {
        /// Instances wanted from now on.
        desired: u32,
        /// Cooldown after the activity, for simple policies.
        cooldown: Option<Duration>,
    },
    /// Nothing happens, for a reason.
    Swallow(SwallowReason),
    /// No band of the step policy covers the datapoint.
    OutOfBands,
}

/// Decides what `policy` does now that its alarm fires; `datapoint` is the most recent one, `None` if missing data
/// raised the alarm.
pub fn decide(
    policy: &Policy,
    datapoint: Option<f64>,
    group: &InstanceGroup,
    now: SimTime,
) -> Decision {
    match &policy.kind {
        PolicyKind::Simple { adjust, cooldown } => simple(*adjust, *cooldown, group, now),
        PolicyKind::Step { steps, warmup } => {
            // Without a datapoint the mildest band applies, as if the threshold were just breached (an assumption).
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

/// Simple scaling: nothing while an activity or a replacement is under way, nothing until the cooldown has passed.
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
    Decision::Resize {
        desired,
        cooldown: Some(cooldown),
    }
}

/// Step scaling: answers every time. Growing starts from the instances that are warm, so instances that warm up
/// already count for a band that asks again; shrinking waits until all are warm.
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
        return Decision::Resize {
            desired: wanted,
            cooldown: None,
        };
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

/// Whether the band covers a metric that is `excess` above the threshold (negative: below it).
fn covers(step: &Step, excess: f64, comparison: Comparison) -> bool {
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

    #[test]
    fn bands_include_the_bound_nearer_to_the_threshold() {
        let band = |from, to| Step {
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
