//! Kinds of values: how each is read, written, and what it looks like.

use std::fmt::Display;
use std::marker::PhantomData;
use std::ops::RangeInclusive;
use std::time::Duration;

use ipnet::Ipv4Net;

use super::form::Form;
use crate::duration::ANY_LENGTH;
use crate::page::{length, list, rate, text};
use crate::value::Value;
use tiketi_core::names::Named;
use tiketi_core::units::{Rate, Share, SimTime, ZoneId};

/// How values of one kind are read and written.
pub(crate) trait Kind {
    /// The value that is read.
    type Value;

    /// What values look like.
    fn form(&self) -> Form;

    /// Reads a value; `None` if it is invalid, which has been reported.
    fn read(&self, value: &Value<'_>) -> Option<Self::Value>;

    /// Writes a value as TOML.
    fn write(&self, value: &Self::Value) -> String;
}

/// Text on one line.
pub(crate) struct Text;

impl Kind for Text {
    type Value = String;

    fn form(&self) -> Form {
        Form::Text
    }

    fn read(&self, value: &Value<'_>) -> Option<String> {
        value.text().map(str::to_owned)
    }

    fn write(&self, value: &String) -> String {
        text(value)
    }
}

/// `true` or `false`.
pub(crate) struct Truth;

impl Kind for Truth {
    type Value = bool;

    fn form(&self) -> Form {
        Form::Truth
    }

    fn read(&self, value: &Value<'_>) -> Option<bool> {
        value.truth()
    }

    fn write(&self, value: &bool) -> String {
        value.to_string()
    }
}

/// A whole number in a range.
pub(crate) struct Whole<N>(pub(crate) RangeInclusive<N>);

impl<N: Copy + Display + PartialOrd + TryFrom<i128> + Into<i128>> Kind for Whole<N> {
    type Value = N;

    fn form(&self) -> Form {
        Form::whole(&self.0)
    }

    fn read(&self, value: &Value<'_>) -> Option<N> {
        value.whole(self.0.clone())
    }

    fn write(&self, value: &N) -> String {
        value.to_string()
    }
}

/// A number.
pub(crate) struct Number {
    min: f64,
    includes_min: bool,
    max: f64,
}

impl Number {
    /// Any finite number.
    pub(crate) const ANY: Self = Self {
        min: f64::NEG_INFINITY,
        includes_min: false,
        max: f64::INFINITY,
    };

    /// A number above `min`, at most `max`.
    pub(crate) const fn above(min: f64, max: f64) -> Self {
        let includes_min = false;
        Self {
            min,
            includes_min,
            max,
        }
    }

    /// A number from `min` to `max`.
    pub(crate) const fn from(min: f64, max: f64) -> Self {
        let includes_min = true;
        Self {
            min,
            includes_min,
            max,
        }
    }

    fn permits(&self, number: f64) -> bool {
        let is_above = if self.includes_min {
            number >= self.min
        } else {
            number > self.min
        };
        number.is_finite() && is_above && number <= self.max
    }
}

impl Kind for Number {
    type Value = f64;

    fn form(&self) -> Form {
        Form::Number {
            min: self.min,
            includes_min: self.includes_min,
            max: self.max,
        }
    }

    fn read(&self, value: &Value<'_>) -> Option<f64> {
        value.number(&self.form(), |number| self.permits(number))
    }

    fn write(&self, value: &f64) -> String {
        value.to_string()
    }
}

/// A share of a whole, with or without 0.
pub(crate) enum Shares {
    /// 0 to 1.
    Any,
    /// More than 0.
    Positive,
}

impl Kind for Shares {
    type Value = Share;

    fn form(&self) -> Form {
        let includes_zero = match self {
            Self::Any => true,
            Self::Positive => false,
        };
        Form::Share { includes_zero }
    }

    fn read(&self, value: &Value<'_>) -> Option<Share> {
        let share = value.share()?;
        match self {
            Self::Positive if share.get() <= 0.0 => {
                value.reject(self.form());
                None
            }
            Self::Any | Self::Positive => Some(share),
        }
    }

    fn write(&self, value: &Share) -> String {
        value.get().to_string()
    }
}

/// A rate per second.
pub(crate) struct Rates;

impl Kind for Rates {
    type Value = Rate;

    fn form(&self) -> Form {
        Form::Rate
    }

    fn read(&self, value: &Value<'_>) -> Option<Rate> {
        value.rate()
    }

    fn write(&self, value: &Rate) -> String {
        rate(*value)
    }
}

/// A length of time in a range.
pub(crate) struct Length(pub(crate) RangeInclusive<Duration>);

impl Kind for Length {
    type Value = Duration;

    fn form(&self) -> Form {
        Form::length(&self.0)
    }

    fn read(&self, value: &Value<'_>) -> Option<Duration> {
        value.length(self.0.clone())
    }

    fn write(&self, value: &Duration) -> String {
        length(*value)
    }
}

/// A length of time in seconds, as distributions have them.
pub(crate) struct Seconds;

impl Kind for Seconds {
    type Value = f64;

    fn form(&self) -> Form {
        Form::length(&ANY_LENGTH)
    }

    fn read(&self, value: &Value<'_>) -> Option<f64> {
        Some(value.length(ANY_LENGTH)?.as_secs_f64())
    }

    fn write(&self, value: &f64) -> String {
        length(Duration::from_secs_f64(*value))
    }
}

/// An instant, as the time since the start of the run.
pub(crate) struct Instant;

impl Kind for Instant {
    type Value = SimTime;

    fn form(&self) -> Form {
        Form::length(&ANY_LENGTH)
    }

    fn read(&self, value: &Value<'_>) -> Option<SimTime> {
        Some(SimTime::ZERO + value.length(ANY_LENGTH)?)
    }

    fn write(&self, value: &SimTime) -> String {
        length(value.since_start())
    }
}

/// A value of an enum, by its name.
pub(crate) struct OneOf<N>(PhantomData<N>);

impl<N> OneOf<N> {
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<N: Named> Kind for OneOf<N> {
    type Value = N;

    fn form(&self) -> Form {
        Form::OneOf(N::all_names())
    }

    fn read(&self, value: &Value<'_>) -> Option<N> {
        value.named()
    }

    fn write(&self, value: &N) -> String {
        text(value.name_of())
    }
}

/// One of several words, such as the classes that price books know.
pub(crate) struct Word(pub(crate) &'static [&'static str]);

impl Kind for Word {
    type Value = String;

    fn form(&self) -> Form {
        Form::OneOf(self.0.to_vec())
    }

    fn read(&self, value: &Value<'_>) -> Option<String> {
        value.word(self.0)
    }

    fn write(&self, value: &String) -> String {
        text(value)
    }
}

/// A word that stands for `None`, or a value of another kind.
pub(crate) struct Or<K>(pub(crate) &'static str, pub(crate) K);

impl<K: Kind> Kind for Or<K> {
    type Value = Option<K::Value>;

    fn form(&self) -> Form {
        self.1.form().or_word(self.0)
    }

    fn read(&self, value: &Value<'_>) -> Option<Self::Value> {
        if value.is_word(self.0) {
            return Some(None);
        }
        self.1.read(&value.or_word(self.0)).map(Some)
    }

    fn write(&self, value: &Self::Value) -> String {
        let written = value.as_ref().map(|value| self.1.write(value));
        written.unwrap_or_else(|| text(self.0))
    }
}

/// A list of values of one kind.
pub(crate) struct List<K>(pub(crate) K);

impl<K: Kind> Kind for List<K> {
    type Value = Vec<K::Value>;

    fn form(&self) -> Form {
        Form::List(Box::new(self.0.form()))
    }

    fn read(&self, value: &Value<'_>) -> Option<Self::Value> {
        let elements = value.elements()?;
        // All elements are read, so that one with a problem does not hide those of others.
        let read: Vec<_> = elements
            .iter()
            .map(|element| self.0.read(element))
            .collect();
        read.into_iter().collect()
    }

    fn write(&self, value: &Self::Value) -> String {
        list(value.iter().map(|element| self.0.write(element)))
    }
}

/// A zone, by its name.
pub(crate) struct Zone<'z> {
    /// The names of all zones; `None` if they have a problem.
    pub(crate) names: Option<&'z [String]>,
}

impl Kind for Zone<'_> {
    type Value = ZoneId;

    fn form(&self) -> Form {
        Form::Syntax {
            expected: "the name of a zone",
        }
    }

    fn read(&self, value: &Value<'_>) -> Option<ZoneId> {
        value.zone(self.names?)
    }

    fn write(&self, value: &ZoneId) -> String {
        let names = self.names.expect("a plan has zones");
        text(&names[value.index()])
    }
}

/// An address range whose address is the first of the range.
pub(crate) struct Subnet;

impl Kind for Subnet {
    type Value = Ipv4Net;

    fn form(&self) -> Form {
        Form::Syntax {
            expected: "an IPv4 range such as \"10.0.11.0/24\", of size /16 to /28",
        }
    }

    fn read(&self, value: &Value<'_>) -> Option<Ipv4Net> {
        let range: Ipv4Net = value.parsed(&self.form())?;
        if !(16..=28).contains(&range.prefix_len()) {
            value.reject(self.form());
            return None;
        }
        if range != range.trunc() {
            let problem = value.problem(", which has bits beyond its size");
            let problem = problem.expected(self.form());
            value.complain(problem.help(format!("did you mean \"{}\"?", range.trunc())));
            return None;
        }
        Some(range)
    }

    fn write(&self, value: &Ipv4Net) -> String {
        text(&value.to_string())
    }
}
