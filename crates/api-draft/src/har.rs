//! Browser recordings: HAR (HTTP Archive) 1.1 and 1.2, read entry by entry.
//!
//! A recording has everything a browser loaded, and can have hundreds of megabytes. Only requests of the API and their JSON are
//! kept; long texts are cut before they are parsed ([`cut`]).

mod cut;
mod entry;

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::error::Category;

use crate::traffic::Exchange;
use cut::Cut;
use entry::{Entry, Kind};

/// Longest text that is read of a recording, in bytes: a seat map of 20,000 seats has about 3 MiB.
const TEXT_BYTES_MAX: usize = 4 * 1_024 * 1_024;

/// Bytes of JSON that are kept of one recording. Parsed, they take up to ten times as much memory.
const KEPT_BYTES_MAX: usize = 16 * 1_024 * 1_024;

/// Requests that are kept of one recording: an hour of polls every second, several times.
const KEPT_MAX: usize = 20_000;

/// Names of files and sockets that are kept to be shown.
const SHOWN_MAX: usize = 12;

/// A browser recording, as far as a mapping needs it.
#[derive(Debug, Default)]
pub struct Recording {
    pub(crate) exchanges: Vec<Exchange>,
    pub(crate) left_out: LeftOut,
    pub(crate) sockets: Vec<Socket>,
    entries: usize,
}

/// What is not part of the API, or was too much.
#[derive(Debug, Default)]
pub(crate) struct LeftOut {
    /// Static files by host: how many, and the first paths.
    pub(crate) files: BTreeMap<String, (usize, Vec<String>)>,
    /// Requests that got no response.
    pub(crate) unanswered: usize,
    /// Bodies that were cut, or not kept.
    pub(crate) bodies: usize,
    /// Requests beyond [`KEPT_MAX`].
    pub(crate) requests: usize,
}

/// A way in which the back end reached the browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Socket {
    pub(crate) kind: SocketKind,
    pub(crate) origin: String,
    pub(crate) path: String,
    /// Names of messages, each once.
    pub(crate) messages: Vec<String>,
}

/// How.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SocketKind {
    SocketIo,
    WebSocket,
    ServerSentEvents,
}

/// Why a file is no recording.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// It cannot be read.
    #[error(transparent)]
    Io(io::Error),
    /// It is not JSON.
    #[error(
        "line {line}, column {column}: not JSON: {reason} (expected a HAR file, which is JSON)"
    )]
    NotJson {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong there.
        reason: String,
    },
    /// It ends too early.
    #[error(
        "line {line}, column {column}: the file ends in the middle (expected a complete HAR file)"
    )]
    Truncated {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// It is JSON, but not of this form.
    #[error(
        "line {line}, column {column}: not a HAR file: {reason} (expected `log.entries` with requests and responses)"
    )]
    NotHar {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong there.
        reason: String,
    },
    /// It has no entries.
    #[error("`log.entries` is empty (expected the requests of a visit)")]
    Empty,
    /// None of its entries is a request of an API.
    #[error(
        "none of its {entries} entries is a request of an API (expected requests with JSON responses)"
    )]
    NoApi {
        /// How many there are.
        entries: usize,
    },
}

impl RecordingError {
    /// Returns what to do.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Io(_) => "check the file and the disk",
            Self::NotJson { .. } | Self::NotHar { .. } => {
                "in the browser's developer tools, open Network, and export all requests as HAR"
            }
            Self::Truncated { .. } => "export the recording again",
            Self::Empty => "start recording, then buy a ticket, then export",
            Self::NoApi { .. } => {
                "record with \"Preserve log\", and export with response bodies and sensitive data"
            }
        }
    }
}

impl Recording {
    /// Reads a recording.
    ///
    /// # Errors
    ///
    /// If it is no HAR, or has no requests of an API.
    pub fn read(file: impl io::Read) -> Result<Self, RecordingError> {
        let cut = Cut::new(io::BufReader::new(file), TEXT_BYTES_MAX);
        let mut json = serde_json::Deserializer::from_reader(io::BufReader::new(cut));
        let har = Har::deserialize(&mut json).and_then(|har| json.end().map(|()| har));
        let recording = har.map_err(refusal)?.log.entries;
        if recording.entries == 0 {
            return Err(RecordingError::Empty);
        }
        if recording.exchanges.is_empty() {
            return Err(RecordingError::NoApi {
                entries: recording.entries,
            });
        }
        Ok(recording)
    }

    fn add(&mut self, entry: Entry, kept_bytes: &mut usize) {
        self.entries += 1;
        match entry.kind() {
            Kind::File(origin, path) => {
                let (count, paths) = self.left_out.files.entry(origin).or_default();
                *count += 1;
                if paths.len() < SHOWN_MAX && !paths.contains(&path) {
                    paths.push(path);
                }
            }
            Kind::Nothing => {}
            Kind::Unanswered => self.left_out.unanswered += 1,
            Kind::Socket(socket) => self.add_socket(socket),
            Kind::Request => {
                if self.exchanges.len() == KEPT_MAX {
                    self.left_out.requests += 1;
                    return;
                }
                let bytes = entry.json_bytes();
                let keeps_bodies = *kept_bytes + bytes <= KEPT_BYTES_MAX;
                if keeps_bodies {
                    *kept_bytes += bytes;
                }
                let (exchange, is_whole) = entry.exchange(keeps_bodies);
                self.left_out.bodies += usize::from(!is_whole);
                self.exchanges.extend(exchange);
            }
        }
    }

    fn add_socket(&mut self, socket: Socket) {
        let same = |one: &&mut Socket| {
            (one.kind, &one.origin, &one.path) == (socket.kind, &socket.origin, &socket.path)
        };
        let Some(known) = self.sockets.iter_mut().find(same) else {
            if self.sockets.len() < SHOWN_MAX {
                self.sockets.push(socket);
            }
            return;
        };
        for message in socket.messages {
            if known.messages.len() < SHOWN_MAX && !known.messages.contains(&message) {
                known.messages.push(message);
            }
        }
    }
}

/// Turns an error of the parser into one that says what to do.
fn refusal(error: serde_json::Error) -> RecordingError {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let reason = text.split(" at line ").next().unwrap_or_default();
    let reason = reason.to_owned();
    match error.classify() {
        Category::Io => RecordingError::Io(error.into()),
        Category::Eof if column > 0 || line > 1 => RecordingError::Truncated { line, column },
        Category::Syntax | Category::Eof => RecordingError::NotJson {
            line,
            column,
            reason,
        },
        Category::Data => RecordingError::NotHar {
            line,
            column,
            reason,
        },
    }
}

#[derive(Deserialize)]
struct Har {
    log: Log,
}

#[derive(Deserialize)]
struct Log {
    #[serde(deserialize_with = "recording")]
    entries: Recording,
}

/// Reads the entries one by one, so that only what is kept is in memory.
fn recording<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Recording, D::Error> {
    struct Entries;

    impl<'de> Visitor<'de> for Entries {
        type Value = Recording;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of entries")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Recording, A::Error> {
            let mut recording = Recording::default();
            let mut timed: Vec<Option<i64>> = Vec::new();
            let mut kept_bytes = 0;
            while let Some(entry) = entries.next_element::<Entry>()? {
                let started = entry.started_ms();
                recording.add(entry, &mut kept_bytes);
                timed.resize(recording.exchanges.len(), started);
            }
            // Some browsers write entries in the order in which they ended.
            if timed.iter().all(Option::is_some) {
                let exchanges = std::mem::take(&mut recording.exchanges);
                let mut pairs: Vec<_> = timed.into_iter().zip(exchanges).collect();
                pairs.sort_by_key(|(started, _)| *started);
                recording.exchanges = pairs.into_iter().map(|(_, exchange)| exchange).collect();
            }
            Ok(recording)
        }
    }

    deserializer.deserialize_seq(Entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Recording::read(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_recording_is_named_with_its_place() {
        assert!(error("hello").starts_with("line 1, column 1: not JSON"));
        assert!(error("").starts_with("line 1, column 0: not JSON"));
        let cases = [
            ("{}", "missing field `log`"),
            ("{\"log\": {}}", "missing field `entries`"),
            ("[1]", "not a HAR file"),
            ("{\"log\": {\"entries\": 7}}", "expected a list of entries"),
            ("{\"log\": {\"entries\": []}}", "`log.entries` is empty"),
            (
                "{\"log\": {\"entries\": [{\"request\": {\"meth",
                "ends in the middle",
            ),
            ("{\"log\": {\"entries\": []}} x", "not JSON"),
        ];
        for (text, words) in cases {
            let shown = error(text);
            assert!(shown.contains(words), "{text}: {shown}");
        }
        let deep = format!("{{\"log\": {{\"x\": {}", "[".repeat(100_000));
        assert!(
            error(&deep).contains("ends in the middle"),
            "{}",
            error(&deep)
        );
    }

    #[test]
    fn files_are_dropped_and_entries_sorted_by_time() {
        let entry = |url: &str, mime: &str, at: &str| {
            format!(
                r#"{{"startedDateTime": "{at}", "request": {{"method": "GET", "url": "{url}", "headers": []}},
                "response": {{"status": 200, "headers": [], "content": {{"mimeType": "{mime}", "text": "{{}}"}}}}}}"#
            )
        };
        let entries = [
            entry(
                "https://a.example/api/two",
                "application/json",
                "2026-01-01T00:00:02.000Z",
            ),
            entry(
                "https://a.example/api/one",
                "application/json",
                "2026-01-01T00:00:01.000+00:00",
            ),
            entry(
                "https://cdn.example/app.js?v=1",
                "application/javascript",
                "2026-01-01T00:00:00.000Z",
            ),
            entry(
                "https://a.example/logo",
                "image/png",
                "2026-01-01T00:00:00.000Z",
            ),
        ];
        let text = format!(
            "\u{feff}{{\"log\": {{\"version\": \"1.2\", \"entries\": [{}]}}}}",
            entries.join(",")
        );
        let recording = Recording::read(text.as_bytes()).unwrap();
        let paths: Vec<_> = recording
            .exchanges
            .iter()
            .map(|one| one.path.join("/"))
            .collect();
        assert_eq!(paths, ["api/one", "api/two"]);
        let files: Vec<_> = recording.left_out.files.iter().collect();
        assert_eq!(files.len(), 2);
        assert_eq!(files[1].1, &(1, vec!["/app.js".to_owned()]));
    }
}
