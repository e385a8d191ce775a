//! Numbers with their unit, written alike everywhere: three significant digits, no zeros that say nothing.

use std::fmt;
use std::time::Duration;

use tiketi_core::units::{SimTime, Won};
use tiketi_cost::Amount;
use tiketi_cost::price_book::Currency;
use tiketi_verdict::figure::{grouped, in_words, percent, significant};

/// A number and its unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number {
    /// The value, in the unit of `kind`.
    pub value: f64,
    /// The unit.
    pub kind: NumberKind,
    /// Whether it is the value itself.
    pub certainty: Certainty,
}

/// What a number says about the value that it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// It is the value.
    Exact,
    /// The value is at least this: a part of it is unknown.
    AtLeast,
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
        Self {
            value,
            kind,
            certainty: Certainty::Exact,
        }
    }

    /// The same number as a lower bound of the value.
    #[must_use]
    pub const fn or_more(self) -> Self {
        Self {
            certainty: Certainty::AtLeast,
            ..self
        }
    }

    /// The same number as a lower bound if `amount`, from which it was calculated, is one.
    #[must_use]
    pub const fn as_sure_as(self, amount: &Amount) -> Self {
        match amount {
            Amount::Exact(_) => self,
            Amount::AtLeast { .. } => self.or_more(),
        }
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

    /// An amount of money that may be a lower bound.
    pub const fn amount(amount: &Amount, currency: Currency) -> Self {
        Self::money(amount.at_least(), currency).as_sure_as(amount)
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
        match self.certainty {
            Certainty::Exact => {}
            Certainty::AtLeast => f.write_str("at least ")?,
        }
        f.write_str(&self.kind.write(self.value))
    }
}

impl NumberKind {
    /// Writes a value of this kind.
    pub fn write(self, value: f64) -> String {
        match self {
            Self::Duration => in_words(Duration::from_secs_f64(value.max(0.0))),
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

/// A number with three significant digits, whole from a hundred on.
fn decimal(value: f64) -> String {
    if value.abs() < 99.95 {
        return significant(value);
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
        Currency::Krw if amount.abs() < 99.95 => {
            let shown = format!("{amount:.*}", decimals(amount));
            format!("₩{}", without_zeros(&shown))
        }
        Currency::Krw => {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a bill stays far below 2^63 won"
            )]
            let whole = amount.round() as i64;
            Won(whole).to_string()
        }
        Currency::Usd => {
            let shown = format!("{:.*}", decimals(amount).max(2), amount.abs());
            let sign = if amount < 0.0 { "-" } else { "" };
            let (whole, fraction) = shown.split_once('.').unwrap_or((&shown, "00"));
            let whole = whole.parse().map_or_else(|_| whole.to_owned(), grouped);
            format!("{sign}${whole}.{fraction}")
        }
    }
}

/// Cuts the zeros after the decimal point, and the point if nothing is left after it.
fn without_zeros(number: &str) -> &str {
    if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        number
    }
}

/// Decimals that make three significant digits of a price.
fn decimals(amount: f64) -> usize {
    // Nothing has no digits to keep.
    if amount.abs() <= 0.0 {
        return 0;
    }
    const THRESHOLDS: [f64; 10] = [
        99.95, 9.995, 0.9995, 0.099_95, 0.009_995, 0.999_5e-3, 0.999_5e-4, 0.999_5e-5, 0.999_5e-6,
        0.0,
    ];
    let reached = THRESHOLDS.iter().position(|least| amount.abs() >= *least);
    reached.unwrap_or_default()
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
    fn instants_keep_their_seconds() {
        let shown = [0.0, 9.6, 240.0, 3_600.0]
            .map(|seconds| Number::new(seconds, NumberKind::Instant).to_string());
        assert_eq!(shown, ["0s", "10s", "4m00s", "1h00m00s"]);
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
        let shown = [0.0, 12.5, 0.004_56, 0.000_000_24, 1_234.5]
            .map(|amount| Number::money(amount, Currency::Usd).to_string());
        assert_eq!(
            shown,
            ["$0.00", "$12.50", "$0.00456", "$0.000000240", "$1,234.50"]
        );
    }

    #[test]
    fn a_lower_bound_says_so() {
        let shown = |missing: &[&str]| {
            let missing = missing.iter().map(|item| (*item).to_owned());
            let amount = Amount::new(466.2, missing.collect());
            Number::amount(&amount, Currency::Krw).to_string()
        };
        assert_eq!(shown(&[]), "₩466");
        assert_eq!(shown(&["4 x t3.large (no price)"]), "at least ₩466");
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
