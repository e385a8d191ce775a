//! The claim about deployments.

use super::{Checked, Claim, Evidence, Found};
use crate::deployment::Deployment;
use crate::figure::{counted, grouped, in_words, percent};
use tiketi_cloud::notice::RefreshOutcome;

/// B10: how long replacing the whole fleet took, and what failed meanwhile.
pub(super) fn rolling(claim: &Claim, evidence: &Evidence<'_>) -> Checked {
    let over: Vec<_> = evidence
        .deployments
        .iter()
        .filter(|deployment| deployment.outcome != Some(RefreshOutcome::Cancelled))
        .collect();
    if over.is_empty() {
        return Err(claim.unmeasured.clone().unwrap_or_default().into());
    }
    // One that the end of the run cut off says something only if it had all the time that the claim allows.
    let is_cut_off = |deployment: &&Deployment| {
        let took = deployment.took.as_secs_f64();
        deployment.outcome.is_none() && claim.high.is_none_or(|high| took <= high)
    };
    if over.iter().all(is_cut_off) {
        return Err("the run ended before the instance refresh did".into());
    }
    let as_documented = over.iter().all(|deployment| {
        deployment.outcome == Some(RefreshOutcome::Successful)
            && deployment.replaced == Some(deployment.instances)
            && claim.admits(deployment.took.as_secs_f64())
    });
    let shown: Vec<_> = over
        .iter()
        .map(|deployment| in_words_of(deployment))
        .collect();
    Ok(Found::new(as_documented, shown.join("; "))
        .without("one Docker host (it is no part of this architecture)"))
}

fn in_words_of(deployment: &Deployment) -> String {
    let took = in_words(deployment.took);
    let instances = counted(deployment.instances.into(), "instance");
    let outcome = match (deployment.outcome, deployment.replaced) {
        (Some(RefreshOutcome::Successful), Some(replaced)) => {
            format!("{replaced} of {instances} replaced in {took}")
        }
        (Some(RefreshOutcome::Failed), Some(replaced)) => {
            format!("failed after {took}, with {replaced} of {instances} replaced")
        }
        (Some(_), _) => format!("ended after {took}"),
        (None, _) => format!("not finished {took} after its start"),
    };
    let failed = deployment.failed_share();
    let mut told = format!(
        "{outcome}; meanwhile {} of the requests failed and {} sockets were dropped, {} of them at the end of a drain",
        failed.map_or_else(|| "none".to_owned(), percent),
        grouped(deployment.sockets_dropped),
        grouped(deployment.sockets_cut)
    );
    if let Some(both) = deployment.both_versions {
        told = format!("{told}; both versions got requests for {}", in_words(both));
    }
    if !deployment.faults.is_empty() {
        let faults: Vec<_> = deployment.faults.iter().map(|fault| fault.name()).collect();
        told = format!("{told}; disturbed by {}", faults.join(", "));
    }
    told
}
