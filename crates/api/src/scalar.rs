//! A single value of a response.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::id::IdText;

/// A value at one place of a JSON document, or of a header.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Scalar<'b> {
    /// There is none.
    #[default]
    Missing,
    /// `null`.
    Null,
    /// `true` or `false`.
    Flag(bool),
    /// A whole number, not negative.
    Whole(u64),
    /// A negative whole number.
    Negative(i64),
    /// Another number.
    Number(f64),
    /// A text.
    Text(Cow<'b, str>),
    /// A list or an object.
    Composite,
}

impl Scalar<'_> {
    /// Returns whether a value is there; `null` counts as none.
    pub const fn exists(&self) -> bool {
        !matches!(self, Self::Missing | Self::Null)
    }

    /// Returns the number; `None` for other values. A text that is a number counts: many back ends write amounts as texts.
    #[expect(
        clippy::cast_precision_loss,
        reason = "numbers beyond 2^53 are ids, which are compared as such and not by size"
    )]
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Whole(number) => Some(*number as f64),
            Self::Negative(number) => Some(*number as f64),
            Self::Number(number) => Some(*number),
            Self::Text(text) => text
                .trim()
                .parse()
                .ok()
                .filter(|number: &f64| number.is_finite()),
            Self::Missing | Self::Null | Self::Flag(_) | Self::Composite => None,
        }
    }

    /// Returns the number if it is a whole one and not negative.
    pub fn whole(&self) -> Option<u64> {
        match self {
            Self::Whole(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok(),
            Self::Missing
            | Self::Null
            | Self::Flag(_)
            | Self::Negative(_)
            | Self::Number(_)
            | Self::Composite => None,
        }
    }

    /// Returns the value as an id or as the value of a variable; `None` if it is no single value.
    pub fn id(&self) -> Option<IdText<'_>> {
        let (text, is_number) = match self {
            Self::Whole(number) => (Cow::from(number.to_string()), true),
            Self::Negative(number) => (Cow::from(number.to_string()), true),
            Self::Number(number) => (Cow::from(number.to_string()), true),
            Self::Flag(flag) => (Cow::from(if *flag { "true" } else { "false" }), true),
            Self::Text(text) => (Cow::from(text.as_ref()), false),
            Self::Missing | Self::Null | Self::Composite => return None,
        };
        Some(IdText { text, is_number })
    }

    /// Compares two values of a response by size: as numbers if both are, else as texts.
    pub fn order(&self, other: &Self) -> Option<Ordering> {
        match (self.number(), other.number()) {
            (Some(one), Some(two)) => one.partial_cmp(&two),
            _ => match (self, other) {
                (Self::Text(one), Self::Text(two)) => Some(one.cmp(two)),
                _ => None,
            },
        }
    }

    /// Returns whether two values of a response are the same. A number and a text with its digits are.
    pub fn same(&self, other: &Self) -> bool {
        match (self.id(), other.id()) {
            (Some(one), Some(two)) => one.text == two.text,
            _ => self == other,
        }
    }
}
