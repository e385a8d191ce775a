//! Values that every key must reject.

use std::time::Duration;

use tiketi_scenario::duration::Written;
use tiketi_scenario::keys::{Form, Limits};
use toml::{Table, Value};

use super::files::{flaw, read};
use super::keys::{BASE, EXISTING, Place, stated};
use super::stride;

/// A key that no table has.
const STRANGER: &str = "no_such_key";

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn list(values: Vec<Value>) -> Value {
    Value::Array(values)
}

fn table(key: &str, value: i64) -> Value {
    let mut table = Table::new();
    table.insert(key.to_owned(), Value::Integer(value));
    Value::Table(table)
}

/// Values of other types than the form has.
fn strangers() -> Vec<Value> {
    vec![
        Value::Boolean(true),
        Value::Integer(-7),
        Value::Float(f64::NAN),
        Value::Float(f64::INFINITY),
        Value::Float(1e308),
        text(""),
        text("nonsense \u{1b}[31m\n"),
        text(&"x".repeat(10_000)),
        list(vec![Value::Integer(5)]),
        list(vec![list(Vec::new())]),
        table(STRANGER, 1),
        "day = 2026-01-01".parse::<Table>().expect("a date")["day"].clone(),
    ]
}

/// Values that the form does not permit.
fn bad(form: &Form) -> Vec<Value> {
    let mut values = strangers();
    values.extend(outside(form));
    values.retain(|value| !permits(form, value));
    values
}

/// Values of the form's own type, but outside its limits.
fn outside(form: &Form) -> Vec<Value> {
    match form {
        Form::Text { chars_max } => vec![
            text(" x"),
            text("a\nb"),
            text("a\0b"),
            text(&"x".repeat(chars_max + 1)),
        ],
        Form::Syntax { .. } => vec![text("a,b"), text("224.0.0.0/24")],
        Form::Truth => vec![text("true"), Value::Integer(1)],
        Form::Whole(Limits { min, max, .. }) => [min - 1, max + 1]
            .into_iter()
            .filter_map(|number| i64::try_from(number).ok())
            .map(Value::Integer)
            .chain([Value::Float(1.5), text("5")])
            .collect(),
        Form::Number(Limits { min, max, .. }) => vec![
            Value::Float(min - 1.0),
            Value::Float(max + 1.0),
            Value::Float(f64::NEG_INFINITY),
            text("5"),
        ],
        Form::Share { .. } => vec![
            Value::Float(-0.01),
            Value::Float(1.01),
            text("150%"),
            text("NaN%"),
        ],
        Form::Rate(Limits { max, .. }) => vec![
            Value::Float(-1.0),
            Value::Float(max * 1.01),
            text("-1/s"),
            text("5/x"),
            text("1e400/s"),
        ],
        Form::Length(Limits { min, max, .. }) => vec![
            text(&Written(min.saturating_sub(Duration::from_nanos(1))).to_string()),
            text(&Written(*max + Duration::from_nanos(1)).to_string()),
            text("-1s"),
            text("5"),
            text("NaN"),
            text("99999999999999d"),
            Value::Integer(5),
        ],
        Form::OneOf(words) => words
            .iter()
            .flat_map(|word| [text(&word.to_uppercase()), text(&format!("{word}x"))])
            .collect(),
        Form::Either(forms) => forms.iter().flat_map(outside).collect(),
        Form::List { of, count } => {
            let mut values: Vec<_> = bad(of)
                .into_iter()
                .map(|element| list(vec![element]))
                .collect();
            if count.min > 0 {
                values.push(list(Vec::new()));
            }
            values.push(list(vec![Value::Integer(1); count.max + 1]));
            values
        }
        Form::Table(_) => Vec::new(),
        Form::Map { of, .. } => bad(of)
            .into_iter()
            .take(5)
            .map(|value| Value::Table([("a".to_owned(), value)].into_iter().collect()))
            .collect(),
    }
}

/// Whether the value may be valid, as far as the form alone says.
fn permits(form: &Form, value: &Value) -> bool {
    match (form, value) {
        (Form::Truth, Value::Boolean(_)) => true,
        (Form::Whole(limits), Value::Integer(number)) => limits.permit((*number).into()),
        (Form::Number(limits), Value::Integer(number)) => limits.permit(*number as f64),
        (Form::Number(limits) | Form::Rate(limits), Value::Float(number)) => limits.permit(*number),
        (Form::Rate(limits), Value::Integer(number)) => limits.permit(*number as f64),
        (Form::Share { .. }, Value::Float(number)) => (0.0..=1.0).contains(number),
        (Form::Length(limits), Value::String(text)) => {
            tiketi_scenario::duration::parse(text).is_ok_and(|length| limits.permit(length))
        }
        (Form::OneOf(words), Value::String(text)) => words.contains(&text.as_str()),
        (Form::Text { chars_max }, Value::String(text)) => {
            (1..=*chars_max).contains(&text.chars().count())
                && text.trim() == text
                && !text.chars().any(char::is_control)
        }
        (Form::Either(forms), value) => forms.iter().any(|form| permits(form, value)),
        (Form::List { of, count }, Value::Array(elements)) => {
            count.permit(elements.len()) && elements.iter().all(|element| permits(of, element))
        }
        _ => false,
    }
}

/// Asserts that the bad values of the keys that begin with `start` are rejected as they should be; returns how many were tried.
fn assert_rejected(base: &str, start: &str) -> usize {
    let (file, places) = stated(base);
    let cases = places
        .iter()
        .filter(|place| place.shown().starts_with(start))
        .flat_map(|place| {
            bad(&place.form)
                .into_iter()
                .map(move |value| (place, value))
        });
    let mut wrong = Vec::new();
    let mut tried = 0;
    for (place, value) in cases.step_by(stride()) {
        tried += 1;
        let shown = place.shown();
        let told = match read(&place.with(&file, value.clone())) {
            Ok(_) => Some("is accepted".to_owned()),
            Err(problems) => {
                let quoted = format!("`{}`", place.name());
                flaw(&problems, &[&shown, &quoted, STRANGER])
            }
        };
        if let Some(told) = told {
            let value: String = value.to_string().chars().take(60).collect();
            wrong.push(format!("{shown} = {value}: {told}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {tried}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    tried
}

#[test]
fn bad_values_are_rejected_with_place_value_expected_values_and_hint() {
    let tried = assert_rejected(BASE, "");
    assert!(tried > 300, "only {tried} values");
}

#[test]
fn bad_values_of_existing_servers_are_rejected_too() {
    let tried = assert_rejected(EXISTING, "topology.data_tier");
    assert!(tried > 5, "only {tried} values");
}

#[test]
fn misspelled_keys_are_rejected_with_the_key_that_was_meant() {
    let (file, places) = stated(BASE);
    let is_misspelled = |place: &&Place| place.is_named;
    for place in places.iter().filter(is_misspelled) {
        let name = format!(
            "{0}{1}",
            place.name(),
            &place.name()[place.name().len() - 1..]
        );
        let problems = read(&place.renamed(&file, &name)).expect_err(&name);
        let unknown = format!("unknown key `{name}`");
        let mut problems_of_it = problems.problems().iter();
        let problem = problems_of_it.find(|problem| problem.message.starts_with(&unknown));
        // The key that selects a variant is missing now, so its table may have any key.
        if let Some(problem) = problem {
            assert!(
                problem.help.starts_with("did you mean `"),
                "{name}: {problem:?}"
            );
            assert!(!problem.span.is_empty(), "{problem:?}");
        } else {
            assert!(
                problems.to_string().contains(" is missing"),
                "{name}: {problems}"
            );
        }
    }
}

/// Files that are not TOML, or hardly.
#[test]
fn files_that_are_not_scenarios_are_rejected_with_place_expected_values_and_hint() {
    let deep =
        |open: &str, close: &str| format!("x = {}{}", open.repeat(5_000), close.repeat(5_000));
    let texts = [
        "{\"name\": \"x\"}".to_owned(),
        "name: x\nseed: 1\n".to_owned(),
        "<html></html>".to_owned(),
        "seed = 1\nseed = 2\n".to_owned(),
        "seed = 01\n".to_owned(),
        "x = \"\n".to_owned(),
        "[clock\n".to_owned(),
        "seed =\n".to_owned(),
        "seed = 1\rname = \"x\"\r".to_owned(),
        "name = \"\\ud800\"\n".to_owned(),
        deep("[", "]"),
        deep("{ a = ", "}"),
        format!("[{}]\nb = 1", vec!["a"; 5_000].join(".")),
        format!("{} = 1", vec!["a"; 5_000].join(".")),
    ];
    for text in texts {
        let start: String = text.chars().take(30).collect();
        let overrides = tiketi_scenario::Overrides::default();
        let problems = tiketi_scenario::load("case.toml", &text, &overrides).expect_err(&start);
        for problem in problems.problems() {
            let parts = [&problem.message, &problem.expected, &problem.help];
            assert!(
                parts.iter().all(|part| !part.trim().is_empty()),
                "{start}: {problem:?}"
            );
            let (line, column) = problems.position(problem);
            assert!(line >= 1 && column >= 1);
        }
    }
}
