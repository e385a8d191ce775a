//! The comparison of runs as data. Serialized, it is `agreement.json`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use tiketi_cost::price_book::Currency;
use tiketi_measure::{Engine, Measurements};
use tiketi_scenario::Plan;
use tiketi_verdict::agreement::{
    Bars, Conclusion, Outcome, Question, Row, RowVerdict, compare, conclude, doubts,
};
use tiketi_verdict::figure::counted;

use crate::number::Number;
use crate::page::{Headline, Status};
use crate::wording::capitalized;

/// Version of the layout; raised when readers of the previous one would misread it.
const VERSION: u32 = 2;

/// Two runs to compare, and their names.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'r> {
    /// Name of each: the folder it is in.
    pub names: [&'r str; 2],
    /// Measurements of each: baseline and new run, or live run and its simulation.
    pub runs: [&'r Measurements; 2],
}

/// The report of a comparison.
#[derive(Clone, Debug, Serialize)]
pub struct RunComparison {
    /// Version of this layout.
    pub version: u32,
    /// Version of the program.
    pub program: String,
    /// What the runs are compared for.
    pub question: Question,
    /// The tolerances, as parts of the first run's value; for errors and refusals, as parts of all requests.
    pub bars: Bars,
    /// The most serious conclusion of all pairs.
    pub conclusion: Conclusion,
    /// The exit code.
    pub exit_code: u8,
    /// The conclusion in words.
    pub answer: String,
    /// One entry per pair.
    pub sections: Vec<PairComparison>,
}

/// The comparison of one pair.
#[derive(Clone, Debug, Serialize)]
pub struct PairComparison {
    /// Name of the first run's scenario.
    pub scenario: String,
    /// The question of that scenario.
    pub asks: String,
    /// Both runs.
    pub sides: [ComparedRun; 2],
    /// How the scenarios differ.
    pub notes: Vec<String>,
    /// Why one of the runs cannot be trusted; empty if both can.
    pub doubts: Vec<String>,
    /// The conclusion.
    pub conclusion: Conclusion,
    /// Currency of the cost; `None` if there is none.
    pub currency: Option<Currency>,
    /// How both runs turned out: exit codes, audits, gates, validity.
    pub outcomes: Vec<Outcome>,
    /// Every metric.
    pub rows: Vec<Row>,
}

/// One run of a pair.
#[derive(Clone, Debug, Serialize)]
pub struct ComparedRun {
    /// Its title in tables and charts.
    pub title: &'static str,
    /// The folder it is in.
    pub name: String,
    /// The engine that ran it.
    pub engine: Engine,
    /// Its seed.
    pub seed: u64,
    /// Buyers who started.
    pub buyers: u64,
    /// Length in scenario time.
    pub scenario_seconds: f64,
    /// Length in real time.
    pub wall_seconds: f64,
    /// Scenario seconds per real second of a live run; host overhead appears that many times longer.
    pub speed: f64,
    /// Name of the service-time profile.
    pub profile: String,
    /// Where the profile's numbers come from.
    pub profile_source: String,
}

/// Compares all pairs.
pub fn comparison(pairs: &[Pair<'_>], question: Question, bars: &Bars) -> RunComparison {
    let sections: Vec<_> = pairs
        .iter()
        .map(|pair| compare_pair(pair, question, bars))
        .collect();
    let conclusions = sections.iter().map(|section| section.conclusion);
    let conclusion = conclusions.max().unwrap_or(Conclusion::Inconclusive);
    RunComparison {
        version: VERSION,
        program: concat!("tiketi-sim ", env!("CARGO_PKG_VERSION")).to_owned(),
        question,
        bars: bars.clone(),
        conclusion,
        exit_code: conclusion.exit_code(),
        answer: headline(question, conclusion, &sections).sentences(),
        sections,
    }
}

impl PairComparison {
    /// Number of metrics with this verdict.
    pub fn count(&self, verdict: RowVerdict) -> usize {
        let such = self.rows.iter().filter(|row| row.verdict == verdict);
        such.count()
    }
}

fn compare_pair(pair: &Pair<'_>, question: Question, bars: &Bars) -> PairComparison {
    let [base, new] = pair.runs;
    let titles = match question {
        Question::Agreement => ["live", "simulated"],
        Question::Regression => ["baseline", "new"],
    };
    let compared = compare(base, new, question, bars);
    let doubts: Vec<_> = (0..2)
        .flat_map(|side| {
            let doubts = doubts(pair.runs[side]).into_iter();
            doubts.map(move |doubt| format!("{} run: {doubt}", titles[side]))
        })
        .collect();
    let currency = base.ending.statement.as_ref();
    PairComparison {
        scenario: base.plan.name.clone(),
        asks: base.plan.question.clone(),
        sides: [0, 1].map(|number| side(titles[number], pair.names[number], pair.runs[number])),
        notes: notes(&base.plan, &new.plan)
            .into_iter()
            .chain(unknown_costs(pair.runs, titles))
            .collect(),
        conclusion: conclude(&compared, &doubts),
        doubts,
        currency: currency.map(|statement| statement.currency),
        outcomes: compared.outcomes,
        rows: compared.rows,
    }
}

/// What makes the cost of a run a lower bound, one sentence per run.
fn unknown_costs(runs: [&Measurements; 2], titles: [&str; 2]) -> Vec<String> {
    let of = |side: usize| {
        let total = &runs[side].ending.statement.as_ref()?.run.total;
        let missing = total.missing();
        (!missing.is_empty()).then(|| {
            let (title, missing) = (titles[side], missing.join(", "));
            format!("The cost of the {title} run is a lower bound: it lacks {missing}.")
        })
    };
    (0..2).filter_map(of).collect()
}

fn side(title: &'static str, name: &str, run: &Measurements) -> ComparedRun {
    let profile = &run.plan.topology.instances.profile;
    ComparedRun {
        title,
        name: name.to_owned(),
        engine: run.ending.engine,
        seed: run.plan.seed,
        buyers: run.tally.arrivals.started,
        scenario_seconds: run.ending.ended_at.as_secs_f64(),
        wall_seconds: run.ending.wall.as_secs_f64(),
        speed: run.plan.clock.speed,
        profile: profile.name.clone(),
        profile_source: profile.source.clone(),
    }
}

/// How the scenarios differ, beyond seed, speed and service times, which the table of runs shows.
fn notes(base: &Plan, new: &Plan) -> Vec<String> {
    let mut alike = new.clone();
    alike.seed = base.seed;
    alike.clock.speed = base.clock.speed;
    alike.topology.instances.profile = base.topology.instances.profile.clone();
    // Neither the question nor the judgment changes what happens.
    alike.question.clone_from(&base.question);
    alike.gates.clone_from(&base.gates);
    alike.self_check = base.self_check;
    if alike == *base {
        return Vec::new();
    }
    let differences = differences(&base.to_toml(), &alike.to_toml());
    vec![format!("Different scenarios: {}.", differences.join("; "))]
}

/// Longest value that a difference shows; the key alone is named beyond.
const VALUE_LENGTH_MAX: usize = 60;

/// Keys of two scenario files with different values: `scaling.min 4 → 12`.
fn differences(base: &str, new: &str) -> Vec<String> {
    let (base, new) = (entries(base), entries(new));
    let keys: BTreeSet<_> = base.keys().chain(new.keys()).collect();
    let changed = keys
        .into_iter()
        .filter(|key| base.get(*key) != new.get(*key));
    let told = changed.map(|key| {
        let [before, after] = [&base, &new].map(|entries| {
            let value = entries.get(key);
            value.map_or("none", String::as_str)
        });
        if before.len().max(after.len()) > VALUE_LENGTH_MAX {
            format!("{key} differs")
        } else {
            format!("{key} {before} → {after}")
        }
    });
    told.collect()
}

/// The entries of a scenario file as the program writes it: each key starts a line below the header of its table, and the
/// items of a long list follow on indented lines.
fn entries(toml: &str) -> BTreeMap<String, String> {
    let mut entries: BTreeMap<String, String> = BTreeMap::new();
    let (mut table, mut current) = (String::new(), String::new());
    for line in toml.lines().filter(|line| !line.starts_with('#')) {
        let is_continued = line.starts_with([' ', ']']);
        if is_continued {
            let value = entries.entry(current.clone()).or_default();
            value.push_str(line.trim());
        } else if let Some(header) = line.strip_prefix('[') {
            table = format!("{}.", header.trim_end_matches(']'));
        } else if let Some((key, value)) = line.split_once('=') {
            current = format!("{table}{}", key.trim());
            entries.insert(current.clone(), value.trim().to_owned());
        }
    }
    entries
}

/// The most important thing that got worse, as a sentence; `None` if only metrics of successful work did.
fn worst(section: &PairComparison) -> Option<String> {
    let is_worse = |verdict| verdict == RowVerdict::Beyond;
    let outcomes = section.outcomes.iter().filter(|one| is_worse(one.verdict));
    let outcomes = outcomes.map(|one| {
        let told = format!(
            "{} went from {} to {}.",
            capitalized(&one.name),
            one.base,
            one.new
        );
        (one.subject.rank(), told)
    });
    let shares = section.rows.iter().filter(|row| is_worse(row.verdict));
    let shares = shares.filter(|row| row.measure.is_in_points()).map(|row| {
        let [base, new] = [row.base, row.new].map(|share| {
            share.map_or_else(
                || "unknown".to_owned(),
                |share| Number::share(share).to_string(),
            )
        });
        let told = format!("{} went from {base} to {new}.", capitalized(&row.name));
        (row.measure.rank(), told)
    });
    let first = outcomes.chain(shares).min_by_key(|(rank, _)| *rank);
    first.map(|(_, told)| told)
}

/// The answer to the question of the comparison.
pub(super) fn headline(
    question: Question,
    conclusion: Conclusion,
    sections: &[PairComparison],
) -> Headline {
    let count = |verdict| {
        let counts = sections.iter().map(|section| section.count(verdict));
        counts.sum::<usize>() as u64
    };
    let [within, beyond, better, few] = [
        RowVerdict::Within,
        RowVerdict::Beyond,
        RowVerdict::Better,
        RowVerdict::TooFew,
    ]
    .map(count);
    let counts = match question {
        Question::Agreement => format!(
            "{} within tolerance, {beyond} beyond.",
            counted(within, "metric")
        ),
        Question::Regression => format!(
            "{} got worse, {better} improved, {within} unchanged (within tolerance).",
            counted(beyond, "metric")
        ),
    };
    let answer = match (question, conclusion) {
        (_, Conclusion::Inconclusive) => format!("Inconclusive. {counts}"),
        (Question::Agreement, Conclusion::Within) => {
            format!("The model agrees with the live runs: {counts}")
        }
        (Question::Agreement, Conclusion::Beyond) => {
            format!("The model does not agree with the live runs: {counts}")
        }
        (Question::Regression, Conclusion::Within) => format!("No. {counts}"),
        (Question::Regression, Conclusion::Beyond) => match sections.iter().find_map(worst) {
            Some(worst) => format!("Yes. {worst} {counts}"),
            None => format!("Yes. {counts}"),
        },
    };
    let status = match conclusion {
        Conclusion::Within => Status::Pass,
        Conclusion::Beyond => Status::Fail,
        Conclusion::Inconclusive => Status::Unknown,
    };
    let too_few = (few > 0).then(|| {
        let verb = if few == 1 { "has" } else { "have" };
        format!("{} {verb} too few samples to tell.", counted(few, "metric"))
    });
    let doubtful = sections.iter().filter(|section| !section.doubts.is_empty());
    let doubtful = match doubtful.count() as u64 {
        0 => None,
        pairs => Some(format!(
            "{} cannot be trusted because a run is invalid.",
            counted(pairs, "comparison")
        )),
    };
    Headline {
        status,
        answer,
        details: doubtful.into_iter().chain(too_few).collect(),
    }
}
