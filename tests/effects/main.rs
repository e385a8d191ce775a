//! Every key of a scenario changes something in a simulation, or has a stated reason not to.
//!
//! Each key is changed alone, in a sale that is rich enough for it to matter.

mod availability;
mod buyers;
mod faults;
mod front;
mod keys;
mod replacement;
mod sales;

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use tiketi_measure::Measurements;
use tiketi_model::{Unwatched, simulate};
use tiketi_scenario::environment::Environment;
use tiketi_scenario::keys::{Form, KeyDescription, TableDescription};
use tiketi_scenario::{Overrides, describe, load};
use tiketi_verdict::judge;

use availability::AVAILABILITY_KEYS;
use buyers::BUYER_KEYS;
use faults::FAULT_KEYS;
use front::FRONT_KEYS;
use keys::Moves::{self, Bill, Figures, Nothing, Verdicts};
use keys::{KEYS, LIVE};
use replacement::REPLACEMENT_KEYS;
use sales::Change::{self, Busy, Deployed, Replace, Set};
use sales::{BUSY, DEPLOYED, base, changed};

/// Figures, bill and verdicts of a run, to compare with another.
#[derive(PartialEq, Eq)]
struct Shown {
    figures: String,
    bill: String,
    verdicts: String,
}

fn all_keys() -> Vec<(&'static str, Change, Moves)> {
    [
        KEYS,
        BUYER_KEYS,
        FAULT_KEYS,
        FRONT_KEYS,
        REPLACEMENT_KEYS,
        AVAILABILITY_KEYS,
    ]
    .concat()
}

fn shown(text: &str) -> Result<Shown, String> {
    let plan = load("rich.toml", text, &Overrides::default());
    let plan = plan.map_err(|problems| problems.to_string())?;
    let run = simulate(&plan, &mut Unwatched);
    let json = |value: &dyn Fn() -> serde_json::Result<String>| value().expect("string keys only");
    let Measurements {
        tally,
        series,
        timeline,
        ending,
        ..
    } = &run;
    let mut measured = ending.clone();
    measured.statement = None;
    Ok(Shown {
        figures: json(&|| serde_json::to_string(&(tally, series, timeline, &measured))),
        bill: json(&|| serde_json::to_string(&ending.statement)),
        verdicts: json(&|| serde_json::to_string(&judge(&run))),
    })
}

fn moves(before: &Shown, after: &Shown) -> Option<Moves> {
    if before.figures != after.figures {
        Some(Figures)
    } else if before.bill != after.bill {
        Some(Bill)
    } else if before.verdicts != after.verdicts {
        Some(Verdicts)
    } else {
        None
    }
}

#[test]
fn every_key_moves_something_or_states_why_not() {
    let sales = [base(), BUSY.to_owned(), DEPLOYED.to_owned()];
    let [rich, busy, deployed] = sales.map(|sale| shown(&sale).expect("a valid sale"));
    let wrong: Vec<String> = all_keys()
        .par_iter()
        .filter_map(|&(path, change, wanted)| {
            let after = match shown(&changed(path, change)) {
                Ok(after) => after,
                Err(problems) => return Some(format!("{path}: {problems}")),
            };
            let before = match change {
                Set(_) | Replace(..) => &rich,
                Busy(..) => &busy,
                Deployed(..) => &deployed,
            };
            let found = moves(before, &after);
            let is_right = match wanted {
                Figures | Bill | Verdicts => found == Some(wanted),
                Nothing(_) => found.is_none(),
            };
            (!is_right).then(|| format!("{path}: expected {wanted:?}, found {found:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The paths of all keys, and where each has an effect.
fn paths(table: &TableDescription, path: &str, found: &mut BTreeMap<String, bool>) {
    for key in &table.keys {
        let KeyDescription {
            name,
            form,
            used_in,
            ..
        } = key;
        let path = if path.is_empty() {
            (*name).to_owned()
        } else {
            format!("{path}.{name}")
        };
        match form {
            Form::Table(inner) => paths(inner, &path, found),
            Form::List { of, .. } if matches!(**of, Form::Table(_)) => {
                let Form::Table(inner) = &**of else {
                    unreachable!("matched above")
                };
                paths(inner, &format!("{path}[]"), found);
            }
            _ => {
                found.insert(path, used_in.contains(&Environment::Model));
            }
        }
    }
}

#[test]
fn the_table_has_every_key_once() {
    let mut described = BTreeMap::new();
    paths(&describe(), "", &mut described);
    let described: BTreeSet<_> = described.keys().map(String::as_str).collect();
    let listed: BTreeSet<_> = all_keys().iter().map(|(path, ..)| *path).collect();
    assert_eq!(listed.len(), all_keys().len(), "a key is listed twice");
    assert_eq!(described, listed);
}

/// What the description of a key says about the model is what the model does.
#[test]
fn keys_without_effect_in_the_model_are_described_so() {
    let mut described = BTreeMap::new();
    paths(&describe(), "", &mut described);
    for (path, _, moves) in &all_keys() {
        let is_in_model = described.get(*path).copied();
        let expected = match moves {
            Figures | Bill => true,
            Nothing(reason) => *reason != LIVE,
            // A claim can compare what only live runs use with the documents.
            Verdicts => continue,
        };
        assert_eq!(
            is_in_model,
            Some(expected),
            "{path}: `used_in` and the model disagree"
        );
    }
}
