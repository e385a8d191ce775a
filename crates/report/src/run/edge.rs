//! What was measured in front of the VPC: page loads, the caches of the edge, and names.

use serde::Serialize;

use tiketi_measure::Measurements;
use tiketi_measure::ending::{FrontFigures, NameFigures, PassingFigures, RoomFigures};
use tiketi_scenario::operation::Operation;
use tiketi_verdict::figure::percent;

use super::page::pairs;
use crate::number::Number;
use crate::page::{Prose, Section};

/// What the edge served and passed on, and how names were resolved.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct EdgeReport {
    /// Page loads after the warm-up.
    pub page_loads: u64,
    /// Those that failed.
    pub page_loads_failed: u64,
    /// Median of their response times, in seconds; `None` without any.
    pub page_load_p50_seconds: Option<f64>,
    /// 99th percentile of their response times, in seconds; `None` without any.
    pub page_load_p99_seconds: Option<f64>,
    /// Share of requests for static files that were answered from a cache; `None` without any.
    pub hit_ratio: Option<f64>,
    /// Everything that was counted.
    pub counts: FrontFigures,
}

/// What was measured of the edge; `None` if no static file was requested.
pub(super) fn report(run: &Measurements) -> Option<EdgeReport> {
    let counts = run.ending.system.as_ref()?.edge?;
    if counts.files.requests == 0 && counts.site.lookups() == 0 {
        return None;
    }
    let loads = run.tally.operation(Some(Operation::PageLoad));
    let percentile = |percent| {
        let length = loads.response_time.percentile(percent);
        length.map(|length| length.as_secs_f64())
    };
    Some(EdgeReport {
        page_loads: loads.calls(),
        page_loads_failed: loads.failures(),
        page_load_p50_seconds: percentile(50.0),
        page_load_p99_seconds: percentile(99.0),
        hit_ratio: counts.files.hit_ratio(),
        counts,
    })
}

/// The section of the report.
pub(super) fn section(report: &EdgeReport) -> Section {
    let FrontFigures {
        files,
        passed_requests,
        passed_bytes,
        site,
        site_astray: _, // A claim of its own judges it.
        load_balancer,
        passing,
        room,
    } = report.counts;
    let shares = [
        report.counts.passed_share(),
        report.counts.passed_bytes_share(),
    ];
    let [requests, bytes] = shares.map(|share| share.map_or("none".to_owned(), percent));
    let seconds = |length: Option<f64>| {
        length.map_or("none".to_owned(), |length| {
            Number::seconds(length).to_string()
        })
    };
    let mut rows = vec![
        (
            "Page loads",
            format!(
                "{}, {} failed; response time p(50) {}, p(99) {}",
                Number::count(report.page_loads),
                Number::count(report.page_loads_failed),
                seconds(report.page_load_p50_seconds),
                seconds(report.page_load_p99_seconds)
            ),
        ),
        (
            "Static files",
            format!(
                "{} requests, {} from the cache; {} misses, {} waited for one, {} errors",
                Number::count(files.requests),
                report.hit_ratio.map_or("none".to_owned(), percent),
                Number::count(files.misses),
                Number::count(files.collapsed),
                Number::count(files.failed + files.refused)
            ),
        ),
        (
            "S3",
            format!(
                "{} requests, {} of them for files that had not changed; {}",
                Number::count(files.origin_requests),
                Number::count(files.origin_unchanged),
                Number::bytes(files.origin_bytes)
            ),
        ),
        (
            "Passed on to the VPC",
            format!(
                "{} requests ({requests} of all), {} of responses and messages ({bytes} of all bytes to buyers)",
                Number::count(passed_requests),
                Number::bytes(passed_bytes)
            ),
        ),
        ("Lookups of the site", lookups(&site)),
        ("Lookups of the load balancer", lookups(&load_balancer)),
    ];
    rows.extend(passing.map(|passing| ("API requests through the edge", passed_on(&passing))));
    rows.extend(room.map(|room| ("Waiting room at the edge", in_room(&room))));
    let rows = rows.into_iter().map(|(name, told)| (name.to_owned(), told));
    let way = match passing {
        Some(_) => {
            "API requests pass through the edge; sockets are counted and billed as if they did, but are opened to the load \
             balancer directly."
        }
        None => {
            "API requests are counted and billed as passed through the edge, but are sent to the load balancer directly."
        }
    };
    let pages = "Page loads are not among the requests to the system: they succeed even if the system is down.";
    Section::new("Edge and names")
        .with(Prose::muted(format!("{pages} {way}")))
        .with(pairs("In front of the VPC", rows.collect()))
}

fn passed_on(passing: &PassingFigures) -> String {
    format!(
        "{}, {} answered by the load balancer; the edge answered {} with 502 and {} with 504",
        Number::count(passing.requests),
        Number::count(passing.answered),
        Number::count(passing.bad_gateway),
        Number::count(passing.timed_out)
    )
}

fn in_room(room: &RoomFigures) -> String {
    format!(
        "{} requests: {} to join, {} polls, {} to leave; {} passes",
        Number::count(room.requests()),
        Number::count(room.joins),
        Number::count(room.polls),
        Number::count(room.leaves),
        Number::count(room.passes)
    )
}

fn lookups(name: &NameFigures) -> String {
    format!(
        "{}: {} first ones, {} after the TTL, {} after a failed connection; {} without an answer",
        Number::count(name.lookups()),
        Number::count(name.first),
        Number::count(name.expired),
        Number::count(name.after_failure),
        Number::count(name.unanswered)
    )
}
