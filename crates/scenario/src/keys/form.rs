//! What values of a key look like: for error messages, documentation and a JSON Schema.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::describe::TableDescription;
use crate::duration::{ANY_LENGTH, Written};

/// The form of a value. Prints what an error message expects: `a whole number from 1 to 10`.
#[derive(Clone, Debug, PartialEq)]
pub enum Form {
    /// Text on one line.
    Text,
    /// Text with a syntax of its own.
    Syntax {
        /// Valid texts in words.
        expected: &'static str,
    },
    /// `true` or `false`.
    Truth,
    /// A whole number.
    Whole {
        /// Smallest.
        min: i128,
        /// Largest.
        max: i128,
    },
    /// A number.
    Number {
        /// Lower bound; minus infinity for none.
        min: f64,
        /// Whether the lower bound itself is valid.
        includes_min: bool,
        /// Largest; infinity for none.
        max: f64,
    },
    /// A share of a whole: 0 to 1, or a percentage such as `"25%"`.
    Share {
        /// Whether 0 is valid.
        includes_zero: bool,
    },
    /// A rate: `"5/s"`, `"300/m"`, `"1000/h"`, or a plain number per second.
    Rate,
    /// A length of time such as `"90s"`, `"1m30s"` or `"500ms"`.
    Length {
        /// Shortest.
        min: Duration,
        /// Longest.
        max: Duration,
    },
    /// One of several names.
    OneOf(Vec<&'static str>),
    /// One of several forms.
    Either(Vec<Self>),
    /// A list.
    List(Box<Self>),
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
    /// A whole number in a range.
    pub(crate) fn whole<N: Copy + Into<i128>>(range: &RangeInclusive<N>) -> Self {
        Self::Whole {
            min: (*range.start()).into(),
            max: (*range.end()).into(),
        }
    }

    /// A length of time in a range.
    pub(crate) const fn length(range: &RangeInclusive<Duration>) -> Self {
        Self::Length {
            min: *range.start(),
            max: *range.end(),
        }
    }

    /// The same form, or `word`.
    pub(crate) fn or_word(self, word: &'static str) -> Self {
        Self::Either(vec![Self::OneOf(vec![word]), self])
    }
}

/// What a length of time looks like, whatever its range.
pub(crate) const LENGTH_EXAMPLES: &str =
    "a length of time such as \"90s\", \"1m30s\", \"500ms\" or \"2h\"";

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("text in quotes, on one line"),
            Self::Syntax { expected } => f.write_str(expected),
            Self::Truth => f.write_str("true or false"),
            Self::Whole { min, max } => write!(f, "a whole number from {min} to {max}"),
            Self::Number {
                min,
                includes_min,
                max,
            } => number(f, *min, *includes_min, *max),
            Self::Share {
                includes_zero: true,
            } => f.write_str("0 to 1, or \"0%\" to \"100%\""),
            Self::Share {
                includes_zero: false,
            } => f.write_str("more than 0, at most 1"),
            Self::Rate => {
                f.write_str("a rate, 0 or more, such as \"5/s\", \"300/m\" or \"1000/h\"")
            }
            Self::Length { min, max } => length(f, *min, *max),
            Self::OneOf(words) => match words.as_slice() {
                [word] => f.write_str(word),
                words => write!(f, "one of {}", words.join(", ")),
            },
            Self::Either(forms) => either(f, forms),
            Self::List(_) => f.write_str("a list in brackets"),
            Self::Table(_) | Self::Map { .. } => f.write_str("a table"),
        }
    }
}

fn number(f: &mut fmt::Formatter<'_>, min: f64, includes_min: bool, max: f64) -> fmt::Result {
    match (min.is_finite(), max.is_finite(), includes_min) {
        (true, true, true) => write!(f, "a number from {min} to {max}"),
        (true, true, false) => write!(f, "a number above {min}, at most {max}"),
        (true, false, true) => write!(f, "a number, {min} or more"),
        (true, false, false) => write!(f, "a number above {min}"),
        (false, true, _) => write!(f, "a number, at most {max}"),
        (false, false, _) => f.write_str("a number"),
    }
}

fn length(f: &mut fmt::Formatter<'_>, min: Duration, max: Duration) -> fmt::Result {
    if (min..=max) == ANY_LENGTH {
        return f.write_str(LENGTH_EXAMPLES);
    }
    if min == Duration::from_nanos(1) {
        return write!(f, "more than 0s, at most {}", Written(max));
    }
    write!(f, "{} to {}", Written(min), Written(max))
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
