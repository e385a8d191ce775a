//! What a year brings: faults and maintenance.

use std::collections::BTreeSet;

use super::limits;
use crate::availability::{Availability, YearlyFault};
use crate::diagnostic::Problem;
use crate::keys::kind::{Length, Number, OneOf, Or};
use crate::keys::{Keys, key};
use tiketi_core::fault::catalog::{Fault, FaultKind};

/// `faults` are those of the scenario; `None` if they have a problem.
pub(super) fn availability(
    keys: &mut Keys<'_, '_, Availability>,
    faults: Option<&[Fault]>,
) -> Option<Availability> {
    let maintenances_per_year = keys.value(
        key(
            "maintenances_per_year",
            "Times per year that maintenance interrupts the database.",
        ),
        Number(limits::PER_YEAR),
        |availability| availability.maintenances_per_year,
    );
    let maintenance = keys.value(
        key(
            "maintenance",
            "How long one of them takes if the database has no standby. With one, it takes a failover.",
        ),
        Length(limits::DELAY),
        |availability| availability.maintenance,
    );
    let yearly = keys.list(
        key(
            "faults",
            "How often faults of the scenario are expected per year. A kind that is left out is expected once.",
        ),
        limits::YEARLY_FAULTS,
        Some("yearly_fault"),
        |availability| &availability.faults,
        |keys| yearly_fault(keys, faults),
    );
    let stated = yearly.values?;
    let mut seen = BTreeSet::new();
    for (fault, section) in stated.iter().zip(&yearly.sections) {
        if !seen.insert(fault.action) {
            let problem = Problem::new(format!("`{}` is listed twice", fault.action));
            let problem = problem.expected("each kind of fault once");
            section.complain(&["action"], problem.help("add the two numbers up"));
        }
    }
    Some(Availability {
        maintenances_per_year: maintenances_per_year?,
        maintenance: maintenance?,
        faults: stated,
    })
}

fn yearly_fault(
    keys: &mut Keys<'_, '_, YearlyFault>,
    faults: Option<&[Fault]>,
) -> Option<YearlyFault> {
    let action = keys.value(
        key(
            "action",
            "The kind of fault, one that `faults` of the scenario has.",
        ),
        OneOf::<FaultKind>::new(),
        |fault| fault.action,
    );
    let per_year = keys.value(
        key("per_year", "Times per year."),
        Number(limits::PER_YEAR),
        |fault| fault.per_year,
    );
    let lasts = keys.value(
        key(
            "lasts",
            "How long such a fault really lasts; `as-run` if as long as in the run. It matters only if the sale is still down when the fault ends.",
        ),
        Or("as-run", Length(limits::REAL_FAULT)),
        |fault| fault.lasts,
    );
    let detection = keys.value(
        key(
            "detection",
            "How long people take to notice it, which is added to the downtime.",
        ),
        Length(limits::REAL_FAULT),
        |fault| fault.detection,
    );
    if let (Some(action), Some(faults)) = (action, faults)
        && !faults.iter().any(|fault| fault.action.kind() == action)
    {
        let problem = Problem::new(format!("the scenario has no fault `{action}`"));
        let problem = problem.expected(expected(faults));
        let help =
            "a run measures the downtime of a fault: add the fault to `faults` of the scenario";
        keys.complain(&["action"], problem.help(help));
    }
    if let (Some(action), Some(Some(_))) = (action, lasts)
        && action.is_momentary()
    {
        let problem = Problem::new(format!("`{action}` is momentary and has no `lasts`"));
        let problem = problem.expected("no `lasts`, or \"as-run\"");
        let help = "leave it out: how long the sale is down after it is measured";
        keys.complain(&["lasts"], problem.help(help));
    }
    Some(YearlyFault {
        action: action?,
        per_year: per_year?,
        lasts: lasts?,
        detection: detection?,
    })
}

/// The kinds of faults that the scenario has, in words.
fn expected(faults: &[Fault]) -> String {
    let kinds: BTreeSet<_> = faults.iter().map(|fault| fault.action.kind()).collect();
    if kinds.is_empty() {
        return "an empty list: the scenario has no faults".to_owned();
    }
    let names: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
    format!("one of: {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Overrides, Plan, load};

    const FAULTS: &str = "faults = [{ at = \"2m\", lasts = \"1m\", action = \"az-power-interruption\", zone = \"a\" }, \
                          { at = \"5m\", action = \"terminate-instances\", zone = \"a\", count = 1 }]";

    fn plan(yearly: &str) -> Result<Plan, String> {
        let text = format!("name = \"x\"\n{FAULTS}\navailability.faults = [{yearly}]\n");
        load("x.toml", &text, &Overrides::default()).map_err(|problems| problems.to_string())
    }

    #[test]
    fn a_yearly_budget_is_kept_when_the_scenario_is_written() {
        let stated = "{ action = \"az-power-interruption\", per_year = 0.5, lasts = \"4h\", detection = \"10m\" }, \
                      { action = \"terminate-instances\", per_year = 12 }";
        let plan = plan(stated).unwrap_or_else(|problems| panic!("{problems}"));
        let zone = plan
            .availability
            .of(FaultKind::AzPowerInterruption)
            .unwrap();
        assert_eq!(zone.lasts, Some(Duration::from_hours(4)));
        assert_eq!(zone.detection, Duration::from_mins(10));
        let instance = plan.availability.of(FaultKind::TerminateInstances).unwrap();
        assert_eq!((instance.lasts, instance.detection), (None, Duration::ZERO));
        assert_eq!(plan.availability.of(FaultKind::LosePrimary), None);
        let again = load("x.toml", &plan.to_toml(), &Overrides::default());
        assert_eq!(again.unwrap().availability, plan.availability);
    }

    #[test]
    fn faults_that_the_scenario_does_not_have_and_contradictions_are_rejected() {
        let cases = [
            (
                "{ action = \"lose-primary\", per_year = 1 }",
                "one of: az-power-interruption, terminate-instances",
            ),
            (
                "{ action = \"terminate-instances\", per_year = 1, lasts = \"1h\" }",
                "is momentary",
            ),
            (
                "{ action = \"terminate-instances\", per_year = 1 }, { action = \"terminate-instances\", per_year = 2 }",
                "listed twice",
            ),
            (
                "{ action = \"terminate-instances\", per_year = -1 }",
                "all year",
            ),
        ];
        for (yearly, reason) in cases {
            let shown = plan(yearly).expect_err("has a mistake");
            assert!(shown.contains(reason), "{yearly}: {shown}");
        }
    }
}
