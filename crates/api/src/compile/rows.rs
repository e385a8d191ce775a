//! The rows of a role: conditions, and what a response means that meets them.

use super::role::{Context, Kind, MessageKind, slot, too_many};
use crate::mapping::RoleName;
use crate::problem::{At, Problems, one_of};
use crate::reader::Pointers;
use crate::row::{Comparison, Condition, Literal, Meaning, Other, Row, Want};
use crate::table::Table;
use crate::tree::{Node, Tree};

const STATUSES: &str = "a status such as 409, a class such as \"4xx\", or a list of them";
const VALUES: &str = "a value, a list of values, or a table with one of `not`, `exists`, `same_as`, `differs_from`, \
                      `above`, `at_least`, `below`, `at_most`";

/// The statuses of success.
const SUCCESS: (u16, u16) = (200, 299);

/// Reads the rows of a role. Without any, a status of success means that it is done, where that is enough.
pub(super) fn rows(
    table: &mut Table<'_>,
    kind: Kind,
    context: &Context<'_>,
    pointers: &mut Pointers,
    problems: &mut Problems,
) -> Vec<Row> {
    let meanings = kind.meanings();
    let names: Vec<_> = meanings.iter().map(|meaning| meaning.name()).collect();
    let Some((at, tree)) = table.find("means") else {
        let is_payment = matches!(kind, Kind::Role(RoleName::Payment));
        if !meanings.contains(&Meaning::Done) || is_payment || kind == Kind::Push {
            let message = format!("`means` is missing in `{}`", table.at.path);
            let expected = format!("rows that say what a response means: {}", names.join(", "));
            let help = format!(
                "add `means = [{{ status = \"2xx\", is = \"{}\" }}]`",
                names[0]
            );
            problems.report(&table.at, message, expected, help);
        }
        return vec![Row {
            conditions: vec![Condition::Status(vec![SUCCESS])],
            meaning: Meaning::Done,
        }];
    };
    let Node::List(list) = &tree.node else {
        problems.reject(
            &at,
            tree,
            "a list of rows",
            "write `[{ status = 200, is = … }]`",
        );
        return Vec::new();
    };
    let rows = list.iter().enumerate().filter_map(|(place, tree)| {
        let at = at.element(place, tree);
        row((at, tree), meanings, context, pointers, problems)
    });
    rows.collect()
}

fn row(
    (at, tree): (At, &Tree),
    meanings: &[Meaning],
    context: &Context<'_>,
    pointers: &mut Pointers,
    problems: &mut Problems,
) -> Option<Row> {
    let table = Table::open(at, tree, problems)?;
    let names: Vec<_> = meanings.iter().map(|meaning| meaning.name()).collect();
    let mut conditions = Vec::new();
    let mut meaning = None;
    for (at, entry) in table.lines() {
        let (key, value) = (entry.key.name.as_str(), &entry.value);
        let condition = match key {
            "is" => {
                let found = meanings.iter().find(|one| value.text() == Some(one.name()));
                if found.is_none() {
                    let help = "the role gives a response one of these meanings";
                    problems.reject(&at, value, &one_of(&names), help);
                }
                meaning = Some(*found?);
                continue;
            }
            "status" => Condition::Status(statuses(&at, value, problems)?),
            "text" => Condition::Text(words(&at, value, problems)?),
            "kind" if context.message.is_some() => {
                kind_condition(&at, value, context, pointers, problems)?
            }
            _ if key.starts_with('/') => {
                let slot = slot(&at, key, pointers, problems)?;
                Condition::Json(slot, want(&at, value, Some(context), pointers, problems)?)
            }
            _ => match key.strip_prefix("header:") {
                Some(name) => Condition::Header(
                    name.to_lowercase(),
                    want(&at, value, Some(context), pointers, problems)?,
                ),
                None => {
                    let mut place = table.at.clone();
                    place.span = at.span;
                    let known = ["is", "status", "text", "/pointer", "header:name", "kind"];
                    let of_messages = usize::from(context.message.is_some());
                    let known = &known[..known.len() - 1 + of_messages];
                    problems.unknown(&place, "condition", key, known);
                    return None;
                }
            },
        };
        conditions.push(condition);
    }
    if meaning.is_none() {
        let message = format!("`is` is missing in `{}`", table.at.path);
        problems.report(&table.at, message, one_of(&names), "say what it means");
    }
    Some(Row {
        conditions,
        meaning: meaning?,
    })
}

/// A condition on the kind of a message.
fn kind_condition(
    at: &At,
    value: &Tree,
    context: &Context<'_>,
    pointers: &mut Pointers,
    problems: &mut Problems,
) -> Option<Condition> {
    let pointer = match context.message? {
        MessageKind::Event => None,
        MessageKind::Json(pointer) => Some(pointer),
        MessageKind::Nowhere => {
            let message = format!("`{}` needs to know where a message has its kind", at.path);
            let help = "say it once, such as `kind = \"/type\"` in `[push]`";
            problems.report(at, message, "`kind` in `[push]`", help);
            return None;
        }
    };
    let slot = match pointer {
        Some(pointer) => Some(slot(at, pointer, pointers, problems)?),
        None => None,
    };
    let want = want(at, value, Some(context), pointers, problems)?;
    Some(match slot {
        Some(slot) => Condition::Json(slot, want),
        None => Condition::Event(want),
    })
}

/// Conditions on an element of a list.
pub(super) fn wants(
    at: At,
    tree: &Tree,
    pointers: &mut Pointers,
    problems: &mut Problems,
) -> Vec<(u8, Want)> {
    let Some(table) = Table::open(at, tree, problems) else {
        return Vec::new();
    };
    let wants = table.lines().filter_map(|(at, entry)| {
        if !super::role::check_pointer(&at, &entry.key.name, problems) {
            return None;
        }
        let Some(slot) = pointers.add_of_element(&entry.key.name) else {
            too_many(&at, problems);
            return None;
        };
        Some((slot, want(&at, &entry.value, None, pointers, problems)?))
    });
    wants.collect()
}

fn statuses(at: &At, value: &Tree, problems: &mut Problems) -> Option<Vec<(u16, u16)>> {
    let one = |value: &Tree| match &value.node {
        Node::Whole(status) => {
            let status = u16::try_from(*status).ok()?;
            (100..=599).contains(&status).then_some((status, status))
        }
        Node::Text(text) => {
            let class: u16 = text.strip_suffix("xx")?.parse().ok()?;
            (1..=5)
                .contains(&class)
                .then_some((class * 100, class * 100 + 99))
        }
        _ => None,
    };
    let ranges: Option<Vec<_>> = match &value.node {
        Node::List(list) if !list.is_empty() => list.iter().map(one).collect(),
        _ => one(value).map(|range| vec![range]),
    };
    if ranges.is_none() {
        problems.reject(at, value, STATUSES, "statuses are 100 to 599");
    }
    ranges
}

fn words(at: &At, value: &Tree, problems: &mut Problems) -> Option<Vec<String>> {
    let words = match &value.node {
        Node::Text(text) => Some(vec![text.to_lowercase()]),
        Node::List(list) => list
            .iter()
            .map(|one| one.text().map(str::to_lowercase))
            .collect(),
        _ => None,
    };
    let words = words.filter(|words| !words.is_empty());
    if words.is_none() {
        let expected = "a text that the body contains, or a list of them";
        problems.reject(at, value, expected, "upper and lower case are the same");
    }
    words
}

/// What a value has to be. Without a `context` it is that of a list's element, which is compared with others of its own.
fn want(
    at: &At,
    value: &Tree,
    context: Option<&Context<'_>>,
    pointers: &mut Pointers,
    problems: &mut Problems,
) -> Option<Want> {
    if let Some(literals) = literals(value) {
        return Some(Want::AnyOf(literals));
    }
    let mut other_of = |text: &str, problems: &mut Problems| match context {
        None => pointers.add_of_element(text).map(Other::Slot),
        Some(context) => match text
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'))
        {
            Some(name) => context.known(at, name, problems).map(Other::Variable),
            None => slot(at, text, pointers, problems).map(Other::Slot),
        },
    };
    let [entry] = value.entries() else {
        problems.reject(at, value, VALUES, "one comparison per value");
        return None;
    };
    let compared = match entry.key.name.as_str() {
        "not" => literals(&entry.value).map(Want::NoneOf),
        "exists" => match entry.value.node {
            Node::Flag(wanted) => Some(Want::Exists(wanted)),
            _ => None,
        },
        key @ ("same_as" | "differs_from") => {
            let other = entry.value.text().and_then(|text| other_of(text, problems));
            other.map(if key == "same_as" {
                Want::SameAs
            } else {
                Want::DiffersFrom
            })
        }
        key => {
            let comparison = match key {
                "above" => Some(Comparison::Above),
                "at_least" => Some(Comparison::AtLeast),
                "below" => Some(Comparison::Below),
                "at_most" => Some(Comparison::AtMost),
                _ => None,
            };
            let other = match &entry.value.node {
                Node::Text(text) => other_of(text, problems),
                _ => number(&entry.value).map(Other::Number),
            };
            comparison
                .zip(other)
                .map(|(comparison, other)| Want::Compared(comparison, other))
        }
    };
    if compared.is_none() {
        let help = "compare with a value, with another one of the response by its pointer, or with a {variable}";
        problems.reject(at, value, VALUES, help);
    }
    compared
}

fn literals(value: &Tree) -> Option<Vec<Literal>> {
    let one = |value: &Tree| match &value.node {
        Node::Text(text) => Some(Literal::Text(text.clone())),
        Node::Flag(flag) => Some(Literal::Flag(*flag)),
        Node::Whole(_) | Node::Number(_) => number(value).map(Literal::Number),
        Node::List(_) | Node::Table(_) => None,
    };
    match &value.node {
        Node::List(list) if list.is_empty() => None,
        Node::List(list) => list.iter().map(one).collect(),
        _ => one(value).map(|literal| vec![literal]),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "people do not write larger numbers than 2^53 in conditions"
)]
fn number(value: &Tree) -> Option<f64> {
    match value.node {
        Node::Whole(number) => Some(number as f64),
        Node::Number(number) => Some(number),
        _ => None,
    }
}
