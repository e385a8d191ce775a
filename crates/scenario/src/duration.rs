//! Lengths of time as scenarios write them: `90s`, `1m30s`, `500ms`, `2h`.

use std::fmt;
use std::time::Duration;

/// Units with their nanoseconds, largest first.
const UNITS: [(&str, u64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// The longest length of time in a scenario: a month is longer than any run, and nanoseconds do not overflow.
pub const LENGTH_MAX: Duration = Duration::from_hours(31 * 24);

/// Why a text is not a length of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LengthError {
    /// The text is empty.
    #[error("is empty")]
    Empty,
    /// A number without a unit.
    #[error("has no unit")]
    NoUnit,
    /// A minus sign.
    #[error("is negative")]
    Negative,
    /// Not a number with a known unit.
    #[error("is not a length of time")]
    Unreadable,
    /// Longer than [`LENGTH_MAX`].
    #[error("is longer than 31 days")]
    TooLong,
}

/// Reads a length of time such as `90s`, `1.5s`, or `1m30s`.
pub fn parse(text: &str) -> Result<Duration, LengthError> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(LengthError::Empty);
    }
    if rest.starts_with('-') {
        return Err(LengthError::Negative);
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let number_end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_')
            .unwrap_or(rest.len());
        let (number, tail) = rest.split_at(number_end);
        let tail = tail.trim_start();
        let unit_end = tail
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        total = total
            .checked_add(part(number, unit)?)
            .ok_or(LengthError::TooLong)?;
        rest = tail.trim_start();
    }
    if total > LENGTH_MAX {
        return Err(LengthError::TooLong);
    }
    Ok(total)
}

/// One number with its unit.
fn part(number: &str, unit: &str) -> Result<Duration, LengthError> {
    let digits = number.replace('_', "");
    let Some(&(_, nanos)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        let bare = unit.is_empty() && !digits.is_empty();
        return Err(if bare {
            LengthError::NoUnit
        } else {
            LengthError::Unreadable
        });
    };
    if let Ok(whole) = digits.parse::<u64>() {
        let nanos = whole.checked_mul(nanos).ok_or(LengthError::TooLong)?;
        return Ok(Duration::from_nanos(nanos));
    }
    let units: f64 = digits.parse().map_err(|_| LengthError::Unreadable)?;
    let unit_length = Duration::from_nanos(nanos).as_secs_f64();
    Duration::try_from_secs_f64(units * unit_length).map_err(|_| LengthError::TooLong)
}

/// Prints a length of time so that [`parse`] reads it back, exact to the nanosecond: `1m30s`.
#[derive(Clone, Copy, Debug)]
pub struct Written(pub Duration);

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_zero() {
            return f.write_str("0s");
        }
        let mut nanos = self.0.as_nanos();
        for (unit, size) in UNITS {
            let count = nanos / u128::from(size);
            if count > 0 {
                write!(f, "{count}{unit}")?;
                nanos -= count * u128::from(size);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_are_read_in_every_unit() {
        let cases = [
            ("90s", 90_000),
            ("1m30s", 90_000),
            ("500ms", 500),
            ("2h", 7_200_000),
            ("1.5s", 1_500),
            ("1d", 86_400_000),
            ("1h 30m", 5_400_000),
            ("90 s", 90_000),
            ("1_000ms", 1_000),
            ("0s", 0),
        ];
        for (text, millis) in cases {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn invalid_lengths_are_rejected_with_a_reason() {
        let cases = [
            ("", LengthError::Empty),
            ("90", LengthError::NoUnit),
            ("-5s", LengthError::Negative),
            ("NaN", LengthError::Unreadable),
            ("infs", LengthError::Unreadable),
            ("5 parsecs", LengthError::Unreadable),
            ("1.2.3s", LengthError::Unreadable),
            ("s", LengthError::Unreadable),
            ("32d", LengthError::TooLong),
            ("99999999999999999999h", LengthError::TooLong),
        ];
        for (text, error) in cases {
            assert_eq!(parse(text), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn written_lengths_are_read_back_exactly(nanos in 0_u64..2_678_400_000_000_000) {
            let length = Duration::from_nanos(nanos);
            prop_assert_eq!(parse(&Written(length).to_string()), Ok(length));
        }

        #[test]
        fn the_parser_never_panics(text in "\\PC*") {
            let _outcome = parse(&text);
        }
    }
}
