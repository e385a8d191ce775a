//! Comparisons of two runs that differ in one thing.

use std::time::Duration;

use super::*;
use tiketi_buyer::observation::{LeaveReason, Stage};
use tiketi_measure::example;
use tiketi_measure::histogram::Histogram;
use tiketi_scenario::operation::Operation;

fn compared(question: Question, change: impl FnOnce(&mut Measurements)) -> Vec<Row> {
    let base = example::run();
    let mut new = example::run();
    change(&mut new);
    compare(&base, &new, question, &Bars::default())
}

fn row<'r>(rows: &'r [Row], name: &str) -> &'r Row {
    let found = rows.iter().find(|row| row.name == name);
    found.unwrap_or_else(|| panic!("no row {name}"))
}

/// Returns `histogram` with every length multiplied by `factor`.
fn stretched(histogram: &Histogram, factor: f64) -> Histogram {
    let mut stretched = Histogram::default();
    let count = histogram.count();
    for rank in 0..count {
        #[expect(clippy::cast_precision_loss, reason = "a few thousand samples")]
        let percent = (rank as f64 + 0.5) / count as f64 * 100.0;
        let length = histogram.percentile(percent).unwrap();
        stretched.record(length.mul_f64(factor));
    }
    stretched
}

fn stretch_waiting(run: &mut Measurements, factor: f64) {
    run.tally.waiting_time = stretched(&run.tally.waiting_time, factor);
}

#[test]
fn a_run_agrees_with_itself() {
    let rows = compared(Question::Agreement, |_| ());
    for row in &rows {
        assert!(
            row.error.is_some_and(|error| error.abs() < 1e-12),
            "{row:?}"
        );
        assert_ne!(row.verdict, RowVerdict::Beyond, "{row:?}");
    }
    let verdict = |name| row(&rows, name).verdict;
    assert_eq!(verdict("waiting time p50"), RowVerdict::Within);
    assert_eq!(verdict("response time p95: seat_list"), RowVerdict::Within);
    assert_eq!(
        verdict("response time p50: seat_list"),
        RowVerdict::NotJudged
    );
    assert_eq!(verdict("cost of this sale"), RowVerdict::NotJudged);
    assert!(
        rows.iter()
            .any(|row| row.name.starts_with("instances in service"))
    );
}

#[test]
fn agreement_fails_in_either_direction() {
    for (factor, verdict) in [
        (1.03, RowVerdict::Within),
        (0.97, RowVerdict::Within),
        (1.10, RowVerdict::Beyond),
        (0.90, RowVerdict::Beyond),
    ] {
        let rows = compared(Question::Agreement, |run| stretch_waiting(run, factor));
        let row = row(&rows, "waiting time p50");
        assert_eq!(row.verdict, verdict, "{row:?}");
        assert!(
            (row.error.unwrap() - (factor - 1.0)).abs() < 0.01,
            "{row:?}"
        );
    }
}

#[test]
fn a_regression_is_a_change_for_the_worse_only() {
    let of = |factor| {
        let rows = compared(Question::Regression, |run| stretch_waiting(run, factor));
        row(&rows, "waiting time p95").verdict
    };
    assert_eq!(of(1.2), RowVerdict::Beyond);
    assert_eq!(of(0.8), RowVerdict::Better);
    let rows = compared(Question::Regression, |run| {
        run.tally.operations[Operation::QueueStatus.index()].ok += 1_000;
        run.tally.operations[Operation::SeatList.index()].ok -= 1_000;
    });
    let verdict = |name| row(&rows, name).verdict;
    assert_eq!(verdict("requests/s: seat_list"), RowVerdict::Beyond);
    assert_eq!(verdict("requests/s: queue_status"), RowVerdict::NotJudged);
}

#[test]
fn few_samples_never_pass_and_a_gross_error_fails_even_with_few() {
    let few = |factor: f64| {
        let mut runs = [example::run(), example::run()];
        for (run, factor) in runs.iter_mut().zip([1.0, factor]) {
            run.tally.waiting_time = Histogram::default();
            for step in 1..=60_u64 {
                let waited = Duration::from_secs(step).mul_f64(factor);
                run.tally.waiting_time.record(waited);
            }
        }
        let [base, new] = runs;
        let rows = compare(&base, &new, Question::Agreement, &Bars::default());
        ["p50", "p95"].map(|name| row(&rows, &format!("waiting time {name}")).verdict)
    };
    assert_eq!(few(1.0), [RowVerdict::TooFew, RowVerdict::TooFew]);
    assert_eq!(few(3.0), [RowVerdict::Beyond, RowVerdict::TooFew]);
}

#[test]
fn a_metric_that_only_one_run_has_is_beyond_tolerance() {
    let rows = compared(Question::Agreement, |run| {
        run.tally.waiting_time = Histogram::default();
    });
    let waiting = row(&rows, "waiting time p50");
    assert_eq!((waiting.new, waiting.verdict), (None, RowVerdict::Beyond));
    let rows = compared(Question::Agreement, |run| {
        run.tally.stages[Stage::Paid as usize] = 0;
    });
    let tickets = row(&rows, "tickets sold per second");
    assert_eq!(tickets.verdict, RowVerdict::Beyond, "{tickets:?}");
}

#[test]
fn a_kind_without_a_default_tolerance_is_judged_once_it_has_one() {
    let base = example::run();
    let mut new = example::run();
    new.tally.left[LeaveReason::OutOfPatience as usize] *= 2;
    let mut bars = Bars::default();
    bars.set(Measure::Abandonment, 0.2);
    let rows = compare(&base, &new, Question::Regression, &bars);
    let row = row(&rows, "buyers who gave up waiting");
    assert_eq!((row.error, row.verdict), (Some(1.0), RowVerdict::Beyond));
}

#[test]
fn levels_are_compared_second_by_second() {
    let rows = compared(Question::Agreement, |run| {
        // One more instance is desired in half of the run.
        for second in 300..600 {
            let mut tick = run.series.ticks()[second].clone();
            let gauges = tick.gauges.as_mut().unwrap();
            gauges.desired_instances += 1;
            run.series.absorb(
                second as u64,
                &tiketi_measure::series::Tick {
                    gauges: tick.gauges,
                    ..Default::default()
                },
            );
        }
    });
    let desired = row(&rows, "desired instances, mean difference");
    let (base, error) = (desired.base.unwrap(), desired.error.unwrap());
    assert!((error * base - 0.5).abs() < 1e-9, "{desired:?}");
}

#[test]
fn a_comparison_with_an_untrusted_run_is_inconclusive() {
    let whole = example::run();
    let rows = compare(&whole, &whole, Question::Agreement, &Bars::default());
    assert_eq!(conclude(&rows, &doubts(&whole)), Conclusion::Within);
    let worse = compared(Question::Agreement, |run| stretch_waiting(run, 2.0));
    assert_eq!(conclude(&worse, &[]), Conclusion::Beyond);
    let mut late = example::run();
    late.plan.self_check.send_lag_p99_max = Duration::from_micros(10);
    late.ending.interrupted = true;
    let doubts = doubts(&late);
    assert_eq!(doubts.len(), 2, "{doubts:?}");
    assert_eq!(conclude(&rows, &doubts), Conclusion::Inconclusive);
    assert_eq!(conclude(&[], &[]), Conclusion::Inconclusive);
}
