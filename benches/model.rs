//! Simulates whole sales on one thread: how long they take, and how that grows with the number of buyers.
//!
//! `cargo bench --bench model` prints one line per run: scenario, buyers, real time, calendar entries per second, time per
//! buyer and per entry, the speedup over a live run, and the peak memory of the process so far.

use std::time::{Duration, Instant};

use tiketi_model::{Progress, Watcher, Wish, simulate};
use tiketi_scenario::{self as scenario, Overrides, Plan};

/// The spike, and one scenario with three numbers of buyers; the largest is last, because peak memory covers all runs before.
const RUNS: [(&str, Option<u32>); 4] = [
    ("scenarios/spike.toml", None),
    ("scenarios/studies/crowd-100x.toml", Some(10_000)),
    ("scenarios/studies/crowd-100x.toml", Some(100_000)),
    ("scenarios/studies/crowd-100x.toml", Some(1_000_000)),
];

/// Counts entries.
#[derive(Default)]
struct Counter {
    entries: u64,
}

impl Watcher for Counter {
    fn show(&mut self, progress: &Progress) -> Wish {
        self.entries = progress.entries;
        Wish::GoOn
    }
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its results")]
fn main() {
    println!("scenario\tbuyers\twall s\tentries/s\tus/buyer\tns/entry\tlive/model\tpeak MiB");
    for (file, buyers) in RUNS {
        let plan = plan(file, buyers);
        let mut counter = Counter::default();
        let (started, wall) = timed(&plan, &mut counter);
        let (seconds, entries) = (wall.as_secs_f64(), counter.entries as f64);
        let live = plan.clock.duration.as_secs_f64() / plan.clock.speed;
        println!(
            "{}\t{started}\t{seconds:.2}\t{:.0}\t{:.1}\t{:.0}\t{:.0}\t{:.0}",
            plan.name,
            entries / seconds,
            seconds * 1e6 / started as f64,
            seconds * 1e9 / entries,
            live / seconds,
            peak_mib(),
        );
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn timed(plan: &Plan, counter: &mut Counter) -> (u64, Duration) {
    let start = Instant::now();
    let run = simulate(plan, counter);
    (run.tally.arrivals.started, start.elapsed())
}

fn plan(file: &str, buyers: Option<u32>) -> Plan {
    let text = std::fs::read_to_string(file).expect("benches run in the repository");
    let overrides = Overrides {
        buyers,
        ..Overrides::default()
    };
    scenario::load(file, &text, &overrides).expect("shipped scenarios are valid")
}

/// Returns the peak resident memory in MiB, or 0 if the system doesn't report it.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}
