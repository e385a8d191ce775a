//! Kinds of values: how each is read, written, and what it looks like.

use std::fmt::Display;
use std::marker::PhantomData;
use std::time::Duration;

use ipnet::Ipv4Net;

use super::form::Form;
use super::limits::Limits;
use crate::duration::LENGTH_MAX;
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

/// Instants of a run.
const INSTANTS: Limits<Duration> = Limits::new(
    Duration::ZERO,
    LENGTH_MAX,
    "instants count from the start of the run, and no run is longer",
);

/// Characters of a name or a title. Longer ones fit into no table of the report.
pub(crate) const TEXT_MAX: usize = 200;

/// Text on one line.
pub(crate) struct Text;

impl Kind for Text {
    type Value = String;

    fn form(&self) -> Form {
        let chars_max = TEXT_MAX;
        Form::Text { chars_max }
    }

    fn read(&self, value: &Value<'_>) -> Option<String> {
        value.text().map(str::to_owned)
    }

    fn write(&self, value: &String) -> String {
        text(value)
    }
}

/// Text on one line of at most this many characters, for machines: arguments, queries.
pub(crate) struct Line(pub(crate) usize);

impl Kind for Line {
    type Value = String;

    fn form(&self) -> Form {
        Form::Text { chars_max: self.0 }
    }

    fn read(&self, value: &Value<'_>) -> Option<String> {
        value.text_up_to(self.0).map(str::to_owned)
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

/// A whole number within limits.
pub(crate) struct Whole<N>(pub(crate) Limits<N>);

impl<N: Copy + Display + PartialOrd + TryFrom<i128> + Into<i128>> Kind for Whole<N> {
    type Value = N;

    fn form(&self) -> Form {
        Form::Whole(self.0.widened())
    }

    fn read(&self, value: &Value<'_>) -> Option<N> {
        value.whole(self.0)
    }

    fn write(&self, value: &N) -> String {
        value.to_string()
    }
}

/// A number within limits.
pub(crate) struct Number(pub(crate) Limits<f64>);

impl Kind for Number {
    type Value = f64;

    fn form(&self) -> Form {
        Form::Number(self.0)
    }

    fn read(&self, value: &Value<'_>) -> Option<f64> {
        value.number(self.0)
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
                value.reject(&self.form());
                None
            }
            Self::Any | Self::Positive => Some(share),
        }
    }

    fn write(&self, value: &Share) -> String {
        value.get().to_string()
    }
}

/// A rate per second within limits.
pub(crate) struct Rates(pub(crate) Limits<f64>);

impl Kind for Rates {
    type Value = Rate;

    fn form(&self) -> Form {
        Form::Rate(self.0)
    }

    fn read(&self, value: &Value<'_>) -> Option<Rate> {
        value.rate(self.0)
    }

    fn write(&self, value: &Rate) -> String {
        rate(*value)
    }
}

/// A length of time within limits.
pub(crate) struct Length(pub(crate) Limits<Duration>);

impl Kind for Length {
    type Value = Duration;

    fn form(&self) -> Form {
        Form::Length(self.0)
    }

    fn read(&self, value: &Value<'_>) -> Option<Duration> {
        value.length(self.0)
    }

    fn write(&self, value: &Duration) -> String {
        length(*value)
    }
}

/// A length of time in seconds, as distributions have them.
pub(crate) struct Seconds(pub(crate) Limits<Duration>);

impl Kind for Seconds {
    type Value = f64;

    fn form(&self) -> Form {
        Form::Length(self.0)
    }

    fn read(&self, value: &Value<'_>) -> Option<f64> {
        Some(value.length(self.0)?.as_secs_f64())
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
        Form::Length(INSTANTS)
    }

    fn read(&self, value: &Value<'_>) -> Option<SimTime> {
        Some(SimTime::ZERO + value.length(INSTANTS)?)
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
pub(crate) struct List<K>(pub(crate) K, pub(crate) Limits<usize>);

impl<K: Kind> Kind for List<K> {
    type Value = Vec<K::Value>;

    fn form(&self) -> Form {
        Form::List {
            of: Box::new(self.0.form()),
            count: self.1,
        }
    }

    fn read(&self, value: &Value<'_>) -> Option<Self::Value> {
        let elements = value.elements(self.1)?;
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
            hint: "write one of the names under `topology.zones`",
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

/// Ranges that no host can have an address in, with what they are for (IANA's registry of special-purpose addresses;
/// Amazon VPC rejects them too).
const UNUSABLE: [(&str, &str); 5] = [
    ("0.0.0.0/8", "is reserved: it means \"this network\""),
    ("127.0.0.0/8", "is loopback"),
    ("169.254.0.0/16", "is link-local"),
    ("224.0.0.0/4", "is multicast"),
    ("240.0.0.0/4", "is reserved, up to the broadcast address"),
];

impl Subnet {
    /// Why hosts cannot have addresses in the range; `None` if they can.
    fn unusable(range: Ipv4Net) -> Option<&'static str> {
        let why = |(net, why): &(&str, &'static str)| {
            let net: Ipv4Net = net.parse().expect("a test parses the table");
            (net.contains(&range) || range.contains(&net)).then_some(*why)
        };
        UNUSABLE.iter().find_map(why)
    }
}

impl Kind for Subnet {
    type Value = Ipv4Net;

    fn form(&self) -> Form {
        Form::Syntax {
            expected: "an IPv4 range such as \"10.0.11.0/24\", of size /16 to /28",
            hint: "write a range of private addresses in quotes, such as \"10.0.11.0/24\"",
        }
    }

    fn read(&self, value: &Value<'_>) -> Option<Ipv4Net> {
        let range: Ipv4Net = value.parsed(&self.form())?;
        if !(16..=28).contains(&range.prefix_len()) {
            value.reject(&self.form());
            return None;
        }
        if range != range.trunc() {
            let problem = value.problem(", which has bits beyond its size");
            let problem = problem.expected(self.form());
            value.complain(problem.help(format!("did you mean \"{}\"?", range.trunc())));
            return None;
        }
        if let Some(why) = Self::unusable(range) {
            let problem = value.problem(&format!(", which {why}"));
            value.complain(problem.expected(self.form()).help(self.form().hint()));
            return None;
        }
        Some(range)
    }

    fn write(&self, value: &Ipv4Net) -> String {
        text(&value.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_hosts_cannot_use_are_recognized() {
        let unusable = |range: &str| Subnet::unusable(range.parse().expect("a range")).is_some();
        for range in [
            "0.1.0.0/16",
            "127.3.0.0/16",
            "169.254.7.0/24",
            "224.0.0.0/16",
            "239.1.0.0/24",
            "255.255.0.0/16",
        ] {
            assert!(unusable(range), "{range}");
        }
        for range in [
            "10.0.0.0/16",
            "172.16.0.0/16",
            "192.168.0.0/16",
            "223.255.0.0/16",
            "169.253.0.0/16",
        ] {
            assert!(!unusable(range), "{range}");
        }
    }
}
