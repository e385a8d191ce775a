//! Changes that a plan file makes to its scenario.
//!
//! They are applied to the TOML of the scenario before it is resolved, so that a changed scenario passes the same checks as
//! one that was written that way.

use std::ops::Range;

use toml::{Table, Value as Toml};

use tiketi_scenario::diagnostic::{Diagnostics, Problem};
use tiketi_scenario::document::Section;
use tiketi_scenario::duration::Written;
use tiketi_scenario::environment::model_supports;
use tiketi_scenario::value::Value;
use tiketi_scenario::{self as scenario, Overrides, Plan};
use tiketi_server_url::redacted;

/// One key of the scenario and its new value.
#[derive(Clone, Debug)]
pub(super) struct Change {
    path: Vec<String>,
    value: Toml,
    /// Position of the key in the plan file.
    pub(super) key_span: Range<usize>,
    /// Position of the value in the plan file.
    pub(super) value_span: Range<usize>,
    /// The value as written, on one line and without passwords.
    pub(super) written: String,
}

/// A key of the plan file and its value.
pub(super) struct Leaf<'d> {
    path: Vec<String>,
    key_span: Range<usize>,
    pub(super) value: Value<'d>,
}

impl Leaf<'_> {
    /// Returns the change that sets the key to `value`, which is the leaf's own value or one of its elements; `None` if it
    /// has a problem, which is reported.
    pub(super) fn change(&self, value: &Value<'_>) -> Option<Change> {
        let written = redacted(value.written());
        Some(Change {
            path: self.path.clone(),
            value: value.toml()?,
            key_span: self.key_span.clone(),
            value_span: value.span(),
            written: written.split_whitespace().collect::<Vec<_>>().join(" "),
        })
    }

    /// Returns the key as scenarios spell it.
    pub(super) fn key(&self) -> String {
        self.path.join(".")
    }
}

/// Returns all keys of a table of changes.
///
/// `scaling.min`, `"scaling.min"` and a `min` under `[set.scaling]` are the same key. A table in braces is a value: it
/// replaces the whole table of the scenario.
pub(super) fn leaves<'d>(section: &Section<'d>) -> Vec<Leaf<'d>> {
    let mut found = Vec::new();
    collect(section, &[], &mut found);
    found
}

fn collect<'d>(section: &Section<'d>, above: &[String], found: &mut Vec<Leaf<'d>>) {
    for (key, value) in section.entries() {
        let path: Vec<_> = above.iter().cloned().chain(parts(key.get_ref())).collect();
        // `[set.scaling]` and `scaling = { … }` are the same to TOML. Only what is written tells a group of keys from
        // a value.
        let is_inner = value.is_table() && !value.written().starts_with('{');
        match is_inner.then(|| value.section()).flatten() {
            Some(inner) => collect(&inner, &path, found),
            None => found.push(Leaf {
                path,
                key_span: key.span(),
                value,
            }),
        }
    }
}

/// Returns the parts of a quoted key: `scaling.min` has two. A key that is not a valid dotted key is one part.
fn parts(key: &str) -> Vec<String> {
    let whole = || vec![key.to_owned()];
    if key.chars().any(char::is_control) {
        return whole();
    }
    // TOML's own parser splits the key, so that quoted parts such as `gates."errors{x:y}"` stay whole.
    let Ok(mut table) = format!("{key} = 0").parse::<Table>() else {
        return whole();
    };
    let mut parts = Vec::new();
    while let Some((name, value)) = table.into_iter().next() {
        parts.push(name);
        match value {
            Toml::Table(inner) => table = inner,
            _ => break,
        }
    }
    parts
}

/// A scenario and the changes that all configurations of a question share.
#[derive(Clone, Debug)]
pub(super) struct Base {
    source_name: String,
    text: String,
    table: Table,
    question: String,
    buyers: Option<u32>,
}

impl Base {
    /// Loads a scenario as it is written; it must be valid without any changes.
    pub(super) fn new(source_name: &str, text: &str) -> Result<Self, Diagnostics> {
        let plan = scenario::load(source_name, text, &Overrides::default())?;
        let table = text.parse().map_err(|_too_large| {
            // Scenarios hold numbers of 64 bits without a sign; the tables that changes are applied to do not.
            let problem = Problem::new("`seed` is too large for a scenario that is varied")
                .expected(format!("0 to {}", i64::MAX))
                .help("each run of a plan has a seed of its own: remove the seed of the scenario");
            let start = text.find("seed").unwrap_or(0);
            let problem = problem.at(start..(start + 4).min(text.len()));
            Diagnostics::new(source_name, text, vec![problem])
        })?;
        Ok(Self {
            source_name: source_name.to_owned(),
            text: text.to_owned(),
            table,
            question: plan.question,
            buyers: None,
        })
    }

    /// Returns the same scenario with this many buyers in every configuration; `None` keeps those of the scenario.
    pub(super) fn for_buyers(mut self, buyers: Option<u32>) -> Self {
        self.buyers = buyers;
        self
    }

    /// Returns the same scenario with `changes` in every configuration. Whether they are valid shows when it is resolved.
    pub(super) fn changed(mut self, changes: &[Change]) -> Self {
        if changes.is_empty() {
            return self;
        }
        for change in changes {
            put(&mut self.table, &change.path, &change.value);
        }
        let table =
            toml::to_string(&self.table).expect("a table that was parsed can be serialized");
        self.text = format!("# {}\n\n{table}", self.question);
        self
    }

    /// Resolves the plan, or reports what is wrong with it.
    pub(super) fn plan(&self) -> Result<Plan, Diagnostics> {
        self.load(self.buyers)
    }

    /// Resolves the plan for this many buyers.
    pub(super) fn with_buyers(&self, buyers: u32) -> Result<Plan, Diagnostics> {
        self.load(Some(buyers))
    }

    fn load(&self, buyers: Option<u32>) -> Result<Plan, Diagnostics> {
        let overrides = Overrides {
            buyers,
            ..Overrides::default()
        };
        let plan = scenario::load(&self.source_name, &self.text, &overrides)?;
        match unsupported(&plan) {
            None => Ok(plan),
            Some(problem) => Err(Diagnostics::new(
                &self.source_name,
                &self.text,
                vec![problem],
            )),
        }
    }

    /// Returns the problems of the changed scenario, each at the position of the change in the plan file that causes it, or at
    /// `whole` if no single change does.
    pub(super) fn blame(
        &self,
        changes: &[Change],
        diagnostics: &Diagnostics,
        whole: &Range<usize>,
    ) -> Vec<Problem> {
        let problems = diagnostics.problems().iter();
        let placed = problems.map(|problem| {
            // The user wrote the plan file, not the changed scenario, so its positions mean nothing to them. A change is to
            // blame if it alone causes the same problem.
            let causes_it = |change: &&Change| {
                let alone = self.clone().changed(std::slice::from_ref(change)).plan();
                alone.is_err_and(|found| {
                    let mut found = found.problems().iter();
                    found.any(|one| one.message == problem.message)
                })
            };
            let change = changes.iter().find(causes_it);
            let span = change.map_or(whole, |change| &change.value_span);
            problem.clone().at(span.clone())
        });
        placed.collect()
    }
}

/// Returns the first fault that the simulation does not support; `None` if it supports all.
fn unsupported(plan: &Plan) -> Option<Problem> {
    plan.faults.iter().find_map(|fault| {
        let reason = model_supports(&fault.action, &plan.topology.data_tier).err()?;
        let (name, at) = (fault.action.name(), Written(fault.at.since_start()));
        let message =
            format!("the simulation does not support the fault `{name}` at {at}: {reason}");
        let problem = Problem::new(message).expected("a fault that the simulation supports");
        Some(problem.help("remove the fault"))
    })
}

/// Sets one key and creates the tables above it as needed. A value that is in the way of such a table is replaced.
fn put(table: &mut Table, path: &[String], value: &Toml) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    if rest.is_empty() {
        table.insert(first.clone(), value.clone());
        return;
    }
    let inner = table
        .entry(first.clone())
        .or_insert_with(|| Toml::Table(Table::new()));
    if !inner.is_table() {
        *inner = Toml::Table(Table::new());
    }
    if let Toml::Table(inner) = inner {
        put(inner, rest, value);
    }
}

#[cfg(test)]
mod tests {
    use toml::de::DeTable;

    use super::*;
    use tiketi_scenario::document::{Layer, Problems};

    #[test]
    fn a_quoted_key_is_split_like_a_dotted_key() {
        assert_eq!(parts("scaling.min"), ["scaling", "min"]);
        assert_eq!(
            parts("gates.\"response_time{operation:queue_check}\""),
            ["gates", "response_time{operation:queue_check}"]
        );
        assert_eq!(parts("errors{x:y}"), ["errors{x:y}"], "not a dotted key");
    }

    #[test]
    fn a_list_of_tables_is_one_value_however_it_is_written() {
        let text = "[[set.scaling.policies]]\nadjust = +2\n[[set.scaling.policies]]\nadjust = -1\n";
        let inline = "set = { scaling.policies = [{ adjust = 2 }, { adjust = -1 }] }";
        let [long, short] = [text, inline].map(|text| {
            let problems = Problems::new(text);
            let document = DeTable::parse(text).unwrap();
            let layer = Layer {
                table: document.get_ref(),
                header: Some((0, 0)),
            };
            let root = Section::new(String::new(), vec![layer], &problems);
            let leaves = leaves(&root.section("set"));
            let change = leaves[0].change(&leaves[0].value).expect("a small number");
            (leaves.len(), leaves[0].key(), change.value)
        });
        assert_eq!(long, short);
        assert_eq!((long.0, long.1.as_str()), (1, "scaling.policies"));
        assert_eq!(long.2.as_array().map(Vec::len), Some(2));
    }

    #[test]
    fn a_change_keeps_the_other_keys_of_its_table() {
        let mut table: Table = "[a]\nb = 1\nc = 2".parse().unwrap();
        let path = ["a", "b"].map(str::to_owned);
        put(&mut table, &path, &Toml::Integer(3));
        assert_eq!(table, "[a]\nb = 3\nc = 2".parse().unwrap());
        let path = ["x", "y", "z"].map(str::to_owned);
        put(&mut table, &path, &Toml::Boolean(true));
        assert_eq!(table["x"]["y"]["z"], Toml::Boolean(true));
    }
}
