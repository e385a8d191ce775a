//! Sizes of the fleet at set times.

use std::time::Duration;

use super::limits;
use crate::diagnostic::Problem;
use crate::document::Section;
use crate::duration::Written;
use crate::keys::kind::{Instant, Length, Or, Text, Whole};
use crate::keys::{Keys, key};
use crate::scaling::{Scaling, ScheduledAction};

/// The scheduled actions in order of time, checked against the limits that apply by then.
pub(super) fn scheduled(
    keys: &mut Keys<'_, '_, Scaling>,
    limits: (Option<u32>, Option<u32>),
    end: Option<Duration>,
) -> Option<Vec<ScheduledAction>> {
    let elements = keys.list(
        key(
            "scheduled",
            "Scheduled actions: sizes of the group at set times, whatever the load.",
        ),
        limits::SCHEDULED,
        Some("scheduled"),
        |scaling| &scaling.scheduled,
        |keys| action(keys, end),
    );
    let actions = elements.values?.into_iter();
    let mut actions: Vec<_> = actions.zip(&elements.sections).collect();
    actions.sort_by_key(|(action, _)| action.at);
    if let (Some(min), Some(max)) = limits
        && min <= max
    {
        report_misfits(&actions, min, max);
    }
    Some(actions.into_iter().map(|(action, _)| action).collect())
}

fn action(
    keys: &mut Keys<'_, '_, ScheduledAction>,
    end: Option<Duration>,
) -> Option<ScheduledAction> {
    let name = keys.value(
        key(
            "name",
            "Name in timelines; `by-time` makes one from the time.",
        ),
        Or("by-time", Text),
        |action| Some(action.name.clone()),
    );
    let at = keys.value(key("at", "When it is due."), Instant, |action| action.at);
    let late = keys.value(
        key(
            "late",
            "How late AWS carries it out; `random` draws up to 2 minutes from the seed.",
        ),
        Or("random", Length(limits::LATE)),
        |action| action.late,
    );
    let min = keys.optional(
        key(
            "min",
            "Minimum number of instances from then on; unchanged if left out.",
        ),
        Whole(limits::FLEET),
        |action| action.min,
    );
    let max = keys.optional(
        key(
            "max",
            "Maximum number of instances from then on; unchanged if left out.",
        ),
        Whole(limits::FLEET_LARGEST),
        |action| action.max,
    );
    let desired = keys.optional(
        key(
            "desired",
            "Desired number of instances from then on; unchanged, within the limits, if left out.",
        ),
        Whole(limits::FLEET),
        |action| action.desired,
    );
    if (min, max, desired) == (Some(None), Some(None), Some(None)) {
        let path = keys.read().map_or("", |section| section.path());
        let problem = Problem::new(format!("`{path}` changes nothing"));
        let problem = problem.expected("at least one of min, max, desired");
        keys.complain(&["at"], problem.help("add `min`, `max` or `desired`"));
    }
    if let (Some(at), Some(end)) = (at, end)
        && at.since_start() >= end
    {
        let (at, end) = (Written(at.since_start()), Written(end));
        let message = format!("the scheduled action at {at} is after the end of the run ({end})");
        let help = "lengthen `clock.duration`, or schedule it earlier";
        let problem = Problem::new(message).expected(format!("an instant before {end}"));
        keys.complain(&["at"], problem.help(help));
    }
    let at = at?;
    Some(ScheduledAction {
        name: name?.unwrap_or_else(|| format!("scheduled-at-{}", Written(at.since_start()))),
        at,
        late: late?,
        min: min?,
        max: max?,
        desired: desired?,
    })
}

/// Auto Scaling rejects an action that leaves `min` above `max`, or `desired` outside them.
fn report_misfits(actions: &[(ScheduledAction, &Section<'_>)], min: u32, max: u32) {
    let (mut min, mut max) = (min, max);
    for (action, section) in actions {
        min = action.min.unwrap_or(min);
        max = action.max.unwrap_or(max);
        let at = Written(action.at.since_start());
        if min > max {
            let message = format!("from {at} on, `min` ({min}) is above `max` ({max})");
            let problem = Problem::new(message).expected(format!("0 to {max}"));
            let help = "raise `max` with the same action, or lower `min`";
            section.complain(&["min", "max"], problem.help(help));
            return;
        }
        if let Some(desired) = action.desired.filter(|size| !(min..=max).contains(size)) {
            let message = format!("`desired` ({desired}) is outside the limits from {at} on");
            let problem = Problem::new(message).expected(format!("{min} to {max}"));
            let help = "change `min` or `max` with the same action, or `desired`";
            section.complain(&["desired"], problem.help(help));
        }
    }
}
