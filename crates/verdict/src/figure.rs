//! Numbers with what they are, so that everyone prints them alike.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

use tiketi_core::units::SimTime;

/// One measured number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "unit", content = "value")]
pub enum Figure {
    /// A length of scenario time.
    #[serde(serialize_with = "as_seconds", rename = "seconds")]
    Length(Duration),
    /// A length that had not ended when the run did.
    Never,
    /// A part of a whole, 0 to 1.
    Share(f64),
    /// A number of things.
    Count(u64),
}

impl Figure {
    /// The number as gates compare it: nanoseconds, a part of 1, or a count.
    #[expect(
        clippy::cast_precision_loss,
        reason = "gates compare in floating point; counts stay far below 2^53"
    )]
    pub fn comparable(self) -> f64 {
        match self {
            Self::Length(length) => length.as_secs_f64() * 1e9,
            Self::Never => f64::INFINITY,
            Self::Share(share) => share,
            Self::Count(count) => count as f64,
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Length(length) => write!(f, "{}", in_words(length)),
            Self::Never => f.write_str("never"),
            Self::Share(share) => write!(f, "{}", percent(share)),
            Self::Count(count) => f.write_str(&grouped(count)),
        }
    }
}

/// Writes a length in seconds; plain `Duration`s are written as pairs, which no one wants to read.
pub(super) fn as_seconds<S: Serializer>(length: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(length.as_secs_f64())
}

/// Writes a length in seconds, or nothing.
#[expect(clippy::ref_option, reason = "serde passes each field by reference")]
pub(super) fn maybe_seconds<S: Serializer>(
    length: &Option<Duration>,
    to: S,
) -> Result<S::Ok, S::Error> {
    length.map(|length| length.as_secs_f64()).serialize(to)
}

/// Writes an instant in seconds since the start of the run.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes each field by reference"
)]
pub(super) fn at_seconds<S: Serializer>(at: &SimTime, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(at.as_secs_f64())
}

/// Writes an instant in seconds, or nothing.
#[expect(clippy::ref_option, reason = "serde passes each field by reference")]
pub(super) fn maybe_at_seconds<S: Serializer>(
    at: &Option<SimTime>,
    to: S,
) -> Result<S::Ok, S::Error> {
    at.map(SimTime::as_secs_f64).serialize(to)
}

/// Writes instants in seconds, or nothing in their places.
pub(super) fn each_at_seconds<S: Serializer>(
    instants: &[Option<SimTime>],
    to: S,
) -> Result<S::Ok, S::Error> {
    to.collect_seq(instants.iter().map(|at| at.map(SimTime::as_secs_f64)))
}

/// A length of time as people read it: `812µs`, `148.21ms`, `12.34s`, `4m05s`.
pub fn in_words(length: Duration) -> String {
    let micros = length.as_micros();
    let seconds = length.as_secs_f64();
    match micros {
        0 => "0s".to_owned(),
        1..1_000 => format!("{micros}µs"),
        1_000..1_000_000 => format!("{:.2}ms", seconds * 1e3),
        1_000_000..60_000_000 => format!("{seconds:.2}s"),
        _ => {
            // Rounded first: 119.7 s is 2m00s, not 1m60s.
            let whole = Duration::from_secs_f64(seconds.round()).as_secs();
            let (hours, minutes) = (whole / 3_600, whole / 60 % 60);
            match hours {
                0 => format!("{minutes}m{:02}s", whole % 60),
                _ => format!("{hours}h{minutes:02}m{:02}s", whole % 60),
            }
        }
    }
}

/// A part of a whole in percent, with as many digits as it takes to tell 99.99 % from 100 %.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let shown = format!("{percent:.2}");
    if percent < 100.0 && shown == "100.00" {
        return ">99.99%".to_owned();
    }
    if percent > 0.0 && shown == "0.00" {
        return "<0.01%".to_owned();
    }
    format!("{shown}%")
}

/// A count with thousands separators: `20,000`.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `part` of `whole`; `None` if the whole is nothing.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of a run stay far below 2^53"
)]
pub fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_read_naturally() {
        let shown = [0, 812, 148_210, 12_340_000, 119_700_000, 3_725_000_000]
            .map(|micros| in_words(Duration::from_micros(micros)));
        assert_eq!(
            shown,
            ["0s", "812µs", "148.21ms", "12.34s", "2m00s", "1h02m05s"]
        );
    }

    #[test]
    fn a_rare_failure_is_not_rounded_away() {
        assert_eq!(percent(0.999_999), ">99.99%");
        assert_eq!(percent(0.000_001), "<0.01%");
        assert_eq!(percent(1.0), "100.00%");
    }
}
