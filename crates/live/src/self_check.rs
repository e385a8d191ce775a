//! Resource usage of the load generator itself: CPU time, waiting for a CPU, memory, open files.

use std::fs;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

use super::clock::unix_now_ns;
use tiketi_measure::ending::WorkerFigures;
use tiketi_measure::stall::{CoreShare, CoreUse, Lapse};

/// Raises the limit on open files to the maximum, and returns it.
pub fn raise_files_limit() -> u64 {
    // If not even the current limit can be read: the minimum that POSIX guarantees.
    rlimit::increase_nofile_limit(u64::MAX).unwrap_or(20)
}

/// Samples this process's resource usage, and keeps the peaks. The calling thread must be the one that runs the buyers.
#[derive(Debug)]
pub(super) struct Sampler {
    figures: WorkerFigures,
    page_bytes: u64,
    core: CoreShare,
    /// A stretch in which others left nothing of the thread's core.
    core_shared: Option<Lapse>,
}

impl Sampler {
    /// Builds a sampler for a process that may open `files_limit` files.
    pub(super) fn new(files_limit: u64) -> Self {
        Self {
            figures: WorkerFigures {
                cpu: Duration::ZERO,
                waited: None,
                resident_connected_bytes: 0,
                resident_peak_bytes: 0,
                connected_peak: 0,
                files_peak: 0,
                files_limit,
                files_refused: 0,
            },
            page_bytes: page_bytes(),
            core: CoreShare::default(),
            core_shared: None,
        }
    }

    /// Returns a stretch of time in which others left nothing of the thread's core, once.
    pub(super) fn poll_core_shared(&mut self) -> Option<Lapse> {
        self.core_shared.take()
    }

    /// Ends the last stretch.
    pub(super) fn end(&mut self) {
        self.core_shared = self.core_shared.take().or_else(|| self.core.end());
    }

    /// Takes a sample; the worker itself counts `connected_peak` and `files_refused`.
    pub(super) fn sample(&mut self, connected_peak: u64, files_refused: u64) -> WorkerFigures {
        self.figures.cpu = cpu_time();
        if let Some(used) = core_use() {
            self.figures.waited = Some(used.waited);
            let ended = self.core.handle_sample(unix_now_ns(), used);
            self.core_shared = self.core_shared.take().or(ended);
        }
        let resident = resident_pages().unwrap_or(0) * self.page_bytes;
        self.figures.resident_peak_bytes = self.figures.resident_peak_bytes.max(resident);
        self.figures.files_peak = self.figures.files_peak.max(open_files());
        if connected_peak > self.figures.connected_peak {
            self.figures.connected_peak = connected_peak;
            self.figures.resident_connected_bytes = resident;
        }
        self.figures.files_refused = files_refused;
        self.figures
    }
}

fn cpu_time() -> Duration {
    getrusage(UsageWho::RUSAGE_SELF).map_or(Duration::ZERO, |usage| {
        let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    })
}

/// Returns what this thread has got of a core; `None` if the kernel does not tell.
fn core_use() -> Option<CoreUse> {
    parse_schedstat(&fs::read_to_string("/proc/thread-self/schedstat").ok()?)
}

/// Reads nanoseconds on a CPU, nanoseconds on a run queue, and the number of time slices.
fn parse_schedstat(text: &str) -> Option<CoreUse> {
    let mut words = text.split_whitespace();
    let mut next = || words.next()?.parse().ok().map(Duration::from_nanos);
    Some(CoreUse {
        ran: next()?,
        waited: next()?,
    })
}

/// Returns the resident memory in pages; `None` without `/proc`.
fn resident_pages() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    statm.split_whitespace().nth(1)?.parse().ok()
}

/// Returns the number of open files of this process; zero without `/proc` and `/dev/fd`.
fn open_files() -> u64 {
    let listed = fs::read_dir("/proc/self/fd").or_else(|_| fs::read_dir("/dev/fd"));
    listed.map_or(0, |entries| entries.count() as u64)
}

fn page_bytes() -> u64 {
    nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)
        .ok()
        .flatten()
        .and_then(|bytes| u64::try_from(bytes).ok())
        .unwrap_or(4_096)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_queue_wait_is_the_second_number_of_schedstat() {
        let used = parse_schedstat("4600000000 5400000000 812\n");
        let expected = CoreUse {
            ran: Duration::from_millis(4_600),
            waited: Duration::from_millis(5_400),
        };
        assert_eq!(used, Some(expected));
        assert_eq!(parse_schedstat("12\n"), None);
    }

    /// Another thread on the same core takes half of it, which CPU time alone does not show.
    #[cfg(target_os = "linux")]
    #[test]
    fn waiting_for_a_shared_core_is_measured() {
        use std::sync::atomic::{AtomicBool, Ordering};

        use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
        use nix::unistd::Pid;

        let this_thread = Pid::from_raw(0);
        let allowed = sched_getaffinity(this_thread).unwrap();
        let mut one = CpuSet::new();
        let cpu = (0..CpuSet::count()).find(|cpu| allowed.is_set(*cpu).unwrap());
        one.set(cpu.unwrap()).unwrap();
        sched_setaffinity(this_thread, &one).unwrap();
        let Some(before) = core_use() else {
            return; // A kernel without these counters.
        };
        let is_over = AtomicBool::new(false);
        let waited = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
            let enough = Duration::from_millis(50);
            let mut used = before;
            // Without a competitor this thread would never wait; a minute of its own CPU time is the end.
            while used.waited < before.waited + enough
                && used.ran < before.ran + Duration::from_mins(1)
            {
                used = core_use().unwrap();
            }
            is_over.store(true, Ordering::Relaxed);
            used.waited.saturating_sub(before.waited)
        });
        assert!(waited >= Duration::from_millis(50), "{waited:?}");
    }

    #[test]
    fn the_figures_of_this_process_are_plausible() {
        let mut sampler = Sampler::new(1_000);
        let held: Vec<_> = (0..20)
            .map(|_| fs::File::open("/dev/null").unwrap())
            .collect();
        let figures = sampler.sample(3, 0);
        drop(held);
        let later = sampler.sample(3, 0);
        assert!(figures.files_peak > 20);
        assert_eq!(later.files_peak, figures.files_peak, "peaks are kept");
        if cfg!(target_os = "linux") {
            assert!(figures.resident_peak_bytes > 1 << 20);
        }
    }
}
