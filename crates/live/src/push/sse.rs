//! The text of server-sent events (HTML standard, section 9.2), read in pieces of any size.

use std::time::Duration;

use bytes::{Buf, Bytes};

use super::{Ended, MESSAGE_BYTES_MAX};
use tiketi_api::WAIT_MAX;
use tiketi_buyer::observation::Failure;

/// Longest id of an event that is sent back. Longer ones are no ids.
const ID_BYTES_MAX: usize = 1 << 10;

/// One event.
#[derive(Debug, PartialEq)]
pub(super) struct Event {
    /// Its name; `message` if it has none.
    pub(super) name: String,
    /// Its data.
    pub(super) data: Bytes,
}

/// What a buyer remembers when a stream of events ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Resume {
    /// The id of the last event; `None` if no event had one.
    pub(crate) last_id: Option<Box<str>>,
    /// How long to wait before the stream is opened again; `None` if the server has not said.
    pub(crate) retry: Option<Duration>,
}

/// Reads lines, and puts them together to events. Between events it takes no memory.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    name: String,
    id: Option<Box<str>>,
    after_return: bool,
    has_begun: bool,
    pub(super) resume: Resume,
}

impl Parser {
    /// Goes on after an earlier stream.
    pub(super) fn resume(resume: Resume) -> Self {
        Self {
            id: resume.last_id.clone(),
            resume,
            ..Self::default()
        }
    }

    /// Takes what it needs of `chunk` for one event; `None` if the chunk ends before.
    pub(super) fn next(&mut self, chunk: &mut Bytes) -> Result<Option<Event>, Ended> {
        while let Some(first) = chunk.first() {
            if std::mem::take(&mut self.after_return) && *first == b'\n' {
                chunk.advance(1);
                continue;
            }
            let Some(end) = chunk.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                self.extend(chunk)?;
                chunk.clear();
                return Ok(None);
            };
            let rest = chunk.split_off(end + 1);
            self.after_return = chunk[end] == b'\r';
            self.extend(&chunk[..end])?;
            *chunk = rest;
            if let Some(event) = self.end_line()? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<(), Ended> {
        if self.line.len() + bytes.len() > MESSAGE_BYTES_MAX {
            return Err(too_long("a line", &self.line));
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    /// Handles a whole line; an empty one ends an event.
    fn end_line(&mut self) -> Result<Option<Event>, Ended> {
        let line = std::mem::take(&mut self.line);
        let mut line = &line[..];
        if !std::mem::replace(&mut self.has_begun, true) {
            line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
        }
        if line.is_empty() {
            return Ok(self.end_event());
        }
        let (field, value) = match line.iter().position(|byte| *byte == b':') {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &[][..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => {
                if self.data.len() + value.len() >= MESSAGE_BYTES_MAX {
                    return Err(too_long("an event", &self.data));
                }
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
            }
            b"event" => self.name = String::from_utf8_lossy(value).into_owned(),
            b"id" if !value.contains(&0) && value.len() <= ID_BYTES_MAX => {
                self.id = Some(String::from_utf8_lossy(value).into());
            }
            b"retry" if value.iter().all(u8::is_ascii_digit) => {
                let ms = str::from_utf8(value)
                    .ok()
                    .and_then(|text| text.parse().ok());
                self.resume.retry = ms.map(|ms| Duration::from_millis(ms).min(WAIT_MAX));
            }
            // A comment, or a field of a later version.
            _ => {}
        }
        Ok(None)
    }

    fn end_event(&mut self) -> Option<Event> {
        self.resume.last_id.clone_from(&self.id);
        let name = std::mem::take(&mut self.name);
        let data = std::mem::take(&mut self.data);
        std::mem::take(&mut self.has_data).then(|| Event {
            name: if name.is_empty() {
                "message".to_owned()
            } else {
                name
            },
            data: data.into(),
        })
    }
}

fn too_long(what: &str, beginning: &[u8]) -> Ended {
    let beginning = &beginning[..beginning.len().min(80)];
    Ended::broken(
        Failure::BadAnswer,
        format!(
            "{what} is longer than {} KiB; it begins with {}",
            MESSAGE_BYTES_MAX >> 10,
            String::from_utf8_lossy(beginning)
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All events of a text that comes in pieces of this size.
    fn events(text: &str, size: usize) -> (Vec<(String, String)>, Resume) {
        let mut parser = Parser::default();
        let mut events = Vec::new();
        for piece in text.as_bytes().chunks(size) {
            let mut chunk = Bytes::copy_from_slice(piece);
            while let Some(event) = parser.next(&mut chunk).unwrap() {
                let data = String::from_utf8(event.data.to_vec()).unwrap();
                events.push((event.name, data));
            }
        }
        (events, parser.resume)
    }

    #[test]
    fn events_are_the_same_in_pieces_of_any_size() {
        let text = "\u{feff}: hello\nretry: 1500\n\nevent: ENTRY\r\nid: 7\r\ndata: {\"a\":1}\r\n\r\n\
                    data:one\rdata: two\r\rdata\n\nevent: lost\n\nid\ndata:  x\n\ndata: never ended\n";
        let expected = [
            ("ENTRY", "{\"a\":1}"),
            ("message", "one\ntwo"),
            ("message", ""),
            ("message", " x"),
        ];
        let expected = expected.map(|(name, data)| (name.to_owned(), data.to_owned()));
        for size in [1, 2, 3, 7, 1_000] {
            let (found, resume) = events(text, size);
            assert_eq!(found, expected, "pieces of {size}");
            assert_eq!(resume.retry, Some(Duration::from_millis(1_500)));
            assert_eq!(resume.last_id.as_deref(), Some(""), "an empty id resets it");
        }
    }

    #[test]
    fn the_last_id_is_that_of_the_last_whole_event() {
        let (_, resume) = events("id: 7\ndata: a\n\nid: 8\ndata: b\n", 4);
        assert_eq!(resume.last_id.as_deref(), Some("7"));
        let parser = Parser::resume(resume.clone());
        assert_eq!(parser.resume, resume);
    }

    #[test]
    fn a_line_without_an_end_and_an_event_without_an_end_are_reported() {
        for (text, words) in [
            ("data: x", "a line is longer than 64 KiB"),
            ("data: xyz\n", "an event is longer"),
        ] {
            let mut parser = Parser::default();
            let mut fed = 0;
            let ended = loop {
                let mut chunk = Bytes::copy_from_slice(text.repeat(100).as_bytes());
                fed += chunk.len();
                match parser.next(&mut chunk) {
                    Ok(None) => assert!(fed < 10 * MESSAGE_BYTES_MAX, "it never ends"),
                    Ok(Some(event)) => panic!("{event:?}"),
                    Err(ended) => break ended,
                }
                assert!(parser.line.capacity() + parser.data.capacity() <= 4 * MESSAGE_BYTES_MAX);
            };
            assert!(ended.words.contains(words), "{ended:?}");
        }
    }

    #[test]
    fn a_retry_that_is_no_number_or_too_long_is_not_obeyed() {
        let retry = |text: &str| events(text, 9).1.retry;
        assert_eq!(retry("retry: soon\n"), None);
        assert_eq!(retry("retry: -1\n"), None);
        assert_eq!(retry("retry: 99999999999999999999999\n"), None);
        assert_eq!(retry("retry: 9999999999999\n"), Some(WAIT_MAX));
    }
}
