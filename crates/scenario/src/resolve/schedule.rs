//! Sizes of the fleet at set times.

use std::time::Duration;

use super::ANY_LENGTH;
use super::scaling::FLEET_MAX;
use crate::diagnostic::Problem;
use crate::document::{Layer, Section};
use crate::duration::Written;
use crate::scaling::ScheduledAction;
use tiketi_core::units::SimTime;

/// The scheduled actions in the order of time, checked against the limits that hold when they come.
pub(super) fn scheduled<'d>(
    section: &Section<'d>,
    fallback: Option<Layer<'d>>,
    limits: (Option<u32>, Option<u32>),
    end: Option<Duration>,
) -> Option<Vec<ScheduledAction>> {
    let elements = section.elements("scheduled", fallback);
    let actions: Vec<_> = elements
        .iter()
        .map(|element| action(element, end).map(|action| (action, element)))
        .collect();
    let mut actions: Vec<_> = actions.into_iter().collect::<Option<_>>()?;
    actions.sort_by_key(|(action, _)| action.at);
    if let (Some(min), Some(max)) = limits
        && min <= max
    {
        report_misfits(&actions, min, max);
    }
    Some(actions.into_iter().map(|(action, _)| action).collect())
}

fn action(section: &Section<'_>, end: Option<Duration>) -> Option<ScheduledAction> {
    let at = section.value("at").and_then(|at| at.length(ANY_LENGTH));
    let late = section.value("late");
    let late = late.and_then(|value| value.unless("random", |v| v.length(ANY_LENGTH)));
    let name = section.value("name");
    let name = name.and_then(|value| value.unless("by-time", |v| v.text().map(str::to_owned)));
    let size = |key, least| match section.find(key) {
        None => Some(None),
        Some(value) => value.whole(least..=FLEET_MAX).map(Some),
    };
    let (min, max, desired) = (size("min", 0), size("max", 1), size("desired", 0));
    if (min, max, desired) == (Some(None), Some(None), Some(None)) {
        let problem = Problem::new("the scheduled action changes nothing");
        section.complain(&["at"], problem.legal("min, max, desired"));
    }
    if let (Some(at), Some(end)) = (at, end)
        && at >= end
    {
        let (at, end) = (Written(at), Written(end));
        let message =
            format!("the scheduled action at {at} comes after the end of the run at {end}");
        let help = "lengthen `clock.duration`, or let it come earlier";
        section.complain(&["at"], Problem::new(message).help(help));
    }
    let at = at?;
    Some(ScheduledAction {
        name: name?.unwrap_or_else(|| format!("scheduled-at-{}", Written(at))),
        at: SimTime::ZERO + at,
        late: late?,
        min: min?,
        max: max?,
        desired: desired?,
    })
}

/// Auto Scaling refuses an action that leaves `min` above `max`, or `desired` outside them.
fn report_misfits(actions: &[(ScheduledAction, &Section<'_>)], min: u32, max: u32) {
    let (mut min, mut max) = (min, max);
    for (action, section) in actions {
        min = action.min.unwrap_or(min);
        max = action.max.unwrap_or(max);
        let at = Written(action.at.since_start());
        if min > max {
            let message = format!("from {at} on `min` of {min} is above `max` of {max}");
            section.complain(
                &["min", "max"],
                Problem::new(message).legal(format!("0 to {max}")),
            );
            return;
        }
        if let Some(desired) = action.desired.filter(|size| !(min..=max).contains(size)) {
            let message = format!("`desired` of {desired} is outside the limits from {at} on");
            section.complain(
                &["desired"],
                Problem::new(message).legal(format!("{min} to {max}")),
            );
        }
    }
}
