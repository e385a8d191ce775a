//! Quantities with their unit in the type: instants, rates, shares, money.
//!
//! Lengths of time are plain [`Duration`](std::time::Duration)s, instants are [`SimTime`]s. Both are *scenario* time
//! unless a name says `wall`.

use std::fmt;
use std::ops::Add;

use serde::{Deserialize, Serialize};

use crate::names;

pub use tiketi_station::SimTime;

/// A number outside the range of its quantity.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{value} is out of range (expected {expected})")]
pub struct OutOfRange {
    /// The offending number.
    pub value: f64,
    /// The valid range in words, as an error message shows it.
    pub expected: &'static str,
}

/// A finite, non-negative number of things per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Rate(f64);

impl Rate {
    /// Things per second.
    pub const fn per_second(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Rate {
    type Error = OutOfRange;

    fn try_from(value: f64) -> Result<Self, OutOfRange> {
        let is_valid = value.is_finite() && value >= 0.0;
        is_valid.then_some(Self(value)).ok_or(OutOfRange {
            value,
            expected: "a finite number per second, 0 or more",
        })
    }
}

impl From<Rate> for f64 {
    fn from(rate: Rate) -> Self {
        rate.0
    }
}

/// A share of a whole, 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Share(f64);

impl Share {
    /// Zero.
    pub const NONE: Self = Self(0.0);

    /// The share as a number from 0 to 1.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Share {
    type Error = OutOfRange;

    fn try_from(value: f64) -> Result<Self, OutOfRange> {
        (0.0..=1.0)
            .contains(&value)
            .then_some(Self(value))
            .ok_or(OutOfRange {
                value,
                expected: "0 to 1",
            })
    }
}

impl From<Share> for f64 {
    fn from(share: Share) -> Self {
        share.0
    }
}

/// Whole Korean won.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Won(pub i64);

impl Add for Won {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl std::iter::Sum for Won {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self(0), Add::add)
    }
}

/// Prints the amount with thousands separators: `₩1,234,500`.
impl fmt::Display for Won {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.unsigned_abs().to_string();
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}₩")?;
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                write!(f, ",")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

/// A virtual buyer, numbered from 0 in order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BuyerId(pub u32);

impl fmt::Display for BuyerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "buyer {}", self.0)
    }
}

/// An availability zone: its index in the topology's list of zones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ZoneId(pub u8);

impl ZoneId {
    /// The zone's index in any list with one entry per zone.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A back-end instance. Numbers count up from 0 over the whole run and are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InstanceId(pub u32);

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "i-{}", self.0)
    }
}

/// A part of the data tier that can fail over on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DataTierPart {
    /// Redis.
    Redis,
    /// The relational database.
    Database,
}

names!(DataTierPart {
    Redis = "redis",
    Database = "database",
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn won_is_printed_with_thousands_separators() {
        assert_eq!(Won(268_000).to_string(), "₩268,000");
        assert_eq!(Won(-1_000).to_string(), "-₩1,000");
        assert_eq!(Won(999).to_string(), "₩999");
    }

    #[test]
    fn shares_outside_0_to_1_are_rejected() {
        assert!(Share::try_from(1.01).is_err());
        assert!(Share::try_from(f64::NAN).is_err());
        assert!(Share::try_from(0.0).is_ok());
    }
}
