//! Deployments: how long each instance refresh took, what it replaced, and what it cost the buyers.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

use super::drain::{self, Drain};
use super::figure::{self, share};
use super::recovery::Recovery;
use tiketi_cloud::notice::{InstanceState, Notice, RefreshOutcome, What};
use tiketi_core::fault::catalog::FaultKind;
use tiketi_core::units::SimTime;
use tiketi_measure::Measurements;

/// One instance refresh.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Deployment {
    /// When it started.
    #[serde(rename = "started_at_seconds", serialize_with = "figure::at_seconds")]
    pub started_at: SimTime,
    /// How it ended; `None` if it was in progress at the end of the run.
    pub outcome: Option<RefreshOutcome>,
    /// From its start to its end, or to the end of the run.
    #[serde(rename = "took_seconds", serialize_with = "seconds")]
    pub took: Duration,
    /// Instances of the group when it started.
    pub instances: u32,
    /// Instances that it replaced; `None` if it was in progress at the end of the run.
    pub replaced: Option<u32>,
    /// Requests that ended while it ran. Times are those of the time series, to the second in short runs.
    pub requests: u64,
    /// Of these, the ones that failed.
    pub failed: u64,
    /// Sockets that were dropped while it ran.
    pub sockets_dropped: u64,
    /// Of these, the ones that were dropped when an instance was terminated after its drain.
    pub sockets_cut: u64,
    /// Instances that were drained and terminated while it ran.
    pub drained: u64,
    /// The longest of these drains; `None` if there was none.
    #[serde(
        rename = "longest_drain_seconds",
        serialize_with = "figure::maybe_seconds"
    )]
    pub longest_drain: Option<Duration>,
    /// Where it waited.
    pub checkpoints: Vec<Checkpoint>,
    /// How long instances of both versions got requests: from the first new one that was healthy until the last old one was taken
    /// out. `None` if that did not happen.
    #[serde(
        rename = "both_versions_seconds",
        serialize_with = "figure::maybe_seconds"
    )]
    pub both_versions: Option<Duration>,
    /// Faults that struck while it ran, or from which the system had not recovered: failures may be theirs.
    pub faults: Vec<FaultKind>,
}

/// A checkpoint at which a refresh waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Checkpoint {
    /// When it was reached.
    #[serde(rename = "reached_at_seconds", serialize_with = "figure::at_seconds")]
    pub reached_at: SimTime,
    /// Instances that had been replaced by then.
    pub replaced: u32,
}

impl Deployment {
    /// Returns the share of requests that failed while it ran; `None` if there were none.
    pub fn failed_share(&self) -> Option<f64> {
        share(self.failed, self.requests)
    }
}

fn seconds<S: serde::Serializer>(length: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(length.as_secs_f64())
}

/// Follows each instance refresh of the timeline.
pub(super) fn judge(run: &Measurements, recoveries: &[Recovery]) -> Vec<Deployment> {
    let starts = run.timeline.iter().enumerate();
    let starts = starts.filter_map(|(place, notice)| match notice.what {
        What::RefreshStarted { instances } => Some((place, notice.at, instances)),
        _ => None,
    });
    starts
        .map(|(place, started_at, instances)| {
            follow(
                run,
                recoveries,
                &run.timeline[place..],
                (started_at, instances),
            )
        })
        .collect()
}

/// Follows the refresh that started with `instances` at the first notice of `timeline`.
fn follow(
    run: &Measurements,
    recoveries: &[Recovery],
    timeline: &[Notice],
    (started_at, instances): (SimTime, u32),
) -> Deployment {
    let ends = timeline.iter().enumerate();
    let end = ends.filter_map(|(place, notice)| match notice.what {
        // A rejected refresh never started, and ends no other.
        What::RefreshEnded { outcome, replaced } if outcome != RefreshOutcome::Rejected => {
            Some((place, notice.at, outcome, replaced))
        }
        _ => None,
    });
    let end = end.into_iter().next();
    let ended_at = end.map_or(run.ending.ended_at, |(_, at, ..)| at);
    let own = &timeline[..end.map_or(timeline.len(), |(place, ..)| place)];
    let drains = drain::drains(run, started_at, ended_at);
    let mut deployment = Deployment {
        started_at,
        outcome: end.map(|(_, _, outcome, _)| outcome),
        took: ended_at.saturating_since(started_at),
        instances,
        replaced: end.map(|(.., replaced)| replaced),
        requests: 0,
        failed: 0,
        sockets_dropped: 0,
        sockets_cut: drain::sockets_cut(run, &drains),
        drained: drains.len() as u64,
        longest_drain: drains.iter().map(Drain::took).max(),
        checkpoints: checkpoints(own),
        both_versions: both_versions(own),
        faults: faults(recoveries, started_at, ended_at),
    };
    for (index, tick) in run.series.ticks().iter().enumerate() {
        let start = run.series.start_secs(index);
        let end = start + run.series.width_secs();
        if end > started_at.as_secs() && start <= ended_at.as_secs() {
            deployment.requests += tick.calls_ended();
            deployment.failed += tick.calls_failed;
            deployment.sockets_dropped += tick.sockets_lost;
        }
    }
    deployment
}

fn checkpoints(timeline: &[Notice]) -> Vec<Checkpoint> {
    let waits = timeline.iter().filter_map(|notice| match notice.what {
        What::RefreshWaits { replaced } => Some(Checkpoint {
            reached_at: notice.at,
            replaced,
        }),
        _ => None,
    });
    waits.collect()
}

/// How long both versions got requests.
fn both_versions(timeline: &[Notice]) -> Option<Duration> {
    let reached = |wanted: InstanceState| {
        timeline.iter().filter_map(move |notice| match notice.what {
            What::Instance {
                instance, state, ..
            } if state == wanted => Some((instance, notice.at)),
            _ => None,
        })
    };
    let new: BTreeSet<_> = reached(InstanceState::Pending)
        .map(|(instance, _)| instance)
        .collect();
    let first_new = reached(InstanceState::Healthy).find(|(instance, _)| new.contains(instance))?;
    let mut old = reached(InstanceState::Draining).filter(|(instance, _)| !new.contains(instance));
    let (_, last_old) = old.next_back()?;
    // Of a group that was emptied first, no two versions got requests.
    (last_old > first_new.1).then(|| last_old - first_new.1)
}

/// The kinds of faults that disturbed this part of the run.
fn faults(recoveries: &[Recovery], from: SimTime, until: SimTime) -> Vec<FaultKind> {
    let disturbs = recoveries.iter().filter(|one| one.disturbs(from, until));
    let kinds: BTreeSet<_> = disturbs.map(|recovery| recovery.action).collect();
    kinds.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_core::units::{InstanceId, ZoneId};
    use tiketi_measure::example;
    use tiketi_measure::series::Tick;

    fn judged(run: &Measurements) -> Vec<Deployment> {
        judge(run, &[])
    }

    fn at(seconds: u64, what: What) -> Notice {
        let at = SimTime::from_secs(seconds);
        Notice { at, what }
    }

    const fn ended(outcome: RefreshOutcome, replaced: u32) -> What {
        What::RefreshEnded { outcome, replaced }
    }

    #[test]
    fn a_deployment_counts_what_failed_while_it_ran() {
        let mut run = example::run();
        let before = judged(&run);
        assert_eq!(before, []);
        run.timeline = vec![
            at(100, What::RefreshStarted { instances: 5 }),
            at(150, ended(RefreshOutcome::Rejected, 0)),
            at(400, ended(RefreshOutcome::Successful, 5)),
        ];
        let quiet = judged(&run).remove(0);
        assert_eq!(quiet.outcome, Some(RefreshOutcome::Successful));
        assert_eq!((quiet.took.as_secs(), quiet.replaced), (300, Some(5)));
        for second in [99, 100, 400, 401] {
            let lost = Tick {
                calls_failed: 10,
                sockets_lost: 7,
                ..Default::default()
            };
            run.series.absorb(second, &lost);
        }
        let loud = judged(&run).remove(0);
        assert_eq!(loud.failed, quiet.failed + 20, "the first and last second");
        assert_eq!(loud.requests, quiet.requests + 20);
        assert_eq!(loud.sockets_dropped, 14);
    }

    #[test]
    fn a_deployment_that_outlives_the_run_has_no_outcome() {
        let mut run = example::run();
        run.timeline = vec![at(500, What::RefreshStarted { instances: 2 })];
        let deployment = judged(&run).remove(0);
        assert_eq!((deployment.outcome, deployment.replaced), (None, None));
        assert_eq!(deployment.took.as_secs(), 100, "the run has 600 s");
    }

    const fn instance(number: u32, state: InstanceState) -> What {
        What::Instance {
            instance: InstanceId(number),
            zone: ZoneId(0),
            state,
        }
    }

    /// Instances 2 and 3 replace 0 and 1. Connections closed at the end of a drain are counted apart from other lost ones.
    #[test]
    fn a_deployment_tells_its_drains_checkpoints_and_how_long_both_versions_served() {
        use InstanceState::{Draining, Healthy, Pending, Terminated};
        let mut run = example::run();
        run.timeline = vec![
            at(100, What::RefreshStarted { instances: 2 }),
            at(100, instance(2, Pending)),
            at(130, instance(2, Healthy)),
            at(140, instance(0, Draining)),
            at(160, instance(0, Terminated)),
            at(160, What::RefreshWaits { replaced: 1 }),
            at(220, instance(3, Pending)),
            at(250, instance(3, Healthy)),
            at(260, instance(1, Draining)),
            at(300, instance(1, Terminated)),
            at(300, ended(RefreshOutcome::Successful, 2)),
        ];
        for (second, sockets_lost) in [(150, 3), (160, 7), (300, 11)] {
            let lost = Tick {
                sockets_lost,
                ..Tick::default()
            };
            run.series.absorb(second, &lost);
        }
        let deployment = judged(&run).remove(0);
        assert_eq!(
            (deployment.sockets_dropped, deployment.sockets_cut),
            (21, 18)
        );
        assert_eq!(deployment.drained, 2);
        assert_eq!(deployment.longest_drain, Some(Duration::from_secs(40)));
        let reached = SimTime::from_secs(160);
        let checkpoint = Checkpoint {
            reached_at: reached,
            replaced: 1,
        };
        assert_eq!(deployment.checkpoints, [checkpoint]);
        assert_eq!(deployment.both_versions, Some(Duration::from_secs(130)));
        assert_eq!(deployment.faults, []);
    }

    #[test]
    fn a_deployment_names_the_faults_that_disturbed_it() {
        let mut run = example::run();
        let recoveries = crate::recovery::judge(&run);
        let struck_at = recoveries[0].struck_at.as_secs();
        run.timeline = vec![at(struck_at - 10, What::RefreshStarted { instances: 2 })];
        let deployment = judge(&run, &recoveries).remove(0);
        assert_eq!(deployment.faults, [recoveries[0].action]);
        let before = SimTime::from_secs(struck_at - 20);
        assert_eq!(faults(&recoveries, SimTime::ZERO, before), []);
    }
}
