//! The comparison as data: every renderer prints this and decides nothing. Serialized, it is `agreement.json`.

use serde::Serialize;

use tiketi_cost::price_book::Currency;
use tiketi_measure::{Engine, Measurements};
use tiketi_scenario::Plan;
use tiketi_verdict::agreement::{
    Bars, Conclusion, Question, Row, RowVerdict, compare, conclude, doubts,
};

/// Version of the layout; raised when a reader of an older one would misread.
const VERSION: u32 = 1;

/// Two runs and what they are called.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'r> {
    /// What each is called: the folder it is in.
    pub names: [&'r str; 2],
    /// What was measured: baseline and new run, or live run and model.
    pub runs: [&'r Measurements; 2],
}

/// The report of one comparison.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Version of this layout.
    pub version: u32,
    /// Version of the program.
    pub program: String,
    /// What was asked.
    pub question: Question,
    /// The errors that are allowed, a part of the first figure.
    pub bars: Bars,
    /// What comes of all pairs together: the most serious.
    pub conclusion: Conclusion,
    /// The exit code.
    pub exit_code: u8,
    /// The conclusion in a sentence.
    pub answer: String,
    /// One for each pair.
    pub sections: Vec<Section>,
}

/// The comparison of one pair.
#[derive(Clone, Debug, Serialize)]
pub struct Section {
    /// Name of the scenario of the first.
    pub scenario: String,
    /// What that scenario asks.
    pub asks: String,
    /// Both runs.
    pub sides: [Side; 2],
    /// What to know before reading: differences of the plans.
    pub notes: Vec<String>,
    /// Why one of the runs cannot be trusted.
    pub doubts: Vec<String>,
    /// What comes of it.
    pub conclusion: Conclusion,
    /// Currency of the cost; `None` if there is none.
    pub currency: Option<Currency>,
    /// Every figure.
    pub rows: Vec<Row>,
}

/// One run of a pair.
#[derive(Clone, Debug, Serialize)]
pub struct Side {
    /// What tables and charts call it.
    pub title: &'static str,
    /// The folder it is in.
    pub name: String,
    /// Which engine played it.
    pub engine: Engine,
    /// Its seed.
    pub seed: u64,
    /// Buyers who started.
    pub buyers: u64,
    /// Length in scenario time.
    pub scenario_seconds: f64,
    /// Length in wall time.
    pub wall_seconds: f64,
    /// Scenario seconds a wall second of a live run: overhead of its machine appears that many times longer.
    pub speed: f64,
    /// Name of the service-time profile.
    pub profile: String,
    /// Where its figures come from.
    pub profile_source: String,
}

/// Compares all pairs.
pub fn comparison(pairs: &[Pair<'_>], question: Question, bars: &Bars) -> Comparison {
    let sections: Vec<_> = pairs
        .iter()
        .map(|pair| section(pair, question, bars))
        .collect();
    let conclusions = sections.iter().map(|section| section.conclusion);
    let conclusion = conclusions.max().unwrap_or(Conclusion::Inconclusive);
    Comparison {
        version: VERSION,
        program: concat!("tiketi-sim ", env!("CARGO_PKG_VERSION")).to_owned(),
        question,
        bars: bars.clone(),
        conclusion,
        exit_code: conclusion.exit_code(),
        answer: answer(question, &sections),
        sections,
    }
}

impl Section {
    /// Rows of which this is thought.
    pub fn count(&self, verdict: RowVerdict) -> usize {
        let such = self.rows.iter().filter(|row| row.verdict == verdict);
        such.count()
    }
}

fn section(pair: &Pair<'_>, question: Question, bars: &Bars) -> Section {
    let [base, new] = pair.runs;
    let titles = match question {
        Question::Agreement => ["live", "model"],
        Question::Regression => ["baseline", "new"],
    };
    let rows = compare(base, new, question, bars);
    let doubts: Vec<_> = (0..2)
        .flat_map(|side| {
            let doubts = doubts(pair.runs[side]).into_iter();
            doubts.map(move |doubt| format!("the {} run: {doubt}", titles[side]))
        })
        .collect();
    let currency = base.ending.statement.as_ref();
    Section {
        scenario: base.plan.name.clone(),
        asks: base.plan.question.clone(),
        sides: [0, 1].map(|number| side(titles[number], pair.names[number], pair.runs[number])),
        notes: notes(&base.plan, &new.plan),
        conclusion: conclude(&rows, &doubts),
        doubts,
        currency: currency.map(|statement| statement.currency),
        rows,
    }
}

fn side(title: &'static str, name: &str, run: &Measurements) -> Side {
    let profile = &run.plan.topology.instances.profile;
    Side {
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

/// In what the plans differ beyond their seed, their speed and their service times, which the sides tell.
fn notes(base: &Plan, new: &Plan) -> Vec<String> {
    let mut alike = new.clone();
    alike.seed = base.seed;
    alike.clock.speed = base.clock.speed;
    alike.topology.instances.profile = base.topology.instances.profile.clone();
    // What is only said or judged does not change what happens.
    alike.question.clone_from(&base.question);
    alike.gates.clone_from(&base.gates);
    alike.self_check = base.self_check;
    let differ = (alike != *base).then(|| {
        "the two runs played different plans: their scenario.toml files say in what".to_owned()
    });
    differ.into_iter().collect()
}

fn answer(question: Question, sections: &[Section]) -> String {
    let runs = match sections.len() {
        1 => "one pair of runs".to_owned(),
        count => format!("{count} pairs of runs"),
    };
    let count = |verdict| {
        let counts = sections.iter().map(|section| section.count(verdict));
        counts.sum::<usize>()
    };
    let (within, beyond) = (count(RowVerdict::Within), count(RowVerdict::Beyond));
    let (better, few) = (count(RowVerdict::Better), count(RowVerdict::TooFew));
    let doubtful = sections.iter().filter(|section| !section.doubts.is_empty());
    let doubtful = match doubtful.count() {
        0 => String::new(),
        count => format!(" Inconclusive: {count} cannot be trusted."),
    };
    let verdict = match question {
        Question::Agreement => {
            format!("the model is within the bars in {within} figures and beyond in {beyond}")
        }
        Question::Regression => format!(
            "{within} figures are within the bars, {better} better and {beyond} worse than the baseline"
        ),
    };
    format!("Of {runs}, {verdict}; {few} have too few samples to say.{doubtful}")
}
