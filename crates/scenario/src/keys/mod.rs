//! One description of each key: for reading, writing, defaults and documentation.
//!
//! A function such as `clock(keys: &mut Keys<'_, '_, Clock>) -> Option<Clock>` lists the keys of a table once. It runs
//! in three modes:
//!
//! - *read*: each key is looked up in the scenario and the preset; problems are reported, and the table is built;
//! - *write*: each key is written from an existing table;
//! - *describe*: name, documentation, form and default of each key are collected.
//!
//! Only reading yields values: in the other modes every key is `None`. So a function asks for all keys before it uses
//! the first one, which also lets one pass find every problem of a file.

mod describe;
mod form;
pub(crate) mod kind;
mod limits;

pub use describe::{Default, KeyDescription, TableDescription, When};
pub use form::Form;
pub use limits::Limits;

pub(crate) use describe::Describing;
pub(crate) use form::LENGTH_EXAMPLES;
pub(crate) use kind::TEXT_MAX;

use super::diagnostic::Problem;
use super::document::Section;
use super::environment::Environment;
use super::page::{Page, list};
use kind::{Kind, OneOf};
use tiketi_core::names::Named;

/// A key: its name and its documentation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    name: &'static str,
    doc: &'static str,
    used_in: &'static [Environment],
}

/// A key that has an effect everywhere.
pub(crate) const fn key(name: &'static str, doc: &'static str) -> Key {
    Key {
        name,
        doc,
        used_in: &Environment::ALL,
    }
}

impl Key {
    /// The name.
    pub(crate) const fn name(self) -> &'static str {
        self.name
    }

    /// The same key, with an effect in these environments only.
    pub(crate) const fn only(mut self, used_in: &'static [Environment]) -> Self {
        self.used_in = used_in;
        self
    }
}

/// The keys of one table, which is read, written or described.
pub(crate) struct Keys<'k, 'd, T> {
    mode: Mode<'k, 'd, T>,
}

enum Mode<'k, 'd, T> {
    Read(Section<'d>),
    Write { of: &'k T, page: &'k mut Page },
    Describe(&'k mut Describing<'d>),
}

/// Tables of a list that were read: their values (`None` if one of them has a problem), and their places in the file.
pub(crate) struct Elements<'d, U> {
    pub(crate) values: Option<Vec<U>>,
    pub(crate) sections: Vec<Section<'d>>,
}

impl<'k, 'd, T> Keys<'k, 'd, T> {
    /// Reads the table.
    pub(crate) const fn reading(section: Section<'d>) -> Self {
        let mode = Mode::Read(section);
        Self { mode }
    }

    /// Writes `of` to the page.
    pub(crate) const fn writing(of: &'k T, page: &'k mut Page) -> Self {
        let mode = Mode::Write { of, page };
        Self { mode }
    }

    /// Describes the table.
    pub(crate) const fn describing(table: &'k mut Describing<'d>) -> Self {
        let mode = Mode::Describe(table);
        Self { mode }
    }

    /// A key with a value.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "kinds are small and written where they are passed"
    )]
    pub(crate) fn value<K: Kind>(
        &mut self,
        key: Key,
        kind: K,
        get: impl FnOnce(&T) -> K::Value,
    ) -> Option<K::Value> {
        match &mut self.mode {
            Mode::Read(section) => kind.read(&section.expect(key.name, || kind.form())?),
            Mode::Write { of, page } => {
                page.push(key.name, kind.write(&get(of)));
                None
            }
            Mode::Describe(table) => {
                table.push(key, kind.form(), false);
                None
            }
        }
    }

    /// A key that only the current variant has. `get` returns `None` for the others.
    pub(crate) fn field<K: Kind>(
        &mut self,
        key: Key,
        kind: K,
        get: impl FnOnce(&T) -> Option<K::Value>,
    ) -> Option<K::Value> {
        let name = key.name;
        self.value(key, kind, |of| {
            get(of).unwrap_or_else(|| panic!("this variant has no `{name}`"))
        })
    }

    /// A key that may be left out: `Some(None)` where it is.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "kinds are small and written where they are passed"
    )]
    pub(crate) fn optional<K: Kind>(
        &mut self,
        key: Key,
        kind: K,
        get: impl FnOnce(&T) -> Option<K::Value>,
    ) -> Option<Option<K::Value>> {
        match &mut self.mode {
            Mode::Read(section) => match section.find(key.name) {
                Some(value) => kind.read(&value).map(Some),
                None => Some(None),
            },
            Mode::Write { of, page } => {
                if let Some(value) = get(of) {
                    page.push(key.name, kind.write(&value));
                }
                None
            }
            Mode::Describe(table) => {
                table.push(key, kind.form(), true);
                None
            }
        }
    }

    /// A key whose reading depends on more than its value.
    pub(crate) fn special<V>(
        &mut self,
        key: Key,
        form: impl FnOnce() -> Form,
        read: impl FnOnce(&Section<'d>) -> Option<V>,
        write: impl FnOnce(&T) -> String,
    ) -> Option<V> {
        match &mut self.mode {
            Mode::Read(section) => read(section),
            Mode::Write { of, page } => {
                page.push(key.name, write(of));
                None
            }
            Mode::Describe(table) => {
                table.push(key, form(), true);
                None
            }
        }
    }

    /// A section whose keys the author of the scenario chooses.
    pub(crate) fn free_section<V>(
        &mut self,
        key: Key,
        form: impl FnOnce() -> Form,
        read: impl FnOnce(&Section<'d>) -> Option<V>,
        write: impl FnOnce(&T, &mut Page),
    ) -> Option<V> {
        match &mut self.mode {
            Mode::Read(section) => read(&section.topmost(key.name)),
            Mode::Write { of, page } => {
                let mut inner = Page::default();
                write(of, &mut inner);
                page.push_section(key.name, inner);
                None
            }
            Mode::Describe(table) => {
                table.push(key, form(), false);
                None
            }
        }
    }

    /// A section: `[key]`.
    pub(crate) fn section<U, R>(
        &mut self,
        key: Key,
        get: impl FnOnce(&T) -> &U,
        keys_of: impl FnOnce(&mut Keys<'_, 'd, U>) -> Option<R>,
    ) -> Option<R> {
        let page_of = |page: &mut Page, inner: Page| page.push_section(key.name, inner);
        self.inner(key, get, keys_of, page_of)
    }

    /// A table on one line: `key = { … }`.
    pub(crate) fn table<U>(
        &mut self,
        key: Key,
        get: impl FnOnce(&T) -> &U,
        keys_of: impl FnOnce(&mut Keys<'_, 'd, U>) -> Option<U>,
    ) -> Option<U> {
        let page_of = |page: &mut Page, inner: Page| page.push(key.name, inner.inline());
        self.inner(key, get, keys_of, page_of)
    }

    fn inner<U, R>(
        &mut self,
        key: Key,
        get: impl FnOnce(&T) -> &U,
        keys_of: impl FnOnce(&mut Keys<'_, 'd, U>) -> Option<R>,
        write: impl FnOnce(&mut Page, Page),
    ) -> Option<R> {
        match &mut self.mode {
            Mode::Read(section) => keys_of(&mut Keys::reading(section.section(key.name))),
            Mode::Write { of, page } => {
                let mut inner = Page::default();
                keys_of(&mut Keys::writing(get(of), &mut inner));
                write(page, inner);
                None
            }
            Mode::Describe(table) => {
                let mut inner = table.inner(key.name);
                keys_of(&mut Keys::describing(&mut inner));
                table.push(key, Form::Table(inner.table), false);
                None
            }
        }
    }

    /// A list of tables. Keys that an element leaves out come from the preset's `each` table of that name.
    pub(crate) fn list<U>(
        &mut self,
        key: Key,
        count: Limits<usize>,
        each: Option<&'static str>,
        get: impl FnOnce(&T) -> &[U],
        keys_of: impl Fn(&mut Keys<'_, 'd, U>) -> Option<U>,
    ) -> Elements<'d, U> {
        let (mut values, mut sections) = (None, Vec::new());
        match &mut self.mode {
            Mode::Read(section) => {
                if let Some(elements) = section.elements(key.name, count, each) {
                    let read = elements.into_iter().map(|element| {
                        let mut keys = Keys::reading(element);
                        let value = keys_of(&mut keys);
                        sections.extend(keys.into_section());
                        value
                    });
                    // All elements are read, so that one with a problem does not hide those of others.
                    let read: Vec<_> = read.collect();
                    values = read.into_iter().collect();
                }
            }
            Mode::Write { of, page } => {
                let elements = get(of).iter().map(|element| {
                    let mut inner = Page::default();
                    keys_of(&mut Keys::writing(element, &mut inner));
                    inner.inline()
                });
                let elements: Vec<_> = elements.collect();
                page.push(key.name, list(elements.into_iter()));
            }
            Mode::Describe(table) => {
                let mut element = table.element(each);
                keys_of(&mut Keys::describing(&mut element));
                let of = Box::new(Form::Table(element.table));
                table.push(key, Form::List { of, count }, false);
            }
        }
        Elements { values, sections }
    }

    /// The key that selects the variant of the table, and the keys of that variant.
    ///
    /// If its value is unknown, so are the keys of the table: none of the others is reported as unknown.
    pub(crate) fn variants<N: Named, R>(
        &mut self,
        key: Key,
        get: impl FnOnce(&T) -> N,
        keys_of: impl Fn(&mut Self, N) -> Option<R>,
    ) -> Option<R> {
        let kind = OneOf::<N>::new();
        let chosen = match &mut self.mode {
            Mode::Read(section) => {
                let value = section.expect(key.name, || kind.form());
                let chosen = value.and_then(|value| kind.read(&value));
                if chosen.is_none() {
                    section.accept_any_key();
                }
                chosen?
            }
            Mode::Write { of, page } => {
                let chosen = get(of);
                page.push(key.name, kind.write(&chosen));
                chosen
            }
            Mode::Describe(table) => {
                table.push(key, kind.form(), false);
                for variant in N::VALUES {
                    self.select(Some((key.name, variant.name_of())));
                    keys_of(self, *variant);
                }
                self.select(None);
                return None;
            }
        };
        keys_of(self, chosen)
    }

    fn select(&mut self, variant: Option<(&'static str, &'static str)>) {
        if let Mode::Describe(table) = &mut self.mode {
            table.variant = variant;
        }
    }

    /// Takes further defaults from the preset's `each` table of that name.
    pub(crate) fn fall_back_on(&mut self, each: &'static str) {
        match &mut self.mode {
            Mode::Read(section) => section.fall_back_on(each),
            Mode::Write { .. } => {}
            Mode::Describe(table) => table.fall_back_on(Some(each)),
        }
    }

    /// Takes further defaults from the preset's table `each.<name>.<value of key>`.
    ///
    /// `value` is `None` if it has a problem; then missing keys are not reported.
    pub(crate) fn defaults_by(
        &mut self,
        key: &'static str,
        each: &'static str,
        value: Option<&str>,
    ) {
        match &mut self.mode {
            Mode::Read(section) => section.choose_defaults(each, value),
            Mode::Write { .. } => {}
            Mode::Describe(table) => table.choose_by(key, each),
        }
    }

    /// Writes the next key before `other`, which has been written: files are read in another order.
    pub(crate) fn write_next_before(&mut self, other: &'static str) {
        if let Mode::Write { page, .. } = &mut self.mode {
            page.insert_before(other);
        }
    }

    /// The table that is written, or `None` in the other modes.
    pub(crate) const fn written(&self) -> Option<&'k T> {
        match &self.mode {
            Mode::Write { of, .. } => Some(of),
            Mode::Read(_) | Mode::Describe(_) => None,
        }
    }

    /// The table that is read, or `None` in the other modes.
    pub(crate) const fn read(&self) -> Option<&Section<'d>> {
        match &self.mode {
            Mode::Read(section) => Some(section),
            Mode::Write { .. } | Mode::Describe(_) => None,
        }
    }

    fn into_section(self) -> Option<Section<'d>> {
        match self.mode {
            Mode::Read(section) => Some(section),
            Mode::Write { .. } | Mode::Describe(_) => None,
        }
    }

    /// Reports a problem at the first of these keys that the file states, or else at the table's header.
    pub(crate) fn complain(&self, keys: &[&str], problem: Problem) {
        if let Some(section) = self.read() {
            section.complain(keys, problem);
        }
    }
}

/// Gets a field of one variant, for [`Keys::field`]: of the table itself, or of one of its members.
macro_rules! field {
    ($variant:path { $field:ident }) => {
        |it| {
            if let $variant { $field, .. } = it {
                Some(Clone::clone($field))
            } else {
                None
            }
        }
    };
    ($member:ident: $variant:path { $field:ident }) => {
        |it| {
            if let $variant { $field, .. } = &it.$member {
                Some(Clone::clone($field))
            } else {
                None
            }
        }
    };
}

pub(crate) use field;
