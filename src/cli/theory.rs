//! `tiketi-sim theory`: checks the simulator against queueing theory.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tokio::time::Instant;

use super::args::TheoryArguments;
use super::exit::{Exit, complain};
use super::{output, terminal};
use tiketi_live::clock::wall_now;
use tiketi_theory::{
    self as theory, CaseResult, CaseSetup, Compared, Precision, SuiteSettings, Verdict,
};

/// Runs the suite or one case, and prints the results.
pub(super) fn theory(flags: &TheoryArguments) -> Exit {
    let setups = match &flags.case {
        None => theory::setups(),
        Some(asked) => match asked.case.setup(|name| asked.given(name)) {
            Ok(setup) => vec![setup],
            Err(problem) => {
                let error = format!("theory {}: {problem}", asked.case.name);
                complain(error, Some(problem.hint()));
                return Exit::BadScenario;
            }
        },
    };
    let settings = SuiteSettings {
        seed: flags.seed,
        replications: flags.replications,
    };
    let outcomes = run(&setups, settings);
    let shown = if flags.json {
        as_json(&outcomes, settings)
    } else {
        as_table(&outcomes, settings)
    };
    let printed = output::print(shown).err().unwrap_or(Exit::Success);
    let found = if outcomes.iter().all(CaseResult::passes) {
        Exit::Success
    } else {
        Exit::AuditViolated
    };
    found.max(printed)
}

fn run(setups: &[CaseSetup], settings: SuiteSettings) -> Vec<CaseResult> {
    let progress = Progress::start();
    let outcomes = theory::run(setups, settings, &|done, of| progress.show(done, of));
    progress.finish();
    outcomes
}

/// The output of `--json`.
#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    seed: u64,
    replications: u32,
    /// Simultaneous confidence of all intervals.
    confidence: f64,
    holds: bool,
    cases: &'a [CaseResult],
}

fn as_json(outcomes: &[CaseResult], settings: SuiteSettings) -> String {
    let document = Document {
        version: 1,
        seed: settings.seed,
        replications: settings.replications,
        confidence: 0.99,
        holds: outcomes.iter().all(CaseResult::passes),
        cases: outcomes,
    };
    serde_json::to_string_pretty(&document).expect("plain structs and lists") + "\n"
}

const WRITABLE: &str = "writing to a String cannot fail";

fn as_table(outcomes: &[CaseResult], settings: SuiteSettings) -> String {
    let mut table = format!(
        "{:<50} {:>13} {:>13} {:>9} {:>9}  verdict\n",
        "", "exact", "simulated", "error", "±"
    );
    for outcome in outcomes {
        writeln!(table, "{}", heading(outcome)).expect(WRITABLE);
        for figure in &outcome.figures {
            writeln!(table, "{}", row(figure)).expect(WRITABLE);
        }
    }
    table + &closing(outcomes, settings)
}

/// The case and its parameters, as typed on the command line.
fn heading(outcome: &CaseResult) -> String {
    let values = outcome.parameters.iter().map(|(name, values)| {
        let values: Vec<_> = values.iter().map(f64::to_string).collect();
        format!(" --{name} {}", values.join(","))
    });
    outcome.case.to_owned() + &values.collect::<String>()
}

fn row(figure: &Compared) -> String {
    let percent = |share: f64, sign: &str| format!("{sign}{:.3} %", 100.0 * share);
    let error = figure.relative_error.map_or_else(
        || "-".to_owned(),
        |error| percent(error.abs(), if error < 0.0 { "-" } else { "+" }),
    );
    let half_width = if figure.precision == Precision::Identity {
        "-".to_owned()
    } else {
        percent(figure.half_width / figure.exact.abs(), "")
    };
    let name = match figure.limit {
        Some(limit) => format!("{} (limit {})", figure.figure, number(limit.value)),
        None => figure.figure.clone(),
    };
    // The spaces keep wide numbers apart.
    format!(
        "  {name:<48} {:>13} {:>13} {error:>9} {half_width:>9}  {}",
        number(figure.exact),
        number(figure.simulated),
        in_words(figure.verdict)
    )
}

/// A number with about seven significant digits.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 1e5 => format!("{value:.0}"),
        size if size >= 100.0 => format!("{value:.3}"),
        size if size >= 1e-3 => format!("{value:.6}"),
        size if size > 0.0 => format!("{value:.3e}"),
        _ => "0".to_owned(),
    }
}

const fn in_words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "pass",
        Verdict::Differs => "FAIL: the exact value is outside the confidence interval",
        Verdict::TooWide => "INCONCLUSIVE: the confidence interval is too wide",
    }
}

fn closing(outcomes: &[CaseResult], settings: SuiteSettings) -> String {
    let figures: Vec<_> = outcomes
        .iter()
        .flat_map(|outcome| &outcome.figures)
        .collect();
    let passed = figures
        .iter()
        .filter(|figure| figure.verdict == Verdict::Holds)
        .count();
    let has_limit = figures.iter().any(|figure| figure.limit.is_some());
    let limits = if has_limit {
        " A limit holds for infinitely many buyers; the exact value beside it is that limit and its bias at the simulated scale."
    } else {
        ""
    };
    format!(
        "\n{passed} of {} metrics passed. ± is the half-width of the 99 % simultaneous confidence interval over {} \
         replications (seed {}).{limits}\n",
        figures.len(),
        settings.replications,
        settings.seed
    )
}

/// Shows the progress once the work takes longer than [`SILENCE`].
struct Progress {
    started: Instant,
    shown: Mutex<Shown>,
}

enum Shown {
    Nothing,
    Bar(ProgressBar),
    /// A plain line, this long after the start.
    Line(Duration),
}

/// Real time before anything is shown; most single cases end sooner.
const SILENCE: Duration = Duration::from_secs(2);
/// Real time between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(10);

const UNPOISONED: &str = "no thread panics while it has the lock";

impl Progress {
    fn start() -> Self {
        Self {
            started: wall_now(),
            shown: Mutex::new(Shown::Nothing),
        }
    }

    fn show(&self, done: u64, of: u64) {
        let elapsed = wall_now() - self.started;
        if elapsed < SILENCE {
            return;
        }
        let mut shown = self.shown.lock().expect(UNPOISONED);
        match &*shown {
            Shown::Nothing if terminal::is_live(&std::io::stderr()) => {
                *shown = Shown::Bar(bar());
            }
            Shown::Bar(bar) => {
                bar.set_length(of);
                bar.set_position(done);
            }
            Shown::Line(last) if elapsed < *last + LINE_EVERY => {}
            Shown::Nothing | Shown::Line(_) => {
                let mut stderr = std::io::stderr().lock();
                let _closed = writeln!(stderr, "{done} of {of} replications");
                *shown = Shown::Line(elapsed);
            }
        }
    }

    fn finish(&self) {
        if let Shown::Bar(bar) = &*self.shown.lock().expect(UNPOISONED) {
            bar.finish_and_clear();
        }
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    bar.set_style(
        ProgressStyle::with_template("{bar:24} {pos} of {len} replications")
            .expect("the template is a valid constant"),
    );
    bar
}
