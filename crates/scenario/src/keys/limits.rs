//! Limits of values: the smallest and the largest, each with its reason.

use std::fmt;
use std::time::Duration;

use crate::duration::Written;

/// The smallest and the largest value of a key, and why there is no smaller and no larger one.
///
/// Prints the range, such as `1 to 200`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits<N> {
    /// Smallest.
    pub min: N,
    /// Largest.
    pub max: N,
    /// The reason, as a hint for somebody whose value is outside.
    pub why: &'static str,
}

impl<N> Limits<N> {
    /// Limits with their reason.
    pub const fn new(min: N, max: N, why: &'static str) -> Self {
        Self { min, max, why }
    }
}

impl<N: Copy + PartialOrd> Limits<N> {
    /// Whether the value is within the limits. Not a number is not.
    pub fn permit(&self, value: N) -> bool {
        self.min <= value && value <= self.max
    }
}

impl<N: Copy + Into<i128>> Limits<N> {
    /// The same limits as wide numbers.
    pub fn widened(&self) -> Limits<i128> {
        Limits::new(self.min.into(), self.max.into(), self.why)
    }
}

impl fmt::Display for Limits<i128> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.min, self.max)
    }
}

impl fmt::Display for Limits<f64> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.min, self.max)
    }
}

impl fmt::Display for Limits<Duration> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", Written(self.min), Written(self.max))
    }
}
