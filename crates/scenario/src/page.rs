//! TOML while it is written: values, lists, inline tables and sections.

use std::fmt::{Display, Write as _};
use std::time::Duration;

use super::duration::Written;
use tiketi_core::units::Rate;

/// Text in quotes, escaped.
pub(super) fn text(text: &str) -> String {
    toml::Value::from(text).to_string()
}

pub(super) fn length(length: Duration) -> String {
    text(&Written(length).to_string())
}

pub(super) fn rate(rate: Rate) -> String {
    text(&format!("{}/s", rate.per_second()))
}

/// A list: on one line, or one line per element if the elements are tables.
pub(super) fn list(elements: impl Iterator<Item = String>) -> String {
    let elements: Vec<_> = elements.collect();
    if elements.iter().any(|element| element.starts_with('{')) {
        format!("[\n  {},\n]", elements.join(",\n  "))
    } else {
        format!("[{}]", elements.join(", "))
    }
}

/// A table on one line.
pub(super) fn inline_table<'k>(entries: impl Iterator<Item = (&'k str, String)>) -> String {
    let entries: Vec<_> = entries
        .map(|(key, value)| {
            let is_bare = !key.is_empty()
                && key
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
            let key = if is_bare { key.to_owned() } else { text(key) };
            // Lists in inline tables go on the same line.
            format!("{key} = {}", value.replace("\n  ", "").replace(",\n]", "]"))
        })
        .collect();
    format!("{{ {} }}", entries.join(", "))
}

/// One table while it is written: its values and the sections below it.
#[derive(Debug, Default)]
pub(super) struct Page {
    values: Vec<(String, String)>,
    sections: Vec<(String, Self)>,
    /// Where the next value or section goes: before the one with this name.
    next_before: Option<&'static str>,
}

impl Page {
    /// Adds a value, written as TOML.
    pub(super) fn push(&mut self, key: &str, value: impl Display) {
        let before = self.next_before.take();
        insert(
            &mut self.values,
            before,
            (key.to_owned(), value.to_string()),
        );
    }

    /// Adds a section with a header of its own.
    pub(super) fn push_section(&mut self, key: &str, section: Self) {
        let before = self.next_before.take();
        insert(&mut self.sections, before, (key.to_owned(), section));
    }

    /// Puts the next value or section before the one called `key`.
    pub(super) const fn insert_before(&mut self, key: &'static str) {
        self.next_before = Some(key);
    }

    /// The table on one line.
    pub(super) fn inline(&self) -> String {
        assert!(self.sections.is_empty(), "an inline table has no sections");
        let values = self.values.iter();
        inline_table(values.map(|(key, value)| (key.as_str(), value.clone())))
    }

    /// The table as lines, and its sections with headers that begin with `path`.
    pub(super) fn lines(&self, path: &str) -> String {
        let mut lines = String::new();
        for (key, value) in &self.values {
            writeln!(lines, "{key} = {value}").expect("writing to a string cannot fail");
        }
        for (key, section) in &self.sections {
            let path = if path.is_empty() {
                key.clone()
            } else {
                format!("{path}.{key}")
            };
            let inner = section.lines(&path);
            write!(lines, "\n[{path}]\n{inner}").expect("writing to a string cannot fail");
        }
        lines
    }
}

fn insert<V>(entries: &mut Vec<(String, V)>, before: Option<&str>, entry: (String, V)) {
    let place = before.and_then(|key| entries.iter().position(|(name, _)| name == key));
    entries.insert(place.unwrap_or(entries.len()), entry);
}
