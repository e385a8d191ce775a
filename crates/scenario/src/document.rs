//! The raw scenario: TOML tables in layers (the file over the preset), read key by key.
//!
//! Deserializing into structs would stop at the first wrong type. Here every read that fails reports its problem and
//! returns `None`, so that one pass finds all problems. The keys that a reader asks for *are* the known keys of its
//! table, so no separate list of them can go stale.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::{Diagnostics, Problem, syntax_problem};
use super::keys::{Form, Limits, TableDescription};
use super::value::Value;

/// The hint for unknown keys that are similar to no known one.
const UNKNOWN_KEY: &str = "remove it, or move it to the table it belongs to";

/// One file while it is read: its text, the preset under it, and the problems found so far.
#[derive(Debug)]
pub struct Problems<'d> {
    text: &'d str,
    preset: Option<&'d DeTable<'d>>,
    list: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
}

impl<'d> Problems<'d> {
    /// Starts reading a file that stands alone.
    pub fn new(text: &'d str) -> Self {
        Self {
            text,
            preset: None,
            list: RefCell::default(),
            warnings: RefCell::default(),
        }
    }

    /// Starts reading a file over a preset.
    pub(crate) fn over_preset(text: &'d str, preset: &'d DeTable<'d>) -> Self {
        Self {
            preset: Some(preset),
            ..Self::new(text)
        }
    }

    /// Adds a problem that knows its place.
    pub fn report(&self, problem: Problem) {
        self.list.borrow_mut().push(problem);
    }

    /// Adds a warning that knows its place: the scenario is valid, but something in it is probably not meant.
    pub(crate) fn warn(&self, problem: Problem) {
        self.warnings.borrow_mut().push(problem);
    }

    /// Takes the warnings out.
    pub(crate) fn take_warnings(&self) -> Vec<Problem> {
        self.warnings.take()
    }

    /// The file's text at `span`.
    pub(crate) fn text_at(&self, span: Range<usize>) -> &'d str {
        self.text.get(span).unwrap_or_default()
    }

    /// The preset's table `each.<name>`: what elements of a list get where they state nothing.
    fn each(&self, name: &str) -> Option<Layer<'d>> {
        let each = table_in(self.preset?, "each")?;
        Some(Layer {
            table: table_in(each, name)?,
            header: None,
        })
    }

    /// All problems.
    pub fn into_list(self) -> Vec<Problem> {
        self.list.into_inner()
    }
}

/// Reads the file `source_name` that stands alone, or reports everything that is wrong with it.
///
/// `resolve` returns `None` after it has reported a problem.
pub fn read<T>(
    source_name: &str,
    text: &str,
    resolve: impl FnOnce(&Section<'_>) -> Option<T>,
) -> Result<T, Diagnostics> {
    let problems = Problems::new(text);
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let problems = errors.iter().map(|error| syntax_problem(error, text));
        return Err(Diagnostics::new(source_name, text, problems.collect()));
    }
    let layer = Layer {
        table: document.get_ref(),
        header: Some((0, 0)),
    };
    let root = Section::new(String::new(), vec![layer], &problems);
    let resolved = resolve(&root);
    drop(root);
    let list = problems.into_list();
    match resolved {
        Some(resolved) if list.is_empty() => Ok(resolved),
        _ => {
            assert!(!list.is_empty(), "a file was rejected without a reason");
            Err(Diagnostics::new(source_name, text, list))
        }
    }
}

fn table_in<'d>(table: &'d DeTable<'d>, key: &str) -> Option<&'d DeTable<'d>> {
    let (_, node) = table.iter().find(|(name, _)| name.get_ref() == key)?;
    match node.get_ref() {
        DeValue::Table(inner) => Some(inner),
        _ => None,
    }
}

/// One table of one layer.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'d> {
    /// The table.
    pub table: &'d DeTable<'d>,
    /// First and last byte of the table in the file; `None` for the preset.
    pub header: Option<(usize, usize)>,
}

/// One table of the scenario: what the file says, and what the preset says where the file is silent.
///
/// Dropping it reports the keys of the file that were never asked for.
#[derive(Debug)]
pub struct Section<'d> {
    path: String,
    layers: Vec<Layer<'d>>,
    asked: RefCell<BTreeSet<&'static str>>,
    keys_are_free: Cell<bool>,
    /// Whether defaults are missing because the key that selects them has a problem.
    lacks_defaults: bool,
    /// Where the table around it is, for problems of a table that is not in the file.
    around: Range<usize>,
    problems: &'d Problems<'d>,
}

impl<'d> Section<'d> {
    /// Opens the table called `path` (empty for the top level).
    pub fn new(path: String, layers: Vec<Layer<'d>>, problems: &'d Problems<'d>) -> Self {
        Self {
            path,
            layers,
            asked: RefCell::default(),
            keys_are_free: Cell::new(false),
            lacks_defaults: false,
            around: 0..0,
            problems,
        }
    }

    /// Takes what the layers leave open from the preset's table `each.<name>`.
    pub(crate) fn fall_back_on(&mut self, each: &str) {
        self.layers.extend(self.problems.each(each));
    }

    /// Takes what the layers leave open from the preset's table `each.<name>.<choice>`.
    ///
    /// Without a choice, which then has a problem of its own, missing keys are not reported.
    pub(crate) fn choose_defaults(&mut self, each: &str, choice: Option<&str>) {
        let Some(choice) = choice else {
            self.lacks_defaults = true;
            return;
        };
        let each = self.problems.each(each);
        let layer = each.and_then(|each| {
            let table = table_in(each.table, choice)?;
            Some(Layer {
                table,
                header: None,
            })
        });
        self.layers.extend(layer);
    }

    /// The value of `key`, from the topmost layer that has it.
    pub fn find(&self, key: &'static str) -> Option<Value<'d>> {
        self.asked.borrow_mut().insert(key);
        self.look_up(key)
    }

    /// The value of `key`; reports a problem with the expected values if no layer has it.
    pub fn value(&self, key: &'static str, expected: impl fmt::Display) -> Option<Value<'d>> {
        let found = self.find(key);
        if found.is_none() && !self.lacks_defaults {
            let message = format!("`{key}` is missing{}", self.in_words());
            let problem = Problem::new(message).expected(expected);
            self.complain(&[], problem.help(format!("add a line `{key} = …`")));
        }
        found
    }

    /// The value of `key`; reports a problem with the expected form if no layer has it.
    pub(crate) fn expect(
        &self,
        key: &'static str,
        form: impl FnOnce() -> Form,
    ) -> Option<Value<'d>> {
        // Describing a form can take longer than looking up the value.
        self.find(key).or_else(|| self.value(key, form()))
    }

    /// ` in <table>`; nothing for the top level.
    fn in_words(&self) -> String {
        if self.path.is_empty() {
            String::new()
        } else {
            format!(" in `{}`", self.path)
        }
    }

    /// Its path, such as `scaling.policies[0]`; empty for the top level.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    fn look_up(&self, key: &str) -> Option<Value<'d>> {
        self.layers.iter().find_map(|layer| {
            let (_, node) = layer
                .table
                .iter()
                .find(|(name, _)| name.get_ref().as_ref() == key)?;
            Some(self.child(key, node, layer.header.is_some()))
        })
    }

    fn child(&self, key: &str, node: &'d Spanned<DeValue<'d>>, is_in_file: bool) -> Value<'d> {
        Value::new(self.path_of(key), node, is_in_file, self.problems)
    }

    pub(crate) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// The table under `key`, merged over all layers that have it.
    pub fn section(&self, key: &'static str) -> Self {
        self.asked.borrow_mut().insert(key);
        let layers = self
            .layers
            .iter()
            .filter_map(|layer| {
                let (_, node) = layer
                    .table
                    .iter()
                    .find(|(name, _)| name.get_ref().as_ref() == key)?;
                self.child(key, node, layer.header.is_some()).layer()
            })
            .collect();
        let mut section = Self::new(self.path_of(key), layers, self.problems);
        section.around = self.header();
        section
    }

    /// The same table, opened a second time: its unknown keys are not reported again.
    pub(crate) fn peek(&self, key: &'static str) -> Self {
        let section = self.section(key);
        section.accept_any_key();
        section
    }

    /// The table under `key` in the topmost layer that has it, not merged with those below.
    pub(crate) fn topmost(&self, key: &'static str) -> Self {
        let form = || Form::Table(TableDescription::default());
        let layers = self.expect(key, form).and_then(|value| value.layer());
        let layers = layers.into_iter().collect();
        Self::new(self.path_of(key), layers, self.problems)
    }

    /// The elements of the list of tables under `key`, each over the preset's table `each.<name>`. `None` if the list has a
    /// problem, which has been reported.
    pub fn elements(
        &self,
        key: &'static str,
        count: Limits<usize>,
        each: Option<&str>,
    ) -> Option<Vec<Self>> {
        let of = || Box::new(Form::Table(TableDescription::default()));
        let list = self.expect(key, || Form::List { of: of(), count });
        let elements = list?.elements(count)?;
        let over_fallback = |element: Value<'d>| {
            let mut section = element.section()?;
            if let Some(each) = each {
                section.fall_back_on(each);
            }
            Some(section)
        };
        let sections: Vec<_> = elements.into_iter().map(over_fallback).collect();
        sections.into_iter().collect()
    }

    /// All entries in the order of the file, for tables whose keys the author chooses.
    pub fn entries(&self) -> Vec<(&'d Spanned<toml::de::DeString<'d>>, Value<'d>)> {
        self.keys_are_free.set(true);
        let mut entries: Vec<_> = self
            .layers
            .iter()
            .flat_map(|layer| layer.table.iter().map(move |entry| (entry, layer)))
            .map(|((key, node), layer)| {
                (key, self.child(key.get_ref(), node, layer.header.is_some()))
            })
            .collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        entries
    }

    /// Does not report unknown keys: which keys are known depends on a value that has a problem.
    pub fn accept_any_key(&self) {
        self.keys_are_free.set(true);
    }

    /// Whether unknown keys are not reported.
    pub(crate) const fn accepts_any_key(&self) -> bool {
        self.keys_are_free.get()
    }

    /// Reports a problem at the first of these keys that the file states, or else at the table's header.
    pub fn complain(&self, keys: &[&str], problem: Problem) {
        let stated = keys
            .iter()
            .filter_map(|key| self.look_up(key))
            .find(Value::is_in_file);
        let span = match stated {
            Some(value) => value.span(),
            None => self.header(),
        };
        self.problems.report(problem.at(span));
    }

    /// Reports a problem that knows its place.
    pub fn report(&self, problem: Problem) {
        self.problems.report(problem);
    }

    /// Where the table is in the file; the table around it if it is not there.
    fn header(&self) -> Range<usize> {
        let header = self.layers.iter().find_map(|layer| layer.header);
        header.map_or_else(|| self.around.clone(), |(start, end)| start..end)
    }
}

impl Drop for Section<'_> {
    fn drop(&mut self) {
        if self.keys_are_free.get() {
            return;
        }
        let asked = self.asked.borrow();
        let in_file = self.layers.iter().filter(|layer| layer.header.is_some());
        for key in in_file.flat_map(|layer| layer.table.keys()) {
            let name = key.get_ref().as_ref();
            if asked.contains(name) {
                continue;
            }
            let known = Form::OneOf(asked.iter().copied().collect());
            let problem = Problem::new(format!("unknown key `{name}`{}", self.in_words()))
                .expected(known)
                .did_you_mean_or(name, asked.iter().copied(), UNKNOWN_KEY);
            self.problems.report(problem.at(key.span()));
        }
    }
}
