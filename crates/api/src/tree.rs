//! A mapping as it is written: tables, lists and values with their places in a file.

use std::fmt::Write as _;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One value of a mapping, with its place in the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tree {
    /// The value.
    pub node: Node,
    /// Its bytes in the file; empty if it comes from a preset, or was read back from a plan.
    #[serde(skip)]
    pub span: Range<usize>,
}

/// What is written at one place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Node {
    /// A text.
    Text(String),
    /// A whole number.
    Whole(i64),
    /// Another number.
    Number(f64),
    /// `true` or `false`.
    Flag(bool),
    /// A list.
    List(Vec<Tree>),
    /// A table, in the order of the file.
    Table(Vec<Entry>),
}

/// One line of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The key.
    pub key: Key,
    /// Its value.
    pub value: Tree,
}

/// A key with its place.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Key {
    /// The name.
    pub name: String,
    /// Its bytes in the file.
    pub span: Range<usize>,
}

impl From<String> for Key {
    fn from(name: String) -> Self {
        Self { name, span: 0..0 }
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.name
    }
}

/// Places do not matter: two mappings are equal if they say the same.
impl PartialEq for Tree {
    fn eq(&self, other: &Self) -> bool {
        self.node == other.node
    }
}

/// As for [`Tree`].
impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Tree {
    /// Converts a value of a TOML file.
    pub fn from_value(value: &Spanned<DeValue<'_>>) -> Self {
        let node = match value.get_ref() {
            DeValue::String(text) => Node::Text(text.to_string()),
            DeValue::Integer(number) => {
                let digits = number.as_str().replace('_', "");
                match i64::from_str_radix(&digits, number.radix()) {
                    Ok(whole) => Node::Whole(whole),
                    Err(_) => Node::Text(number.to_string()),
                }
            }
            DeValue::Float(number) => match number.as_str().replace('_', "").parse() {
                Ok(number) if f64::is_finite(number) => Node::Number(number),
                // JSON has no others.
                Ok(_) | Err(_) => Node::Text(number.to_string()),
            },
            DeValue::Boolean(flag) => Node::Flag(*flag),
            DeValue::Datetime(date) => Node::Text(date.to_string()),
            DeValue::Array(list) => Node::List(list.iter().map(Self::from_value).collect()),
            DeValue::Table(table) => return Self::from_table(table, value.span()),
        };
        Self {
            node,
            span: value.span(),
        }
    }

    /// Converts a table of a TOML file.
    pub fn from_table(table: &DeTable<'_>, span: Range<usize>) -> Self {
        let mut entries: Vec<Entry> = table
            .iter()
            .map(|(key, value)| Entry {
                key: Key {
                    name: key.get_ref().to_string(),
                    span: key.span(),
                },
                value: Self::from_value(value),
            })
            .collect();
        entries.sort_by_key(|entry| entry.key.span.start);
        Self {
            node: Node::Table(entries),
            span,
        }
    }

    /// Returns the table without places, for presets and what was read back.
    pub(crate) fn without_places(mut self) -> Self {
        self.span = 0..0;
        match &mut self.node {
            Node::Table(entries) => {
                for entry in entries {
                    entry.key.span = 0..0;
                    let value = std::mem::replace(&mut entry.value, Self::empty());
                    entry.value = value.without_places();
                }
            }
            Node::List(list) => {
                let values = std::mem::take(list).into_iter();
                *list = values.map(Self::without_places).collect();
            }
            Node::Text(_) | Node::Whole(_) | Node::Number(_) | Node::Flag(_) => {}
        }
        self
    }

    fn empty() -> Self {
        Self {
            node: Node::Table(Vec::new()),
            span: 0..0,
        }
    }

    /// Returns the value of a table's key; `None` if it has none, or this is no table.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entries()
            .iter()
            .find(|entry| entry.key.name == key)
            .map(|entry| &entry.value)
    }

    /// Returns the lines of a table; nothing for other values.
    pub fn entries(&self) -> &[Entry] {
        match &self.node {
            Node::Table(entries) => entries,
            _ => &[],
        }
    }

    /// Returns the text; `None` for other values.
    pub fn text(&self) -> Option<&str> {
        match &self.node {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Merges this mapping over `base`: tables of roles key by key, everything else as a whole.
    pub(crate) fn over(self, base: &Self) -> Self {
        let (Node::Table(mut entries), Node::Table(below)) = (self.node, &base.node) else {
            unreachable!("mappings are tables");
        };
        for entry in below {
            let own = entries.iter_mut().find(|own| own.key == entry.key);
            let Some(own) = own else {
                entries.push(entry.clone());
                continue;
            };
            // The keys of a role are merged. Their values, such as the rows of `means`, are not: half a list means nothing.
            if let (Node::Table(own), Node::Table(below)) = (&mut own.value.node, &entry.value.node)
            {
                let missing = below
                    .iter()
                    .filter(|line| !own.iter().any(|one| one.key == line.key));
                let missing: Vec<_> = missing.cloned().collect();
                own.extend(missing);
            }
        }
        Self {
            node: Node::Table(entries),
            span: self.span,
        }
    }

    /// Writes the value as TOML on one line.
    pub fn to_inline(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        match &self.node {
            Node::Text(text) => out.push_str(&quoted(text)),
            Node::Whole(number) => write!(out, "{number}").expect("a string takes everything"),
            Node::Number(number) => write!(out, "{number:?}").expect("a string takes everything"),
            Node::Flag(flag) => write!(out, "{flag}").expect("a string takes everything"),
            Node::List(list) => {
                out.push('[');
                for (place, value) in list.iter().enumerate() {
                    out.push_str(if place == 0 { "" } else { ", " });
                    value.write(out);
                }
                out.push(']');
            }
            Node::Table(entries) => {
                out.push('{');
                for (place, entry) in entries.iter().enumerate() {
                    out.push_str(if place == 0 { " " } else { ", " });
                    out.push_str(&key_written(&entry.key.name));
                    out.push_str(" = ");
                    entry.value.write(out);
                }
                out.push_str(if entries.is_empty() { "}" } else { " }" });
            }
        }
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn key_written(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(is_bare) {
        name.to_owned()
    } else {
        quoted(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Tree {
        let table = DeTable::parse(text).unwrap();
        Tree::from_table(table.get_ref(), 0..0)
    }

    #[test]
    fn what_is_written_on_one_line_reads_back_the_same() {
        let text = "a = [1, -2.5, true]\n\"/b c\" = \"x\\n\\\"y\\\"\"\nc = { d = {}, e = 0x1f }\n";
        let first = tree(text);
        let again = tree(&format!("all = {}", first.to_inline()));
        assert_eq!(again.get("all"), Some(&first));
    }

    #[test]
    fn a_role_is_merged_key_by_key_and_its_rows_are_not() {
        let base = tree("[pay]\ncall = \"a\"\nmeans = [1, 2]\n[other]\ncall = \"b\"\n");
        let own = tree("[pay]\nmeans = [3]\n");
        let merged = own.over(&base);
        assert_eq!(
            merged.to_inline(),
            "{ pay = { means = [3], call = \"a\" }, other = { call = \"b\" } }"
        );
    }
}
