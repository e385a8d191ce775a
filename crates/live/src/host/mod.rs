//! The CPUs that the tool can use: how many, and how much of them others took.
//!
//! Read from `/proc` and the control groups of Linux; elsewhere nothing is known.

mod cgroup;
mod full;
mod proc_stat;

use std::time::Duration;

use cgroup::Group;
use full::FullWatch;
use proc_stat::CpuTimes;
use tiketi_core::units::SimTime;
use tiketi_measure::ending::{FullCpus, HostFigures};
use tiketi_testbed::clock::wall_now;

/// What is compared between the start and the end of a run.
#[derive(Clone, Debug, Default)]
struct Sample {
    /// Time of each CPU of the machine.
    cpus: Vec<CpuTimes>,
    /// Time for which each control group was throttled; `None` for one that does not tell.
    throttled: Vec<Option<Duration>>,
}

/// Watches the CPUs from its creation on.
#[derive(Debug)]
pub(super) struct HostWatch {
    /// Numbers of the CPUs that this process may run on; `None` if unknown.
    allowed: Option<Vec<usize>>,
    groups: Vec<Group>,
    start: Sample,
    full: FullWatch,
}

impl HostWatch {
    /// Reads where this process runs, and the times so far.
    pub(super) fn begin(at: SimTime) -> Self {
        let groups = cgroup::groups();
        let allowed = allowed_cpus();
        let start = Sample::take(&groups);
        Self {
            full: FullWatch::new(at, wall_now(), start.usable(allowed.as_deref())),
            allowed,
            start,
            groups,
        }
    }

    /// Compares the CPUs with the last reading, at `at`.
    pub(super) fn handle_time(&mut self, at: SimTime) {
        let now = wall_now();
        if self.full.is_due(now) {
            let usable = Sample::take(&[]).usable(self.allowed.as_deref());
            self.full.handle_reading(at, now, usable);
        }
    }

    /// Returns when the CPUs were full.
    pub(super) fn into_full(self) -> Vec<FullCpus> {
        self.full.into_stretches()
    }

    /// Returns what has happened since then.
    pub(super) fn figures(&self) -> HostFigures {
        let end = Sample::take(&self.groups);
        let quotas = self.groups.iter().filter_map(Group::quota);
        compare(
            &self.start,
            &end,
            self.allowed.as_deref(),
            quotas.reduce(f64::min),
        )
    }
}

impl Sample {
    fn take(groups: &[Group]) -> Self {
        let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        Self {
            cpus: proc_stat::cpu_times(&stat),
            throttled: groups.iter().map(Group::throttled).collect(),
        }
    }

    /// Sums the times of the CPUs that may be used.
    fn usable(&self, allowed: Option<&[usize]>) -> CpuTimes {
        let cpus = self.cpus.iter().enumerate();
        let usable = cpus.filter(|(cpu, _)| allowed.is_none_or(|allowed| allowed.contains(cpu)));
        usable.map(|(_, times)| *times).sum()
    }
}

/// Compares two samples.
fn compare(
    start: &Sample,
    end: &Sample,
    allowed: Option<&[usize]>,
    quota: Option<f64>,
) -> HostFigures {
    let passed = |cpus| end.usable(cpus).since(start.usable(cpus));
    let (usable, all) = (passed(allowed), passed(None));
    // Groups are nested: what throttles the outer one throttles the inner one too, so times do not add up.
    let throttled = start.throttled.iter().zip(&end.throttled);
    let throttled =
        throttled.filter_map(|(start, end)| Some(end.as_ref()?.saturating_sub((*start)?)));
    let count = |cpus: usize| u32::try_from(cpus).unwrap_or(u32::MAX);
    HostFigures {
        cpus: count(end.cpus.len()),
        cpus_allowed: count(allowed.map_or(end.cpus.len(), <[usize]>::len)),
        busy: usable.busy_share(),
        stolen: all.stolen_share(),
        quota,
        throttled: throttled.max(),
    }
}

/// Returns the CPUs that this process may run on; `None` if unknown.
#[cfg(target_os = "linux")]
fn allowed_cpus() -> Option<Vec<usize>> {
    use nix::sched::{CpuSet, sched_getaffinity};

    let set = sched_getaffinity(nix::unistd::Pid::from_raw(0)).ok()?;
    let is_set = |cpu: &usize| set.is_set(*cpu).unwrap_or(false);
    Some((0..CpuSet::count()).filter(is_set).collect())
}

/// Other kernels do not tell.
#[cfg(not(target_os = "linux"))]
fn allowed_cpus() -> Option<Vec<usize>> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two CPUs: user, nice, system, idle, iowait, irq, softirq, steal, guest, guest_nice; in hundredths of a second.
    const BEFORE: &str = "cpu  200 0 100 1700 0 0 0 0 0 0\n\
         cpu0 100 0 50 850 0 0 0 0 0 0\n\
         cpu1 100 0 50 850 0 0 0 0 0 0\n\
         intr 12345\n";
    const AFTER: &str = "cpu  1080 0 200 2520 0 0 0 200 0 0\n\
         cpu0 880 0 150 870 0 0 0 100 0 0\n\
         cpu1 200 0 50 1650 0 0 0 100 0 0\n\
         intr 23456\n";

    fn sample(stat: &str, throttled: &[Option<u64>]) -> Sample {
        let length = |ms: &Option<u64>| ms.map(Duration::from_millis);
        Sample {
            cpus: proc_stat::cpu_times(stat),
            throttled: throttled.iter().map(length).collect(),
        }
    }

    #[test]
    fn a_restricted_process_sees_how_busy_its_own_cpu_was() {
        let (start, end) = (sample(BEFORE, &[]), sample(AFTER, &[]));
        let figures = compare(&start, &end, Some(&[0]), None);
        assert_eq!((figures.cpus, figures.cpus_allowed), (2, 1));
        assert_eq!(figures.busy, Some(0.88), "880 of 1000 on the first CPU");
        assert_eq!(figures.stolen, Some(0.1), "200 of 2000 on both");
        assert_eq!((figures.quota, figures.throttled), (None, None));
    }

    #[test]
    fn the_longest_throttling_of_nested_groups_counts_from_the_start_of_the_run() {
        let start = sample(BEFORE, &[Some(500), Some(100), None]);
        let end = sample(AFTER, &[Some(900), Some(300), Some(70)]);
        let figures = compare(&start, &end, None, Some(0.5));
        assert_eq!(figures.throttled, Some(Duration::from_millis(400)));
        assert_eq!(figures.quota, Some(0.5));
        assert_eq!(figures.cpus_allowed, 2);
    }

    #[test]
    fn nothing_is_known_without_the_files() {
        let nothing = Sample::default();
        let figures = compare(&nothing, &nothing, None, None);
        assert_eq!(figures, HostFigures::default());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_has_cpus() {
        let figures = HostWatch::begin(SimTime::ZERO).figures();
        assert!(figures.cpus >= 1, "{figures:?}");
        assert!(
            (1..=figures.cpus).contains(&figures.cpus_allowed),
            "{figures:?}"
        );
    }
}
