//! Calendar entries a second on one thread: M/M/4 at a utilization of 0.8, on each kind of station, with few and with many
//! entries pending; and the calendar alone.
//!
//! `cargo bench --bench stations` prints a line a case: entries a second, the median of five runs. An entry is one arrival
//! or one completion that was entered and taken.

use std::time::Instant;

use tiketi_core::rng::{Stream, Streams};
use tiketi_core::units::SimTime;
use tiketi_scenario::distribution::Distribution;
use tiketi_station::calendar::Calendar;
use tiketi_station::{Arrival, Fifo, Line};

const RUNS: usize = 5;
const JOBS: u64 = 2_000_000;
const SERVERS: usize = 4;
const SERVICE: Distribution = Distribution::Exponential { mean: 1.0 };
const GAP: Distribution = Distribution::Exponential {
    mean: 1.0 / (0.8 * SERVERS as f64),
};

/// Timers that are pending in the crowded cases.
const PENDING: u32 = 100_000;
/// Mean length of a timer: on average as many come up as jobs arrive.
const TIMER: Distribution = Distribution::Exponential {
    mean: PENDING as f64 / (0.8 * SERVERS as f64),
};

#[derive(Clone, Copy)]
enum Entry {
    Arrival,
    Completion,
    Timer,
}

/// A name, and what makes entries and says how many.
type Case = (&'static str, fn() -> u64);

#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
fn main() {
    let cases: [Case; 6] = [
        ("m-m-4, fifo station", || fifo(0)),
        ("m-m-4, line station", || line(0)),
        ("m-m-4, fifo station, 100,000 pending", || fifo(PENDING)),
        ("m-m-4, line station, 100,000 pending", || line(PENDING)),
        ("calendar alone, 16 pending", || hold(16)),
        ("calendar alone, 100,000 pending", || hold(PENDING)),
    ];
    for (name, run) in cases {
        println!("{name}\t{:.0}", entries_per_second(run));
    }
}

/// The median over the runs.
#[expect(clippy::disallowed_methods, reason = "a measurement of this machine")]
fn entries_per_second(run: fn() -> u64) -> f64 {
    let mut rates: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            run() as f64 / start.elapsed().as_secs_f64()
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    rates[RUNS / 2]
}

fn streams() -> [Stream; 3] {
    ["arrivals", "service", "timers"].map(|name| Streams::new(1).named(name))
}

fn crowded(pending: u32, timers: &mut Stream) -> Calendar<Entry> {
    let mut calendar = Calendar::new();
    for _ in 0..pending {
        calendar.enter(SimTime::ZERO + TIMER.sample(timers), Entry::Timer);
    }
    calendar.enter(SimTime::ZERO, Entry::Arrival);
    calendar
}

fn fifo(pending: u32) -> u64 {
    let [mut arrivals, mut services, mut timers] = streams();
    let mut calendar = crowded(pending, &mut timers);
    let mut station = Fifo::new(SERVERS);
    let (mut left, mut taken) = (JOBS, 0);
    while let Some((now, entry)) = calendar.next() {
        taken += 1;
        match entry {
            Entry::Arrival => {
                let done_at = station.book(now, SERVICE.sample(&mut services));
                calendar.enter(done_at, Entry::Completion);
                left -= 1;
                if left == 0 {
                    break;
                }
                calendar.enter(now + GAP.sample(&mut arrivals), Entry::Arrival);
            }
            Entry::Completion => {}
            Entry::Timer => calendar.enter(now + TIMER.sample(&mut timers), Entry::Timer),
        }
    }
    taken
}

fn line(pending: u32) -> u64 {
    let [mut arrivals, mut services, mut timers] = streams();
    let mut calendar = crowded(pending, &mut timers);
    let mut station = Line::new(SERVERS, None);
    let (mut left, mut taken) = (JOBS, 0);
    while let Some((now, entry)) = calendar.next() {
        taken += 1;
        let started = match entry {
            Entry::Arrival => {
                left -= 1;
                if left == 0 {
                    break;
                }
                calendar.enter(now + GAP.sample(&mut arrivals), Entry::Arrival);
                match station.handle_arrival(now, (), SERVICE.sample(&mut services)) {
                    Arrival::Started(started) => Some(started),
                    Arrival::Waits(_) | Arrival::Blocked => None,
                }
            }
            Entry::Completion => station.handle_completion(now),
            Entry::Timer => {
                calendar.enter(now + TIMER.sample(&mut timers), Entry::Timer);
                None
            }
        };
        if let Some(started) = started {
            calendar.enter(started.done_at, Entry::Completion);
        }
    }
    taken
}

/// Each entry that comes up is entered again: the number that is pending stays.
fn hold(pending: u32) -> u64 {
    let [_, _, mut timers] = streams();
    let mut calendar = crowded(pending, &mut timers);
    for _ in 0..2 * JOBS {
        let (now, entry) = calendar.next().expect("the number that is pending stays");
        calendar.enter(now + TIMER.sample(&mut timers), entry);
    }
    2 * JOBS
}
