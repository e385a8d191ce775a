//! Deployments: how long each instance refresh took, and what it cost the buyers.

use tiketi_cloud::notice::RefreshOutcome;
use tiketi_verdict::deployment::Deployment;

use super::page::pairs;
use crate::number::Number;
use crate::page::{Section, Table};
use crate::wording::listed;

/// The section; `None` in a run without a deployment.
pub(super) fn section(deployments: &[Deployment]) -> Option<Section> {
    let tables = deployments.iter().map(table);
    (!deployments.is_empty()).then(|| Section::new("Deployment").with_all(tables))
}

fn table(deployment: &Deployment) -> Table {
    let title = format!(
        "Instance refresh at {}",
        Number::instant(deployment.started_at)
    );
    let of = deployment.instances;
    let replaced = deployment.replaced.map_or_else(
        || format!("unknown, of {of}"),
        |replaced| format!("{replaced} of {of}"),
    );
    let failed = deployment.failed_share().map_or_else(
        || "no requests".to_owned(),
        |share| {
            let (failed, all) = (deployment.failed, deployment.requests);
            let [failed, all] = [failed, all].map(Number::count);
            format!("{failed} of {all} ({})", Number::share(share))
        },
    );
    let rows = [
        ("Outcome", outcome(deployment.outcome).to_owned()),
        ("Duration", Number::duration(deployment.took).to_string()),
        ("Instances replaced", replaced),
        ("Requests that failed meanwhile", failed),
        (
            "Connections dropped meanwhile",
            format!(
                "{}, {} of them at the end of a drain",
                Number::count(deployment.sockets_dropped),
                Number::count(deployment.sockets_cut)
            ),
        ),
        ("Instances drained", drained(deployment)),
    ];
    let mut rows: Vec<_> = rows.into();
    rows.extend(deployment.both_versions.map(|both| {
        let both = Number::duration(both).to_string();
        ("Both versions got requests for", both)
    }));
    if !deployment.checkpoints.is_empty() {
        let reached = deployment.checkpoints.iter().map(|checkpoint| {
            let at = Number::instant(checkpoint.reached_at);
            format!("{} replaced at {at}", checkpoint.replaced)
        });
        let reached: Vec<_> = reached.collect();
        rows.push(("Checkpoints", listed(&reached)));
    }
    if !deployment.faults.is_empty() {
        let faults: Vec<_> = deployment.faults.iter().map(ToString::to_string).collect();
        rows.push(("Disturbed by", listed(&faults)));
    }
    let rows = rows.into_iter().map(|(name, told)| (name.to_owned(), told));
    pairs(title, rows.collect())
}

fn drained(deployment: &Deployment) -> String {
    let drained = Number::count(deployment.drained);
    match deployment.longest_drain {
        Some(longest) => format!("{drained}, in {} at most", Number::duration(longest)),
        None => drained.to_string(),
    }
}

const fn outcome(outcome: Option<RefreshOutcome>) -> &'static str {
    match outcome {
        Some(outcome) => in_words(outcome),
        None => "in progress when the run ended",
    }
}

/// How a refresh ended.
pub(super) const fn in_words(outcome: RefreshOutcome) -> &'static str {
    match outcome {
        RefreshOutcome::Successful => "successful",
        RefreshOutcome::Failed => "failed: no progress for an hour; not rolled back",
        RefreshOutcome::Cancelled => "canceled; not rolled back",
        RefreshOutcome::Rejected => "rejected: another one was in progress",
    }
}
