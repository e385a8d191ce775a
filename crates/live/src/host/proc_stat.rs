//! `/proc/stat`: the time of each CPU.

/// Time of one CPU, or of several together, in ticks of the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CpuTimes {
    busy: u64,
    idle: u64,
    /// The CPU had work, but the hypervisor ran something else.
    stolen: u64,
}

impl CpuTimes {
    /// Returns the time since an earlier reading.
    pub(super) const fn since(self, before: Self) -> Self {
        Self {
            busy: self.busy.saturating_sub(before.busy),
            idle: self.idle.saturating_sub(before.idle),
            stolen: self.stolen.saturating_sub(before.stolen),
        }
    }

    /// Returns the share of the time that the CPU worked; `None` if no time has passed.
    pub(super) fn busy_share(self) -> Option<f64> {
        self.share(self.busy)
    }

    /// Returns the share of the time that was stolen; `None` if no time has passed.
    pub(super) fn stolen_share(self) -> Option<f64> {
        self.share(self.stolen)
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "ticks stay far below 2^53 within a run"
    )]
    fn share(self, part: u64) -> Option<f64> {
        let all = self.busy + self.idle + self.stolen;
        (all > 0).then(|| part as f64 / all as f64)
    }
}

impl std::iter::Sum for CpuTimes {
    fn sum<I: Iterator<Item = Self>>(times: I) -> Self {
        times.fold(Self::default(), |sum, one| Self {
            busy: sum.busy + one.busy,
            idle: sum.idle + one.idle,
            stolen: sum.stolen + one.stolen,
        })
    }
}

/// Reads the times of each CPU, by number; a CPU that is offline has none. Lines that are not about a CPU are skipped.
pub(super) fn cpu_times(stat: &str) -> Vec<CpuTimes> {
    let mut times = Vec::new();
    for line in stat.lines() {
        let mut words = line.split_whitespace();
        let number = words.next().and_then(|word| word.strip_prefix("cpu"));
        let Some(number) = number.and_then(|digits| digits.parse::<usize>().ok()) else {
            continue;
        };
        // user, nice, system, idle, iowait, irq, softirq, steal; guest time is part of user time.
        let ticks: Vec<u64> = words.map_while(|word| word.parse().ok()).collect();
        let tick = |index: usize| ticks.get(index).copied().unwrap_or(0);
        // Numbers of offline CPUs are left out of the file.
        times.resize(times.len().max(number), CpuTimes::default());
        times.push(CpuTimes {
            busy: tick(0) + tick(1) + tick(2) + tick(5) + tick(6),
            idle: tick(3) + tick(4),
            stolen: tick(7),
        });
    }
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cpu_has_its_times_and_the_sum_is_left_out() {
        let stat = "cpu  36698 0 8419 22642 785 0 160 321 0 0\n\
                    cpu0 18000 1 4200 11000 400 2 100 160 7 0\n\
                    cpu2 18698 0 4219 11642 385 0 60 161 0 0\n\
                    ctxt 99\ncpux 1 2 3\n";
        let times = cpu_times(stat);
        assert_eq!(times.len(), 3);
        let expected = CpuTimes {
            busy: 22_303,
            idle: 11_400,
            stolen: 160,
        };
        assert_eq!(times[0], expected);
        assert_eq!(times[1], CpuTimes::default(), "it is offline");
        assert_eq!(times[2].stolen, 161);
    }

    #[test]
    fn an_old_kernel_without_steal_has_none() {
        let times = cpu_times("cpu0 100 0 0 300\n");
        assert_eq!(times[0].stolen_share(), Some(0.0));
        assert_eq!(times[0].busy_share(), Some(0.25));
        assert_eq!(CpuTimes::default().busy_share(), None);
    }
}
