//! A program that adds to requests what only code can compute, such as a signature.

use std::time::Duration;

use crate::template::Variable;

/// How the program is started, and what it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sign {
    /// The program and its arguments. No shell is involved.
    pub run: Vec<String>,
    /// The variables that it is given with each request: names and what they stand for.
    pub variables: Vec<(String, Variable)>,
    /// How long a line of it may take, in real time.
    pub timeout: Duration,
}

/// Timeout of a line. A buyer gives a whole request 10 s in the preset; a signature that takes half of that is a fault of the
/// program.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);

/// Longest timeout. A buyer would not wait longer for a page.
pub(crate) const TIMEOUT_MAX: Duration = Duration::from_secs(60);

impl Sign {
    /// Returns the program with its arguments, for people.
    pub fn command(&self) -> String {
        self.run.join(" ")
    }
}

/// Reads a length of time such as `2s` or `500ms`; `None` if it is none, or longer than `max`.
pub(crate) fn length(text: &str, max: Duration) -> Option<Duration> {
    let (digits, unit) = match text.strip_suffix("ms") {
        Some(digits) => (digits, Duration::from_millis(1)),
        None => (text.strip_suffix('s')?, Duration::from_secs(1)),
    };
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let count: u32 = is_number.then(|| digits.parse().ok()).flatten()?;
    let length = unit * count;
    (!length.is_zero() && length <= max).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_seconds_or_milliseconds() {
        let length = |text| length(text, TIMEOUT_MAX);
        assert_eq!(length("2s"), Some(Duration::from_secs(2)));
        assert_eq!(length("250ms"), Some(Duration::from_millis(250)));
        for wrong in ["", "s", "2", "-1s", "0s", "61s", "1m", "4294967296s"] {
            assert_eq!(length(wrong), None, "{wrong}");
        }
    }
}
