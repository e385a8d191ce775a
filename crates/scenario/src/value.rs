//! One value of the raw scenario, and its reading as a type: what does not fit is reported and becomes `None`.

use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeValue, ValueDeserializer};

use super::diagnostic::Problem;
use super::document::{Layer, Problems, Section};
use super::duration::{self, LengthError, Written};
use super::server_url::redacted;
use tiketi_core::units::{Rate, Share};

/// One value with its place and its path (`clock.speed`).
#[derive(Clone, Debug)]
pub struct Value<'d> {
    path: String,
    node: &'d Spanned<DeValue<'d>>,
    is_in_file: bool,
    problems: &'d Problems<'d>,
}

impl<'d> Value<'d> {
    /// Wraps a parsed value.
    pub const fn new(
        path: String,
        node: &'d Spanned<DeValue<'d>>,
        is_in_file: bool,
        problems: &'d Problems<'d>,
    ) -> Self {
        Self {
            path,
            node,
            is_in_file,
            problems,
        }
    }

    /// Whether the value is in the user's file, not in the preset.
    pub const fn is_in_file(&self) -> bool {
        self.is_in_file
    }

    /// Where it stands in the file; the start of the file if it comes from the preset.
    pub fn span(&self) -> Range<usize> {
        if self.is_in_file {
            self.node.span()
        } else {
            0..0
        }
    }

    /// Its path, such as `clock.speed`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Reports what is wrong with it.
    pub fn complain(&self, problem: Problem) {
        self.problems.report(problem.at(self.span()));
    }

    /// Reports that the value is not one of the legal ones.
    pub fn refuse(&self, legal: impl Into<String>) {
        self.complain(self.refusal("").legal(legal));
    }

    /// A problem that quotes the value; `why` may begin with a space and say what is wrong with it.
    pub fn refusal(&self, why: &str) -> Problem {
        Problem::new(format!("`{}` is {}{why}", self.path, self.quoted()))
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

    /// The value as plain TOML, without places.
    pub fn toml(&self) -> toml::Value {
        let deserializer = ValueDeserializer::from(self.node.clone());
        toml::Value::deserialize(deserializer).expect("what was parsed as a value is one")
    }

    /// The value as written.
    pub fn written(&self) -> &'d str {
        self.problems.text_at(self.span())
    }

    fn as_str(&self) -> Option<&'d str> {
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
                    reason = "no legal number of a scenario comes near 2^53"
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
    pub fn is_word(&self, word: &str) -> bool {
        self.as_str() == Some(word)
    }

    /// `None` if it is the text `word`, else what `read` makes of it.
    pub fn unless<T>(
        &self,
        word: &str,
        read: impl FnOnce(&Self) -> Option<T>,
    ) -> Option<Option<T>> {
        if self.is_word(word) {
            return Some(None);
        }
        let read = read(self);
        if read.is_none() {
            self.problems.also_legal(word);
        }
        read.map(Some)
    }

    /// A text of one line.
    pub fn text(&self) -> Option<&'d str> {
        let text = self.as_str();
        let text = text.filter(|text| !text.chars().any(char::is_control));
        if text.is_none() {
            self.refuse("a text in quotes, without line breaks");
        }
        text
    }

    /// `true` or `false`.
    pub fn truth(&self) -> Option<bool> {
        if let DeValue::Boolean(truth) = self.node.get_ref() {
            return Some(*truth);
        }
        self.refuse("true, false");
        None
    }

    /// A whole number in a range.
    pub fn whole<N>(&self, legal: RangeInclusive<N>) -> Option<N>
    where
        N: Copy + Display + PartialOrd + TryFrom<i128>,
    {
        let number = self.as_integer().and_then(|whole| N::try_from(whole).ok());
        let number = number.filter(|number| legal.contains(number));
        if number.is_none() {
            self.refuse(format!(
                "a whole number, {} to {}",
                legal.start(),
                legal.end()
            ));
        }
        number
    }

    /// A number for which `is_legal` holds; `legal` says so in words.
    pub fn number(&self, legal: &str, is_legal: impl Fn(f64) -> bool) -> Option<f64> {
        let number = self.as_number().filter(|number| is_legal(*number));
        if number.is_none() {
            self.refuse(legal);
        }
        number
    }

    /// A part of a whole: `0.25` or `"25%"`.
    pub fn share(&self) -> Option<Share> {
        let percent = self.as_str().and_then(|text| text.strip_suffix('%'));
        let percent = percent.and_then(|text| text.trim().parse::<f64>().ok());
        let number = percent.map(|percent| percent / 100.0).or(self.as_number());
        let share = number.and_then(|number| Share::try_from(number).ok());
        if share.is_none() {
            self.refuse("0 to 1, or \"0%\" to \"100%\"");
        }
        share
    }

    /// A rate: `"5/s"`, `"300/m"`, or a plain number a second.
    pub fn rate(&self) -> Option<Rate> {
        let per_second = match self.as_str() {
            Some(text) => rate_per_second(text),
            None => self.as_number(),
        };
        let rate = per_second.and_then(|number| Rate::try_from(number).ok());
        if rate.is_none() {
            self.refuse("a rate, 0 or more, such as \"5/s\", \"300/m\", \"1000/h\"");
        }
        rate
    }

    /// A length of time in a range.
    pub fn length(&self, legal: RangeInclusive<Duration>) -> Option<Duration> {
        let examples = "a length of time such as \"90s\", \"1m30s\", \"500ms\", \"2h\"";
        let Some(text) = self.as_str() else {
            self.complain(match self.as_number() {
                Some(number) => self
                    .refusal(", which has no unit")
                    .legal(examples)
                    .help(format!("for seconds write \"{number}s\"")),
                None => self.refusal("").legal(examples),
            });
            return None;
        };
        match duration::parse(text) {
            Ok(length) if legal.contains(&length) => Some(length),
            Ok(_) => {
                let (from, to) = (*legal.start(), Written(*legal.end()));
                self.refuse(if from == Duration::from_nanos(1) {
                    format!("above 0s, at most {to}")
                } else {
                    format!("{} to {to}", Written(from))
                });
                None
            }
            Err(error) => {
                let problem = self.refusal(&format!(", which {error}")).legal(examples);
                self.complain(match error {
                    LengthError::NoUnit => problem.help(format!("for seconds write \"{text}s\"")),
                    LengthError::Empty
                    | LengthError::Negative
                    | LengthError::Unreadable
                    | LengthError::TooLong => problem,
                });
                None
            }
        }
    }

    /// One of several words, each standing for a value.
    pub fn choice<T: Copy>(&self, words: &[(&'static str, T)]) -> Option<T> {
        let names = || words.iter().map(|(word, _)| *word);
        let written = self.as_str();
        let chosen = written.and_then(|text| words.iter().find(|(word, _)| *word == text));
        if chosen.is_none() {
            let legal = names().collect::<Vec<_>>().join(", ");
            let problem = self.refusal("").legal(legal);
            self.complain(problem.did_you_mean(written.unwrap_or_default(), names()));
        }
        chosen.map(|(_, value)| *value)
    }

    /// One of several words.
    pub fn word(&self, words: &[&'static str]) -> Option<String> {
        let pairs: Vec<_> = words.iter().map(|word| (*word, *word)).collect();
        self.choice(&pairs).map(str::to_owned)
    }

    /// One of several words; `or` says in words what else is legal.
    pub fn word_or(&self, words: &[&'static str], or: &str) -> Option<String> {
        let chosen = self.word(words);
        if chosen.is_none() {
            self.problems.or_legal(or);
        }
        chosen
    }

    /// A text that some type can be read from.
    pub fn parsed<T: FromStr>(&self, legal: &str) -> Option<T> {
        let parsed = self.as_str().and_then(|text| text.parse().ok());
        if parsed.is_none() {
            self.refuse(legal);
        }
        parsed
    }

    /// The elements of a list.
    pub fn elements(&self) -> Option<Vec<Self>> {
        let DeValue::Array(array) = self.node.get_ref() else {
            self.refuse("a list in brackets");
            return None;
        };
        let element = |(index, node)| {
            let path = format!("{}[{index}]", self.path);
            Self::new(path, node, self.is_in_file, self.problems)
        };
        Some(array.iter().enumerate().map(element).collect())
    }

    /// The table as a layer of a section.
    pub fn layer(&self) -> Option<Layer<'d>> {
        let DeValue::Table(table) = self.node.get_ref() else {
            self.refuse("a table");
            return None;
        };
        let span = self.node.span();
        let header = self.is_in_file.then_some((span.start, span.end));
        Some(Layer { table, header })
    }

    /// The table, without anything under it.
    pub fn section(&self) -> Option<Section<'d>> {
        let layer = self.layer()?;
        Some(Section::new(self.path.clone(), vec![layer], self.problems))
    }

    /// The bytes of the file that hold `part` of the text; all of the value if it is written with escapes.
    pub fn span_of(&self, part: Range<usize>) -> Range<usize> {
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
    pub fn complain_at(&self, part: Range<usize>, problem: Problem) {
        self.problems.report(problem.at(self.span_of(part)));
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
