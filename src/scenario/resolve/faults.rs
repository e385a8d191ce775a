//! What breaks, and when.

use std::time::Duration;

use super::topology::zone_id;
use super::{ANY_LENGTH, SOME_LENGTH};
use crate::fault::catalog::{Action, Fault};
use crate::scenario::diagnostic::Problem;
use crate::scenario::document::Section;
use crate::scenario::duration::Written;
use crate::units::SimTime;

/// The planned faults in the order of time; none if the scenario has no `faults`.
pub(super) fn faults(
    root: &Section<'_>,
    zones: Option<&[String]>,
    end: Option<Duration>,
) -> Option<Vec<Fault>> {
    if root.find("faults").is_none() {
        return Some(Vec::new());
    }
    let sections = root.elements("faults", None);
    let faults: Vec<_> = sections
        .iter()
        .map(|section| fault(section, zones, end))
        .collect();
    let mut faults: Vec<_> = faults.into_iter().collect::<Option<_>>()?;
    faults.sort_by_key(|fault| fault.at);
    Some(faults)
}

fn fault(section: &Section<'_>, zones: Option<&[String]>, end: Option<Duration>) -> Option<Fault> {
    let at = section.value("at").and_then(|at| at.length(ANY_LENGTH));
    let lasts = section.value("lasts");
    let lasts = lasts.and_then(|lasts| lasts.length(SOME_LENGTH));
    let action = section.value("action");
    let action = action.and_then(|action| action.word(&Action::NAMES));
    let zone = section.value("zone");
    let zone = zone.and_then(|zone| zone_id(&zone, zones?));
    if let (Some(at), Some(end)) = (at, end)
        && at >= end
    {
        let (at, end) = (Written(at), Written(end));
        let message = format!("the fault at {at} comes after the end of the run at {end}");
        let help = "lengthen `clock.duration`, or let it strike earlier";
        section.complain(&["at"], Problem::new(message).help(help));
    }
    action?;
    Some(Fault {
        at: SimTime::ZERO + at?,
        lasts: lasts?,
        action: Action::AzPowerInterruption { zone: zone? },
    })
}
