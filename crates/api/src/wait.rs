//! How long a response asks to wait.

use std::time::Duration;

use crate::reader::Slots;

/// The longest wait that is obeyed, whatever a response says: longer ones are mistakes, or attacks on the buyer.
pub const WAIT_MAX: Duration = Duration::from_secs(60 * 60);

/// Where a response says when to ask again.
#[derive(Clone, Debug)]
pub(crate) struct PollAfter {
    pub(crate) from: Source,
    /// Seconds per unit.
    pub(crate) unit_s: f64,
}

/// Where a value is taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A value of the JSON body.
    Json(u8),
    /// A header, by its name in lower case.
    Header(String),
    /// A cookie that the response sets.
    Cookie(String),
}

impl PollAfter {
    /// Returns the wait; `None` if the response does not say.
    pub(crate) fn read<'b>(
        &self,
        slots: &Slots<'_>,
        header: &dyn Fn(&str) -> Option<&'b str>,
        now_unix_s: u64,
    ) -> Option<Duration> {
        match &self.from {
            Source::Json(slot) => seconds(slots[usize::from(*slot)].number()? * self.unit_s),
            Source::Header(name) => {
                let text = header(name)?;
                match text.trim().parse::<f64>() {
                    Ok(number) => seconds(number * self.unit_s),
                    Err(_) => retry_after(text, now_unix_s),
                }
            }
            Source::Cookie(_) => None,
        }
    }
}

/// Returns the wait of a `Retry-After` header, which has seconds or a date; `None` if it has neither. A date in the past is no
/// wait.
pub fn retry_after(text: &str, now_unix_s: u64) -> Option<Duration> {
    let text = text.trim();
    if let Ok(whole) = text.parse::<u64>() {
        return Some(Duration::from_secs(whole).min(WAIT_MAX));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?;
    let at = u64::try_from(date.timestamp().as_second()).ok()?;
    Some(Duration::from_secs(at.saturating_sub(now_unix_s)).min(WAIT_MAX))
}

fn seconds(number: f64) -> Option<Duration> {
    let wait = Duration::try_from_secs_f64(number).ok()?;
    Some(wait.min(WAIT_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let second = Duration::from_secs(1);
        assert_eq!(retry_after(" 7 ", 0), Some(7 * second));
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(retry_after(date, 784_111_767), Some(10 * second));
        assert_eq!(retry_after(date, 784_111_800), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", 0), None);
        assert_eq!(retry_after("-1", 0), None);
        assert_eq!(retry_after("99999999", 0), Some(WAIT_MAX));
    }
}
