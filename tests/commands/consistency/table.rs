//! `timeseries.csv`: the rows cover the run without gaps, and their sums and last levels are those of the other files.

use tiketi_measure::ending::FinalState;

use super::{Files, Findings, count, list, number, word};

/// The time series, by column.
pub(super) struct Series {
    columns: Vec<(String, Vec<Option<f64>>)>,
}

impl Series {
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut lines = text.lines();
        let header = lines.next().ok_or("timeseries.csv is empty")?;
        let names = header.split(',').map(|name| (name.to_owned(), Vec::new()));
        let mut columns: Vec<_> = names.collect();
        for (number, line) in lines.enumerate() {
            let cells: Vec<_> = line.split(',').collect();
            if cells.len() != columns.len() {
                return Err(format!(
                    "timeseries.csv: row {number} has {} cells",
                    cells.len()
                ));
            }
            for ((name, column), cell) in columns.iter_mut().zip(cells) {
                // Digits and a point only: a negative or infinite value is an error of the program.
                let is_plain = cell.chars().all(|one| one.is_ascii_digit() || one == '.');
                let value = cell.parse().ok().filter(|_| is_plain);
                if value.is_none() && !cell.is_empty() {
                    return Err(format!(
                        "timeseries.csv: {name} is `{cell}` in row {number}"
                    ));
                }
                column.push(value);
            }
        }
        Ok(Self { columns })
    }

    fn column(&self, name: &str) -> &[Option<f64>] {
        let found = self.columns.iter().find(|(other, _)| other == name);
        found.map_or(&[], |(_, values)| values)
    }

    fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|(other, _)| other == name)
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cells of counts are whole numbers, 0 or more"
    )]
    fn sum(&self, name: &str) -> u64 {
        self.column(name).iter().flatten().sum::<f64>() as u64
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cells of counts are whole numbers, 0 or more"
    )]
    fn last(&self, name: &str) -> Option<u64> {
        self.column(name)
            .last()
            .copied()
            .flatten()
            .map(|level| level as u64)
    }
}

pub(super) fn check(files: &Files, found: &mut Findings) {
    rows(files, found);
    counts(files, found);
    percentiles(files, found);
    last_levels(files, found);
}

/// The rows follow each other without gaps, and the last one ends with the run.
fn rows(files: &Files, found: &mut Findings) {
    let (starts, widths) = (files.series.column("second"), files.series.column("width"));
    let mut end = 0.0;
    for (start, width) in starts.iter().zip(widths) {
        let (start, width) = (start.unwrap_or(-1.0), width.unwrap_or(-1.0));
        found.close("start of a row, and end of the row before it", start, end);
        found.must(width > 0.0, || {
            format!("the row at {start} s is {width} s long")
        });
        end = start + width;
    }
    let length = number(&files.summary, "/run/scenario_seconds");
    found.close("end of the last row, and end of the run", end, length);
}

fn counts(files: &Files, found: &mut Findings) {
    let (series, summary) = (&files.series, &files.summary);
    for name in ["started", "shed"] {
        let stated = count(summary, &format!("/arrivals/{name}"));
        found.same(
            &format!("arrivals {name} in series and summary"),
            series.sum(name),
            stated,
        );
    }
    for step in list(summary, "/funnel") {
        let stage = word(step, "/stage");
        found.must(series.has(stage), || {
            format!("the series has no column for {stage}")
        });
        found.same(
            &format!("buyers {stage} in series and summary"),
            series.sum(stage),
            count(step, "/buyers"),
        );
    }
    let left = list(summary, "/left")
        .map(|one| count(one, "/buyers"))
        .sum();
    found.same(
        "visits that ended in series and summary",
        series.sum("left"),
        left,
    );
    let ended: u64 = ["calls_ok", "calls_refused", "calls_failed"]
        .map(|name| series.sum(name))
        .iter()
        .sum();
    let judged = list(summary, "/calls")
        .last()
        .map_or(0, |all| count(all, "/calls"));
    let warmup = files.measured.tally.calls_in_warmup;
    found.same(
        "requests in the series, and judged + in the warm-up",
        ended,
        judged + warmup,
    );
    found.must(series.sum("calls_due") >= ended, || {
        format!(
            "{ended} requests ended, but only {} were due",
            series.sum("calls_due")
        )
    });
    found.same(
        "messages in series and measurements",
        series.sum("messages"),
        files.measured.tally.messages,
    );
}

/// Percentiles ascend within a row and stay below the longest response of the run.
fn percentiles(files: &Files, found: &mut Findings) {
    let columns =
        ["p50", "p95", "p99"].map(|name| files.series.column(&format!("response_ms_{name}")));
    for ((p50, p95), p99) in columns[0].iter().zip(columns[1]).zip(columns[2]) {
        let row = [p50, p95, p99];
        found.must(row.is_sorted(), || {
            format!("percentiles of a row do not ascend: {row:?}")
        });
    }
    if files.measured.tally.calls_in_warmup == 0 {
        let all = list(&files.summary, "/calls").last();
        let max = all.map_or(0.0, |all| number(all, "/response_time/max"));
        let highest = columns[2].iter().flatten().copied().fold(0.0, f64::max);
        // The series has milliseconds with three decimals.
        found.must(highest <= max * 1e3 + 1e-3, || {
            format!("p(99) of a row is {highest} ms, but the longest response took {max} s")
        });
    }
}

/// What is connected, sold and waiting in the last row is what was read at the end.
fn last_levels(files: &Files, found: &mut Findings) {
    let series = &files.series;
    let sockets = &files.measured.tally.sockets;
    let open =
        (sockets.connected + sockets.reconnected).saturating_sub(sockets.closed + sockets.lost);
    found.same(
        "sockets open in the last row, and opened − closed − lost",
        series.last("sockets").unwrap_or(0),
        open,
    );
    let peak = series
        .column("sockets")
        .iter()
        .flatten()
        .copied()
        .fold(0.0, f64::max);
    let stated = number(&files.summary, "/sockets/peak");
    found.close("peak of the sockets in series and summary", peak, stated);
    let FinalState::Read(facts) = &files.measured.ending.state else {
        return;
    };
    let seats = facts.seats_free + facts.seats_held + facts.seats_sold;
    found.same("seats, and free + held + sold", facts.seats_total, seats);
    let shown = [
        ("seats_sold", Some(facts.seats_sold)),
        ("seats_held", Some(facts.seats_held)),
        (
            "waiting",
            facts.admissions.map(|admissions| admissions.waiting),
        ),
    ];
    for (name, read) in shown {
        // A level that could not be read is empty in the series and missing in the final state.
        if let (Some(last), Some(read)) = (series.last(name), read)
            && files.measured.ending.engine == tiketi_measure::Engine::Model
        {
            found.same(
                &format!("{name} in the last row and in the final state"),
                last,
                read,
            );
        }
    }
}
