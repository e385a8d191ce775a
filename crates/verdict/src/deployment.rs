//! Deployments: how long each instance refresh took, what it replaced, and what it cost the buyers.

use std::time::Duration;

use serde::Serialize;

use super::figure::{self, share};
use tiketi_cloud::notice::{RefreshOutcome, What};
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
pub(super) fn judge(run: &Measurements) -> Vec<Deployment> {
    let starts = run.timeline.iter().enumerate();
    let starts = starts.filter_map(|(place, notice)| match notice.what {
        What::RefreshStarted { instances } => Some((place, notice.at, instances)),
        _ => None,
    });
    starts
        .map(|(place, started_at, instances)| {
            let mut later = run.timeline[place..].iter();
            let end = later.find_map(|notice| match notice.what {
                // A rejected refresh never started, and ends no other.
                What::RefreshEnded { outcome, replaced } if outcome != RefreshOutcome::Rejected => {
                    Some((notice.at, outcome, replaced))
                }
                _ => None,
            });
            let ended_at = end.map_or(run.ending.ended_at, |(at, ..)| at);
            let mut deployment = Deployment {
                started_at,
                outcome: end.map(|(_, outcome, _)| outcome),
                took: ended_at.saturating_since(started_at),
                instances,
                replaced: end.map(|(.., replaced)| replaced),
                requests: 0,
                failed: 0,
                sockets_dropped: 0,
            };
            let ticks = run.series.ticks().iter().enumerate();
            for (index, tick) in ticks {
                let start = run.series.start_secs(index);
                let end = start + run.series.width_secs();
                if end > started_at.as_secs() && start <= ended_at.as_secs() {
                    deployment.requests += tick.calls_ended();
                    deployment.failed += tick.calls_failed;
                    deployment.sockets_dropped += tick.sockets_lost;
                }
            }
            deployment
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_cloud::notice::Notice;
    use tiketi_measure::example;

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
        let before = judge(&run);
        assert_eq!(before, []);
        run.timeline = vec![
            at(100, What::RefreshStarted { instances: 5 }),
            at(150, ended(RefreshOutcome::Rejected, 0)),
            at(400, ended(RefreshOutcome::Successful, 5)),
        ];
        let quiet = judge(&run).remove(0);
        assert_eq!(quiet.outcome, Some(RefreshOutcome::Successful));
        assert_eq!((quiet.took.as_secs(), quiet.replaced), (300, Some(5)));
        for second in [99, 100, 400, 401] {
            let lost = tiketi_measure::series::Tick {
                calls_failed: 10,
                sockets_lost: 7,
                ..Default::default()
            };
            run.series.absorb(second, &lost);
        }
        let loud = judge(&run).remove(0);
        assert_eq!(loud.failed, quiet.failed + 20, "the first and last second");
        assert_eq!(loud.requests, quiet.requests + 20);
        assert_eq!(loud.sockets_dropped, 14);
    }

    #[test]
    fn a_deployment_that_outlives_the_run_has_no_outcome() {
        let mut run = example::run();
        run.timeline = vec![at(500, What::RefreshStarted { instances: 2 })];
        let deployment = judge(&run).remove(0);
        assert_eq!((deployment.outcome, deployment.replaced), (None, None));
        assert_eq!(deployment.took.as_secs(), 100, "the run has 600 s");
    }
}
