//! Seats picked by several buyers, and retried requests.

use std::time::Duration;

use rand::RngExt;

use super::super::case::{Case, Experiment, Figure};
use super::super::formula;
use super::super::parameter::{Parameter, ParameterError, Range, Values};
use tiketi_buyer::backoff::Backoff;
use tiketi_core::rng::Streams;
use tiketi_core::units::{Share, SimTime};
use tiketi_scenario::plan::Retry;
use tiketi_station::calendar::Calendar;

/// Picking seats at random.
pub(super) static SEAT_COLLISION: Case = Case {
    name: "seat-collision",
    title: "seat collision: buyers pick at random, the first to pick a seat gets it",
    parameters: &[
        Parameter::count("buyers", "buyers who pick", &[1_000.0], 1_000_000),
        Parameter::count("seats", "seats to pick from", &[10_000.0], 1_000_000),
    ],
    prepare: prepare_seats,
};

/// Load from retries.
pub(super) static RETRY: Case = Case {
    name: "retry",
    title: "retry load: tries per request if failed ones are retried",
    parameters: &[
        Parameter::new(
            "failing",
            "probability that a try fails",
            &[0.5],
            Range::Number { from: 0.0, to: 1.0 },
        ),
        Parameter::new(
            "retries",
            "maximum number of retries",
            &[3.0],
            Range::Whole { from: 0, to: 100 },
        ),
    ],
    prepare: prepare_retry,
};

fn prepare_seats(values: &Values) -> Result<Experiment, ParameterError> {
    let (buyers, seats) = (values.count("buyers"), values.count("seats"));
    if buyers < 2 {
        return Err(ParameterError::Together(
            format!("`buyers` is {buyers} (expected 2 or more)"),
            "a single buyer has no collisions",
        ));
    }
    let exact = formula::seat_collision(buyers, seats);
    let figures = vec![Figure::mean("share whose seat was taken", exact)];
    Ok(Experiment::new(figures, 500, move |streams, sales| {
        let mut picks = streams.named("picks");
        // The sale in which each seat was last taken, so that the seats need no reset between sales.
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

fn prepare_retry(values: &Values) -> Result<Experiment, ParameterError> {
    let (failing, retries) = (values.number("failing"), values.count("retries"));
    let figures = vec![Figure::mean(
        "tries per request",
        formula::tries(failing, retries),
    )];
    let retry = Retry {
        first: Duration::from_millis(500),
        max: Duration::from_secs(10),
        jitter: Share::try_from(0.5).expect("0.5 is a valid share"),
        tries_max: Some(retries + 1),
    };
    Ok(Experiment::new(figures, 20_000, move |streams, calls| {
        vec![tries(failing, &retry, streams, calls)]
    }))
}

/// Returns the mean number of tries, with the retry behavior of the model's buyers.
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
