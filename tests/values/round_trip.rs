//! The scenario that a run keeps is the plan that ran.

use std::time::Duration;

use proptest::prelude::*;
use tiketi_scenario::duration::Written;
use tiketi_scenario::keys::Form;
use tiketi_scenario::{Overrides, Plan, load};
use toml::Value;

use super::files;
use super::keys::{BASE, stated};
use super::stride;

/// Texts with everything that TOML must escape or quote.
const TEXTS: [&str; 8] = [
    "plain",
    "a \"b\" 'c'",
    "back\\slash",
    "'''",
    "\"\"\"",
    "# no comment",
    "{ a = [1] }",
    "공연 \u{202e}gnp",
];

/// A valid value of the form, chosen by a number from 0 to 1; `None` for forms whose values depend on others.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "casts of floats saturate, and any value within the limits will do"
)]
fn value(form: &Form, at: f64) -> Option<Value> {
    let pick = |count: usize| ((at * count as f64) as usize).min(count - 1);
    Some(match form {
        Form::Text { .. } => Value::from(TEXTS[pick(TEXTS.len())]),
        Form::Truth => Value::Boolean(at < 0.5),
        Form::Whole(limits) => {
            let (min, max) = (limits.min as f64, limits.max as f64);
            Value::Integer((min + at.powi(4) * (max - min)) as i64)
        }
        Form::Number(limits) => Value::Float(limits.min + at.powi(3) * (limits.max - limits.min)),
        Form::Rate(limits) => Value::Float(limits.max * at.powi(20)),
        Form::Share { .. } => Value::Float(at),
        Form::Length(limits) => {
            // Most lengths are short, and few are round.
            let nanos = limits.max.as_nanos() as f64 * at.powi(12);
            let length = limits.min + Duration::from_nanos(nanos as u64);
            Value::String(Written(length.min(limits.max)).to_string())
        }
        Form::OneOf(words) => Value::from(words[pick(words.len())]),
        Form::Either(forms) => {
            let form = &forms[pick(forms.len())];
            value(form, (at * 7.3).fract())?
        }
        Form::Syntax { .. } | Form::List { .. } | Form::Table(_) | Form::Map { .. } => return None,
    })
}

fn assert_kept(plan: &Plan) {
    let written = plan.to_toml();
    let again = load("scenario.toml", &written, &Overrides::default());
    let again = again.unwrap_or_else(|problems| panic!("{problems}\n{written}"));
    assert_eq!(plan, &again, "{written}");
}

#[test]
fn a_kept_scenario_is_the_plan_that_ran() {
    let (file, places) = stated(BASE);
    let mut kept = 0_u32;
    let cases = if stride() == 1 { 10_000 } else { 150 };
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(cases));
    let changes = prop::collection::vec((0..places.len(), 0.0..1.0_f64), 1..4);
    let flags = (prop::option::of(1..2_000_u32), prop::option::of(20..80_u64));
    let outcome = runner.run(&(changes, flags), |(changes, (buyers, seconds))| {
        let mut changed = file.clone();
        for (place, at) in changes {
            let place = &places[place];
            if let Some(value) = value(&place.form, at) {
                changed = place.with(&changed, value);
            }
        }
        let text = toml::to_string(&changed).expect("a table can be written");
        let flags = Overrides {
            buyers,
            duration: seconds.map(Duration::from_secs),
            ..Overrides::default()
        };
        if let Ok(plan) = load("case.toml", &text, &flags) {
            assert_kept(&plan);
        }
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    for place in places.iter().step_by(stride().min(2)) {
        for at in [0.05, 0.95] {
            let Some(value) = value(&place.form, at) else {
                continue;
            };
            if let Ok(plan) = files::read(&place.with(&file, value)) {
                assert_kept(&plan);
                kept += 1;
            }
        }
    }
    assert!(kept > 50, "only {kept} files were valid");
}

/// The number of buyers is scaled by flags: phases that end up without buyers, and rounding against a base rate.
#[test]
fn a_scenario_scaled_by_flags_is_kept() {
    let text = "arrivals = [\n{ shape = \"flash\", buyers = 50, base = \"0.5/s\", from = \"0s\", until = \"100s\" },\n\
                { shape = \"onsale\", buyers = 3, opens_at = \"10s\" },\n{ shape = \"onsale\", buyers = 900, opens_at = \"20s\" },\n\
                { shape = \"step\", levels = [{ rate = 1, lasts = \"2m\" }, { rate = 2, lasts = \"1m\" }] },\n]\n";
    for buyers in [1, 2, 3, 7, 19, 53, 500, 953, 10_000] {
        let flags = Overrides {
            buyers: Some(buyers),
            duration: Some(Duration::from_micros(120_000_300)),
            ..Overrides::default()
        };
        let plan = load("case.toml", text, &flags).unwrap_or_else(|problems| panic!("{problems}"));
        assert_kept(&plan);
    }
}

#[test]
fn names_of_zones_that_a_kept_scenario_cannot_state_are_rejected() {
    for name in [
        "",
        " ",
        "a,b",
        "none",
        "each-zone",
        "a\"b'c",
        "a=b",
        "zone\t",
        "x".repeat(33).as_str(),
    ] {
        let zone = Value::from(name).to_string();
        let text = format!("[topology]\nzones = [{zone}]\n");
        let problems = load("case.toml", &text, &Overrides::default()).expect_err(name);
        let shown = problems.to_string();
        assert!(
            shown.starts_with("case.toml:2:10: `topology.zones[0]` is "),
            "{shown}"
        );
    }
    let text = "[topology]\nzones = [\"서울 1\"]\nsubnets = { public = { \"서울 1\" = \"10.0.7.0/24\" }, private = { \"서울 1\" = \"10.0.8.0/24\" }, data = { \"서울 1\" = \"10.0.9.0/24\" } }\n";
    assert_kept(&files::plan(text));
}
