//! One value of the raw scenario, read as a type: an invalid value is reported and becomes `None`.

use std::fmt::Display;
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeValue, ValueDeserializer};

use super::diagnostic::{Problem, Wrong};
use super::document::{Layer, Problems, Section};
use super::duration::{self, LengthError};
use super::keys::{Form, LENGTH_EXAMPLES, Limits, TEXT_MAX, TableDescription};
use tiketi_core::names::Named;
use tiketi_core::units::{Rate, Share, ZoneId};
use tiketi_server_url::redacted;

/// One value with its place in the file and its path (`clock.speed`).
#[derive(Clone, Debug)]
pub struct Value<'d> {
    path: String,
    node: &'d Spanned<DeValue<'d>>,
    is_in_file: bool,
    /// A word that is valid too, if the value is not.
    or_word: Option<&'static str>,
    problems: &'d Problems<'d>,
}

impl<'d> Value<'d> {
    pub(crate) const fn new(
        path: String,
        node: &'d Spanned<DeValue<'d>>,
        is_in_file: bool,
        problems: &'d Problems<'d>,
    ) -> Self {
        Self {
            path,
            node,
            is_in_file,
            or_word: None,
            problems,
        }
    }

    /// The same value; if it is invalid, the message says that `word` is valid too.
    pub(crate) fn or_word(&self, word: &'static str) -> Self {
        Self {
            or_word: Some(word),
            ..self.clone()
        }
    }

    pub(crate) const fn is_in_file(&self) -> bool {
        self.is_in_file
    }

    /// Where it is in the file; the start of the file if it comes from the preset.
    pub fn span(&self) -> Range<usize> {
        if self.is_in_file {
            self.node.span()
        } else {
            0..0
        }
    }

    /// Its path, such as `clock.speed`.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Reports a problem with it.
    pub fn complain(&self, problem: Problem) {
        self.problems.report(problem.at(self.span()));
    }

    /// Warns about it: the scenario is valid, but this is probably not meant.
    pub(crate) fn warn(&self, warning: Problem) {
        self.problems.warn(warning.at(self.span()));
    }

    /// Reports that the value does not have this form.
    pub fn reject(&self, form: &Form) {
        self.reject_with(form, form.hint());
    }

    /// Reports that the value has the form, but is outside its limits.
    fn reject_outside(&self, form: &Form) {
        self.reject_with(form, form.reason());
    }

    /// Reports that the value is not what was expected.
    pub fn reject_with(&self, expected: impl Display, help: impl Into<String>) {
        let problem = self.problem("").expected(self.or_that(expected));
        self.complain(problem.help(help));
    }

    /// Starts a problem that quotes the value; `why` may begin with a comma and say more about it.
    pub fn problem(&self, why: &str) -> Wrong {
        Problem::new(format!("`{}` is {}{why}", self.path, self.quoted()))
    }

    /// What was expected, and the word that is valid too.
    fn or_that(&self, expected: impl Display) -> String {
        match self.or_word {
            Some(word) => format!("\"{word}\", or {expected}"),
            None => expected.to_string(),
        }
    }

    /// The value as written, cut to one short line.
    fn quoted(&self) -> String {
        /// Longer values are cut: the place is shown anyway.
        const CHARACTERS_MAX: usize = 48;
        let written = self.problems.text_at(self.span());
        let line = redacted(written.lines().next().unwrap_or_default());
        let short: String = line.chars().take(CHARACTERS_MAX).collect();
        let is_cut = short.len() < line.len() || written.lines().nth(1).is_some();
        let rest = if is_cut { "…" } else { "" };
        let kind = match self.node.get_ref() {
            DeValue::Array(_) => "the list ",
            DeValue::Table(_) => "the table ",
            DeValue::Datetime(_) => "the date ",
            DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) => {
                ""
            }
        };
        format!("{kind}{short}{rest}")
    }

    /// The value as a tree with places, for an API mapping.
    pub(crate) fn tree(&self) -> tiketi_api::Tree {
        tiketi_api::Tree::from_value(self.node)
    }

    /// The value as plain TOML, without its place; `None` if it has a number of more than 64 bits, which is reported.
    pub fn toml(&self) -> Option<toml::Value> {
        let deserializer = ValueDeserializer::from(self.node.clone());
        let plain = toml::Value::deserialize(deserializer).ok();
        if plain.is_none() {
            let problem = self.problem(", which has a number that is too large");
            let problem = problem.expected(format!("numbers from {} to {}", i64::MIN, i64::MAX));
            self.complain(problem.help("no key takes larger numbers"));
        }
        plain
    }

    /// The value as written.
    pub fn written(&self) -> &'d str {
        self.problems.text_at(self.span())
    }

    /// The text; `None` if it is something else.
    pub(crate) fn as_str(&self) -> Option<&'d str> {
        match self.node.get_ref() {
            DeValue::String(text) => Some(text.as_ref()),
            _ => None,
        }
    }

    fn as_number(&self) -> Option<f64> {
        match self.node.get_ref() {
            DeValue::Float(float) => float.as_str().parse().ok(),
            DeValue::Integer(_) => {
                let whole = self.as_integer()?;
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "numbers beyond 2^53 are outside all limits anyway"
                )]
                Some(whole as f64)
            }
            _ => None,
        }
    }

    fn as_integer(&self) -> Option<i128> {
        match self.node.get_ref() {
            DeValue::Integer(whole) => i128::from_str_radix(whole.as_str(), whole.radix()).ok(),
            _ => None,
        }
    }

    /// Whether it is a table.
    pub fn is_table(&self) -> bool {
        matches!(self.node.get_ref(), DeValue::Table(_))
    }

    /// Whether it is the text `word`.
    pub(crate) fn is_word(&self, word: &str) -> bool {
        self.as_str() == Some(word)
    }

    /// Text on one line, of a length that a table can show.
    pub fn text(&self) -> Option<&'d str> {
        self.text_up_to(TEXT_MAX)
    }

    /// Text on one line, of this many characters at most, without spaces at its ends.
    pub fn text_up_to(&self, chars_max: usize) -> Option<&'d str> {
        let is_valid = |text: &&str| {
            (1..=chars_max).contains(&text.chars().count())
                && text.trim() == *text
                && !text.chars().any(char::is_control)
        };
        let text = self.as_str().filter(is_valid);
        if text.is_none() {
            self.reject(&Form::Text { chars_max });
        }
        text
    }

    /// `true` or `false`.
    pub fn truth(&self) -> Option<bool> {
        if let DeValue::Boolean(truth) = self.node.get_ref() {
            return Some(*truth);
        }
        self.reject(&Form::Truth);
        None
    }

    /// A whole number within limits.
    pub fn whole<N>(&self, limits: Limits<N>) -> Option<N>
    where
        N: Copy + PartialOrd + TryFrom<i128> + Into<i128>,
    {
        let form = || Form::Whole(limits.widened());
        let Some(whole) = self.as_integer() else {
            self.reject(&form());
            return None;
        };
        let number = N::try_from(whole).ok();
        let number = number.filter(|number| limits.permit(*number));
        if number.is_none() {
            self.reject_outside(&form());
        }
        number
    }

    /// A number within limits.
    pub fn number(&self, limits: Limits<f64>) -> Option<f64> {
        match self.as_number() {
            Some(number) if limits.permit(number) => Some(number),
            Some(_) => {
                self.reject_outside(&Form::Number(limits));
                None
            }
            None => {
                self.reject(&Form::Number(limits));
                None
            }
        }
    }

    /// A share of a whole: `0.25` or `"25%"`.
    pub fn share(&self) -> Option<Share> {
        let percent = self.as_str().and_then(|text| text.strip_suffix('%'));
        let percent = percent.and_then(|text| text.trim().parse::<f64>().ok());
        let number = percent.map(|percent| percent / 100.0).or(self.as_number());
        let share = number.and_then(|number| Share::try_from(number).ok());
        if share.is_none() {
            let includes_zero = true;
            self.reject(&Form::Share { includes_zero });
        }
        share
    }

    /// A rate within limits: `"5/s"`, `"300/m"`, or a plain number per second.
    pub(crate) fn rate(&self, limits: Limits<f64>) -> Option<Rate> {
        let per_second = match self.as_str() {
            Some(text) => rate_per_second(text),
            None => self.as_number(),
        };
        let Some(per_second) = per_second else {
            self.reject(&Form::Rate(limits));
            return None;
        };
        let rate = Rate::try_from(per_second).ok();
        let rate = rate.filter(|rate| limits.permit(rate.per_second()));
        if rate.is_none() {
            self.reject_outside(&Form::Rate(limits));
        }
        rate
    }

    /// A length of time within limits.
    pub(crate) fn length(&self, limits: Limits<Duration>) -> Option<Duration> {
        let form = Form::Length(limits);
        let written = self.as_str().map(duration::parse);
        match written {
            Some(Ok(length)) if limits.permit(length) => return Some(length),
            Some(Ok(_) | Err(LengthError::TooLong | LengthError::Negative)) => {
                self.reject_outside(&form);
            }
            Some(Err(LengthError::NoUnit)) => {
                self.complain_about_unit(self.as_str().unwrap_or_default(), limits);
            }
            Some(Err(error @ (LengthError::Empty | LengthError::Unreadable))) => {
                let problem = self.problem(&format!(", which {error}"));
                let problem = problem.expected(self.or_that(&form));
                self.complain(problem.help(format!("write {LENGTH_EXAMPLES}")));
            }
            None => match self.as_number() {
                Some(_) => self.complain_about_unit(self.written(), limits),
                None => self.reject_with(&form, format!("write {LENGTH_EXAMPLES}")),
            },
        }
        None
    }

    /// Reports a length of time that is a bare number.
    fn complain_about_unit(&self, number: &str, limits: Limits<Duration>) {
        let number = number.trim();
        let with_unit = ["s", "m", "ms"].map(|unit| format!("{number}{unit}"));
        let is_valid =
            |text: &&String| duration::parse(text).is_ok_and(|length| limits.permit(length));
        let valid = with_unit.iter().filter(is_valid).take(2);
        let valid: Vec<_> = valid.map(|text| format!("\"{text}\"")).collect();
        let help = if valid.is_empty() {
            limits.why.to_owned()
        } else {
            format!("write {}", valid.join(" or "))
        };
        let expected = self.or_that(Form::Length(limits));
        let problem = self.problem(": missing unit").expected(expected);
        self.complain(problem.help(help));
    }

    /// A value of an enum, by its name.
    pub fn named<N: Named>(&self) -> Option<N> {
        let names = N::all_names();
        let chosen = self.as_str().and_then(N::named);
        if chosen.is_none() {
            self.reject_word(&names);
        }
        chosen
    }

    /// One of several words.
    pub(crate) fn word(&self, words: &[&'static str]) -> Option<String> {
        let written = self.as_str();
        let chosen = written.filter(|text| words.contains(text));
        if chosen.is_none() {
            self.reject_word(words);
        }
        chosen.map(str::to_owned)
    }

    /// Reports that the value is none of these words, and which one may have been meant.
    fn reject_word(&self, words: &[&'static str]) {
        let expected = self.or_that(Form::OneOf(words.to_vec()));
        let problem = self.problem("").expected(expected);
        let written = self.as_str().unwrap_or_default();
        self.complain(problem.did_you_mean(written, words.iter().copied()));
    }

    /// The zone with this name.
    pub(crate) fn zone(&self, names: &[String]) -> Option<ZoneId> {
        let name = self.text()?;
        let index = names.iter().position(|zone| zone == name);
        if index.is_none() {
            let problem = self.problem(", which is not a zone of this scenario");
            let problem = problem.expected(self.or_that(one_of(names)));
            self.complain(problem.did_you_mean(name, names.iter().map(String::as_str)));
        }
        u8::try_from(index?).ok().map(ZoneId)
    }

    /// Text that a type can be parsed from.
    pub(crate) fn parsed<T: FromStr>(&self, form: &Form) -> Option<T> {
        let parsed = self.as_str().and_then(|text| text.parse().ok());
        if parsed.is_none() {
            self.reject(form);
        }
        parsed
    }

    /// The elements of a list, which has a limited number of them.
    pub fn elements(&self, count: Limits<usize>) -> Option<Vec<Self>> {
        let of = Box::new(Form::Truth);
        let form = Form::List { of, count };
        let DeValue::Array(array) = self.node.get_ref() else {
            self.reject(&form);
            return None;
        };
        if !count.permit(array.len()) {
            let problem = Problem::new(format!("`{}` has {} elements", self.path, array.len()));
            let Limits { min, max, why } = count;
            self.complain(problem.expected(format!("{min} to {max}")).help(why));
            return None;
        }
        let element = |(index, node)| {
            let path = format!("{}[{index}]", self.path);
            Self::new(path, node, self.is_in_file, self.problems)
        };
        Some(array.iter().enumerate().map(element).collect())
    }

    /// The table as a layer of a section.
    pub(crate) fn layer(&self) -> Option<Layer<'d>> {
        let DeValue::Table(table) = self.node.get_ref() else {
            self.reject(&Form::Table(TableDescription::default()));
            return None;
        };
        let span = self.node.span();
        let header = self.is_in_file.then_some((span.start, span.end));
        Some(Layer { table, header })
    }

    /// The table, without defaults.
    pub fn section(&self) -> Option<Section<'d>> {
        let layer = self.layer()?;
        Some(Section::new(self.path.clone(), vec![layer], self.problems))
    }

    /// The bytes of the file for `part` of the text; the whole value if it is written with escapes.
    pub(crate) fn span_of(&self, part: Range<usize>) -> Range<usize> {
        let span = self.span();
        let is_literal = self.as_str().is_some_and(|text| {
            let written = self.problems.text_at(span.clone());
            written.get(1..1 + text.len()) == Some(text) && written.len() == text.len() + 2
        });
        if is_literal {
            span.start + 1 + part.start..span.start + 1 + part.end
        } else {
            span
        }
    }

    /// Reports a problem at a part of the text.
    pub(crate) fn complain_at(&self, part: Range<usize>, problem: Problem) {
        self.problems.report(problem.at(self.span_of(part)));
    }
}

/// The valid names in words: `one of a, b`.
pub(crate) fn one_of(names: &[String]) -> String {
    match names {
        [name] => name.clone(),
        names => format!("one of {}", names.join(", ")),
    }
}

/// Reads `5/s`, `300/m`, or `1000/h`.
fn rate_per_second(text: &str) -> Option<f64> {
    let (number, unit) = text.split_once('/')?;
    let number: f64 = number.trim().replace('_', "").parse().ok()?;
    match unit.trim() {
        "s" => Some(number),
        "m" => Some(number / 60.0),
        "h" => Some(number / 3_600.0),
        _ => None,
    }
}
