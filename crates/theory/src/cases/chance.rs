//! Seats that several buyers pick, and calls that are tried again.

use std::time::Duration;

use rand::RngExt;

use super::super::case::{Case, Experiment, Figure};
use super::super::formula;
use super::super::parameter::{Legal, Parameter, Problem, Values};
use tiketi_buyer::backoff::Backoff;
use tiketi_core::rng::Streams;
use tiketi_core::units::{Share, SimTime};
use tiketi_scenario::plan::Retry;
use tiketi_station::calendar::Calendar;

/// Picking seats blindly.
pub(super) static SEAT_COLLISION: Case = Case {
    name: "seat-collision",
    title: "seat collision: buyers pick at random, the first to pick a seat gets it",
    parameters: &[
        Parameter::count("buyers", "buyers who pick", &[1_000.0], 1_000_000),
        Parameter::count("seats", "seats to pick from", &[10_000.0], 1_000_000),
    ],
    prepare: prepare_seats,
};

/// Load by retries.
pub(super) static RETRY: Case = Case {
    name: "retry",
    title: "retry load: tries for each call that fails and is tried again",
    parameters: &[
        Parameter::new(
            "failing",
            "probability that a try fails",
            &[0.5],
            Legal::Number { from: 0.0, to: 1.0 },
        ),
        Parameter::new(
            "retries",
            "tries after the first, at most",
            &[3.0],
            Legal::Whole { from: 0, to: 100 },
        ),
    ],
    prepare: prepare_retry,
};

fn prepare_seats(values: &Values) -> Result<Experiment, Problem> {
    let (buyers, seats) = (values.count("buyers"), values.count("seats"));
    if buyers < 2 {
        return Err(Problem::Together(
            format!("`buyers` is {buyers} (legal: 2 or more)"),
            "one buyer collides with nobody",
        ));
    }
    let exact = formula::seat_collision(buyers, seats);
    let figures = vec![Figure::mean("share whose seat was taken", exact)];
    Ok(Experiment::new(figures, 500, move |streams, sales| {
        let mut picks = streams.named("picks");
        // The sale in which each seat was last taken: no need to empty the hall between two sales.
        let mut taken_in = vec![0_u64; seats as usize];
        let mut refused = 0_u64;
        for sale in 1..=sales {
            for _ in 0..buyers {
                let seat = picks.random_range(0..seats) as usize;
                refused += u64::from(taken_in[seat] == sale);
                taken_in[seat] = sale;
            }
        }
        vec![refused as f64 / sales as f64 / f64::from(buyers)]
    }))
}

fn prepare_retry(values: &Values) -> Result<Experiment, Problem> {
    let (failing, retries) = (values.number("failing"), values.count("retries"));
    let figures = vec![Figure::mean(
        "tries for each call",
        formula::tries(failing, retries),
    )];
    let retry = Retry {
        first: Duration::from_millis(500),
        max: Duration::from_secs(10),
        jitter: Share::try_from(0.5).expect("a half is a part"),
        tries_max: Some(retries + 1),
    };
    Ok(Experiment::new(figures, 20_000, move |streams, calls| {
        vec![tries(failing, &retry, streams, calls)]
    }))
}

/// Mean tries of calls that are repeated as the buyers of the engine do it.
fn tries(failing: f64, retry: &Retry, streams: Streams, calls: u64) -> f64 {
    let [mut fates, mut jitter] = ["fates", "jitter"].map(|name| streams.named(name));
    let mut calendar = Calendar::new();
    for call in 0..calls {
        calendar.enter(SimTime::from_nanos(call), Backoff::NONE);
    }
    let mut tries = 0_u64;
    while let Some((now, mut backoff)) = calendar.next() {
        tries += 1;
        if fates.random::<f64>() >= failing {
            continue;
        }
        if let Some(pause) = backoff.handle_failure(retry, &mut jitter) {
            calendar.enter(now + pause, backoff);
        }
    }
    tries as f64 / calls as f64
}
