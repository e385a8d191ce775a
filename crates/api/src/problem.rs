//! What is wrong with a mapping, with its place, the expected values and a hint.

use std::ops::Range;

use crate::tree::Tree;

/// One problem of a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong, with the invalid value.
    pub message: String,
    /// The expected values.
    pub expected: String,
    /// How to fix it.
    pub help: String,
    /// Its bytes in the file.
    pub span: Range<usize>,
}

/// Where a value is: its path for people, and its place in the file.
#[derive(Clone, Debug)]
pub(crate) struct At {
    pub(crate) path: String,
    pub(crate) span: Range<usize>,
}

impl At {
    /// The place of the value under `key`.
    pub(crate) fn key(&self, key: &str, value: &Tree) -> Self {
        let path = if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        };
        Self {
            path,
            span: self.inside(&value.span),
        }
    }

    /// The place of an element of a list, counted from 0.
    pub(crate) fn element(&self, place: usize, value: &Tree) -> Self {
        Self {
            path: format!("{}[{place}]", self.path),
            span: self.inside(&value.span),
        }
    }

    /// What comes from a preset has no place of its own.
    fn inside(&self, span: &Range<usize>) -> Range<usize> {
        if span.is_empty() {
            self.span.clone()
        } else {
            span.clone()
        }
    }
}

/// The problems found so far.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    list: Vec<Problem>,
}

impl Problems {
    pub(crate) fn report(
        &mut self,
        at: &At,
        message: impl Into<String>,
        expected: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.list.push(Problem {
            message: message.into(),
            expected: expected.into(),
            help: help.into(),
            span: at.span.clone(),
        });
    }

    /// Reports a value that is not what was expected.
    pub(crate) fn reject(&mut self, at: &At, value: &Tree, expected: &str, help: &str) {
        let message = format!("`{}` is {}", at.path, short(value));
        self.report(at, message, expected, help);
    }

    /// Reports a name that is not one of the `known` ones.
    pub(crate) fn unknown(&mut self, at: &At, what: &str, name: &str, known: &[&str]) {
        let help = match nearest(name, known) {
            Some(word) => format!("did you mean `{word}`?"),
            None => "write one of the expected names".to_owned(),
        };
        let message = format!("unknown {what} `{name}` in `{}`", at.path);
        self.report(at, message, one_of(known), help);
    }

    pub(crate) fn into_list(self) -> Vec<Problem> {
        self.list
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

/// The value as written, cut to a short line.
fn short(value: &Tree) -> String {
    /// Longer values are cut: the place is shown anyway.
    const CHARACTERS_MAX: usize = 48;
    let written = value.to_inline();
    let mut shown: String = written.chars().take(CHARACTERS_MAX).collect();
    if shown.len() < written.len() {
        shown.push('…');
    }
    shown
}

/// The names in words.
pub(crate) fn one_of(names: &[&str]) -> String {
    format!("one of {}", names.join(", "))
}

fn nearest<'k>(written: &str, known: &[&'k str]) -> Option<&'k str> {
    /// Less similar suggestions confuse more than they help.
    const SIMILARITY_MIN: f64 = 0.75;
    let likeness = |word: &str| strsim::jaro_winkler(&written.to_lowercase(), word);
    known
        .iter()
        .map(|word| (likeness(word), *word))
        .filter(|(likeness, _)| *likeness >= SIMILARITY_MIN)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, word)| word)
}
