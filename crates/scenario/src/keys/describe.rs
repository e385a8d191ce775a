//! Descriptions of all keys, as data.

use std::sync::LazyLock;

use toml::Table;

use super::Key;
use super::form::Form;
use crate::environment::Environment;

/// A table of a scenario: all of its keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TableDescription {
    /// The keys, in the order in which scenarios are written.
    pub keys: Vec<KeyDescription>,
}

/// One key of a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyDescription {
    /// Its name.
    pub name: &'static str,
    /// What it means, in a sentence or two.
    pub doc: &'static str,
    /// What its values look like.
    pub form: Form,
    /// Its value where a scenario does not state one.
    pub default: Default,
    /// Where it has an effect.
    pub used_in: &'static [Environment],
    /// For keys that only some variants of the table have: the key that selects the variant, and its values.
    pub when: Option<When>,
}

/// The variants that have a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct When {
    /// The key that selects the variant, such as `shape`.
    pub key: &'static str,
    /// The values of that key.
    pub is: Vec<&'static str>,
}

/// The value of a key that a scenario does not state.
#[derive(Clone, Debug, PartialEq)]
pub enum Default {
    /// None: scenarios must state it.
    Required,
    /// None: the documentation of the key says what leaving it out means.
    Optional,
    /// This value, from the preset.
    Value(toml::Value),
    /// A value from the preset that depends on another key.
    By {
        /// The other key.
        key: &'static str,
        /// The value for each value of that key.
        values: Vec<(String, toml::Value)>,
    },
}

impl TableDescription {
    /// The key with this name; the first if several variants have different ones.
    pub fn key(&self, name: &str) -> Option<&KeyDescription> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// One table while it is described.
#[derive(Debug)]
pub(crate) struct Describing<'p> {
    pub(super) table: TableDescription,
    /// The preset's tables that give this table its defaults.
    layers: Vec<&'p Table>,
    /// Defaults that depend on a key: its name, and a table for each of its values.
    choices: Vec<(&'static str, &'p Table)>,
    /// The preset's defaults for elements of lists, and for choices.
    each: &'p Table,
    /// The variant that is being described: the key that selects it, and its value.
    pub(super) variant: Option<(&'static str, &'static str)>,
}

impl<'p> Describing<'p> {
    /// The top level of the preset.
    pub(crate) fn new(preset: &'p Table) -> Self {
        let each = preset.get("each").and_then(toml::Value::as_table);
        Self {
            table: TableDescription::default(),
            layers: vec![preset],
            choices: Vec::new(),
            each: each.expect("the preset has a table `each`"),
            variant: None,
        }
    }

    /// A table without defaults.
    pub(crate) fn standalone() -> Self {
        static NOTHING: LazyLock<Table> = LazyLock::new(Table::new);
        Self {
            table: TableDescription::default(),
            layers: Vec::new(),
            choices: Vec::new(),
            each: &NOTHING,
            variant: None,
        }
    }

    /// The finished description.
    pub(crate) fn into_table(self) -> TableDescription {
        self.table
    }

    /// A table under `key`.
    pub(super) fn inner(&self, key: &str) -> Self {
        let layers = self.layers.iter().filter_map(|layer| layer.get(key));
        Self {
            table: TableDescription::default(),
            layers: layers.filter_map(toml::Value::as_table).collect(),
            choices: Vec::new(),
            each: self.each,
            variant: None,
        }
    }

    /// A table whose defaults are those of `each` alone, for elements of lists; `None` for a table without defaults.
    pub(super) fn element(&self, each: Option<&str>) -> Self {
        let mut inner = self.inner("");
        inner.layers.clear();
        inner.fall_back_on(each);
        inner
    }

    /// Adds the defaults of `each`.
    pub(super) fn fall_back_on(&mut self, each: Option<&str>) {
        let layer = each.map(|each| table_in(self.each, each));
        self.layers.extend(layer);
    }

    /// Adds defaults that depend on the value of `key`.
    pub(super) fn choose_by(&mut self, key: &'static str, each: &str) {
        self.choices.push((key, table_in(self.each, each)));
    }

    pub(super) fn push(&mut self, key: Key, form: Form, is_optional: bool) {
        let default = self.default_of(key.name, is_optional);
        let when = self.variant.map(|(key, value)| When {
            key,
            is: vec![value],
        });
        let description = KeyDescription {
            name: key.name,
            doc: key.doc,
            form,
            default,
            used_in: key.used_in,
            when,
        };
        self.merge(description);
    }

    /// Joins a key that several variants have in the same way.
    fn merge(&mut self, key: KeyDescription) {
        let same = self.table.keys.iter_mut().find(|other| {
            let alike = KeyDescription {
                when: key.when.clone(),
                ..(*other).clone()
            };
            other.when.is_some() && alike == key
        });
        match (same.and_then(|other| other.when.as_mut()), &key.when) {
            (Some(when), Some(more)) => when.is.extend(&more.is),
            _ => self.table.keys.push(key),
        }
    }

    fn default_of(&self, name: &str, is_optional: bool) -> Default {
        if let Some(value) = self.layers.iter().find_map(|layer| layer.get(name)) {
            return Default::Value(value.clone());
        }
        for (key, tables) in &self.choices {
            let of = |(choice, table): (&String, &toml::Value)| {
                Some((choice.clone(), table.get(name)?.clone()))
            };
            let values: Vec<_> = tables.iter().filter_map(of).collect();
            if !values.is_empty() {
                return Default::By { key, values };
            }
        }
        if is_optional {
            Default::Optional
        } else {
            Default::Required
        }
    }
}

fn table_in<'p>(table: &'p Table, key: &str) -> &'p Table {
    let inner = table.get(key).and_then(toml::Value::as_table);
    inner.unwrap_or_else(|| panic!("the preset has no table `each.{key}`"))
}
