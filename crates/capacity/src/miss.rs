//! Misses: what a run failed, and by how much.

use std::cmp::Ordering;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use tiketi_measure::Measurements;
use tiketi_scenario::objective::Gate;
use tiketi_verdict::Verdicts;
use tiketi_verdict::audit::Finding;
use tiketi_verdict::figure::{Figure, significant};
use tiketi_verdict::gap::Subject;
use tiketi_verdict::slo::{GateResult, GateVerdict};

/// One reason why a run failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Miss {
    /// The metric of the gate (`errors`), the audit, or the validity check.
    pub what: String,
    /// The condition that was not met: `rate < 1%`, or `passed`.
    pub wanted: String,
    /// The value, as text.
    pub found: String,
    /// How far the value is beyond the bound, as text; `None` if that is not a number.
    pub by: Option<String>,
    /// How far the value is beyond the bound, as a share of the bound, or as a number if the bound is 0. `None` stands for
    /// beyond_measurely far.
    pub excess: Option<f64>,
}

impl Miss {
    /// Compares how far two misses are from passing. A miss without a distance is farther than any other.
    pub fn compare(&self, other: &Self) -> Ordering {
        let distance = |miss: &Self| miss.excess.unwrap_or(f64::INFINITY);
        distance(self).total_cmp(&distance(other))
    }

    /// Returns whether it is a miss of the same objective.
    pub fn is_like(&self, other: &Self) -> bool {
        self.what == other.what && self.wanted == other.wanted
    }
}

/// Returns everything that the run missed: gates in the order of the scenario, then audits, then the sale itself if nobody
/// bought a ticket, then validity checks.
///
/// What could not be measured counts as a miss: a search must not call a configuration good because nothing happened in it.
pub(super) fn misses(run: &Measurements, verdicts: &Verdicts) -> Vec<Miss> {
    let gates = run.plan.gates.iter().zip(&verdicts.gates);
    let gates = gates.filter(|(_, verdict)| verdict.result != GateResult::Passed);
    let mut misses: Vec<_> = gates.map(|(gate, verdict)| missed(gate, verdict)).collect();
    for audit in &verdicts.audits {
        match &audit.finding {
            Finding::Violated { evidence } => {
                misses.push(beyond_measure(audit.audit.name(), "passed", evidence));
            }
            Finding::Held { .. } | Finding::CouldNotCheck { .. } => {}
        }
    }
    misses.extend(verdicts.gaps.iter().filter_map(|gap| match &gap.subject {
        Subject::Sale | Subject::Queue => {
            Some(beyond_measure("tickets sold", "at least 1", &gap.reason))
        }
        Subject::Audit { audit } => Some(beyond_measure(audit.name(), "checked", &gap.reason)),
        // Gates are among the misses already.
        Subject::Gate { .. } => None,
    }));
    let doubts = verdicts.validity.iter().filter(|check| !check.ok);
    misses.extend(doubts.map(|check| beyond_measure(check.name, "valid", &check.evidence)));
    misses
}

fn beyond_measure(what: &str, wanted: &str, found: &str) -> Miss {
    Miss {
        what: what.to_owned(),
        wanted: wanted.to_owned(),
        found: found.to_owned(),
        by: None,
        excess: None,
    }
}

fn missed(gate: &Gate, verdict: &GateVerdict) -> Miss {
    let found = match (&verdict.shown, &verdict.reason) {
        (Some(shown), _) => shown.clone(),
        (None, Some(reason)) => reason.clone(),
        (None, None) => "not measured".to_owned(),
    };
    let distance = verdict
        .measured
        .map(|figure| (figure.comparable() - gate.bound).abs());
    let distance = distance.filter(|distance| distance.is_finite());
    // Relative to the bound, so that misses of different metrics can be compared. A bound of 0, as in `count == 0`,
    // has no such ratio.
    let excess = distance.map(|distance| {
        if gate.bound > 0.0 {
            distance / gate.bound
        } else {
            distance
        }
    });
    Miss {
        what: verdict.metric.clone(),
        wanted: verdict.condition.clone(),
        found,
        by: distance
            .zip(verdict.measured)
            .and_then(|(distance, like)| in_words(distance, like)),
        excess,
    }
}

/// Formats a distance in the unit of the value it belongs to; `None` if the value is infinite.
fn in_words(distance: f64, like: Figure) -> Option<String> {
    match like {
        Figure::Length(_) => {
            let length = Duration::from_secs_f64(distance / 1e9);
            Some(Figure::Length(length).to_string())
        }
        Figure::Share(_) => Some(format!(
            "{} percentage points",
            significant(distance * 100.0)
        )),
        Figure::Count(_) => Some(format!("{distance:.0}")),
        Figure::Never => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_measure::example;
    use tiketi_scenario::objective::GateMetric;
    use tiketi_verdict::judge;

    #[test]
    fn a_miss_has_a_distance() {
        let mut run = example::run();
        let errors = run
            .plan
            .gates
            .iter_mut()
            .find(|gate| gate.metric == GateMetric::Errors);
        errors.expect("the example has such a gate").bound = 0.0001;
        let misses = misses(&run, &judge(&run));
        let miss = misses.iter().find(|miss| miss.what == "errors").unwrap();
        assert!(miss.by.as_deref().unwrap().ends_with(" percentage points"));
        assert!(miss.excess.unwrap() > 1.0, "{miss:?}");
    }

    #[test]
    fn a_miss_without_a_distance_is_the_farthest() {
        let near = Miss {
            excess: Some(3.0),
            ..beyond_measure("a", "b", "c")
        };
        let never = beyond_measure("a", "b", "never");
        assert_eq!(near.compare(&never), Ordering::Less);
    }
}
