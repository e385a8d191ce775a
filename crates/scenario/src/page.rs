//! TOML as it is written: values, lists, inline tables, and the page they stand on.

use std::fmt::{Display, Write as _};
use std::time::Duration;

use super::duration::Written;
use tiketi_core::units::{Rate, SimTime};

/// A TOML text in quotes, escaped.
pub(super) fn text(text: &str) -> String {
    toml::Value::from(text).to_string()
}

pub(super) fn length(length: Duration) -> String {
    text(&Written(length).to_string())
}

pub(super) fn instant(at: SimTime) -> String {
    length(at.since_start())
}

pub(super) fn rate(rate: Rate) -> String {
    text(&format!("{}/s", rate.per_second()))
}

pub(super) fn or_word<T>(
    value: Option<&T>,
    word: &str,
    write: impl FnOnce(&T) -> String,
) -> String {
    value.map_or_else(|| text(word), write)
}

pub(super) fn list(elements: impl Iterator<Item = String>) -> String {
    let elements: Vec<_> = elements.collect();
    match elements.as_slice() {
        // One element a line only where they are long.
        several if several.iter().any(|element| element.starts_with('{')) => {
            format!("[\n  {},\n]", several.join(",\n  "))
        }
        few => format!("[{}]", few.join(", ")),
    }
}

pub(super) fn table(entries: &[(&str, String)]) -> String {
    inline_table(entries.iter().map(|(key, value)| (*key, value.clone())))
}

pub(super) fn inline_table<'k>(entries: impl Iterator<Item = (&'k str, String)>) -> String {
    let entries: Vec<_> = entries
        .map(|(key, value)| {
            let is_bare = !key.is_empty()
                && key
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
            let key = if is_bare { key.to_owned() } else { text(key) };
            // Inline tables stay on one line whatever stands in them.
            format!("{key} = {}", value.replace("\n  ", "").replace(",\n]", "]"))
        })
        .collect();
    format!("{{ {} }}", entries.join(", "))
}

/// The file while it is written.
#[derive(Default)]
pub(super) struct Page {
    pub(super) text: String,
}

impl Page {
    pub(super) fn line(&mut self, line: impl Display) {
        writeln!(self.text, "{line}").expect("writing to a string cannot fail");
    }

    pub(super) fn header(&mut self, name: &str) {
        self.line(format_args!("\n[{name}]"));
    }

    pub(super) fn entry(&mut self, key: &str, value: impl Display) {
        self.line(format_args!("{key} = {value}"));
    }
}
