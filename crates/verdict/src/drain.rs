//! Drains: what buyers noticed while an instance left the load balancer by order, because the group shrank or was refreshed.

use std::time::Duration;

use super::recovery::Recovery;
use tiketi_cloud::notice::{InstanceState, Notice, What};
use tiketi_core::units::{InstanceId, SimTime};
use tiketi_measure::Measurements;

/// How far apart the end of a drain and the loss of its connections may be recorded: buyers and control plane note the time
/// themselves, and the series has whole seconds.
const NOTED_WITHIN: Duration = Duration::from_secs(1);

/// One instance that was drained and terminated within the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Drain {
    /// When it got no more new requests.
    pub(crate) began_at: SimTime,
    /// When it was terminated.
    pub(crate) ended_at: SimTime,
    /// Requests that ended meanwhile, on whatever instance.
    pub(crate) requests: u64,
    /// Of these, the ones that failed.
    pub(crate) failed: u64,
}

/// Returns the drains that began in a part of the run, in the order in which they began.
pub(crate) fn drains(run: &Measurements, from: SimTime, until: SimTime) -> Vec<Drain> {
    let began = run.timeline.iter().enumerate().filter(|(_, notice)| {
        state(notice).is_some_and(|(_, state)| state == InstanceState::Draining)
            && (from..=until).contains(&notice.at)
    });
    let drain = |(place, notice): (usize, &Notice)| {
        let (instance, _) = state(notice)?;
        let later = run.timeline[place..].iter();
        let mut ends = later.filter(|later| {
            state(later).is_some_and(|(of, state)| {
                of == instance && matches!(state, InstanceState::Terminated | InstanceState::Lost)
            })
        });
        let ended_at = ends.next()?.at;
        let mut drain = Drain {
            began_at: notice.at,
            ended_at,
            requests: 0,
            failed: 0,
        };
        drain.count(run);
        Some(drain)
    };
    began.filter_map(drain).collect()
}

/// Returns the connections that were dropped when these instances were terminated; those of several at once are counted once.
pub(crate) fn sockets_cut(run: &Measurements, drains: &[Drain]) -> u64 {
    let ticks = run.series.ticks().iter().enumerate();
    let of_a_drain = ticks.filter(|(index, _)| {
        let start = run.series.start_secs(*index);
        let end = start + run.series.width_secs();
        drains.iter().any(|drain| drain.ends_near(start, end))
    });
    of_a_drain.map(|(_, tick)| tick.sockets_lost).sum()
}

fn state(notice: &Notice) -> Option<(InstanceId, InstanceState)> {
    match notice.what {
        What::Instance {
            instance, state, ..
        } => Some((instance, state)),
        _ => None,
    }
}

impl Drain {
    /// How long it took.
    pub(crate) fn took(&self) -> Duration {
        self.ended_at.saturating_since(self.began_at)
    }

    /// Whether a fault was in progress, or the system had not recovered from one: what failed may be its doing.
    pub(crate) fn is_disturbed(&self, recoveries: &[Recovery]) -> bool {
        let mut recoveries = recoveries.iter();
        recoveries.any(|recovery| recovery.disturbs(self.began_at, self.ended_at))
    }

    /// Whether it ended in this part of the series, or so near to it that what it dropped can be recorded there.
    fn ends_near(&self, start_secs: u64, end_secs: u64) -> bool {
        let (ended, near) = (self.ended_at.as_secs(), NOTED_WITHIN.as_secs());
        end_secs > ended.saturating_sub(near) && start_secs <= ended + near
    }

    fn count(&mut self, run: &Measurements) {
        let last = self.ended_at.as_secs() + NOTED_WITHIN.as_secs();
        for (index, tick) in run.series.ticks().iter().enumerate() {
            let start = run.series.start_secs(index);
            let end = start + run.series.width_secs();
            if end > self.began_at.as_secs() && start <= last {
                self.requests += tick.calls_ended();
                self.failed += tick.calls_failed;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recovery::Outcome;
    use tiketi_core::units::ZoneId;
    use tiketi_measure::example;
    use tiketi_measure::series::{Series, Tick};

    fn notice(at: u64, instance: u32, state: InstanceState) -> Notice {
        let what = What::Instance {
            instance: InstanceId(instance),
            zone: ZoneId(0),
            state,
        };
        let at = SimTime::from_secs(at);
        Notice { at, what }
    }

    #[test]
    fn a_drain_counts_failures_until_its_end_and_connections_at_its_end() {
        let mut run = example::run();
        run.timeline = vec![
            notice(100, 3, InstanceState::Draining),
            notice(120, 4, InstanceState::Draining),
            notice(160, 3, InstanceState::Terminated),
        ];
        run.series = Series::default();
        for second in 0..300 {
            let tick = Tick {
                calls_ok: 9,
                calls_failed: 1,
                sockets_lost: 1,
                ..Tick::default()
            };
            run.series.absorb(second, &tick);
        }
        let all = drains(&run, SimTime::ZERO, SimTime::from_secs(300));
        assert_eq!(all.len(), 1, "instance 4 was still there at the end");
        let drain = all[0];
        assert_eq!(drain.took().as_secs(), 60);
        assert_eq!((drain.requests, drain.failed), (620, 62), "100 s to 161 s");
        let twice = [drain, drain];
        assert_eq!(sockets_cut(&run, &twice), 3, "159 s to 161 s");
        assert_eq!(
            drains(&run, SimTime::from_secs(101), SimTime::from_secs(300)),
            []
        );
    }

    #[test]
    fn a_fault_disturbs_drains_until_the_system_has_recovered() {
        let run = example::run();
        let mut recoveries = crate::recovery::judge(&run);
        recoveries.truncate(1);
        let struck_at = recoveries[0].struck_at;
        recoveries[0].healed_at = Some(struck_at + Duration::from_secs(60));
        recoveries[0].outcome = Outcome::Recovered {
            after: Duration::from_secs(90),
        };
        let disturbed = |from: u64, length: u64| {
            let began_at = struck_at + Duration::from_secs(from);
            let drain = Drain {
                began_at,
                ended_at: began_at + Duration::from_secs(length),
                requests: 0,
                failed: 0,
            };
            drain.is_disturbed(&recoveries)
        };
        assert!(disturbed(90, 10) && !disturbed(91, 10));
        let before = Drain {
            began_at: SimTime::ZERO,
            ended_at: SimTime::from_secs(struck_at.as_secs() - 1),
            requests: 0,
            failed: 0,
        };
        assert!(!before.is_disturbed(&recoveries));
        recoveries[0].outcome = Outcome::NotRecovered;
        let long_after = Drain {
            began_at: struck_at + Duration::from_secs(500),
            ended_at: struck_at + Duration::from_secs(510),
            ..before
        };
        assert!(long_after.is_disturbed(&recoveries));
    }
}
