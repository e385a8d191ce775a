//! Whether a part of the tool stood still, did not answer, or ended, without a fault of the scenario.

use super::ValidityCheck;
use crate::figure::in_words;
use tiketi_core::units::{DataTierPart, ZoneId};
use tiketi_measure::Measurements;
use tiketi_measure::stall::{Stall, StallKind, ToolPart};
use tiketi_scenario::Plan;

/// Stalls that are described; of others only the number is given.
const DESCRIBED_MAX: usize = 4;

/// Checks the stalls; `None` if nobody watched.
pub(super) fn judge(run: &Measurements) -> Option<ValidityCheck> {
    let tool = run.ending.generator.tool.as_ref()?;
    let limit = run.plan.self_check.stall_max;
    let counts = |stall: &&Stall| stall.kind == StallKind::Ended || stall.wall > limit;
    let mut found: Vec<_> = tool.stalls.iter().filter(counts).collect();
    // An end is worse than a stall, and a long stall worse than a short one. The sort is stable: by time otherwise.
    found.sort_by_key(|stall| {
        (
            stall.kind != StallKind::Ended,
            std::cmp::Reverse(stall.wall),
        )
    });
    let described = found.iter().take(DESCRIBED_MAX);
    let mut words: Vec<_> = described.map(|stall| describe(stall, &run.plan)).collect();
    let left = found.len().saturating_sub(DESCRIBED_MAX);
    if left > 0 {
        words.push(format!("{left} more"));
    }
    Some(ValidityCheck {
        name: "no part of the tool stalled",
        ok: found.is_empty(),
        evidence: if found.is_empty() {
            format!(
                "none stood still for more than {} of real time",
                in_words(limit)
            )
        } else {
            format!("{} (limit {})", words.join("; "), in_words(limit))
        },
    })
}

/// Names the part, real and scenario time: `load worker 1 stood still for 1s (10s of scenario time, from 31s)`.
fn describe(stall: &Stall, plan: &Plan) -> String {
    let part = name(stall.part, plan);
    let from = in_words(stall.from.since_start());
    let verb = match stall.kind {
        StallKind::Stopped => "stood still",
        StallKind::Silent => "did not answer",
        StallKind::CoreShared => "shared its core, which was full,",
        StallKind::Ended => return format!("{part} ended unexpectedly at {from}"),
    };
    let (wall, lasted) = (in_words(stall.wall), in_words(stall.lasted));
    format!("{part} {verb} for {wall} ({lasted} of scenario time, from {from})")
}

fn name(part: ToolPart, plan: &Plan) -> String {
    let zone = |zone: ZoneId| {
        let zones = &plan.topology.zones;
        let known = zones.get(zone.index()).map(|zone| zone.name.as_str());
        known.unwrap_or("unknown").to_owned()
    };
    match part {
        ToolPart::Supervisor => "the supervisor".to_owned(),
        // Counted from one, as in the table of load workers.
        ToolPart::Worker(worker) => format!("load worker {}", worker + 1),
        ToolPart::Node(of) => format!("the load-balancer node of zone {}", zone(of)),
        ToolPart::Instance(instance) => format!("instance {instance}"),
        ToolPart::Edge => "the edge".to_owned(),
        ToolPart::Outside => "the payment provider, S3 or a router".to_owned(),
        ToolPart::DataTier(DataTierPart::Redis) => "Redis".to_owned(),
        ToolPart::DataTier(DataTierPart::Database) => "the database".to_owned(),
    }
}
