//! Whether the tool could use the CPUs of the machine: quota, affinity, steal.

use std::time::Duration;

use super::{CPU_SHARE_MAX, ValidityCheck};
use crate::figure::{counted, in_words, percent, significant};
use tiketi_measure::Measurements;
use tiketi_measure::ending::HostFigures;

/// Share of the run for which a control group may be throttled (assumption): a request in a hundred may be late, as for the
/// scheduling delay.
const THROTTLED_MAX: f64 = 0.01;
/// Share of the CPU time that the hypervisor may give to others (assumption): shared virtual machines lose 1 to 3 %, and
/// each of their processes is late by no more than that.
const STOLEN_MAX: f64 = 0.05;

/// Checks what the operating system says about the CPUs; nothing if it was not read.
pub(super) fn judge(run: &Measurements) -> Vec<ValidityCheck> {
    let Some(tool) = &run.ending.generator.tool else {
        return Vec::new();
    };
    let wall = run.ending.wall.max(Duration::from_millis(1));
    [
        quota(&tool.host, wall),
        affinity(&tool.host),
        steal(&tool.host),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A quota bounds the tool only when it is used up.
fn quota(host: &HostFigures, wall: Duration) -> Option<ValidityCheck> {
    let throttled = host.throttled.unwrap_or_default();
    let share = throttled.div_duration_f64(wall);
    if host.quota.is_none() && host.throttled.is_none() {
        return None;
    }
    let quota = match host.quota {
        Some(cpus) => format!("quota of {} CPUs", significant(cpus)),
        None => "no quota".to_owned(),
    };
    Some(ValidityCheck {
        name: "CPU quota",
        ok: share <= THROTTLED_MAX,
        evidence: format!(
            "{quota}, throttled for {} of {} (limit {})",
            in_words(throttled),
            in_words(wall),
            percent(THROTTLED_MAX)
        ),
    })
}

/// Being restricted to some of the CPUs bounds the tool only when these are full.
fn affinity(host: &HostFigures) -> Option<ValidityCheck> {
    if host.cpus == 0 {
        return None;
    }
    let is_restricted = host.cpus_allowed < host.cpus;
    let busy = host.busy.unwrap_or(0.0);
    Some(ValidityCheck {
        name: "CPU affinity",
        ok: !is_restricted || busy < CPU_SHARE_MAX,
        evidence: if is_restricted {
            format!(
                "only {} of {} may be used, {} busy (limit {})",
                host.cpus_allowed,
                counted(host.cpus.into(), "CPU"),
                percent(busy),
                percent(CPU_SHARE_MAX)
            )
        } else {
            format!(
                "all {} may be used, {} busy with all processes of the machine",
                counted(host.cpus.into(), "CPU"),
                percent(busy)
            )
        },
    })
}

fn steal(host: &HostFigures) -> Option<ValidityCheck> {
    let stolen = host.stolen?;
    Some(ValidityCheck {
        name: "CPU steal",
        ok: stolen <= STOLEN_MAX,
        evidence: format!(
            "the hypervisor gave {} of the CPU time to others (limit {})",
            percent(stolen),
            percent(STOLEN_MAX)
        ),
    })
}
