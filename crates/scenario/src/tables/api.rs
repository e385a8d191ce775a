//! The API mapping of a target: read with its places here, compiled by `tiketi-api`.

use tiketi_api::{PRESETS, Tree, compile};
use toml::de::DeTable;

use crate::diagnostic::{Diagnostics, Problem, syntax_problem};
use crate::document::Section;
use crate::keys::{Form, Keys, key};
use crate::page::text;
use crate::plan::Target;

/// The key of the mapping.
const API: &str = "api";

fn form() -> Form {
    Form::Syntax {
        expected: "\"tiketi\", or a table with the roles of an API mapping",
        hint: "write `api = \"tiketi\"`, or tables such as `[target.api.queue_enter]`",
    }
}

/// `api`: `None` within for that of a TIKETI deployment.
pub(super) fn api(keys: &mut Keys<'_, '_, Target>) -> Option<Option<Tree>> {
    keys.special(
        key(
            API,
            "How the back end is asked and what its responses mean: the contract of a TIKETI deployment, or a table (an API mapping).",
        ),
        form,
        read,
        |target| {
            let own = target.api.as_ref().map(Tree::to_inline);
            own.unwrap_or_else(|| text(PRESETS[0]))
        },
    )
}

fn read(section: &Section<'_>) -> Option<Option<Tree>> {
    let value = section.expect(API, form)?;
    let tree = value.tree();
    if tree.text() == Some(PRESETS[0]) {
        return Some(None);
    }
    if tree.text().is_some() || !matches!(tree.node, tiketi_api::Node::Table(_)) {
        value.reject(&form());
        return None;
    }
    match compile(&tree) {
        Ok(_) => Some(Some(tree)),
        Err(problems) => {
            for problem in problems {
                section.report(problem_of(problem));
            }
            None
        }
    }
}

fn problem_of(problem: tiketi_api::Problem) -> Problem {
    Problem::new(problem.message)
        .expected(problem.expected)
        .help(problem.help)
        .at(problem.span)
}

/// Collects problems of an API mapping that is in the file `source_name` with this text: a file of its own, or a scenario.
pub fn problems(source_name: &str, text: &str, problems: Vec<tiketi_api::Problem>) -> Diagnostics {
    let problems = problems.into_iter().map(problem_of).collect();
    Diagnostics::new(source_name, text, problems)
}

/// Reads the file `source_name` of an API mapping, or reports everything that is wrong with it. Its tables are those of
/// `[target.api]` in a scenario.
pub fn load(source_name: &str, text: &str) -> Result<Tree, Diagnostics> {
    let refused = |problems| Err(Diagnostics::new(source_name, text, problems));
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return refused(
            errors
                .iter()
                .map(|error| syntax_problem(error, text))
                .collect(),
        );
    }
    let tree = Tree::from_table(document.get_ref(), 0..0);
    match compile(&tree) {
        Ok(_) => Ok(tree),
        Err(problems) => refused(problems.into_iter().map(problem_of).collect()),
    }
}
