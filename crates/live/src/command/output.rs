//! The beginning and the end of what a program writes.

use std::collections::VecDeque;

/// Bytes of the beginning, and of the end, that are kept of each stream: a page of text, whatever a program writes.
const SHOWN_BYTES: usize = 1 << 10;

/// Bytes of the beginning that are kept for programs whose output is read: far more than a response of AWS FIS has.
const READ_BYTES: usize = 256 << 10;

/// What is kept of one stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    bytes: u64,
}

impl Kept {
    /// Adds what was written.
    pub(super) fn push(&mut self, written: &[u8]) {
        let room = READ_BYTES.saturating_sub(self.head.len());
        self.head
            .extend_from_slice(&written[..room.min(written.len())]);
        let last = &written[written.len().saturating_sub(SHOWN_BYTES)..];
        self.tail.extend(last);
        let surplus = self.tail.len().saturating_sub(SHOWN_BYTES);
        self.tail.drain(..surplus);
        self.bytes += written.len() as u64;
    }

    /// Returns the beginning, as far as it is kept.
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    /// Returns the beginning and the end as text.
    pub(super) fn text(&self) -> String {
        let both = (SHOWN_BYTES * 2) as u64;
        if self.bytes <= both {
            return String::from_utf8_lossy(&self.head).into_owned();
        }
        let tail: Vec<u8> = self.tail.iter().copied().collect();
        format!(
            "{}\n… {} bytes left out …\n{}",
            String::from_utf8_lossy(&self.head[..SHOWN_BYTES]),
            self.bytes - both,
            String::from_utf8_lossy(&tail)
        )
    }

    /// Returns the last line that is not blank; `None` if there is none.
    pub(super) fn last_line(&self) -> Option<String> {
        let tail: Vec<u8> = self.tail.iter().copied().collect();
        let tail = String::from_utf8_lossy(&tail);
        let mut lines = tail.lines().rev().map(str::trim);
        lines.find(|line| !line.is_empty()).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_output_is_kept_whole() {
        let mut kept = Kept::default();
        kept.push(b"one\n");
        kept.push(b"two\n\n");
        assert_eq!(kept.text(), "one\ntwo\n\n");
        assert_eq!(kept.last_line().as_deref(), Some("two"));
        assert_eq!(Kept::default().last_line(), None);
    }

    #[test]
    fn of_long_output_the_beginning_and_the_end_are_kept() {
        let mut kept = Kept::default();
        kept.push(b"first ");
        for _ in 0..100_000 {
            kept.push(b"0123456789");
        }
        kept.push(b" last");
        let text = kept.text();
        assert!(text.starts_with("first 0123") && text.ends_with("6789 last"));
        assert!(text.contains("… 997963 bytes left out …"), "{text}");
        assert!(text.len() < SHOWN_BYTES * 3 && kept.head().len() == READ_BYTES);
    }
}
