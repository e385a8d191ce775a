//! The limits themselves: a run with the smallest or the largest value neither panics nor works without end.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use tiketi_model::{Progress, Watcher, Wish, simulate};
use tiketi_scenario::Plan;
use tiketi_scenario::duration::Written;
use tiketi_scenario::keys::Form;
use toml::Value;

use super::files::read;
use super::keys::{BASE, Place, stated};

/// Entries that twenty buyers and a small fleet may add to the calendar within one second: a thousand for each buyer, and
/// more than all timers at their limits.
const ENTRIES_PER_SECOND_MAX: u64 = 100_000;

/// Seconds of scenario time after which a run has shown what it does.
const SECONDS_MAX: u64 = 90;

/// Keys that set how many buyers there are. Their limits are a matter of minutes, not of steps per buyer.
const CROWDS: [&str; 5] = ["buyers", "rate", "start_rate", "end_rate", "base"];

/// Keys whose smallest and largest value both contradict another key of the file.
const UNTRIED: [&str; 3] = [
    "scaling.policies[1].steps[0].to",
    "scaling.scheduled[0].desired",
    "topology.instances.initial.a",
];

/// Stops a run after some time, and notes whether a second took too many steps.
#[derive(Default)]
struct Stopwatch {
    seconds: u64,
    entries: u64,
    most: u64,
}

impl Watcher for Stopwatch {
    fn show(&mut self, progress: &Progress) -> Wish {
        self.seconds += 1;
        self.most = self.most.max(progress.entries - self.entries);
        self.entries = progress.entries;
        if self.seconds >= SECONDS_MAX || self.most > ENTRIES_PER_SECOND_MAX {
            Wish::Stop
        } else {
            Wish::GoOn
        }
    }
}

/// The smallest and the largest value of a form; none for forms without limits.
fn extremes(form: &Form) -> Vec<Value> {
    let length = |length: Duration| Value::String(Written(length).to_string());
    match form {
        Form::Whole(limits) => [limits.min, limits.max]
            .into_iter()
            .filter_map(|number| i64::try_from(number).ok())
            .map(Value::Integer)
            .collect(),
        Form::Number(limits) | Form::Rate(limits) => {
            vec![Value::Float(limits.min), Value::Float(limits.max)]
        }
        Form::Share {
            includes_zero: true,
        } => vec![Value::Float(0.0), Value::Float(1.0)],
        Form::Share {
            includes_zero: false,
        } => vec![Value::Float(1e-300), Value::Float(1.0)],
        Form::Length(limits) => vec![length(limits.min), length(limits.max)],
        Form::OneOf(words) => words.iter().map(|word| Value::from(*word)).collect(),
        Form::Truth => vec![Value::Boolean(false), Value::Boolean(true)],
        Form::Either(forms) => forms.iter().flat_map(extremes).collect(),
        Form::Text { .. }
        | Form::Syntax { .. }
        | Form::List { .. }
        | Form::Table(_)
        | Form::Map { .. } => Vec::new(),
    }
}

/// What is wrong with a run of the plan; `None` if nothing is.
fn trouble(plan: &Plan) -> Option<String> {
    let mut watch = Stopwatch::default();
    let ran = catch_unwind(AssertUnwindSafe(|| {
        simulate(plan, &mut watch);
    }));
    if ran.is_err() {
        return Some("the run panics".to_owned());
    }
    let too_many = watch.most > ENTRIES_PER_SECOND_MAX;
    too_many.then(|| format!("{} entries within a second", watch.most))
}

#[test]
fn runs_at_the_limits_neither_panic_nor_work_without_end() {
    let (mut file, places) = stated(BASE);
    // A stated phase would contradict every shorter period.
    file["scaling"]["monitor"]["phase"] = Value::from("random");
    let is_steady = |place: &&Place| !CROWDS.contains(&place.name());
    let mut wrong = Vec::new();
    let mut untried = BTreeSet::new();
    for place in places.iter().filter(is_steady) {
        let extremes = extremes(&place.form);
        let mut is_tried = extremes.is_empty();
        for value in extremes {
            // A limit of one key may contradict another key; that it is rejected properly is tested elsewhere.
            let Ok(plan) = read(&place.with(&file, value.clone())) else {
                continue;
            };
            is_tried = true;
            if let Some(trouble) = trouble(&plan) {
                wrong.push(format!("{} = {value}: {trouble}", place.shown()));
            }
        }
        if !is_tried {
            untried.insert(place.shown());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let untried: Vec<_> = untried.iter().map(String::as_str).collect();
    assert_eq!(
        untried, UNTRIED,
        "the limits of these keys contradict other keys of the file"
    );
}
