//! Numbers with their unit, written alike everywhere: three significant digits, no zeros that say nothing.

use std::fmt;
use std::time::Duration;

use tiketi_core::units::{SimTime, Won};
use tiketi_cost::price_book::Currency;
use tiketi_verdict::figure::grouped;

/// A number and its unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number {
    /// The value, in the unit of `kind`.
    pub value: f64,
    /// The unit.
    pub kind: NumberKind,
}

/// What a number measures, which decides how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberKind {
    /// Seconds, as a length of time: `148ms`, `4m10s`.
    Duration,
    /// Seconds since the start of a run: `4m10s`.
    Instant,
    /// Seconds since the start of a run, as the label of an axis: `4:10`.
    Clock,
    /// A part of a whole, 0 to 1: `72%`.
    Share,
    /// Whole things: `2,000`.
    Count,
    /// Any number: `0.25`, `12.4`, `5,601`.
    Decimal,
    /// Money: `₩254,060`, `$12.50`.
    Money(Currency),
    /// Bytes: `16 MiB`.
    Bytes,
}

impl Number {
    /// A number of some kind.
    pub const fn new(value: f64, kind: NumberKind) -> Self {
        Self { value, kind }
    }

    /// A length of time in seconds.
    pub const fn seconds(value: f64) -> Self {
        Self::new(value, NumberKind::Duration)
    }

    /// A length of time.
    pub const fn duration(length: Duration) -> Self {
        Self::seconds(length.as_secs_f64())
    }

    /// An instant of a run.
    pub fn instant(at: SimTime) -> Self {
        Self::new(at.as_secs_f64(), NumberKind::Instant)
    }

    /// A part of a whole.
    pub const fn share(value: f64) -> Self {
        Self::new(value, NumberKind::Share)
    }

    /// A count.
    pub const fn count(count: u64) -> Self {
        Self::new(as_f64(count), NumberKind::Count)
    }

    /// A number without a unit.
    pub const fn decimal(value: f64) -> Self {
        Self::new(value, NumberKind::Decimal)
    }

    /// An amount of money.
    pub const fn money(amount: f64, currency: Currency) -> Self {
        Self::new(amount, NumberKind::Money(currency))
    }

    /// An amount in won.
    pub const fn won(amount: f64) -> Self {
        Self::money(amount, Currency::Krw)
    }

    /// A number of bytes.
    pub const fn bytes(bytes: u64) -> Self {
        Self::new(as_f64(bytes), NumberKind::Bytes)
    }

    /// The number with its sign, as a difference is written; differences of shares are in points.
    pub fn signed(self) -> String {
        let sign = match self.value {
            0.0 => "",
            value if value < 0.0 => "−",
            _ => "+",
        };
        let size = match self.kind {
            NumberKind::Share => format!("{} points", decimal(self.value.abs() * 100.0)),
            kind => kind.write(self.value.abs()),
        };
        format!("{sign}{size}")
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind.write(self.value))
    }
}

impl NumberKind {
    /// Writes a value of this kind.
    pub fn write(self, value: f64) -> String {
        match self {
            Self::Duration => duration(value),
            Self::Instant => instant(value),
            Self::Clock => {
                let whole = whole(value);
                format!("{}:{:02}", whole / 60, whole % 60)
            }
            Self::Share => percent(value),
            Self::Count => grouped(whole(value)),
            Self::Decimal => decimal(value),
            Self::Money(currency) => money(value, currency),
            Self::Bytes => bytes(value),
        }
    }
}

/// A length of time in seconds.
fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    // A value that rounds up to the next unit is written in that unit.
    match seconds {
        _ if seconds < 0.5e-6 => "0s".to_owned(),
        _ if seconds < 0.999_5e-3 => format!("{}µs", trimmed(seconds * 1e6, 3)),
        _ if seconds < 0.999_5 => format!("{}ms", trimmed(seconds * 1e3, 3)),
        _ if seconds < 59.95 => format!("{}s", trimmed(seconds, 3)),
        _ => {
            let long = instant(seconds);
            let long = long.strip_suffix("m00s").map(|rest| format!("{rest}m"));
            long.unwrap_or_else(|| instant(seconds))
        }
    }
}

/// Seconds since the start of a run, to the second.
fn instant(seconds: f64) -> String {
    let whole = whole(seconds);
    let (hours, minutes) = (whole / 3_600, whole / 60 % 60);
    match (hours, minutes) {
        (0, 0) => format!("{whole}s"),
        (0, _) => format!("{minutes}m{:02}s", whole % 60),
        _ => format!("{hours}h{minutes:02}m{:02}s", whole % 60),
    }
}

/// A part of a whole in percent. Above 10 % without decimals, except next to 100 %: 99.95 % is not "all".
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        _ if percent > 99.99 && percent < 100.0 => ">99.99%".to_owned(),
        _ if percent > 99.0 && percent < 100.0 => format!("{}%", trimmed_decimals(percent, 2)),
        _ if percent > 0.0 && percent < 0.01 => "<0.01%".to_owned(),
        _ if percent.abs() < 10.0 => format!("{}%", trimmed_decimals(percent, 2)),
        _ => format!("{percent:.0}%"),
    }
}

/// A number with three significant digits, whole from a hundred on.
fn decimal(value: f64) -> String {
    if value.abs() < 99.95 {
        return trimmed(value, 3);
    }
    let sign = if value < 0.0 { "−" } else { "" };
    format!("{sign}{}", grouped(whole(value.abs())))
}

fn bytes(bytes: f64) -> String {
    const UNITS: [&str; 4] = ["B", "KiB", "MiB", "GiB"];
    let mut value = bytes;
    let mut unit = 0;
    while value >= 1_024.0 && unit + 1 < UNITS.len() {
        value /= 1_024.0;
        unit += 1;
    }
    format!("{} {}", decimal(value), UNITS[unit])
}

/// An amount of money; amounts below a hundred keep three significant digits.
fn money(amount: f64, currency: Currency) -> String {
    match currency {
        Currency::Krw if amount.abs() < 99.95 => format!("₩{}", trimmed(amount, 3)),
        Currency::Krw => {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a bill stays far below 2^63 won"
            )]
            let whole = amount.round() as i64;
            Won(whole).to_string()
        }
        Currency::Usd => {
            let shown = format!("{:.*}", decimals(amount, 3).max(2), amount.abs());
            let sign = if amount < 0.0 { "-" } else { "" };
            let (whole, fraction) = shown.split_once('.').unwrap_or((&shown, "00"));
            let whole = whole.parse().map_or_else(|_| whole.to_owned(), grouped);
            format!("{sign}${whole}.{fraction}")
        }
    }
}

/// A number with so many significant digits, without trailing zeros.
fn trimmed(value: f64, digits: usize) -> String {
    trimmed_decimals(value, decimals(value, digits))
}

fn trimmed_decimals(value: f64, decimals: usize) -> String {
    let shown = format!("{value:.decimals$}");
    if !shown.contains('.') {
        return shown;
    }
    let shown = shown.trim_end_matches('0').trim_end_matches('.');
    // Rounding leaves a sign before a zero.
    if shown == "-0" {
        "0".to_owned()
    } else {
        shown.to_owned()
    }
}

/// Decimals that make so many significant digits.
fn decimals(value: f64, digits: usize) -> usize {
    const DECIMALS_MAX: usize = 9;
    if value == 0.0 || !value.is_finite() {
        return 0;
    }
    // Rounded first: 9.996 has the digits of 10.0.
    let mut magnitude = value.abs().log10().floor();
    let unit = 10_f64.powf(magnitude);
    #[expect(clippy::cast_precision_loss, reason = "a handful of digits")]
    let steps = 10_f64.powf(digits as f64 - 1.0);
    if (value.abs() / unit * steps).round() / steps >= 10.0 {
        magnitude += 1.0;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a magnitude of a double is within ±324"
    )]
    let before_point = magnitude as i64 + 1;
    let digits = i64::try_from(digits).expect("a handful of digits");
    usize::try_from(digits - before_point).map_or(0, |decimals| decimals.min(DECIMALS_MAX))
}

/// The nearest whole number; negative values are zero.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and values are counts or seconds far below 2^64"
)]
fn whole(value: f64) -> u64 {
    value.round().max(0.0) as u64
}

/// A count as a number to calculate with.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(crate) const fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits_and_no_empty_decimals() {
        let shown = [
            0.0, 812e-6, 0.999_7e-3, 0.148_21, 0.064, 12.34, 2.0008, 59.97, 119.7, 250.0, 3_725.0,
            600.0,
        ]
        .map(|seconds| Number::seconds(seconds).to_string());
        let expected = [
            "0s", "812µs", "1ms", "148ms", "64ms", "12.3s", "2s", "1m", "2m", "4m10s", "1h02m05s",
            "10m",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn instants_keep_their_seconds() {
        let shown = [0.0, 9.6, 240.0, 3_600.0]
            .map(|seconds| Number::new(seconds, NumberKind::Instant).to_string());
        assert_eq!(shown, ["0s", "10s", "4m00s", "1h00m00s"]);
    }

    #[test]
    fn a_rare_failure_is_not_rounded_away() {
        let shown = [
            1.0, 0.999_999, 0.999_5, 0.722_2, 0.025_38, 0.000_3, 0.000_001, 0.0,
        ]
        .map(|share| Number::share(share).to_string());
        let expected = [
            "100%", ">99.99%", "99.95%", "72%", "2.54%", "0.03%", "<0.01%", "0%",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn money_keeps_three_digits() {
        let shown = [0.0, 0.001_234, 0.0934, 5.488, 9.996, 27.3, 104.4, 254_693.0]
            .map(|amount| Number::won(amount).to_string());
        let expected = [
            "₩0",
            "₩0.00123",
            "₩0.0934",
            "₩5.49",
            "₩10",
            "₩27.3",
            "₩104",
            "₩254,693",
        ];
        assert_eq!(shown, expected);
        let shown = [12.5, 0.004_56, 0.000_000_24, 1_234.5]
            .map(|amount| Number::money(amount, Currency::Usd).to_string());
        assert_eq!(shown, ["$12.50", "$0.00456", "$0.000000240", "$1,234.50"]);
    }

    #[test]
    fn other_numbers_have_three_digits() {
        let shown = [0.25, 12.44, 99.96, 5_601.4].map(|value| Number::decimal(value).to_string());
        assert_eq!(shown, ["0.25", "12.4", "100", "5,601"]);
        assert_eq!(Number::bytes(16 << 20).to_string(), "16 MiB");
        assert_eq!(Number::bytes(167_834).to_string(), "164 KiB");
    }

    #[test]
    fn differences_carry_a_sign() {
        assert_eq!(Number::share(-0.0213).signed(), "−2.13 points");
        assert_eq!(Number::seconds(41.2).signed(), "+41.2s");
        assert_eq!(Number::decimal(0.0).signed(), "0");
    }
}
