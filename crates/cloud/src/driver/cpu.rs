//! CPU utilization of the fleet, from processor time.

use std::collections::BTreeMap;
use std::time::Duration;

use tiketi_core::units::{InstanceId, SimTime};

/// The processor time of one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuTime {
    /// The instance.
    pub instance: InstanceId,
    /// How long its one application thread has worked since its start, in scenario time.
    pub busy: Duration,
}

/// Utilization of the instances' application threads between two samples, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CpuUse {
    /// The mean over all instances.
    pub mean: f64,
    /// That of the busiest one.
    pub busiest: f64,
}

/// Turns processor time into utilization between two samples.
#[derive(Clone, Debug, Default)]
pub struct CpuSampler {
    sampled_at: SimTime,
    /// Instances stay in here after their end: one that does not answer for a while continues where it stopped.
    busy: BTreeMap<InstanceId, Duration>,
}

impl CpuSampler {
    /// Returns the utilization of the instances' application threads since the last sample; `None` without instances, or if no
    /// time has passed.
    ///
    /// Each instance counts with at most 1: a thread cannot work longer than time passes, but its processor time may be
    /// read late. A limit on the mean alone would let one late reading hide an idle instance.
    pub fn sample(&mut self, now: SimTime, times: &[CpuTime]) -> Option<CpuUse> {
        let elapsed = now.saturating_since(std::mem::replace(&mut self.sampled_at, now));
        let mut sum = 0.0;
        let mut count = 0_u32;
        let mut busiest = 0.0_f64;
        for time in times {
            let before = self.busy.insert(time.instance, time.busy);
            let worked = time.busy.saturating_sub(before.unwrap_or_default());
            let used = share(worked, elapsed);
            sum += used;
            busiest = busiest.max(used);
            count += 1;
        }
        (count > 0 && !elapsed.is_zero()).then(|| CpuUse {
            mean: sum / f64::from(count),
            busiest,
        })
    }
}

fn share(worked: Duration, elapsed: Duration) -> f64 {
    (worked.as_secs_f64() / elapsed.as_secs_f64().max(1e-9)).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(busy: &[u64]) -> Vec<CpuTime> {
        (0..)
            .map(InstanceId)
            .zip(busy)
            .map(|(instance, &seconds)| CpuTime {
                instance,
                busy: Duration::from_secs(seconds),
            })
            .collect()
    }

    fn sample(sampler: &mut CpuSampler, at: u64, busy: &[u64]) -> Option<f64> {
        let used = sampler.sample(SimTime::from_secs(at), &times(busy));
        used.map(|used| used.mean)
    }

    #[test]
    fn utilization_is_the_mean_since_the_last_sample() {
        let mut sampler = CpuSampler::default();
        assert_eq!(sample(&mut sampler, 60, &[30, 60]), Some(0.75));
        assert_eq!(sample(&mut sampler, 120, &[30, 90]), Some(0.25));
    }

    #[test]
    fn no_instance_shows_more_than_its_thread_can_work() {
        let mut sampler = CpuSampler::default();
        // Read late: 90 s of work in 60 s. The idle instance still halves the mean.
        assert_eq!(sample(&mut sampler, 60, &[90, 0]), Some(0.5));
    }

    #[test]
    fn the_busiest_instance_is_not_hidden_by_idle_ones() {
        let mut sampler = CpuSampler::default();
        let used = sampler.sample(SimTime::from_secs(60), &times(&[6, 60, 0]));
        let expected = CpuUse {
            mean: 1.1 / 3.0,
            busiest: 1.0,
        };
        assert_eq!(used, Some(expected));
    }

    #[test]
    fn without_instances_or_time_there_is_no_utilization() {
        let mut sampler = CpuSampler::default();
        assert_eq!(sample(&mut sampler, 0, &[0]), None);
        assert_eq!(sample(&mut sampler, 60, &[]), None);
    }

    #[test]
    fn an_instance_that_answers_again_continues_where_it_stopped() {
        let mut sampler = CpuSampler::default();
        sample(&mut sampler, 60, &[50]);
        sample(&mut sampler, 120, &[]);
        assert_eq!(sample(&mut sampler, 180, &[50]), Some(0.0));
    }
}
