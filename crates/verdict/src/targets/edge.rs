//! The claims about what is in front of the VPC: names (A1), static files and the way of API requests (A2).

use super::{Checked, Claim, Evidence, Found, NotExercised};
use crate::figure::{counted, grouped, in_words, percent};
use tiketi_measure::ending::{FrontFigures, NameFigures};
use tiketi_scenario::operation::Operation;
use tiketi_scenario::topology::Way;

/// A1: the site's name leads to the edge, answers are used for their TTL, and a failed connection leads to another lookup.
pub(super) fn names(evidence: &Evidence<'_>) -> Checked {
    let front = front(evidence)?;
    let (site, load_balancer) = (&front.site, &front.load_balancer);
    if site.lookups() == site.unanswered {
        return Err("nobody got an answer for the site's name".into());
    }
    let failures = site.failures + load_balancer.failures;
    let after_failure = site.after_failure + load_balancer.after_failure;
    let measured = format!(
        "site: {}, {} led elsewhere than to the edge; load balancer: {}; {} to an address that failed, {} because of it",
        told(site),
        grouped(front.site_astray),
        told(load_balancer),
        counted(failures, "connection"),
        counted(after_failure, "lookup"),
    );
    let is_followed = failures == 0 || after_failure > 0;
    let as_documented =
        front.site_astray == 0 && is_honored(site) && is_honored(load_balancer) && is_followed;
    Ok(Found::new(as_documented, measured)
        .without_unless(failures > 0, "a lookup after a failed connection"))
}

/// A2: static files come from the caches of the edge, and API requests reach the load balancer. If they pass through the edge,
/// it has passed on each one that succeeded; sockets go to the load balancer directly, and are no API requests.
pub(super) fn files(claim: &Claim, evidence: &Evidence<'_>) -> Checked {
    let front = front(evidence)?;
    let files = &front.files;
    let hits = files.hit_ratio().ok_or("no static file was requested")?;
    let tally = &evidence.run.tally;
    let succeeded = tally.operation(None).ok;
    if succeeded == 0 {
        return Err("no API request succeeded".into());
    }
    let edge = &evidence.run.plan.topology.edge;
    let through = Operation::ALL.into_iter();
    let through = through.filter(|one| edge.way(*one) == Way::Through);
    let succeeded_through: u64 = through.map(|one| tally.operation(Some(one)).ok).sum();
    let in_percent = |share: Option<f64>| share.map_or("none".to_owned(), percent);
    let measured = format!(
        "{} of {} for static files came from the cache, and S3 got {}; {} of all requests and {} of all bytes reached the VPC, which answered \
         each successful API request",
        percent(hits),
        counted(files.requests, "request"),
        counted(files.origin_requests, "request"),
        in_percent(front.passed_share()),
        in_percent(front.passed_bytes_share()),
    );
    // Requests in the warm-up were passed on as well, so that there may be more.
    let arrived = front.passed_requests;
    let missing = |counted: &str, number| {
        format!(
            "{} API requests succeeded, but only {} {counted}",
            grouped(succeeded),
            grouped(number)
        )
    };
    let (is_uncached, measured) = match &front.passing {
        _ if arrived < succeeded => (false, missing("reached the load balancer", arrived)),
        Some(passing) if passing.answered < succeeded_through => {
            let counted = "were passed on by the edge and answered";
            (false, missing(counted, passing.answered))
        }
        Some(passing) => {
            let through = format!(
                "the edge passed on {}, and the load balancer answered {}",
                counted(passing.requests, "API request"),
                grouped(passing.answered)
            );
            (true, format!("{measured}; {through}"))
        }
        None => (true, measured),
    };
    let found = Found::new(claim.admits(hits) && is_uncached, measured);
    Ok(found.without_unless(
        front.passing.is_some(),
        "API requests on their way through the edge (sent to the load balancer directly here)",
    ))
}

fn front<'a>(evidence: &Evidence<'a>) -> Result<&'a FrontFigures, NotExercised> {
    let system = evidence.run.ending.system.as_ref();
    let system = system.ok_or("the system exposes no counters")?;
    Ok(system
        .edge
        .as_ref()
        .ok_or("the run was recorded without counters of the edge")?)
}

/// Whether no answer was used after its time to live.
fn is_honored(name: &NameFigures) -> bool {
    name.used_after_max <= name.ttl_max
}

/// `4 lookups, answers used for up to 59 s of 60 s`.
fn told(name: &NameFigures) -> String {
    let lookups = counted(name.lookups(), "lookup");
    let unanswered = match name.unanswered {
        0 => String::new(),
        unanswered => format!(" ({} without an answer)", grouped(unanswered)),
    };
    format!(
        "{lookups}{unanswered}, answers used for up to {} of {}",
        in_words(name.used_after_max),
        in_words(name.ttl_max)
    )
}
