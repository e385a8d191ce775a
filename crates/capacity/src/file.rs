//! Loads plan files: TOML in the style of scenarios, with one question per file.

use toml::de::DeTable;

use super::change::{self, Base, Change};
use super::question::{Contest, CrowdRange, Kind, KindName, Question, Search, Setup};
use super::{grid, statistics};
use tiketi_core::names::Named as _;
use tiketi_core::units::Share;
use tiketi_scenario::diagnostic::{Diagnostics, Problem, syntax_problem};
use tiketi_scenario::document::{Layer, Problems, Section};
use tiketi_scenario::keys::{Form, Limits};
use tiketi_scenario::{self as scenario, arrival_times};

/// Limits on the runs of one configuration.
const RUNS: Limits<u32> = Limits::new(
    1,
    10_000,
    "more than 10,000 runs only make intervals narrower than the simulation is accurate",
);

/// Limits on the pairs of runs of a comparison.
const PAIRS: Limits<u32> = Limits::new(
    2,
    RUNS.max,
    "an interval needs two pairs, and more than 10,000 make it narrower than the simulation is accurate",
);

/// Limits on the variants of a comparison.
const VARIANTS: Limits<usize> = Limits::new(
    1,
    12,
    "a comparison needs a variant, and a report has no room for more than 12",
);

/// Limits on the buyers of a scenario.
const BUYERS: Limits<u32> = Limits::new(
    1,
    10_000_000,
    "a sale needs a buyer, and no machine can start more than ten million",
);

/// Limits on seeds.
const SEEDS: Limits<u64> = Limits::new(0, u64::MAX, "a seed is a number of 64 bits, not negative");

/// Characters of a path, as on Linux.
const PATH_MAX: usize = 4_096;

/// Name of the unchanged scenario in a comparison.
const AS_WRITTEN: &str = "as written";

/// The scenario that a plan file names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioFile {
    /// Its path, for messages.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// Why the scenario of a plan file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioFileError {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// The file is a plan file itself.
    #[error("is a plan file")]
    IsPlanFile,
}

/// Returns whether the text is a plan file and not a scenario: a plan file has a `question`.
pub fn is_question(text: &str) -> bool {
    let (document, _) = DeTable::parse_recoverable(text);
    document
        .get_ref()
        .iter()
        .any(|(key, _)| key.get_ref().as_ref() == "question")
}

/// Resolves the plan file `text`, or reports everything that is wrong with it or with its scenario. `source_name` is its
/// path, for messages.
///
/// `read` reads the scenario; its path is relative to the plan file.
pub fn load(
    source_name: &str,
    text: &str,
    read: impl FnOnce(&str) -> Result<ScenarioFile, ScenarioFileError>,
) -> Result<Question, Diagnostics> {
    let problems = Problems::new(text);
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        problems.report(syntax_problem(error, text));
    }
    if !errors.is_empty() {
        return Err(Diagnostics::new(source_name, text, problems.into_list()));
    }
    let layer = Layer {
        table: document.get_ref(),
        header: Some((0, 0)),
    };
    let root = Section::new(String::new(), vec![layer], &problems);
    let question = resolve(source_name, text, &root, read);
    drop(root);
    let list = problems.into_list();
    match question {
        Err(Refused::Scenario(diagnostics)) => Err(diagnostics),
        Ok(question) if list.is_empty() => Ok(question),
        Ok(_) | Err(Refused::Here) => {
            assert!(
                !list.is_empty(),
                "a plan file was rejected without a reason"
            );
            Err(Diagnostics::new(source_name, text, list))
        }
    }
}

/// Why a plan file has no question.
enum Refused {
    /// The problems of the plan file have been reported.
    Here,
    /// The scenario itself has problems.
    Scenario(Diagnostics),
}

fn resolve(
    source_name: &str,
    text: &str,
    root: &Section<'_>,
    read: impl FnOnce(&str) -> Result<ScenarioFile, ScenarioFileError>,
) -> Result<Question, Refused> {
    let name = scenario::name("plan", source_name, root);
    let kinds = Form::OneOf(KindName::all_names());
    let kind = root
        .value("question", kinds)
        .and_then(|value| value.named());
    let search = search(&root.section("search"), kind == Some(KindName::Compare));
    let path = root.value("scenario", "the path of a scenario, relative to this file");
    let path = path.and_then(|value| value.text_up_to(PATH_MAX));
    let base = path.map(|path| base(root, path, read)).transpose()?;
    let Some((kind, base)) = kind.zip(base.flatten()) else {
        // Which keys are allowed depends on the kind of question, so none can be called unknown.
        root.accept_any_key();
        return Err(Refused::Here);
    };
    let kind = match kind {
        KindName::LargestCrowd => crowd_range(root, base).map(Kind::LargestCrowd),
        KindName::CheapestSetup => {
            let base = for_buyers(root, base);
            base.and_then(|base| grid::grid(root, &base))
                .map(Kind::CheapestSetup)
        }
        KindName::Compare => for_buyers(root, base)
            .and_then(|base| contest(root, &base))
            .map(Kind::Compare),
    };
    if kind.is_none() {
        // A problem may have ended the reading before all keys were asked for.
        root.accept_any_key();
    }
    let question = || {
        Some(Question {
            name: name?,
            asked: scenario::question(text),
            scenario: path?.to_owned(),
            search: search?,
            kind: kind?,
        })
    };
    question().ok_or(Refused::Here)
}

/// Loads the scenario and applies the changes under `set`. Returns `None` if a problem was reported.
fn base(
    root: &Section<'_>,
    path: &str,
    read: impl FnOnce(&str) -> Result<ScenarioFile, ScenarioFileError>,
) -> Result<Option<Base>, Refused> {
    let file = read(path).and_then(|file| match is_question(&file.text) {
        true => Err(ScenarioFileError::IsPlanFile),
        false => Ok(file),
    });
    let file = match file {
        Ok(file) => file,
        Err(reason) => {
            let problem = Problem::new(format!("`scenario` is \"{path}\", which {reason}"));
            let problem = problem.expected("a scenario file");
            let help = "name a scenario; its path is relative to this file";
            root.complain(&["scenario"], problem.help(help));
            return Ok(None);
        }
    };
    let base = Base::new(&file.name, &file.text).map_err(Refused::Scenario)?;
    Ok(changed(root, &base))
}

/// Applies the changes under `set` to `base`. Returns `None` if that gives an invalid scenario, which is then reported.
fn changed(section: &Section<'_>, base: &Base) -> Option<Base> {
    let leaves = change::leaves(&section.section("set"));
    let changes: Vec<_> = leaves.iter().map(|leaf| leaf.change(&leaf.value)).collect();
    let changes: Vec<_> = changes.into_iter().collect::<Option<_>>()?;
    let changed = base.clone().changed(&changes);
    match changed.plan() {
        Ok(_) => Some(changed),
        Err(diagnostics) => {
            let whole = section.find("set").map_or(0..0, |set| set.span());
            report(section, base, &changes, &diagnostics, &whole);
            None
        }
    }
}

fn report(
    section: &Section<'_>,
    base: &Base,
    changes: &[Change],
    diagnostics: &Diagnostics,
    whole: &std::ops::Range<usize>,
) {
    for problem in base.blame(changes, diagnostics, whole) {
        section.report(problem);
    }
}

fn search(section: &Section<'_>, is_comparison: bool) -> Option<Search> {
    let whole = |key, default: u32| match section.find(key) {
        Some(value) => value.whole(RUNS),
        None => Some(default),
    };
    // A comparison needs at least two pairs for an interval, and narrows it with more. A search runs many configurations,
    // so it takes fewer runs of each.
    let replications = if is_comparison {
        match section.find("replications") {
            Some(value) => value.whole(PAIRS),
            None => Some(20),
        }
    } else {
        whole("replications", 5)
    };
    let confirm = if is_comparison {
        Some(1)
    } else {
        whole("confirm", 20)
    };
    let confidence = part(section, "confidence", 0.95);
    let holds_in = if is_comparison {
        Some(Share::NONE)
    } else {
        part(section, "holds_in", 0.8)
    };
    let seed = match section.find("seed") {
        Some(value) => value.whole(SEEDS),
        None => Some(1),
    };
    let search = Search {
        replications: replications?,
        confirm: confirm?,
        confidence: confidence?,
        holds_in: holds_in?,
        seed: seed?,
    };
    (is_comparison || can_confirm(section, &search)).then_some(search)
}

/// Reads a share strictly between 0 and 1.
fn part(section: &Section<'_>, key: &'static str, default: f64) -> Option<Share> {
    let Some(value) = section.find(key) else {
        return Share::try_from(default).ok();
    };
    let share = value.share()?;
    if share.get() <= 0.0 || share.get() >= 1.0 {
        let expected = "a share between 0 and 1, such as 0.95 or \"95%\"";
        value.reject_with(expected, "no number of runs can show 0 or all of something");
        return None;
    }
    Some(share)
}

/// Returns whether `confirm` runs can show at all what is asked for; reports it if not.
fn can_confirm(section: &Section<'_>, search: &Search) -> bool {
    let needed = statistics::runs_needed(search);
    if needed <= search.confirm {
        return true;
    }
    let message = format!(
        "`confirm` is {}, which is too few runs to show that {:.0} % of sales pass, even if all runs do",
        search.confirm,
        search.holds_in.get() * 100.0
    );
    let problem = Problem::new(message);
    let problem = if RUNS.permit(needed) {
        problem.expected(format!("{needed} to {}", RUNS.max))
    } else {
        let max = RUNS.max;
        problem.expected(format!(
            "a `holds_in` that {max} runs can show: this one needs {needed}"
        ))
    };
    let help = "confirm with more runs, or ask for a smaller `holds_in`";
    section.complain(&["confirm", "holds_in", "confidence"], problem.help(help));
    false
}

/// Applies the number of buyers of questions that do not search for it.
fn for_buyers(root: &Section<'_>, base: Base) -> Option<Base> {
    let crowd = root.section("crowd");
    let buyers = match crowd.find("buyers") {
        Some(value) => Some(value.whole(BUYERS)?),
        None => None,
    };
    Some(base.for_buyers(buyers))
}

fn crowd_range(root: &Section<'_>, base: Base) -> Option<CrowdRange> {
    let section = root.section("crowd");
    let end = |key| {
        let value = section.value(key, Form::Whole(BUYERS.widened()))?;
        value.whole(BUYERS)
    };
    let (from, to) = (end("from"), end("to"));
    let within = part(&section, "within", 0.02);
    let (from, to) = (from?, to?);
    if from >= to {
        let message = format!("`crowd.from` ({from}) must be less than `crowd.to` ({to})");
        let problem = Problem::new(message).expected(format!("a `from` below {to}"));
        section.complain(&["from", "to"], problem.help("lower `from` or raise `to`"));
        return None;
    }
    // If both ends are valid, so is everything between: the number of buyers only enters checks with a lower or an
    // upper limit.
    for (key, buyers) in [("from", from), ("to", to)] {
        if let Err(diagnostics) = base.with_buyers(buyers) {
            for problem in diagnostics.problems() {
                section.complain(&[key], problem.clone());
            }
            return None;
        }
    }
    let plan = base.plan().expect("the scenario was resolved above");
    let asked = u32::try_from(arrival_times(&plan).len()).unwrap_or(u32::MAX);
    Some(CrowdRange {
        base,
        from,
        to,
        within: within?,
        asked,
    })
}

fn contest(root: &Section<'_>, base: &Base) -> Option<Contest> {
    let sections = root.elements("variants", VARIANTS, None)?;
    let variants: Vec<_> = sections
        .iter()
        .map(|section| variant(section, base))
        .collect();
    let against = root.find("against");
    // All variants are resolved before the first problem ends this, so that all problems are reported at once.
    let mut setups = variants.into_iter().collect::<Option<Vec<_>>>()?;
    for (index, setup) in setups.iter().enumerate() {
        let is_taken = setups[..index].iter().any(|other| other.name == setup.name);
        if is_taken || setup.name == AS_WRITTEN {
            let problem = Problem::new(format!(
                "`name` is \"{}\", which is already used",
                setup.name
            ));
            let problem = problem.expected("a different name for each variant");
            sections[index].complain(&["name"], problem.help("give each variant its own name"));
            return None;
        }
    }
    let against = match against {
        Some(value) => {
            let wanted = value.text()?;
            let names: Vec<_> = setups.iter().map(|setup| setup.name.as_str()).collect();
            let found = names.iter().position(|name| *name == wanted);
            if found.is_none() {
                let problem = value
                    .problem("")
                    .expected(format!("one of {}", names.join(", ")));
                value.complain(problem.did_you_mean(wanted, names));
            }
            found?
        }
        None => {
            let plan = base.plan().ok()?;
            setups.insert(0, setup(AS_WRITTEN.to_owned(), plan));
            0
        }
    };
    Some(Contest { setups, against })
}

fn variant(section: &Section<'_>, base: &Base) -> Option<Setup> {
    let name = section.value("name", "a name of its own, in quotes");
    let name = name.and_then(|value| value.text());
    let changed = changed(section, base)?;
    let plan = changed.plan().ok()?;
    Some(setup(name?.to_owned(), plan))
}

const fn setup(name: String, plan: scenario::Plan) -> Setup {
    Setup {
        name,
        places: Vec::new(),
        plan,
    }
}
