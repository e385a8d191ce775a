//! Measured values with their unit, and the one way to print lengths of time, percentages and counts.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

use tiketi_core::units::SimTime;

/// One measured value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "unit", content = "value")]
pub enum Figure {
    /// A length of scenario time.
    #[serde(serialize_with = "as_seconds", rename = "seconds")]
    Length(Duration),
    /// A length of time that had not ended when the run did, such as a recovery.
    Never,
    /// A part of a whole, 0 to 1.
    Share(f64),
    /// A count.
    Count(u64),
}

impl Figure {
    /// Returns the number that gates compare: nanoseconds, a share of 1, or a count. [`Figure::Never`] is infinite.
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
            // A gate compares this value with its bound: 15.2 % must not look like 15 %.
            Self::Share(share) => f.write_str(&percent_with(share, significant)),
            Self::Count(count) => f.write_str(&grouped(count)),
        }
    }
}

impl Figure {
    /// Returns the value in words, beside a bound in the units of [`Figure::comparable`]: with as many digits as it takes to
    /// tell them apart. Two values that look alike compare alike, so that no report says that 500 ms is not below 500 ms.
    pub fn beside(self, bound: f64) -> String {
        let shown = self.to_string();
        let value = self.comparable();
        let is_other = (value - bound).abs() > 0.0;
        let like = |bound: f64| match self {
            Self::Length(_) => nanos(bound).map(Self::Length),
            Self::Share(_) => Some(Self::Share(bound)),
            Self::Count(_) | Self::Never => None,
        };
        match like(bound) {
            Some(other) if is_other && other.to_string() == shown => match self {
                Self::Length(length) => in_words_apart(length, bound),
                Self::Share(share) => percent_apart(share, bound),
                Self::Count(_) | Self::Never => shown,
            },
            Some(_) | None => shown,
        }
    }
}

/// A length from nanoseconds; `None` if they are none.
fn nanos(nanos: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(nanos / 1e9).ok()
}

/// Formats a length in seconds or milliseconds, with the fewest decimals that tell it from `bound` (in nanoseconds).
fn in_words_apart(length: Duration, bound: f64) -> String {
    let (seconds, bound) = (length.as_secs_f64(), bound / 1e9);
    let (unit, factor) = if seconds < 1.0 {
        ("ms", 1e3)
    } else {
        ("s", 1.0)
    };
    format!("{}{unit}", apart(seconds * factor, bound * factor))
}

/// Formats a share in percent, with the fewest decimals that tell it from `bound`.
pub fn percent_apart(share: f64, bound: f64) -> String {
    format!("{}%", apart(share * 100.0, bound * 100.0))
}

/// Most decimals of a number that is hard to tell from another: more than a double-precision number below 1 has.
const DECIMALS_MAX: usize = 17;

fn apart(value: f64, bound: f64) -> String {
    let differs = |decimals: &usize| format!("{value:.decimals$}") != format!("{bound:.decimals$}");
    let decimals = (0..DECIMALS_MAX).find(differs).unwrap_or(DECIMALS_MAX);
    without_zeros(&format!("{value:.decimals$}")).to_owned()
}

/// Serializes a length of time in seconds; serde's own form of a `Duration` is a pair that is hard to read.
pub(super) fn as_seconds<S: Serializer>(length: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(length.as_secs_f64())
}

/// Serializes a length of time in seconds, or `null`.
#[expect(clippy::ref_option, reason = "serde passes each field by reference")]
pub(super) fn maybe_seconds<S: Serializer>(
    length: &Option<Duration>,
    to: S,
) -> Result<S::Ok, S::Error> {
    length.map(|length| length.as_secs_f64()).serialize(to)
}

/// Serializes an instant in seconds since the start of the run.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes each field by reference"
)]
pub(super) fn at_seconds<S: Serializer>(at: &SimTime, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(at.as_secs_f64())
}

/// Serializes an instant in seconds since the start of the run, or `null`.
#[expect(clippy::ref_option, reason = "serde passes each field by reference")]
pub(super) fn maybe_at_seconds<S: Serializer>(
    at: &Option<SimTime>,
    to: S,
) -> Result<S::Ok, S::Error> {
    at.map(SimTime::as_secs_f64).serialize(to)
}

/// Serializes instants in seconds since the start of the run, each or `null`.
pub(super) fn each_at_seconds<S: Serializer>(
    instants: &[Option<SimTime>],
    to: S,
) -> Result<S::Ok, S::Error> {
    to.collect_seq(instants.iter().map(|at| at.map(SimTime::as_secs_f64)))
}

/// Formats a length of time to three significant digits: `812µs`, `148ms`, `12.3s`, `4m05s`.
pub fn in_words(length: Duration) -> String {
    let micros = length.as_micros();
    let seconds = length.as_secs_f64();
    // Each unit ends where its rounding would reach the next one: 999.7 ms prints as 1s, not as 1000ms.
    if micros == 0 {
        "0s".to_owned()
    } else if micros < 1_000 {
        format!("{micros}µs")
    } else if seconds < 0.999_5 {
        format!("{}ms", significant(seconds * 1e3))
    } else if seconds < 59.95 {
        format!("{}s", significant(seconds))
    } else {
        // Rounded before it is split: 119.7 s is 2m00s, not 1m60s.
        let whole = Duration::from_secs_f64(seconds.round()).as_secs();
        let (hours, minutes) = (whole / 3_600, whole / 60 % 60);
        match hours {
            0 => format!("{minutes}m{:02}s", whole % 60),
            _ => format!("{hours}h{minutes:02}m{:02}s", whole % 60),
        }
    }
}

/// Formats a share of a whole in percent: without decimals from 10 % on, and with as many digits as it takes to tell
/// 99.99 % from 100 % and 0.01 % from 0 %.
pub fn percent(share: f64) -> String {
    percent_with(share, |percent| match percent.abs() {
        0.0..10.0 => significant(percent),
        _ => format!("{percent:.0}"),
    })
}

fn percent_with(share: f64, digits: impl Fn(f64) -> String) -> String {
    let percent = share * 100.0;
    // One failure in a million requests is neither 0 % nor, seen from the other side, 100 %.
    if percent > 99.99 && percent < 100.0 {
        return ">99.99%".to_owned();
    }
    if percent > 0.0 && percent < 0.01 {
        return "<0.01%".to_owned();
    }
    if percent > 99.0 && percent < 100.0 {
        return format!("{}%", without_zeros(&format!("{percent:.2}")));
    }
    format!("{}%", digits(percent))
}

/// Formats a number to three significant digits, without trailing zeros: `0.125`, `1.5`, `12.3`, `148`.
pub fn significant(number: f64) -> String {
    let decimals = match number.abs() {
        0.0..0.995 => 3,
        0.995..9.995 => 2,
        9.995..99.95 => 1,
        _ => 0,
    };
    without_zeros(&format!("{number:.decimals$}")).to_owned()
}

/// Cuts the zeros behind the decimal point, and the point if nothing is left behind it.
fn without_zeros(number: &str) -> &str {
    if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        number
    }
}

/// Returns a count as a number to calculate with.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of a run stay far below 2^53"
)]
pub const fn count(count: u64) -> f64 {
    count as f64
}

/// Formats a count with its noun: `1 buyer`, `2,000 buyers`. The plural adds an `s`.
pub fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(count))
}

/// Formats a count with thousands separators: `20,000`.
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

/// Returns `part` as a share of `whole`; `None` if `whole` is 0.
pub fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| count(part) / count(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_three_significant_digits() {
        let shown = [0, 812, 1_100, 148_210, 999_700, 1_500_000, 12_340_000]
            .map(|micros| in_words(Duration::from_micros(micros)));
        assert_eq!(
            shown,
            ["0s", "812µs", "1.1ms", "148ms", "1s", "1.5s", "12.3s"]
        );
    }

    #[test]
    fn lengths_of_a_minute_or_more_are_split() {
        let shown =
            [59_970_u64, 119_700, 3_725_000].map(|millis| in_words(Duration::from_millis(millis)));
        assert_eq!(shown, ["1m00s", "2m00s", "1h02m05s"]);
    }

    #[test]
    fn percentages_have_no_decimals_that_say_nothing() {
        let shown = [0.0, 0.000_5, 0.05, 0.012_5, 0.152, 0.333, 0.995, 1.0, 1.5].map(percent);
        assert_eq!(
            shown,
            [
                "0%", "0.05%", "5%", "1.25%", "15%", "33%", "99.5%", "100%", "150%"
            ]
        );
    }

    #[test]
    fn a_rare_failure_is_not_rounded_away() {
        assert_eq!(percent(0.999_999), ">99.99%");
        assert_eq!(percent(0.000_001), "<0.01%");
        assert_eq!(percent(0.999_9), "99.99%");
    }

    #[test]
    fn a_share_that_a_gate_compares_keeps_three_digits() {
        assert_eq!(Figure::Share(0.152).to_string(), "15.2%");
        assert_eq!(Figure::Share(0.15).to_string(), "15%");
    }

    #[test]
    fn a_value_that_looks_like_its_bound_gets_more_digits() {
        let length = |micros| Figure::Length(Duration::from_micros(micros));
        assert_eq!(length(500_000).beside(5e8), "500ms", "they are the same");
        assert_eq!(length(500_300).beside(5e8), "500.3ms");
        assert_eq!(length(499_999).beside(5e8), "499.999ms");
        assert_eq!(length(612_000).beside(5e8), "612ms");
        assert_eq!(length(60_000_400).beside(6e10), "60.0004s");
        assert_eq!(Figure::Share(0.010_004).beside(0.01), "1.0004%");
        assert_eq!(Figure::Share(0.01).beside(0.01), "1%");
        assert_eq!(Figure::Share(0.000_000_1).beside(0.0), "<0.01%");
        assert_eq!(Figure::Count(7).beside(6.999), "7");
        assert_eq!(Figure::Never.beside(5e8), "never");
    }

    #[test]
    fn one_thing_is_singular() {
        assert_eq!(counted(1, "buyer"), "1 buyer");
        assert_eq!(counted(2_000, "buyer"), "2,000 buyers");
        assert_eq!(counted(0, "buyer"), "0 buyers");
    }
}
