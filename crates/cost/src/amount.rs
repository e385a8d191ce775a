//! Amounts of money that may be incomplete: without a price or a quantity for one item, a sum is known only as a lower
//! bound.

use serde::{Deserialize, Serialize};

/// A sum of money, or what is known of it.
///
/// In files an exact amount is a number. A lower bound is an object, so that no reader takes it for the amount:
/// `{"at_least": 466.2, "missing": ["4 x t3.large, always on (no price)"]}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Amount {
    /// Everything is known.
    Exact(f64),
    /// Something is missing.
    AtLeast {
        /// The sum of everything that is known.
        at_least: f64,
        /// What is missing, and why; never empty.
        missing: Vec<String>,
    },
}

impl Amount {
    /// The sum of what is known; it is exact if nothing is missing.
    pub fn new(known: f64, missing: Vec<String>) -> Self {
        if missing.is_empty() {
            Self::Exact(known)
        } else {
            Self::AtLeast {
                at_least: known,
                missing,
            }
        }
    }

    /// Returns the amount; `None` if something is missing.
    pub const fn exact(&self) -> Option<f64> {
        match self {
            Self::Exact(amount) => Some(*amount),
            Self::AtLeast { .. } => None,
        }
    }

    /// Returns what the amount is at least: the amount itself if nothing is missing.
    pub const fn at_least(&self) -> f64 {
        match self {
            Self::Exact(known)
            | Self::AtLeast {
                at_least: known, ..
            } => *known,
        }
    }

    /// Returns what is missing; empty if the amount is exact.
    pub fn missing(&self) -> &[String] {
        match self {
            Self::Exact(_) => &[],
            Self::AtLeast { missing, .. } => missing,
        }
    }

    /// Returns the amount times a factor of 0 or more, such as an exchange rate.
    #[must_use]
    pub fn times(&self, factor: f64) -> Self {
        Self::new(self.at_least() * factor, self.missing().to_vec())
    }

    /// Returns the sum of two amounts.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let missing = self.missing().iter().chain(other.missing());
        Self::new(
            self.at_least() + other.at_least(),
            missing.cloned().collect(),
        )
    }

    /// Returns the amount without one of its parts. What is missing from the part is missing from the rest no more.
    #[must_use]
    pub fn without(&self, part: &Self) -> Self {
        let missing = self.missing().iter();
        let missing = missing.filter(|item| !part.missing().contains(item));
        Self::new(
            self.at_least() - part.at_least(),
            missing.cloned().collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_least(known: f64, missing: &[&str]) -> Amount {
        Amount::new(
            known,
            missing.iter().map(|item| (*item).to_owned()).collect(),
        )
    }

    #[test]
    fn a_sum_lacks_what_its_parts_lack() {
        let sum = Amount::Exact(2.0)
            .plus(&at_least(3.0, &["a"]))
            .plus(&at_least(0.0, &["b"]));
        assert_eq!(sum, at_least(5.0, &["a", "b"]));
        assert_eq!((sum.exact(), sum.at_least()), (None, 5.0));
        assert_eq!(sum.without(&at_least(3.0, &["a"])), at_least(2.0, &["b"]));
        assert_eq!(sum.times(2.0).missing(), ["a", "b"]);
    }

    #[test]
    fn a_lower_bound_is_no_number_in_files() {
        let written = |amount: &Amount| toml::Value::try_from(amount).unwrap().to_string();
        assert_eq!(written(&Amount::Exact(2.5)), "2.5");
        let shown = written(&at_least(2.5, &["a (no price)"]));
        assert_eq!(shown, "{ at_least = 2.5, missing = [\"a (no price)\"] }");
    }
}
