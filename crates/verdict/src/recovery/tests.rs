//! Recovery on synthetic series: what counts as recovered, and what does not.

use std::slice::from_ref;
use std::time::Duration;

use super::outcome::{longest_stop, outcome, settled_at};
use super::work::work_before;
use super::{Outcome, Work};
use tiketi_cloud::notice::{DataTierPart, Notice, What};
use tiketi_core::fault::catalog::FaultKind;
use tiketi_core::units::{SimTime, ZoneId};
use tiketi_measure::series::{Series, Tick};
use tiketi_measure::{Measurements, example};

/// Returns 300 s with 100 requests per second due; `work` says how many succeed and how many fail in each second.
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
fn a_fault_without_effect_has_a_recovery_time_of_zero() {
    let outcome = judged(&series(|_| (99, 1)));
    assert_eq!(
        outcome,
        Outcome::Recovered {
            after: Duration::ZERO
        }
    );
}

#[test]
fn forty_seconds_of_failures_give_a_recovery_time_of_about_forty_seconds() {
    let outcome = judged(&series(|second| match second {
        100..140 => (20, 80),
        _ => (100, 0),
    }));
    let Outcome::Recovered { after } = outcome else {
        panic!("{outcome:?}");
    };
    assert!((40..=46).contains(&after.as_secs()), "{after:?}");
}

/// Returns 1,800 s with 100 requests per second due, of which four fifths fail in each of `outages`.
fn half_an_hour(outages: &[std::ops::Range<u64>]) -> Series {
    let mut series = Series::default();
    for second in 0..1_800 {
        let is_out = outages.iter().any(|outage| outage.contains(&second));
        let failed = if is_out { 80 } else { 0 };
        let tick = Tick {
            calls_due: 100,
            calls_ok: 100 - failed,
            calls_failed: failed,
            ..Tick::default()
        };
        series.absorb(second, &tick);
    }
    series
}

#[test]
fn what_fails_after_ten_normal_minutes_does_not_belong_to_the_fault() {
    let at = SimTime::from_secs;
    let settled = |outages: &[std::ops::Range<u64>], over: u64| {
        let series = half_an_hour(outages);
        let before = work_before(&series, at(100));
        settled_at(&series, before, (at(100), at(over)), at(1_800))
    };
    let later = settled(&[100..140, 900..1_800], 130).unwrap();
    assert!((740..=746).contains(&later.as_secs()), "{later:?}");
    assert_eq!(
        settled(&[100..140, 700..1_800], 130),
        None,
        "a relapse within ten minutes"
    );
    let lasting = settled(from_ref(&(100..140)), 400).unwrap();
    assert_eq!(lasting, at(1_000), "counted from the end of the fault");
    assert_eq!(
        settled(from_ref(&(100..140)), 1_300),
        None,
        "too little time is left"
    );
}

#[test]
fn a_relapse_extends_the_recovery_time() {
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
fn half_the_throughput_without_failures_is_not_recovered() {
    let outcome = judged(&series(|second| match second {
        100.. => (50, 0),
        _ => (100, 0),
    }));
    assert_eq!(outcome, Outcome::NotRecovered);
}

#[test]
fn a_wave_of_polls_answered_two_seconds_late_is_not_a_relapse() {
    let mut series = Series::default();
    for second in 0..300 {
        // Polls come in waves every 30 s, and each is answered 2 s later.
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
fn seconds_without_any_response_count_as_an_outage() {
    let series = series(|second| match second {
        100..130 => (0, 0),
        _ => (100, 0),
    });
    let stop = longest_stop(&series, SimTime::from_secs(100), SimTime::from_secs(300));
    assert_eq!(stop, Duration::from_secs(30));
    let Outcome::Recovered { after } = judged(&series) else {
        panic!("it recovered");
    };
    assert!(after >= Duration::from_secs(30));
}

#[test]
fn without_requests_before_the_fault_recovery_is_unknown() {
    let outcome = outcome(
        &series(|_| (100, 0)),
        Work::default(),
        SimTime::from_secs(100),
        SimTime::from_secs(300),
    );
    assert!(matches!(outcome, Outcome::CouldNotTell { .. }));
}

/// A run of the example whose requests all fail from 100 s on, with a fault that lasts from then until `healed`, and `arrivals`
/// buyers per second.
fn run_that_stays_down(healed: Option<u64>, arrivals: impl Fn(u64) -> u64) -> Measurements {
    let mut run = example::run();
    let mut series = Series::default();
    for second in 0..300 {
        let (useful, failed) = if second < 100 { (100, 0) } else { (0, 100) };
        let tick = Tick {
            started: arrivals(second),
            calls_due: 100,
            calls_ok: useful,
            calls_failed: failed,
            ..Tick::default()
        };
        series.absorb(second, &tick);
    }
    run.series = series;
    run.ending.ended_at = SimTime::from_secs(300);
    let (action, zone, part) = (FaultKind::PausePrimary, None, Some(DataTierPart::Redis));
    let at = SimTime::from_secs(100);
    let struck = What::FaultStruck {
        action,
        zone,
        part,
        name: None,
    };
    run.timeline = vec![Notice { at, what: struck }];
    if let Some(healed) = healed {
        let at = SimTime::from_secs(healed);
        let what = What::FaultHealed {
            action,
            zone,
            part,
            name: None,
        };
        run.timeline.push(Notice { at, what });
    }
    run.plan.gates.clear();
    run
}

fn outcome_of(run: &Measurements) -> Outcome {
    let [recovery] = &super::judge(run)[..] else {
        panic!("one fault");
    };
    recovery.outcome.clone()
}

#[test]
fn a_system_that_stays_down_without_its_fault_and_without_more_buyers_is_metastable() {
    let run = run_that_stays_down(Some(120), |_| 10);
    let healed_for = Duration::from_secs(180);
    assert_eq!(outcome_of(&run), Outcome::Metastable { healed_for });
}

#[test]
fn a_system_that_stays_down_for_a_reason_is_not_metastable() {
    let lasting = run_that_stays_down(None, |_| 10);
    assert_eq!(outcome_of(&lasting), Outcome::NotRecovered);
    let just_over = run_that_stays_down(Some(260), |_| 10);
    assert_eq!(outcome_of(&just_over), Outcome::NotRecovered);
    let overloaded = run_that_stays_down(Some(120), |second| if second < 100 { 10 } else { 20 });
    assert_eq!(outcome_of(&overloaded), Outcome::NotRecovered);
}

#[test]
fn chance_in_either_count_of_arrivals_does_not_hide_a_metastable_failure() {
    // 100 per second before the fault, and 104 at the end: two deviations of both counts are 4.5 per second, of the later one alone
    // 3.7.
    let arrivals = |second| if second < 100 { 100 } else { 104 };
    let run = run_that_stays_down(Some(120), arrivals);
    assert!(matches!(outcome_of(&run), Outcome::Metastable { .. }));
    let more = |second| if second < 100 { 100 } else { 105 };
    let run = run_that_stays_down(Some(120), more);
    assert_eq!(outcome_of(&run), Outcome::NotRecovered);
}

#[test]
fn a_remedy_is_no_fault_to_recover_from() {
    let mut run = run_that_stays_down(Some(120), |_| 10);
    let remedy = What::FaultStruck {
        action: FaultKind::StartZonalAutoshift,
        zone: Some(ZoneId(0)),
        part: None,
        name: None,
    };
    let at = SimTime::from_secs(110);
    run.timeline.insert(1, Notice { at, what: remedy });
    assert!(matches!(outcome_of(&run), Outcome::Metastable { .. }));
}
