//! The raw scenario: TOML tables in layers (the file over the preset), read key by key.
//!
//! Deserializing into structs would stop at the first wrong type. Here every read that fails reports its problem and
//! yields `None`, so that one pass finds everything; and the keys a reader asks for *are* the legal keys of its table,
//! so that none can be forgotten in a list.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::Problem;
use super::value::Value;

/// The problems found so far, and the text they are found in.
#[derive(Debug)]
pub struct Problems<'d> {
    text: &'d str,
    list: RefCell<Vec<Problem>>,
}

impl<'d> Problems<'d> {
    /// Starts an empty list of problems with `text`.
    pub fn new(text: &'d str) -> Self {
        Self {
            text,
            list: RefCell::default(),
        }
    }

    /// Adds a problem.
    pub fn report(&self, problem: Problem) {
        self.list.borrow_mut().push(problem);
    }

    /// Adds `word` to the legal values of the latest problem.
    pub fn also_legal(&self, word: &str) {
        if let Some(problem) = self.list.borrow_mut().last_mut()
            && let Some(legal) = &mut problem.legal
        {
            *legal = format!("\"{word}\", or {legal}");
        }
    }

    /// Adds to the legal values of the latest problem what cannot be listed.
    pub fn or_legal(&self, words: &str) {
        if let Some(problem) = self.list.borrow_mut().last_mut()
            && let Some(legal) = &mut problem.legal
        {
            *legal = format!("{legal}, or {words}");
        }
    }

    /// The file's text at `span`.
    pub fn text_at(&self, span: Range<usize>) -> &'d str {
        self.text.get(span).unwrap_or_default()
    }

    /// Returns the problems in the order in which they were found.
    pub fn into_list(self) -> Vec<Problem> {
        self.list.into_inner()
    }
}

/// One table of one layer.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'d> {
    /// The parsed file.
    pub table: &'d DeTable<'d>,
    /// Where the table stands in the file; `None` for the preset.
    pub header: Option<(usize, usize)>,
}

/// One table of the scenario as it holds: what the file says, and under it what the preset says.
///
/// Dropping it reports the keys of the file that nobody asked for.
#[derive(Debug)]
pub struct Section<'d> {
    path: String,
    layers: Vec<Layer<'d>>,
    asked: RefCell<BTreeSet<&'static str>>,
    keys_are_free: Cell<bool>,
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
            problems,
        }
    }

    /// The same table over one more layer, which answers what the others leave open.
    pub fn over(mut self, fallback: Option<Layer<'d>>) -> Self {
        self.layers.extend(fallback);
        self
    }

    /// The value of `key`, from the uppermost layer that has it.
    pub fn find(&self, key: &'static str) -> Option<Value<'d>> {
        self.asked.borrow_mut().insert(key);
        self.look_up(key)
    }

    /// The value of `key`; reports a problem if no layer has it.
    pub fn value(&self, key: &'static str) -> Option<Value<'d>> {
        let found = self.find(key);
        if found.is_none() {
            let of = if self.path.is_empty() {
                String::new()
            } else {
                format!(" in `{}`", self.path)
            };
            self.complain(&[], Problem::new(format!("`{key}` is missing{of}")));
        }
        found
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

    fn path_of(&self, key: &str) -> String {
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
        Self::new(self.path_of(key), layers, self.problems)
    }

    /// The table under `key` in the preset alone, for defaults that are looked up by a value of the file.
    pub fn preset_layer(&self, key: &str) -> Option<Layer<'d>> {
        let layer = self.layers.iter().find(|layer| layer.header.is_none())?;
        self.layer_in(*layer, key)
    }

    /// The value of `key` in `layer`, which belongs to the preset.
    pub fn value_in(&self, layer: Layer<'d>, key: &str) -> Option<Value<'d>> {
        let (_, node) = layer
            .table
            .iter()
            .find(|(name, _)| name.get_ref().as_ref() == key)?;
        Some(self.child(key, node, false))
    }

    /// The table under `key` in `layer`, which belongs to the preset.
    pub fn layer_in(&self, layer: Layer<'d>, key: &str) -> Option<Layer<'d>> {
        self.value_in(layer, key)?.layer()
    }

    /// The table under `key` in the uppermost layer that has it, not merged with those below.
    pub fn topmost(&self, key: &'static str) -> Self {
        let layers = self.value(key).and_then(|value| value.layer());
        let layers = layers.into_iter().collect();
        Self::new(self.path_of(key), layers, self.problems)
    }

    /// The elements of the array of tables under `key`, each over `fallback`.
    pub fn elements(&self, key: &'static str, fallback: Option<Layer<'d>>) -> Vec<Self> {
        let Some(elements) = self.value(key).and_then(|value| value.elements()) else {
            return Vec::new();
        };
        elements
            .into_iter()
            .filter_map(|element| element.section())
            .map(|element| element.over(fallback))
            .collect()
    }

    /// All entries in the order of the file, for tables whose keys are names of the author's choice.
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

    /// Stops looking for unknown keys: which ones are legal hangs on a value that is wrong itself.
    pub fn accept_any_key(&self) {
        self.keys_are_free.set(true);
    }

    /// Whether the file (and not the preset) says something about `key`.
    pub fn is_in_file(&self, key: &str) -> bool {
        self.look_up(key).is_some_and(|value| value.is_in_file())
    }

    /// Reports a problem at the first of these keys that stands in the file, else at the table's header.
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

    /// Where the table begins in the file; the start of the file if it is not there.
    fn header(&self) -> Range<usize> {
        let header = self.layers.iter().find_map(|layer| layer.header);
        header.map_or(0..0, |(start, end)| start..end)
    }
}

impl Drop for Section<'_> {
    fn drop(&mut self) {
        if self.keys_are_free.get() {
            return;
        }
        let asked = self.asked.borrow();
        let legal = || asked.iter().copied().collect::<Vec<_>>().join(", ");
        let in_file = self.layers.iter().filter(|layer| layer.header.is_some());
        for key in in_file.flat_map(|layer| layer.table.keys()) {
            let name = key.get_ref().as_ref();
            if asked.contains(name) {
                continue;
            }
            let of = if self.path.is_empty() {
                String::new()
            } else {
                format!(" in `{}`", self.path)
            };
            self.problems.report(
                Problem::new(format!("unknown key `{name}`{of}"))
                    .at(key.span())
                    .legal(legal())
                    .did_you_mean(name, asked.iter().copied()),
            );
        }
    }
}
