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
    compare(&base, &new, question, &Bars::of(question)).rows
}

/// Compares the example with a changed one for regressions.
fn regression(change: impl FnOnce(&mut Measurements)) -> (Compared, Conclusion) {
    let base = example::run();
    let mut new = example::run();
    change(&mut new);
    let question = Question::Regression;
    let compared = compare(&base, &new, question, &Bars::of(question));
    let conclusion = conclude(&compared, &[]);
    (compared, conclusion)
}

/// Makes every request fail, and nobody buy anything: a system that is down answers at once.
fn nothing_works(run: &mut Measurements) {
    use tiketi_buyer::observation::Failure;
    for tally in &mut run.tally.operations {
        let calls = tally.calls();
        let mut quick = Histogram::default();
        quick.record_many(Duration::from_micros(50), calls);
        tally.failed.clear();
        tally.failed.insert(Failure::ConnectRefused, calls);
        (tally.ok, tally.refused) = (0, 0);
        tally.response_time = quick.clone();
        tally.service_time = quick.clone();
        tally.unsuccessful = quick;
    }
    run.tally.waiting_time = Histogram::default();
    run.tally.stages = [2_000, 0, 0, 0, 0, 0, 0];
    run.tally.left = [0, 0, 0, 0, 0, 0, 2_000, 0];
    let statement = run.ending.statement.as_mut().unwrap();
    statement.run.total = statement.run.total.times(0.1);
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
    assert_eq!(
        verdict("successful requests/s: seat_list"),
        RowVerdict::Beyond
    );
    assert_eq!(
        verdict("successful requests/s: queue_status"),
        RowVerdict::NotJudged
    );
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
        let question = Question::Agreement;
        let rows = compare(&base, &new, question, &Bars::of(question)).rows;
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
    let mut bars = Bars::of(Question::Regression);
    bars.set(Measure::Abandonment, 0.2);
    let rows = compare(&base, &new, Question::Regression, &bars).rows;
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
    let bars = Bars::of(Question::Agreement);
    let same = compare(&whole, &whole, Question::Agreement, &bars);
    assert_eq!(conclude(&same, &doubts(&whole)), Conclusion::Within);
    let mut longer = example::run();
    stretch_waiting(&mut longer, 2.0);
    let worse = compare(&whole, &longer, Question::Agreement, &bars);
    assert_eq!(conclude(&worse, &[]), Conclusion::Beyond);
    let mut late = example::run();
    late.plan.self_check.send_lag_p99_max = Duration::from_micros(10);
    late.ending.interrupted = true;
    let doubts = doubts(&late);
    assert_eq!(doubts.len(), 2, "{doubts:?}");
    assert_eq!(conclude(&same, &doubts), Conclusion::Inconclusive);
    assert_eq!(
        conclude(&Compared::default(), &[]),
        Conclusion::Inconclusive
    );
}

#[test]
fn a_dead_run_is_better_in_nothing() {
    let (compared, conclusion) = regression(nothing_works);
    assert_eq!(conclusion, Conclusion::Beyond);
    for row in &compared.rows {
        assert_ne!(row.verdict, RowVerdict::Better, "{row:?}");
    }
    let verdict = |name| row(&compared.rows, name).verdict;
    assert_eq!(verdict("failed requests"), RowVerdict::Beyond);
    assert_eq!(
        verdict("successful requests/s: seat_list"),
        RowVerdict::Beyond
    );
    assert_eq!(verdict("response time p95: seat_list"), RowVerdict::Beyond);
    assert_eq!(verdict("buyers served per second"), RowVerdict::Beyond);
    // Fewer gave up waiting and the sale cost less, because nobody was served.
    let base = example::run();
    let mut dead = example::run();
    nothing_works(&mut dead);
    let mut bars = Bars::of(Question::Regression);
    bars.set(Measure::Abandonment, 0.1);
    bars.set(Measure::Cost, 0.1);
    let rows = compare(&base, &dead, Question::Regression, &bars).rows;
    for name in ["buyers who gave up waiting", "cost of this sale"] {
        assert_eq!(row(&rows, name).verdict, RowVerdict::Outweighed, "{name}");
    }
}

#[test]
fn more_errors_or_refusals_are_worse_even_from_none() {
    use tiketi_buyer::observation::Failure;
    let without = |run: &mut Measurements| {
        for tally in &mut run.tally.operations {
            (tally.ok, tally.refused) = (tally.calls(), 0);
            tally.failed.clear();
            tally.unsuccessful = Histogram::default();
        }
    };
    let of = |failing: u64, refused: u64| {
        let [mut base, mut new] = [example::run(), example::run()];
        without(&mut base);
        without(&mut new);
        let tally = &mut new.tally.operations[Operation::PaymentProcess.index()];
        tally.ok -= failing + refused;
        tally.refused = refused;
        tally.failed.insert(Failure::Status(503), failing);
        let question = Question::Regression;
        let rows = compare(&base, &new, question, &Bars::of(question)).rows;
        ["failed requests", "rejected requests"].map(|name| row(&rows, name).verdict)
    };
    assert_eq!(of(0, 0), [RowVerdict::Within; 2]);
    assert_eq!(of(10, 100), [RowVerdict::Within; 2], "of 19,700 requests");
    assert_eq!(of(100, 10), [RowVerdict::Beyond, RowVerdict::Within]);
    assert_eq!(of(10, 1_000), [RowVerdict::Within, RowVerdict::Beyond]);
}

#[test]
fn a_gate_that_fails_is_worse_and_so_is_the_exit_code() {
    let outcome = |compared: &Compared, subject: Subject| {
        let found = compared
            .outcomes
            .iter()
            .filter(|one| one.subject == subject);
        found.map(|one| one.verdict).collect::<Vec<_>>()
    };
    let base = example::run();
    let mut passing = example::run();
    for gate in &mut passing.plan.gates {
        gate.bound *= 100.0;
    }
    let question = Question::Regression;
    let bars = Bars::of(question);
    let worse = compare(&passing, &base, question, &bars);
    assert_eq!(outcome(&worse, Subject::ExitCode), [RowVerdict::Beyond]);
    assert!(outcome(&worse, Subject::Gate).contains(&RowVerdict::Beyond));
    assert_eq!(conclude(&worse, &[]), Conclusion::Beyond);
    let better = compare(&base, &passing, question, &bars);
    assert_eq!(outcome(&better, Subject::ExitCode), [RowVerdict::Better]);
    let same = compare(&base, &base, question, &bars);
    assert!(
        same.outcomes
            .iter()
            .all(|one| one.verdict == RowVerdict::Within)
    );
}

#[test]
fn an_audit_that_fails_outweighs_every_better_metric() {
    let (compared, conclusion) = regression(|run| {
        stretch_waiting(run, 0.5);
        match &mut run.ending.state {
            tiketi_measure::ending::FinalState::Read(facts) => facts.captures += 1,
            tiketi_measure::ending::FinalState::Unread { reason } => panic!("{reason}"),
        }
    });
    assert_eq!(conclusion, Conclusion::Beyond);
    let waiting = row(&compared.rows, "waiting time p95");
    assert_eq!(waiting.verdict, RowVerdict::Outweighed);
}

#[test]
fn an_unknown_cost_is_not_compared_unless_its_bound_is_too_high() {
    use tiketi_cost::Amount;
    let of = |base: bool, new: bool, factor: f64| {
        let mut runs = [example::run(), example::run()];
        for (run, (unknown, factor)) in runs.iter_mut().zip([(base, 1.0), (new, factor)]) {
            let total = &mut run.ending.statement.as_mut().unwrap().run.total;
            let missing = if unknown {
                vec!["x (no price)".to_owned()]
            } else {
                Vec::new()
            };
            *total = Amount::new(total.at_least() * factor, missing);
        }
        let mut bars = Bars::of(Question::Regression);
        bars.set(Measure::Cost, 0.1);
        let [base, new] = &runs;
        let rows = compare(base, new, Question::Regression, &bars).rows;
        let row = row(&rows, "cost of this sale");
        assert_eq!(
            row.at_least.map(|bound| bound.is_some()),
            [base, new].map(|run| {
                run.ending
                    .statement
                    .as_ref()
                    .unwrap()
                    .run
                    .total
                    .exact()
                    .is_none()
            })
        );
        row.verdict
    };
    assert_eq!(of(false, false, 1.0), RowVerdict::Within);
    assert_eq!(of(false, false, 0.5), RowVerdict::Better);
    assert_eq!(of(false, true, 0.5), RowVerdict::Incomplete);
    assert_eq!(of(true, true, 1.0), RowVerdict::Incomplete);
    assert_eq!(of(true, false, 0.5), RowVerdict::Incomplete);
    assert_eq!(of(false, true, 2.0), RowVerdict::Beyond);
}
