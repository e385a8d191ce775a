//! Resource usage of the load generator itself: CPU time, memory, open files.

use std::fs;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

use tiketi_measure::ending::WorkerFigures;

/// Raises the limit on open files to the maximum, and returns it.
pub fn raise_files_limit() -> u64 {
    // If not even the current limit can be read: the minimum that POSIX guarantees.
    rlimit::increase_nofile_limit(u64::MAX).unwrap_or(20)
}

/// Samples this process's resource usage, and keeps the peaks.
#[derive(Debug)]
pub(super) struct Sampler {
    figures: WorkerFigures,
    page_bytes: u64,
}

impl Sampler {
    /// Builds a sampler for a process that may open `files_limit` files.
    pub(super) fn new(files_limit: u64) -> Self {
        Self {
            figures: WorkerFigures {
                cpu: Duration::ZERO,
                resident_connected_bytes: 0,
                resident_peak_bytes: 0,
                connected_peak: 0,
                files_peak: 0,
                files_limit,
                files_refused: 0,
            },
            page_bytes: page_bytes(),
        }
    }

    /// Takes a sample; the worker itself counts `connected_peak` and `files_refused`.
    pub(super) fn sample(&mut self, connected_peak: u64, files_refused: u64) -> WorkerFigures {
        self.figures.cpu = cpu_time();
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
