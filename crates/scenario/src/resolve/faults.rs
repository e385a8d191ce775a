//! What breaks, and when.

use std::time::Duration;

use super::topology::zone_id;
use super::{ANY_LENGTH, SOME_LENGTH};
use crate::diagnostic::Problem;
use crate::document::Section;
use crate::duration::Written;
use tiketi_core::fault::catalog::{Action, Fault};
use tiketi_core::units::{DataTierPart, SimTime, ZoneId};

const PARTS: [(&str, DataTierPart); 2] = [
    ("redis", DataTierPart::Redis),
    ("database", DataTierPart::Database),
];

/// More instances or connections than any scenario has.
const COUNT_MAX: u32 = 100_000;

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
    report_overlaps(&sections, &faults);
    faults.sort_by_key(|fault| fault.at);
    Some(faults)
}

/// What is broken already cannot break again: nobody could tell which of the two heals.
fn report_overlaps(sections: &[Section<'_>], faults: &[Fault]) {
    let subject = |fault: &Fault| {
        let action = fault.action;
        (action.name(), action.zone(), action.part())
    };
    for (section, fault) in sections.iter().zip(faults) {
        let is_there = |other: &&Fault| {
            subject(other) == subject(fault) && other.at < fault.at && fault.at < other.heal_at()
        };
        if let Some(other) = faults.iter().find(is_there) {
            let at = Written(fault.at.since_start());
            let until = Written(other.heal_at().since_start());
            let name = fault.action.name();
            let message = format!("`{name}` strikes at {at} what it has struck until {until}");
            let help = "let it strike later, or make it one longer fault";
            section.complain(&["at"], Problem::new(message).help(help));
        }
    }
}

fn fault(section: &Section<'_>, zones: Option<&[String]>, end: Option<Duration>) -> Option<Fault> {
    let at = section.value("at").and_then(|at| at.length(ANY_LENGTH));
    if let (Some(at), Some(end)) = (at, end)
        && at >= end
    {
        let (at, end) = (Written(at), Written(end));
        let message = format!("the fault at {at} comes after the end of the run at {end}");
        let help = "lengthen `clock.duration`, or let it strike earlier";
        section.complain(&["at"], Problem::new(message).help(help));
    }
    let name = section.value("action");
    let Some(name) = name.and_then(|name| name.word(&Action::NAMES)) else {
        // Which keys it has nobody can tell; what is wrong with those that most have is still said.
        section.accept_any_key();
        let _lasts = section.find("lasts").map(|lasts| lasts.length(SOME_LENGTH));
        let zone = section.find("zone").zip(zones);
        let _zone = zone.map(|(zone, zones)| zone_id(&zone, zones));
        return None;
    };
    // All keys are read before anything is given up, so that one bad value hides no other.
    let action = action(&name, section, zones);
    let lasts = (!Action::is_momentary_name(&name)).then(|| {
        let lasts = section.value("lasts");
        lasts.and_then(|lasts| lasts.length(SOME_LENGTH))
    });
    let action = action?;
    Some(Fault {
        at: SimTime::ZERO + at?,
        lasts: lasts.unwrap_or(Some(Duration::ZERO))?,
        action,
    })
}

/// The action with the keys that it has; any other key of the table is unknown.
fn action(name: &str, section: &Section<'_>, zones: Option<&[String]>) -> Option<Action> {
    let zone = || -> Option<ZoneId> {
        let zone = section.value("zone")?;
        zone_id(&zone, zones?)
    };
    let part = || section.value("part")?.choice(&PARTS);
    let count = || section.value("count")?.whole(1..=COUNT_MAX);
    match name {
        "az-power-interruption" => Some(Action::AzPowerInterruption { zone: zone()? }),
        "terminate-instances" => {
            let (zone, count) = (zone(), count());
            Some(Action::TerminateInstances {
                zone: zone?,
                count: count?,
            })
        }
        "pause-instances" => {
            let (zone, count) = (zone(), count());
            Some(Action::PauseInstances {
                zone: zone?,
                count: count?,
            })
        }
        "lose-alb-node" => Some(Action::LoseAlbNode { zone: zone()? }),
        "lose-primary" => Some(Action::LosePrimary { part: part()? }),
        "pause-primary" => Some(Action::PausePrimary { part: part()? }),
        "delay-replica" => {
            let (part, lag) = (part(), section.value("lag"));
            let lag = lag.and_then(|lag| lag.length(SOME_LENGTH));
            Some(Action::DelayReplica {
                part: part?,
                lag: lag?,
            })
        }
        "fill-redis-memory" => {
            let value = section.value("share")?;
            let share = value.share()?;
            if share.get() > 0.0 {
                return Some(Action::FillRedisMemory { share });
            }
            value.refuse("above 0, at most 1");
            None
        }
        "hold-database-connections" => Some(Action::HoldDatabaseConnections { count: count()? }),
        other => unreachable!("`{other}` is none of the names an action was chosen from"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Overrides, load};

    /// Each action with all of its keys.
    const ALL: [(&str, &str); 9] = [
        ("az-power-interruption", "lasts = \"1m\"\nzone = \"b\""),
        ("terminate-instances", "zone = \"b\"\ncount = 2"),
        ("pause-instances", "lasts = \"1m\"\nzone = \"b\"\ncount = 1"),
        ("lose-alb-node", "lasts = \"1m\"\nzone = \"a\""),
        ("lose-primary", "lasts = \"1m\"\npart = \"redis\""),
        ("pause-primary", "lasts = \"1m\"\npart = \"database\""),
        (
            "delay-replica",
            "lasts = \"1m\"\npart = \"redis\"\nlag = \"2s\"",
        ),
        ("fill-redis-memory", "lasts = \"1m\"\nshare = \"90%\""),
        ("hold-database-connections", "lasts = \"1m\"\ncount = 40"),
    ];

    fn scenario(action: &str, keys: &str) -> String {
        format!("name = \"x\"\n[[faults]]\naction = \"{action}\"\nat = \"2m\"\n{keys}\n")
    }

    #[test]
    fn every_action_is_read_and_written_as_it_was_read() {
        assert_eq!(ALL.map(|(name, _)| name), Action::NAMES);
        for (name, keys) in ALL {
            let read = load("x.toml", &scenario(name, keys), &Overrides::default());
            let plan = read.unwrap_or_else(|problems| panic!("{name}: {problems}"));
            assert_eq!(plan.faults[0].action.name(), name);
            let again = load("x.toml", &plan.to_toml(), &Overrides::default());
            let again = again.unwrap_or_else(|problems| panic!("{name}: {problems}"));
            assert_eq!(again.faults, plan.faults, "{}", plan.to_toml());
        }
    }

    #[test]
    fn what_is_broken_does_not_break_again_before_it_has_healed() {
        let two = |at: &str, zone: &str| {
            let keys = "lasts = \"1m\"\nzone = \"a\"";
            let first = scenario("az-power-interruption", keys);
            let second = format!(
                "[[faults]]\naction = \"az-power-interruption\"\nat = \"{at}\"\nlasts = \"1m\"\nzone = \"{zone}\"\n"
            );
            load("x.toml", &(first + &second), &Overrides::default())
        };
        let overlap = two("2m30s", "a").expect_err("overlaps").to_string();
        assert!(
            overlap.contains("strikes at 2m30s what it has struck until 3m"),
            "{overlap}"
        );
        assert!(two("3m", "a").is_ok(), "one can follow the other");
        assert!(two("2m30s", "b").is_ok(), "another zone is another thing");
    }

    #[test]
    fn a_key_that_an_action_does_not_have_is_refused_with_those_it_has() {
        let cases = [
            (
                "terminate-instances",
                "zone = \"a\"\ncount = 1\nlasts = \"1m\"",
                "unknown key `lasts`",
            ),
            (
                "lose-primary",
                "lasts = \"1m\"\npart = \"redis\"\nzone = \"a\"",
                "unknown key `zone`",
            ),
            ("lose-primary", "lasts = \"1m\"", "`part` is missing"),
            ("lose-primary", "part = \"redis\"", "`lasts` is missing"),
            (
                "lose-primary",
                "lasts = \"1m\"\npart = \"postgres\"",
                "(legal: redis, database)",
            ),
            (
                "fill-redis-memory",
                "lasts = \"1m\"\nshare = 0",
                "above 0, at most 1",
            ),
            (
                "pause-instances",
                "lasts = \"1m\"\nzone = \"a\"\ncount = 0",
                "1 to 100000",
            ),
            ("pause-everything", "what = 1", "did you mean `pause-"),
        ];
        for (action, keys, message) in cases {
            let read = load("x.toml", &scenario(action, keys), &Overrides::default());
            let problems = read.expect_err("has a mistake");
            assert_eq!(problems.problems().len(), 1, "{action}: {problems}");
            let shown = problems.render(crate::Rendering::Monochrome);
            let flat = shown.split_whitespace().collect::<Vec<_>>().join(" ");
            let found = flat.contains(message) || problems.to_string().contains(message);
            assert!(found, "{action}: {shown}");
        }
    }
}
