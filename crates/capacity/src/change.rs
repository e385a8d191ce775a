//! Keys of a scenario that a plan file changes: they are put into the scenario's TOML before it is resolved, so that
//! all its checks hold for what comes out.

use std::ops::Range;

use toml::{Table, Value as Toml};

use tiketi_model as model;
use tiketi_scenario::diagnostic::{Diagnostics, Problem};
use tiketi_scenario::document::Section;
use tiketi_scenario::duration::Written;
use tiketi_scenario::server_url::redacted;
use tiketi_scenario::value::Value;
use tiketi_scenario::{self as scenario, Overrides, Plan};

/// One key and its new value.
#[derive(Clone, Debug)]
pub(super) struct Change {
    path: Vec<String>,
    value: Toml,
    /// Where the key stands in the plan file.
    pub(super) key_span: Range<usize>,
    /// Where the value stands there.
    pub(super) value_span: Range<usize>,
    /// The value as written, on one line.
    pub(super) written: String,
}

/// A key with what is written beside it.
pub(super) struct Leaf<'d> {
    path: Vec<String>,
    key_span: Range<usize>,
    pub(super) value: Value<'d>,
}

impl Leaf<'_> {
    /// The key set to `value`, which is the leaf's own or one of its elements.
    pub(super) fn change(&self, value: &Value<'_>) -> Change {
        let written = redacted(value.written());
        Change {
            path: self.path.clone(),
            value: value.toml(),
            key_span: self.key_span.clone(),
            value_span: value.span(),
            written: written.split_whitespace().collect::<Vec<_>>().join(" "),
        }
    }

    /// The key as scenarios spell it.
    pub(super) fn key(&self) -> String {
        self.path.join(".")
    }
}

/// All keys of a table of changes.
///
/// `scaling.min`, `"scaling.min"` and a `min` under `[set.scaling]` are the same key. A table in braces is a value: it
/// takes the place of the whole table that the scenario has there.
pub(super) fn leaves<'d>(section: &Section<'d>) -> Vec<Leaf<'d>> {
    let mut found = Vec::new();
    collect(section, &[], &mut found);
    found
}

fn collect<'d>(section: &Section<'d>, above: &[String], found: &mut Vec<Leaf<'d>>) {
    for (key, value) in section.entries() {
        let path: Vec<_> = above.iter().cloned().chain(parts(key.get_ref())).collect();
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

/// The parts of a key in quotes: `scaling.min` has two. What is no dotted key is one part.
fn parts(key: &str) -> Vec<String> {
    let whole = || vec![key.to_owned()];
    if key.chars().any(char::is_control) {
        return whole();
    }
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

/// A scenario and the changes that all set-ups of a question share.
#[derive(Clone, Debug)]
pub(super) struct Base {
    source_name: String,
    text: String,
    table: Table,
    question: String,
    buyers: Option<u32>,
}

impl Base {
    /// Takes a scenario as it is; it must be right by itself.
    pub(super) fn new(source_name: &str, text: &str) -> Result<Self, Diagnostics> {
        let plan = scenario::load(source_name, text, &Overrides::default())?;
        Ok(Self {
            source_name: source_name.to_owned(),
            text: text.to_owned(),
            table: text.parse().expect("what was resolved is TOML"),
            question: plan.question,
            buyers: None,
        })
    }

    /// The same with this many buyers in every set-up.
    pub(super) fn for_buyers(mut self, buyers: Option<u32>) -> Self {
        self.buyers = buyers;
        self
    }

    /// The same with `changes` in every set-up; they need not be legal.
    pub(super) fn changed(mut self, changes: &[Change]) -> Self {
        if changes.is_empty() {
            return self;
        }
        for change in changes {
            put(&mut self.table, &change.path, &change.value);
        }
        let table = toml::to_string(&self.table).expect("a table that was read can be written");
        self.text = format!("# {}\n\n{table}", self.question);
        self
    }

    /// The plan, or what is wrong with it.
    pub(super) fn plan(&self) -> Result<Plan, Diagnostics> {
        self.load(self.buyers)
    }

    /// The plan for this many buyers.
    pub(super) fn with_buyers(&self, buyers: u32) -> Result<Plan, Diagnostics> {
        self.load(Some(buyers))
    }

    fn load(&self, buyers: Option<u32>) -> Result<Plan, Diagnostics> {
        let overrides = Overrides {
            buyers,
            ..Overrides::default()
        };
        let plan = scenario::load(&self.source_name, &self.text, &overrides)?;
        match unplayed(&plan) {
            None => Ok(plan),
            Some(problem) => Err(Diagnostics::new(
                &self.source_name,
                &self.text,
                vec![problem],
            )),
        }
    }

    /// The problems of a scenario with `changes`, each at the change in the plan file that makes it, else at `whole`.
    pub(super) fn blame(
        &self,
        changes: &[Change],
        diagnostics: &Diagnostics,
        whole: &Range<usize>,
    ) -> Vec<Problem> {
        let problems = diagnostics.problems().iter();
        let placed = problems.map(|problem| {
            let makes_it = |change: &&Change| {
                let alone = self.clone().changed(std::slice::from_ref(change)).plan();
                alone.is_err_and(|found| {
                    let mut found = found.problems().iter();
                    found.any(|one| one.message == problem.message)
                })
            };
            let change = changes.iter().find(makes_it);
            let span = change.map_or(whole, |change| &change.value_span);
            problem.clone().at(span.clone())
        });
        placed.collect()
    }
}

/// The first fault that the model cannot play, if there is one.
fn unplayed(plan: &Plan) -> Option<Problem> {
    plan.faults.iter().find_map(|fault| {
        let reason = model::plays(fault.action, &plan.topology.data_tier).err()?;
        let (name, at) = (fault.action.name(), Written(fault.at.since_start()));
        let message = format!("the model cannot play the fault `{name}` at {at}: {reason}");
        Some(Problem::new(message).help("take the fault out"))
    })
}

/// Sets one key, making the tables above it as needed; what is no table there gives way.
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
    fn a_key_in_quotes_has_the_parts_of_a_dotted_key() {
        assert_eq!(parts("scaling.min"), ["scaling", "min"]);
        assert_eq!(
            parts("gates.\"response_time{operation:queue_check}\""),
            ["gates", "response_time{operation:queue_check}"]
        );
        assert_eq!(parts("errors{x:y}"), ["errors{x:y}"], "no dotted key");
    }

    #[test]
    fn a_list_of_tables_is_taken_as_a_whole_however_it_is_written() {
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
            let change = leaves[0].change(&leaves[0].value);
            (leaves.len(), leaves[0].key(), change.value)
        });
        assert_eq!(long, short);
        assert_eq!((long.0, long.1.as_str()), (1, "scaling.policies"));
        assert_eq!(long.2.as_array().map(Vec::len), Some(2));
    }

    #[test]
    fn a_change_keeps_what_stands_beside_it() {
        let mut table: Table = "[a]\nb = 1\nc = 2".parse().unwrap();
        let path = ["a", "b"].map(str::to_owned);
        put(&mut table, &path, &Toml::Integer(3));
        assert_eq!(table, "[a]\nb = 3\nc = 2".parse().unwrap());
        let path = ["x", "y", "z"].map(str::to_owned);
        put(&mut table, &path, &Toml::Boolean(true));
        assert_eq!(table["x"]["y"]["z"], Toml::Boolean(true));
    }
}
