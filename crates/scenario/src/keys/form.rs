//! What values of a key look like: for error messages, documentation and a JSON Schema.

use std::fmt;
use std::time::Duration;

use super::describe::TableDescription;
use super::limits::Limits;

/// The form of a value. Prints what an error message expects: `a whole number from 1 to 10`.
#[derive(Clone, Debug, PartialEq)]
pub enum Form {
    /// Text on one line.
    Text {
        /// Most characters.
        chars_max: usize,
    },
    /// Text with a syntax of its own.
    Syntax {
        /// Valid texts in words.
        expected: &'static str,
        /// How to write one, or why others are invalid.
        hint: &'static str,
    },
    /// `true` or `false`.
    Truth,
    /// A whole number.
    Whole(Limits<i128>),
    /// A number.
    Number(Limits<f64>),
    /// A share of a whole: 0 to 1, or a percentage such as `"25%"`.
    Share {
        /// Whether 0 is valid.
        includes_zero: bool,
    },
    /// A rate: `"5/s"`, `"300/m"`, `"1000/h"`, or a plain number per second. The limits are per second.
    Rate(Limits<f64>),
    /// A length of time such as `"90s"`, `"1m30s"` or `"500ms"`.
    Length(Limits<Duration>),
    /// One of several names.
    OneOf(Vec<&'static str>),
    /// One of several forms.
    Either(Vec<Self>),
    /// A list.
    List {
        /// What the elements are.
        of: Box<Self>,
        /// How many there can be.
        count: Limits<usize>,
    },
    /// A table with these keys.
    Table(TableDescription),
    /// A table whose keys the author of the scenario chooses.
    Map {
        /// What the keys are.
        keys: &'static str,
        /// What the values are.
        of: Box<Self>,
    },
}

impl Form {
    /// The same form, or `word`.
    pub(crate) fn or_word(self, word: &'static str) -> Self {
        Self::Either(vec![Self::OneOf(vec![word]), self])
    }

    /// How to write a value of this form, for somebody who wrote something else.
    pub(crate) fn hint(&self) -> String {
        let hint = match self {
            Self::Text { .. } => "write it in quotes, on one line, without spaces at its ends",
            Self::Syntax { hint, .. } => hint,
            Self::Truth => "write it without quotes",
            Self::Whole(_) | Self::Number(_) => "write it in digits, without quotes",
            Self::Share { .. } => "write a share such as 0.25 or \"25%\"",
            Self::Rate(_) => "write a number with its unit in quotes, such as \"5/s\"",
            Self::Length(_) => "write a number with its unit in quotes, such as \"90s\"",
            Self::OneOf(_) => "write one of these names in quotes",
            Self::Either(forms) => return forms.last().map_or_else(String::new, Self::hint),
            Self::List { .. } => "write brackets around the values, also around a single one",
            Self::Table(_) | Self::Map { .. } => {
                "write keys in braces, such as { key = \"value\" }"
            }
        };
        hint.to_owned()
    }

    /// Why the limits are where they are, for somebody whose value is outside; the hint for forms without limits.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Whole(limits) => limits.why.to_owned(),
            Self::Number(limits) | Self::Rate(limits) => limits.why.to_owned(),
            Self::Length(limits) => limits.why.to_owned(),
            Self::List { count, .. } => count.why.to_owned(),
            Self::Text { .. }
            | Self::Syntax { .. }
            | Self::Truth
            | Self::Share { .. }
            | Self::OneOf(_)
            | Self::Either(_)
            | Self::Table(_)
            | Self::Map { .. } => self.hint(),
        }
    }
}

/// What a length of time looks like, whatever its range.
pub(crate) const LENGTH_EXAMPLES: &str =
    "a length of time such as \"90s\", \"1m30s\", \"500ms\" or \"2h\"";

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { chars_max } => {
                write!(f, "1 to {chars_max} characters in quotes, on one line")
            }
            Self::Syntax { expected, .. } => f.write_str(expected),
            Self::Truth => f.write_str("true or false"),
            Self::Whole(limits) => write!(f, "a whole number from {limits}"),
            Self::Number(limits) => write!(f, "a number from {limits}"),
            Self::Share {
                includes_zero: true,
            } => f.write_str("0 to 1, or \"0%\" to \"100%\""),
            Self::Share {
                includes_zero: false,
            } => f.write_str("more than 0, at most 1"),
            Self::Rate(Limits { min, max, .. }) => {
                write!(f, "a rate from \"{min}/s\" to \"{max}/s\"")
            }
            Self::Length(limits) => write!(f, "{limits}"),
            Self::OneOf(words) => match words.as_slice() {
                [word] => f.write_str(word),
                words => write!(f, "one of {}", words.join(", ")),
            },
            Self::Either(forms) => either(f, forms),
            Self::List { count, .. } => {
                let Limits { min, max, .. } = count;
                write!(f, "a list of {min} to {max} in brackets")
            }
            Self::Table(_) | Self::Map { .. } => f.write_str("a table"),
        }
    }
}

/// Words come first and in quotes, so that they are not read as part of what follows.
fn either(f: &mut fmt::Formatter<'_>, forms: &[Form]) -> fmt::Result {
    for (index, form) in forms.iter().enumerate() {
        if index > 0 {
            f.write_str(", or ")?;
        }
        match form {
            Form::OneOf(words) => {
                let quoted: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
                f.write_str(&quoted.join(", "))?;
            }
            form => write!(f, "{form}")?,
        }
    }
    Ok(())
}
