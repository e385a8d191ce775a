//! What is looked up in a document for a part of a mapping, and what is similar to it.

use std::ops::Range;

use tiketi_api::{Entry, Node, Tree};

use super::LISTED_MAX;
use crate::openapi::operation::{Answer, Operation};

/// Where a line is: its key, or its value if the key has no place of its own.
pub(super) fn place_of(entry: &Entry) -> Range<usize> {
    if entry.key.span.is_empty() {
        entry.value.span.clone()
    } else {
        entry.key.span.clone()
    }
}

pub(super) fn shown(operation: &Operation<'_>) -> String {
    format!("{} {}", operation.method, operation.path)
}

/// Names in words, the first ones of many.
pub(super) fn one_of(names: &[&str]) -> String {
    let mut shown: Vec<_> = names.iter().take(LISTED_MAX).copied().collect();
    if names.len() > LISTED_MAX {
        shown.push("…");
    }
    if let [one] = shown.as_slice() {
        return (*one).to_owned();
    }
    format!("one of {}", shown.join(", "))
}

pub(super) fn header_names(headers: &Tree) -> Vec<(String, String)> {
    let entries = headers.entries().iter();
    let pairs = entries.map(|entry| {
        (
            entry.key.name.to_lowercase(),
            entry.value.text().unwrap_or_default().to_owned(),
        )
    });
    pairs.collect()
}

/// How well a path fits an operation: the number of its segments that are the same; `None` if it does not fit.
pub(super) fn fit(operation: &Operation<'_>, path: &str) -> Option<usize> {
    let none = String::new();
    let prefixes = operation.prefixes.iter().chain([&none]);
    let fits = prefixes.filter_map(|prefix| {
        let pattern = format!("{prefix}{}", operation.path);
        let (pattern, path) = (pattern.trim_end_matches('/'), path.trim_end_matches('/'));
        let (wanted, written): (Vec<_>, Vec<_>) =
            (pattern.split('/').collect(), path.split('/').collect());
        if wanted.len() != written.len() {
            return None;
        }
        let mut literal = 0;
        for (wanted, written) in wanted.iter().zip(written) {
            if wanted.contains('{') {
                continue;
            }
            if *wanted != written {
                return None;
            }
            literal += 1;
        }
        Some(literal)
    });
    fits.max()
}

/// The paths of the document, the most similar one first.
pub(super) fn nearest_paths(path: &str, operations: &[Operation<'_>]) -> Vec<(f64, String)> {
    let plain = |path: &str| {
        let segments = path
            .split('/')
            .map(|segment| if segment.contains('{') { "{}" } else { segment });
        segments.collect::<Vec<_>>().join("/")
    };
    let written = plain(path);
    let mut near: Vec<(f64, String)> = Vec::new();
    for operation in operations {
        let full = format!("{}{}", operation.prefixes[0], operation.path);
        if !near.iter().any(|(_, known)| *known == full) {
            near.push((strsim::jaro_winkler(&written, &plain(&full)), full));
        }
    }
    near.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    near
}

/// The most similar of these names; `None` if none is similar enough.
pub(super) fn nearest<'k>(written: &str, known: &[&'k str]) -> Option<&'k str> {
    /// Less similar suggestions confuse more than they help.
    const SIMILARITY_MIN: f64 = 0.75;
    let likeness = |name: &str| strsim::jaro_winkler(&written.to_lowercase(), &name.to_lowercase());
    let near = known
        .iter()
        .map(|name| (likeness(name), *name))
        .filter(|(likeness, _)| *likeness >= SIMILARITY_MIN);
    near.max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

/// The documented responses of a status such as 409, or of a class such as `4xx`.
pub(super) fn of_status<'a, 'd>(
    responses: &'a [(&'d str, Answer<'d>)],
    status: &Tree,
) -> Vec<&'a Answer<'d>> {
    let written = match &status.node {
        Node::Whole(status) => status.to_string(),
        Node::Text(class) => class.to_uppercase(),
        _ => return Vec::new(),
    };
    let class = written.get(..1).unwrap_or_default();
    let mut found: Vec<_> = if written.ends_with("XX") {
        responses
            .iter()
            .filter(|(name, _)| name.starts_with(class))
            .map(|(_, answer)| answer)
            .collect()
    } else {
        named(responses, &written)
    };
    if found.is_empty() {
        found = named(responses, &format!("{class}XX"));
    }
    if found.is_empty() {
        found = named(responses, "default");
    }
    found
}

/// The documented responses under this name.
fn named<'a, 'd>(responses: &'a [(&'d str, Answer<'d>)], wanted: &str) -> Vec<&'a Answer<'d>> {
    let found = responses
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
    found.map(|(_, answer)| answer).collect()
}

/// Whether the condition is that there is no such value.
pub(super) fn says_absent(condition: &Tree) -> bool {
    matches!(
        condition.get("exists"),
        Some(Tree {
            node: Node::Flag(false),
            ..
        })
    )
}

/// The pointers that a condition compares with.
pub(super) fn compared_with(condition: &Tree) -> Vec<(&str, Range<usize>)> {
    const KEYS: [&str; 6] = [
        "same_as",
        "differs_from",
        "above",
        "at_least",
        "below",
        "at_most",
    ];
    let entries = condition
        .entries()
        .iter()
        .filter(|entry| KEYS.contains(&entry.key.name.as_str()));
    let pointers =
        entries.filter_map(|entry| Some((entry.value.text()?, entry.value.span.clone())));
    pointers.collect()
}
