//! Reads one table of a mapping: the keys that are asked for are the known ones.

use crate::problem::{At, Problems, one_of};
use crate::tree::{Entry, Node, Tree};

/// One table while it is read.
pub(crate) struct Table<'t> {
    pub(crate) at: At,
    entries: &'t [Entry],
    asked: Vec<&'static str>,
}

impl<'t> Table<'t> {
    /// Opens a table; reports a value that is none.
    pub(crate) fn open(at: At, tree: &'t Tree, problems: &mut Problems) -> Option<Self> {
        if let Node::Table(entries) = &tree.node {
            return Some(Self {
                at,
                entries,
                asked: Vec::new(),
            });
        }
        problems.reject(&at, tree, "a table", "write it as `{ key = value }`");
        None
    }

    /// Returns the value of a key with its place; `None` if it is not there.
    pub(crate) fn find(&mut self, key: &'static str) -> Option<(At, &'t Tree)> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        let entry = self.entries.iter().find(|entry| entry.key.name == key)?;
        Some((self.at.key(key, &entry.value), &entry.value))
    }

    /// Returns the text of a key; reports another value.
    pub(crate) fn text(
        &mut self,
        key: &'static str,
        expected: &str,
        problems: &mut Problems,
    ) -> Option<(At, &'t str)> {
        let (at, tree) = self.find(key)?;
        let text = tree.text();
        if text.is_none() {
            problems.reject(&at, tree, expected, "write it in quotes");
        }
        text.map(|text| (at, text))
    }

    /// Returns all lines, for tables whose keys the author chooses.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (At, &'t Entry)> + '_ {
        self.entries
            .iter()
            .map(|entry| (self.at.key(&entry.key.name, &entry.value), entry))
    }

    /// Reports the keys that nobody asked for.
    pub(crate) fn finish(self, problems: &mut Problems) {
        let Self { at, entries, asked } = self;
        for entry in entries {
            if !asked.contains(&entry.key.name.as_str()) {
                let mut place = at.key(&entry.key.name, &entry.value);
                if !entry.key.span.is_empty() {
                    place.span = entry.key.span.clone();
                }
                place.path.clone_from(&at.path);
                problems.unknown(&place, "key", &entry.key.name, &asked);
            }
        }
    }
}

/// Returns the value with this name; reports another one with the names there are.
pub(crate) fn named<T: Copy>(
    at: &At,
    text: &str,
    all: &[(&'static str, T)],
    problems: &mut Problems,
) -> Option<T> {
    let found = all.iter().find(|(name, _)| *name == text);
    if found.is_none() {
        let names: Vec<_> = all.iter().map(|(name, _)| *name).collect();
        let message = format!("`{}` is \"{text}\"", at.path);
        problems.report(at, message, one_of(&names), "write one of these names");
    }
    found.map(|(_, value)| *value)
}
