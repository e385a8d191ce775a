//! How two runs turned out: exit codes, audits, gates and validity. They matter more than any metric: a run in which nothing
//! works has few requests that are slow.

use serde::Serialize;

use super::{Question, Row, RowVerdict};
use crate::audit::{Audit, Finding};
use crate::slo::{GateResult, GateVerdict};
use crate::{Trouble, Verdicts};

/// What an outcome is about, the most important first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The exit code.
    ExitCode,
    /// An audit.
    Audit,
    /// A gate that both runs have.
    Gate,
    /// A check of the measurement's validity that failed in one of the runs.
    Validity,
}

/// One outcome of both runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// What it is about.
    pub subject: Subject,
    /// Its name in reports.
    pub name: String,
    /// The first run's, in a few words.
    pub base: String,
    /// The second run's, in a few words.
    pub new: String,
    /// The verdict; outcomes are not judged when a simulation is compared with a live run, whose metrics are.
    pub verdict: RowVerdict,
}

/// How one thing turned out, the worst last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Grade {
    Passed,
    Unknown,
    Failed,
}

impl Grade {
    const fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Unknown => "not checked",
            Self::Failed => "failed",
        }
    }
}

/// Returns all outcomes of both runs, the most important first.
pub(super) fn outcomes(runs: [&Verdicts; 2], question: Question) -> Vec<Outcome> {
    let mut outcomes = vec![exit_codes(runs)];
    outcomes.extend(audits(runs));
    outcomes.extend(gates(runs));
    outcomes.extend(validity(runs));
    if question == Question::Agreement {
        for outcome in &mut outcomes {
            outcome.verdict = RowVerdict::NotJudged;
        }
    }
    outcomes
}

fn exit_codes(runs: [&Verdicts; 2]) -> Outcome {
    let troubles = runs.map(|run| run.troubles().first().copied());
    // Troubles ascend from the most serious; a run without any is better than all.
    let severity = |trouble: Option<Trouble>| trouble.map(std::cmp::Reverse);
    let [base, new] = troubles.map(severity);
    let told = |run: usize| {
        let name = troubles[run].map_or("passed", Trouble::name);
        format!("{} ({name})", runs[run].exit_code())
    };
    Outcome {
        subject: Subject::ExitCode,
        name: "exit code".to_owned(),
        base: told(0),
        new: told(1),
        verdict: verdict(&base, &new),
    }
}

fn audits(runs: [&Verdicts; 2]) -> Vec<Outcome> {
    let grade = |run: &Verdicts, audit: Audit| {
        let found = run.audits.iter().find(|one| one.audit == audit);
        found.map_or(Grade::Unknown, |one| match one.finding {
            Finding::Held { .. } => Grade::Passed,
            Finding::Violated { .. } => Grade::Failed,
            Finding::CouldNotCheck { .. } => Grade::Unknown,
        })
    };
    let names = runs[0].audits.iter().map(|one| one.audit);
    let of = |audit: Audit| {
        let grades = runs.map(|run| grade(run, audit));
        graded(Subject::Audit, audit.name().to_owned(), grades)
    };
    names.map(of).collect()
}

fn gates(runs: [&Verdicts; 2]) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for base in &runs[0].gates {
        let is_same =
            |one: &&GateVerdict| (&one.metric, &one.condition) == (&base.metric, &base.condition);
        let Some(new) = runs[1].gates.iter().find(is_same) else {
            continue;
        };
        let grades = [base, new].map(|one| match one.result {
            GateResult::Passed => Grade::Passed,
            GateResult::Failed => Grade::Failed,
            GateResult::NotMeasured => Grade::Unknown,
        });
        let name = format!("`{}` {}", base.metric, base.condition);
        outcomes.push(graded(Subject::Gate, name, grades));
    }
    outcomes
}

fn validity(runs: [&Verdicts; 2]) -> Vec<Outcome> {
    let failed = |run: &Verdicts, name: &str| {
        let mut checks = run.validity.iter();
        checks.any(|check| check.name == name && !check.ok)
    };
    let mut names: Vec<_> = runs
        .iter()
        .flat_map(|run| &run.validity)
        .map(|check| check.name)
        .collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| runs.iter().any(|run| failed(run, name)));
    let of = |name: &str| {
        let grades = runs.map(|run| {
            if failed(run, name) {
                Grade::Failed
            } else {
                Grade::Passed
            }
        });
        graded(Subject::Validity, name.to_owned(), grades)
    };
    names.into_iter().map(of).collect()
}

fn graded(subject: Subject, name: String, grades: [Grade; 2]) -> Outcome {
    let [base, new] = grades;
    Outcome {
        subject,
        name,
        base: base.name().to_owned(),
        new: new.name().to_owned(),
        verdict: verdict(&base, &new),
    }
}

/// A greater outcome is worse.
fn verdict<O: Ord>(base: &O, new: &O) -> RowVerdict {
    match new.cmp(base) {
        std::cmp::Ordering::Greater => RowVerdict::Beyond,
        std::cmp::Ordering::Less => RowVerdict::Better,
        std::cmp::Ordering::Equal => RowVerdict::Within,
    }
}

/// Takes back the improvements that something more important outweighs: if an outcome, the errors or the refusals got worse,
/// nothing that matters less is better.
pub(super) fn weigh(outcomes: &mut [Outcome], rows: &mut [Row]) {
    let of_outcomes = outcomes
        .iter_mut()
        .map(|one| (one.subject.rank(), &mut one.verdict));
    let of_rows = rows
        .iter_mut()
        .map(|row| (row.measure.rank(), &mut row.verdict));
    let mut verdicts: Vec<_> = of_outcomes.chain(of_rows).collect();
    let worse = verdicts
        .iter()
        .filter(|(_, verdict)| **verdict == RowVerdict::Beyond);
    let Some(worst) = worse.map(|(rank, _)| *rank).min() else {
        return;
    };
    for (rank, verdict) in &mut verdicts {
        if **verdict == RowVerdict::Better && *rank > worst {
            **verdict = RowVerdict::Outweighed;
        }
    }
}

impl Subject {
    /// Its place among outcomes and metrics; the lower, the more important. [`Measure::rank`](super::Measure::rank) has the
    /// places in between.
    pub const fn rank(self) -> u8 {
        match self {
            Self::ExitCode => 0,
            Self::Audit => 3,
            Self::Gate => 4,
            Self::Validity => 5,
        }
    }
}
