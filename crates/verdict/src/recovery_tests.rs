//! Recovery from made-up series: what counts as back, and what does not.

use super::*;

/// A hundred calls a second for 300 s; `work` says how many of them are useful and how many fail.
fn series(work: impl Fn(u64) -> (u64, u64)) -> Series {
    let mut series = Series::default();
    for second in 0..300 {
        let (useful, failed) = work(second);
        let tick = Tick {
            calls_due: 100,
            calls_ok: useful,
            calls_failed: failed,
            ..Tick::default()
        };
        series.absorb(second, &tick);
    }
    series
}

fn judged(series: &Series) -> Outcome {
    let struck = SimTime::from_secs(100);
    let before = work_before(series, struck);
    outcome(series, before, struck, SimTime::from_secs(300))
}

#[test]
fn work_that_never_falls_recovers_at_once() {
    let outcome = judged(&series(|_| (99, 1)));
    assert_eq!(
        outcome,
        Outcome::Recovered {
            after: Duration::ZERO
        }
    );
}

#[test]
fn failures_for_forty_seconds_take_about_forty_seconds() {
    let outcome = judged(&series(|second| match second {
        100..140 => (20, 80),
        _ => (100, 0),
    }));
    let Outcome::Recovered { after } = outcome else {
        panic!("{outcome:?}");
    };
    assert!((40..=46).contains(&after.as_secs()), "{after:?}");
}

#[test]
fn a_second_dip_puts_the_recovery_off() {
    let outcome = judged(&series(|second| match second {
        100..120 | 180..190 => (0, 100),
        _ => (100, 0),
    }));
    let Outcome::Recovered { after } = outcome else {
        panic!("{outcome:?}");
    };
    assert!((90..=96).contains(&after.as_secs()), "{after:?}");
}

#[test]
fn few_answers_without_a_single_failure_are_no_recovery() {
    let outcome = judged(&series(|second| match second {
        100.. => (50, 0),
        _ => (100, 0),
    }));
    assert_eq!(outcome, Outcome::NotRecovered);
}

#[test]
fn a_wave_that_is_answered_a_little_late_is_no_relapse() {
    let mut series = Series::default();
    for second in 0..300 {
        // Polls in waves of thirty seconds, all of them answered two seconds later.
        let due = |second: u64| if second % 30 < 8 { 200 } else { 50 };
        let tick = Tick {
            calls_due: due(second),
            calls_ok: due(second.saturating_sub(2)),
            ..Tick::default()
        };
        series.absorb(second, &tick);
    }
    let outcome = judged(&series);
    assert_eq!(
        outcome,
        Outcome::Recovered {
            after: Duration::ZERO
        }
    );
}

#[test]
fn silence_is_a_stop_and_not_a_success() {
    let series = series(|second| match second {
        100..130 => (0, 0),
        _ => (100, 0),
    });
    let stop = longest_stop(&series, SimTime::from_secs(100), SimTime::from_secs(300));
    assert_eq!(stop, Duration::from_secs(30));
    let Outcome::Recovered { after } = judged(&series) else {
        panic!("work came back");
    };
    assert!(after >= Duration::from_secs(30));
}

#[test]
fn without_calls_before_nobody_can_tell() {
    let outcome = outcome(
        &series(|_| (100, 0)),
        Work::default(),
        SimTime::from_secs(100),
        SimTime::from_secs(300),
    );
    assert!(matches!(outcome, Outcome::CouldNotTell { .. }));
}
