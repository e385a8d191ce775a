//! The terminal summary: gates first, the way to run it again last.

use std::fmt::Write as _;
use std::time::Duration;

use super::document::{CallRow, Document, Metric};
use super::{data_tier, words};
use tiketi_verdict::audit::Finding;
use tiketi_verdict::figure::{grouped, in_words, percent};
use tiketi_verdict::recovery::Recovery;
use tiketi_verdict::scale::ScaleAction;
use tiketi_verdict::slo::GateVerdict;
use tiketi_verdict::targets::{Reached, TargetVerdict};

/// Whether the terminal shows colors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// ANSI escapes.
    Ansi,
    /// Plain text.
    Plain,
}

/// A mark before a line.
#[derive(Clone, Copy)]
enum Mark {
    Good,
    Bad,
    Part,
    Unknown,
}

/// Writes the sections of the summary.
struct Page {
    text: String,
    color: Color,
}

/// Renders the summary.
pub fn render(document: &Document, color: Color) -> String {
    let mut page = Page {
        text: String::new(),
        color,
    };
    page.gates(&document.verdicts.gates);
    page.audits(document);
    page.validity(document);
    page.targets(&document.verdicts.targets);
    page.buyers(document);
    page.latency(document);
    page.errors(document);
    page.timeline(document);
    page.recoveries(&document.verdicts.recoveries);
    page.data_tier(document);
    page.scaling(&document.verdicts.scaling);
    page.cost(document);
    page.closing(document);
    page.text
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn section(&mut self, title: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        let title = self.paint("1", &format!("█ {title}"));
        self.line(&title);
    }

    fn marked(&mut self, mark: Mark, line: &str) {
        let mark = match mark {
            Mark::Good => self.paint("32", "✓"),
            Mark::Bad => self.paint("31", "✗"),
            Mark::Part => self.paint("33", "~"),
            Mark::Unknown => self.paint("33", "?"),
        };
        self.line(&format!("  {mark} {line}"));
    }

    fn paint(&self, code: &str, text: &str) -> String {
        match self.color {
            Color::Ansi => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            Color::Plain => text.to_owned(),
        }
    }

    fn gates(&mut self, gates: &[GateVerdict]) {
        self.section("GATES");
        if gates.is_empty() {
            self.line("  the scenario has none");
        }
        for gate in gates {
            let measured = match (&gate.measured, &gate.reason) {
                (Some(figure), _) => format!("{}={figure}", gate.statistic),
                (None, Some(reason)) => reason.clone(),
                (None, None) => "nothing measured".to_owned(),
            };
            let line = format!("{:<44} '{}' {measured}", gate.metric, gate.condition);
            self.marked(good(gate.passed), &line);
        }
    }

    fn audits(&mut self, document: &Document) {
        self.section("AUDITS");
        for audit in &document.verdicts.audits {
            let (mark, verdict, evidence) = match &audit.finding {
                Finding::Held { evidence } => (Mark::Good, "held", evidence),
                Finding::Violated { evidence } => (Mark::Bad, "VIOLATED", evidence),
                Finding::CouldNotCheck { reason } => (Mark::Unknown, "could not check", reason),
            };
            self.marked(
                mark,
                &format!("{:<22} {verdict}: {evidence}", audit.audit.name()),
            );
        }
    }

    fn validity(&mut self, document: &Document) {
        self.section("VALIDITY OF THE MEASUREMENT");
        for check in &document.verdicts.validity {
            self.marked(
                good(check.ok),
                &format!("{:<31} {}", check.name, check.evidence),
            );
        }
        if let Some(told) = words::no_generator(document.run.engine) {
            self.line(&format!("    {told}"));
        }
        self.generator(document);
    }

    fn targets(&mut self, targets: &[TargetVerdict]) {
        let count = |reached| {
            let matching = targets.iter().filter(|target| target.verdict == reached);
            matching.count()
        };
        self.section(&format!(
            "DOCUMENTED TARGETS: {} met, {} met in part, {} missed, {} not exercised",
            count(Reached::Met),
            count(Reached::PartlyMet),
            count(Reached::Missed),
            count(Reached::NotExercised)
        ));
        for target in targets {
            let mark = match target.verdict {
                Reached::Met => Mark::Good,
                Reached::PartlyMet => Mark::Part,
                Reached::Missed => Mark::Bad,
                Reached::NotExercised => continue,
            };
            let line = format!("{:<4} {}: {}", target.id, target.system, target.documented);
            self.marked(mark, &line);
            self.line(&format!("         {}", target.measured));
        }
    }

    fn buyers(&mut self, document: &Document) {
        self.section("BUYERS");
        for step in &document.funnel {
            let share = step.share.map_or_else(String::new, percent);
            self.leader(words::stage(step.stage), &grouped(step.buyers), &share);
        }
        for left in &document.left {
            let name = format!("left: {}", words::reason(left.reason));
            self.leader(&name, &grouped(left.buyers), "");
        }
        let sockets = document.sockets;
        let told = format!(
            "{} connected, {} lost, {} reconnected",
            grouped(sockets.counts.connected),
            grouped(sockets.counts.lost),
            grouped(sockets.counts.reconnected)
        );
        self.leader("sockets at the peak", &grouped(sockets.peak), &told);
    }

    fn generator(&mut self, document: &Document) {
        for process in &document.generator {
            let each = process.bytes_per_connected.map_or_else(
                || "no sockets".to_owned(),
                |bytes| {
                    format!(
                        "{:.1} KiB for each of {} sockets",
                        bytes / 1_024.0,
                        grouped(process.connected_peak)
                    )
                },
            );
            let memory = format!("{} MiB", process.resident_connected_bytes >> 20);
            let peak = process.resident_peak_bytes >> 20;
            let cpu = in_words(Duration::from_secs_f64(process.cpu_seconds));
            let told = format!("{each}, {peak} MiB at the most, {cpu} of CPU");
            self.leader("load process", &memory, &told);
        }
    }

    fn leader(&mut self, name: &str, value: &str, more: &str) {
        let dots = ".".repeat(30_usize.saturating_sub(name.chars().count()));
        self.line(&format!("  {name}{dots}: {value:>9}  {more}"));
    }

    fn latency(&mut self, document: &Document) {
        self.section(&format!(
            "LATENCY (scenario time; {:.1} calls a second, {:.1} of them useful)",
            document.calls_per_second, document.useful_calls_per_second
        ));
        self.line(&format!(
            "  {:<22}{:>9}{:>8}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}",
            "response time",
            "calls",
            "failed",
            "p(50)",
            "p(90)",
            "p(95)",
            "p(99)",
            "p(99.9)",
            "max"
        ));
        for row in &document.calls {
            self.latency_row(row);
        }
        for metric in &document.metrics {
            self.metric(metric);
        }
    }

    fn latency_row(&mut self, row: &CallRow) {
        let times = row.response_time;
        let figures = [
            times.p50,
            times.p90,
            times.p95,
            times.p99,
            times.p99_9,
            times.max,
        ];
        let mut line = format!(
            "  {:<22}{:>9}{:>8}",
            row.operation,
            grouped(row.calls),
            grouped(row.failed)
        );
        for figure in figures {
            write!(line, "{:>10}", seconds(figure)).expect("a String takes everything");
        }
        self.line(&line);
        let service = row.service_time;
        if row.operation == "all" {
            self.line(&format!(
                "  {:<22}{:>17}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}",
                "service time, all",
                "",
                seconds(service.p50),
                seconds(service.p90),
                seconds(service.p95),
                seconds(service.p99),
                seconds(service.p99_9),
                seconds(service.max)
            ));
        }
    }

    fn metric(&mut self, metric: &Metric) {
        let statistics = metric.statistics;
        if statistics.count == 0 {
            return;
        }
        self.line(&format!(
            "  {:<22}{:>9}{:>8}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}",
            metric.name,
            grouped(statistics.count),
            "",
            seconds(statistics.p50),
            seconds(statistics.p90),
            seconds(statistics.p95),
            seconds(statistics.p99),
            seconds(statistics.p99_9),
            seconds(statistics.max)
        ));
    }

    fn errors(&mut self, document: &Document) {
        if document.errors.is_empty() {
            return;
        }
        self.section("ERRORS");
        for error in &document.errors {
            self.leader(error.operation.name(), &grouped(error.calls), &error.kind);
        }
    }

    fn timeline(&mut self, document: &Document) {
        if document.highlights.is_empty() {
            return;
        }
        self.section("TIMELINE");
        for line in &document.highlights {
            let at = in_words(Duration::from_secs_f64(line.at_seconds));
            self.line(&format!("  {at:>8}  {}", line.told));
        }
    }

    fn recoveries(&mut self, recoveries: &[Recovery]) {
        if recoveries.is_empty() {
            return;
        }
        self.section("RECOVERY");
        for recovery in recoveries {
            self.line(&format!(
                "  {} at {}",
                recovery.fault(),
                in_words(recovery.struck_at.since_start())
            ));
            for (name, told) in words::recovery(recovery) {
                self.line(&format!("    {name:<34} {told}"));
            }
        }
    }

    /// The table of failovers, and what else was measured of the data tier.
    fn data_tier(&mut self, document: &Document) {
        let Some(report) = &document.data_tier else {
            return;
        };
        let line = |cells: [&str; 9]| {
            let [part, lost_at, promoted, failed, counts @ .., back] = cells;
            let counts = counts.map(|count| format!("{count:>10}")).concat();
            format!("  {part:<10}{lost_at:>16}{promoted:>22}{failed:>20}{counts}{back:>14}")
        };
        if !report.failovers.is_empty() {
            self.section("FAILOVERS: recovery time (RTO) and data loss (RPO)");
            self.line(&line(data_tier::COLUMNS));
            for failover in &report.failovers {
                let cells = failover.cells();
                self.line(&line(cells.each_ref().map(String::as_str)));
            }
        }
        let lines = report.lines();
        if !lines.is_empty() {
            self.section("DATA TIER");
        }
        for (name, told) in lines {
            self.line(&format!("  {name:<28} {told}"));
        }
    }

    fn scaling(&mut self, actions: &[ScaleAction]) {
        if actions.is_empty() {
            return;
        }
        self.section("SCALING");
        for action in actions {
            self.line(&format!("  {}", words::scaling(action)));
        }
    }

    fn cost(&mut self, document: &Document) {
        let Some(statement) = &document.cost else {
            return;
        };
        let money = |amount| words::money(amount, statement.currency);
        self.section(&format!(
            "COST (prices: {}, {})",
            statement.price_book, statement.price_date
        ));
        let length = Duration::from_secs_f64(document.run.scenario_seconds);
        let length = format!("{} of all that stands there", in_words(length));
        self.leader("this on-sale", &money(statement.run.total), &length);
        let each = [
            ("for each 1,000 buyers", statement.per_thousand_buyers),
            ("for each ticket sold", statement.per_ticket),
        ];
        for (name, amount) in each {
            let amount = amount.map_or_else(|| "-".to_owned(), money);
            self.leader(name, &amount, "");
        }
        let month = format!("with {} such on-sales", statement.onsales_per_month);
        self.leader("a month", &money(statement.month.total), &month);
        for left_out in words::left_out(&statement.run) {
            self.line(&format!("  {left_out}"));
        }
        self.line(&format!(
            "  {:<40}{:>14}{:>14}{:>14}",
            "a month in won (A24)", "documented", "added up", "computed"
        ));
        for row in &statement.documented.rows {
            let maybe = |amount: Option<f64>| amount.map_or_else(|| "-".to_owned(), words::won);
            let note = match (row.adds_up(), &row.used) {
                (Some(false), _) => "  does not add up".to_owned(),
                (_, Some(used)) => format!("  for {used}"),
                (_, None) => String::new(),
            };
            self.line(&format!(
                "  {:<40}{:>14}{:>14}{:>14}{note}",
                row.title,
                words::won(row.documented),
                maybe(row.added_up),
                maybe(row.computed)
            ));
        }
    }

    fn closing(&mut self, document: &Document) {
        let run = &document.run;
        self.section(&format!(
            "{} (exit code {})",
            document.answer, document.exit_code
        ));
        self.line(&format!("  {}", words::both_times(run)));
        if let Some(tier) = run.data_tier {
            let tier = words::data_tier(tier);
            self.line(&format!(
                "  {}; data tier: {tier}",
                words::engine(run.engine)
            ));
        }
        self.line(&format!("  run again: {}", run.run_again));
    }
}

const fn good(ok: bool) -> Mark {
    if ok { Mark::Good } else { Mark::Bad }
}

fn seconds(figure: Option<f64>) -> String {
    figure.map_or_else(
        || "-".to_owned(),
        |seconds| in_words(Duration::from_secs_f64(seconds)),
    )
}
