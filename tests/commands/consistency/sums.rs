//! Sums and orders within `summary.json`, and the same counts in the measurements.

use serde_json::Value;
use tiketi_measure::Engine;
use tiketi_scenario::operation::Operation;

use super::{Files, Findings, count, list, number, word};

/// The statistics of a length of time, in ascending order.
const ASCENDING: [&str; 7] = ["/min", "/p50", "/p90", "/p95", "/p99", "/p99_9", "/max"];

pub(super) fn check(files: &Files, found: &mut Findings) {
    buyers(files, found);
    calls(files, found);
    durations(files, found);
    verdicts(&files.summary, found);
}

fn buyers(files: &Files, found: &mut Findings) {
    let (summary, tally) = (&files.summary, &files.measured.tally);
    let [due, started, shed] =
        ["due", "started", "shed"].map(|name| count(summary, &format!("/arrivals/{name}")));
    let without = count(summary, "/arrivals/without_credential");
    found.same(
        "arrivals due, and started + shed + without credential",
        due,
        started + shed + without,
    );
    found.same(
        "arrivals started in summary and measurements",
        started,
        tally.arrivals.started,
    );
    let left: u64 = list(summary, "/left")
        .map(|one| count(one, "/buyers"))
        .sum();
    found.must(left <= started, || {
        format!("{left} visits ended, but only {started} started")
    });
    let funnel: Vec<_> = list(summary, "/funnel").collect();
    for (step, reached) in funnel.iter().zip(tally.stages) {
        let what = format!("buyers who reached {}", word(step, "/stage"));
        found.same(&what, count(step, "/buyers"), reached);
    }
}

fn calls(files: &Files, found: &mut Findings) {
    let summary = &files.summary;
    let rows: Vec<_> = list(summary, "/calls").collect();
    let Some((all, each)) = rows.split_last() else {
        found.add("summary.json has no row for all operations".to_owned());
        return;
    };
    for row in &rows {
        let parts = ["/ok", "/refused", "/failed"].map(|part| count(row, part));
        let name = word(row, "/operation");
        let what = format!("requests of {name}, and their parts");
        found.same(&what, count(row, "/calls"), parts.iter().sum());
    }
    for part in ["/calls", "/ok", "/refused", "/failed"] {
        let sum = each.iter().map(|row| count(row, part)).sum();
        found.same(
            &format!("{part} of all operations, and their sum"),
            count(all, part),
            sum,
        );
    }
    for operation in Operation::ALL {
        let row = each
            .iter()
            .find(|row| word(row, "/operation") == operation.name());
        let stated = row.map_or(0, |row| count(row, "/calls"));
        let measured = files.measured.tally.operations[operation.index()].calls();
        found.same(&format!("requests of {operation}"), stated, measured);
    }
    let failed = list(summary, "/errors")
        .map(|one| count(one, "/calls"))
        .sum();
    found.same(
        "failed requests, and their reasons",
        count(all, "/failed"),
        failed,
    );
    let judged = number(summary, "/run/scenario_seconds") - number(summary, "/run/warmup_seconds");
    if judged > 0.0 {
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
        let calls = count(all, "/calls") as f64;
        let rate = number(summary, "/calls_per_second");
        found.close(
            "requests, and their rate times the length",
            calls,
            rate * judged,
        );
    }
}

fn durations(files: &Files, found: &mut Findings) {
    for row in list(&files.summary, "/calls") {
        for kind in ["response_time", "service_time"] {
            let what = format!("{kind} of {}", word(row, "/operation"));
            let statistics = &row[kind];
            ordered(&what, statistics, found);
            found.same(
                &format!("samples of the {what}"),
                count(statistics, "/count"),
                count(row, "/calls"),
            );
        }
    }
    for metric in list(&files.summary, "/metrics") {
        ordered(word(metric, "/name"), metric, found);
    }
    let has_lag = list(&files.summary, "/metrics").any(|one| word(one, "/name") == "send_lag");
    let has_generator = files.measured.ending.engine == Engine::Live;
    found.must(has_lag == has_generator, || {
        format!(
            "scheduling delay is reported: {has_lag}; there is a load generator: {has_generator}"
        )
    });
}

/// Minimum, percentiles and maximum ascend, and the mean lies between the ends; without samples there are none.
fn ordered(what: &str, statistics: &Value, found: &mut Findings) {
    let values = ASCENDING.map(|name| statistics.pointer(name).and_then(Value::as_f64));
    if count(statistics, "/count") == 0 {
        found.must(values.iter().all(Option::is_none), || {
            format!("{what} has values but no samples")
        });
        return;
    }
    let known: Vec<_> = values.into_iter().flatten().collect();
    found.must(known.len() == ASCENDING.len() && known.is_sorted(), || {
        format!("{what} does not ascend: {known:?}")
    });
    let mean = number(statistics, "/mean");
    let (min, max) = (number(statistics, "/min"), number(statistics, "/max"));
    found.must((min..=max).contains(&mean), || {
        format!("the mean of {what}, {mean}, is not between {min} and {max}")
    });
}

fn verdicts(summary: &Value, found: &mut Findings) {
    let code = count(summary, "/exit_code");
    let is_ok = summary["ok"] == Value::Bool(true);
    found.must(is_ok == (code == 0), || {
        format!("ok is {is_ok} with exit code {code}")
    });
    for gate in list(summary, "/gates") {
        let passed = gate["ok"] == Value::Bool(true);
        let name = word(gate, "/metric");
        found.must(!(passed && gate["measured"].is_null()), || {
            format!("the gate on {name} passed although nothing was measured")
        });
        found.must(passed || code != 0, || {
            format!("the gate on {name} failed with exit code 0")
        });
    }
    let is_bad =
        |one: &Value| word(one, "/verdict") == "violated" || one["ok"] == Value::Bool(false);
    let bad = list(summary, "/audits")
        .chain(list(summary, "/validity"))
        .filter(|one| is_bad(one));
    found.must(bad.count() == 0 || code != 0, || {
        "an audit or a validity check failed with exit code 0".to_owned()
    });
}
