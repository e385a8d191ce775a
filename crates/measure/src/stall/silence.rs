//! Notices that a server stops answering probes. Pure: its driver sends them, and passes the time.

use super::{Lapse, REPORTED_MIN};

/// The probes of one server, sent one after the other. Times are nanoseconds since 1970.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silence {
    /// When the oldest probe was sent that has no answer yet; `None` if all were answered.
    since: Option<u64>,
}

impl Silence {
    /// Notes that a probe is sent.
    pub fn handle_sent(&mut self, at_unix_ns: u64) {
        self.since.get_or_insert(at_unix_ns);
    }

    /// Notes that a probe was answered. Returns how long there was no answer; `None` if that is not worth a report.
    pub fn handle_answered(&mut self, at_unix_ns: u64) -> Option<Lapse> {
        let lapse = self.open(at_unix_ns);
        self.since = None;
        lapse
    }

    /// Returns the silence that lasts at this time; `None` if there is none worth a report.
    pub fn open(&self, at_unix_ns: u64) -> Option<Lapse> {
        let lapse = Lapse::between(self.since?, at_unix_ns);
        (lapse.lasted >= REPORTED_MIN).then_some(lapse)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn quick_answers_are_no_silence() {
        let mut silence = Silence::default();
        for second in 0..10 {
            let sent = second * 1_000 * MS;
            silence.handle_sent(sent);
            assert_eq!(silence.handle_answered(sent + 99 * MS), None);
        }
        assert_eq!(silence.open(60_000 * MS), None, "nothing is unanswered");
    }

    #[test]
    fn silence_lasts_from_the_first_probe_without_an_answer_to_the_next_answer() {
        let mut silence = Silence::default();
        silence.handle_sent(1_000 * MS);
        // That probe fails; the next one is answered.
        silence.handle_sent(2_000 * MS);
        assert_eq!(
            silence.open(2_500 * MS).map(|lapse| lapse.lasted),
            Some(Duration::from_millis(1_500))
        );
        let lapse = silence.handle_answered(2_600 * MS).unwrap();
        assert_eq!(lapse, Lapse::between(1_000 * MS, 2_600 * MS));
        assert_eq!(silence.open(3_000 * MS), None);
    }
}
