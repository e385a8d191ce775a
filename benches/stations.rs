//! Calendar entries per second on one thread: M/M/4 at a utilization of 0.8 on two kinds of station, with few and with many
//! pending entries; and the calendar alone.
//!
//! `cargo bench --bench stations` prints one line per case: entries per second, the median of five runs. An entry is an
//! arrival or a completion that was added and taken.

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

/// Pending timers in the cases with many entries.
const PENDING: u32 = 100_000;
/// Mean duration of a timer, chosen so that timers expire as often as jobs arrive.
const TIMER: Distribution = Distribution::Exponential {
    mean: PENDING as f64 / (0.8 * SERVERS as f64),
};

#[derive(Clone, Copy)]
enum BenchEvent {
    Arrival,
    Completion,
    Timer,
}

/// A name, and a function that processes entries and returns their number.
type Case = (&'static str, fn() -> u64);

#[expect(clippy::print_stdout, reason = "a benchmark prints its results")]
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

/// Returns the median over the runs.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
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

fn crowded(pending: u32, timers: &mut Stream) -> Calendar<BenchEvent> {
    let mut calendar = Calendar::new();
    for _ in 0..pending {
        calendar.enter(SimTime::ZERO + TIMER.sample(timers), BenchEvent::Timer);
    }
    calendar.enter(SimTime::ZERO, BenchEvent::Arrival);
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
            BenchEvent::Arrival => {
                let done_at = station.book(now, SERVICE.sample(&mut services));
                calendar.enter(done_at, BenchEvent::Completion);
                left -= 1;
                if left == 0 {
                    break;
                }
                calendar.enter(now + GAP.sample(&mut arrivals), BenchEvent::Arrival);
            }
            BenchEvent::Completion => {}
            BenchEvent::Timer => calendar.enter(now + TIMER.sample(&mut timers), BenchEvent::Timer),
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
            BenchEvent::Arrival => {
                left -= 1;
                if left == 0 {
                    break;
                }
                calendar.enter(now + GAP.sample(&mut arrivals), BenchEvent::Arrival);
                match station.handle_arrival(now, (), SERVICE.sample(&mut services)) {
                    Arrival::Started(started) => Some(started),
                    Arrival::Waits(_) | Arrival::Blocked => None,
                }
            }
            BenchEvent::Completion => station.handle_completion(now),
            BenchEvent::Timer => {
                calendar.enter(now + TIMER.sample(&mut timers), BenchEvent::Timer);
                None
            }
        };
        if let Some(started) = started {
            calendar.enter(started.done_at, BenchEvent::Completion);
        }
    }
    taken
}

/// Adds each entry again when it is taken, so that the number of pending entries is constant.
fn hold(pending: u32) -> u64 {
    let [_, _, mut timers] = streams();
    let mut calendar = crowded(pending, &mut timers);
    for _ in 0..2 * JOBS {
        let (now, entry) = calendar.next().expect("every entry is added again");
        calendar.enter(now + TIMER.sample(&mut timers), entry);
    }
    2 * JOBS
}
