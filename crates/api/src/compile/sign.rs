//! `[sign]`: the program that adds to requests, and to which of them.

use super::role::Context;
use crate::mapping::Role;
use crate::problem::{At, Problems};
use crate::sign::{Sign, TIMEOUT, TIMEOUT_MAX, length};
use crate::table::Table;
use crate::tree::{Node, Tree};

/// Reads `[sign]`, and marks the roles that it is for; the request that opens the channel is one of them.
pub(super) fn sign(
    at: At,
    tree: &Tree,
    context: &Context<'_>,
    mut roles: Vec<&mut Role>,
    problems: &mut Problems,
) -> Option<Sign> {
    let mut table = Table::open(at, tree, problems)?;
    let run = texts(&mut table, "run", RUN, problems);
    let names = texts(&mut table, "for", FOR, problems);
    let mut variables = Vec::new();
    if table.find("variables").is_some() {
        for (at, name) in texts(&mut table, "variables", VARIABLES, problems)? {
            let variable = context.known(&at, name, problems);
            variables.extend(variable.map(|variable| (name.to_owned(), variable)));
        }
    }
    let timeout = timeout(&mut table, problems);
    table.finish(problems);
    for (at, name) in names? {
        let mut is_known = false;
        for role in roles.iter_mut().filter(|role| is_named(role, name)) {
            is_known = true;
            role.is_signed = true;
            if let Some(poll) = &mut role.poll {
                poll.is_signed = true;
            }
        }
        if !is_known {
            let known: Vec<_> = roles.iter().map(|role| role.name.as_str()).collect();
            problems.unknown(&at, "role", name, &known);
        }
    }
    let run = run?.into_iter().map(|(_, word)| word.to_owned());
    Some(Sign {
        run: run.collect(),
        variables,
        timeout,
    })
}

const RUN: &str = "a list with the program and its arguments, such as [\"node\", \"sign.js\"]";
const FOR: &str =
    "a list of roles and extra steps, or \"push\", such as [\"seat_reserve\", \"payment\"]";
const VARIABLES: &str = "a list of names, such as [\"user\", \"seat\"]";

/// Whether a role, or an extra step such as `before_seats.date`, has this name.
fn is_named(role: &Role, name: &str) -> bool {
    role.name == name
        || role
            .name
            .rsplit_once('.')
            .is_some_and(|(_, step)| step == name)
}

/// Reads a list of texts that is not empty.
fn texts<'t>(
    table: &mut Table<'t>,
    key: &'static str,
    expected: &str,
    problems: &mut Problems,
) -> Option<Vec<(At, &'t str)>> {
    let Some((at, tree)) = table.find(key) else {
        let message = format!("`{key}` is missing in `{}`", table.at.path);
        problems.report(&table.at, message, expected, "add it");
        return None;
    };
    let texts: Option<Vec<_>> = match &tree.node {
        Node::List(list) if !list.is_empty() => {
            let one = |(place, value): (usize, &'t Tree)| {
                let text = value.text().filter(|text| !text.is_empty())?;
                Some((at.element(place, value), text))
            };
            list.iter().enumerate().map(one).collect()
        }
        _ => None,
    };
    if texts.is_none() {
        problems.reject(&at, tree, expected, "write each of them in quotes");
    }
    texts
}

fn timeout(table: &mut Table<'_>, problems: &mut Problems) -> std::time::Duration {
    let expected = format!(
        "a length such as \"2s\" or \"500ms\", up to {} s",
        TIMEOUT_MAX.as_secs()
    );
    let Some((at, tree)) = table.find("timeout") else {
        return TIMEOUT;
    };
    let found = tree.text().and_then(|text| length(text, TIMEOUT_MAX));
    if found.is_none() {
        problems.reject(
            &at,
            tree,
            &expected,
            "a request waits for the line of the program",
        );
    }
    found.unwrap_or(TIMEOUT)
}
