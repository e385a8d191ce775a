//! Progress of reading a large file: nothing for two seconds, then a progress bar on a terminal, and plain lines elsewhere.

use std::io::{self, Read};
use std::time::Duration;

use indicatif::ProgressBar;
use tokio::time::Instant;

use super::input::Pieces;
use super::progress;
use super::terminal;
use tiketi_core::shown::on_one_line;
use tiketi_live::clock::wall_now;

/// What is read faster needs no progress.
const SILENT_FOR: Duration = Duration::from_secs(2);

/// Real time between two plain lines.
const PLAIN_LINE_EVERY: Duration = Duration::from_secs(5);

/// Bytes between two looks at the clock.
const LOOK_EVERY: u64 = 1_024 * 1_024;

/// A file whose reading is shown.
#[derive(Debug)]
pub(super) struct Reading {
    file: Pieces,
    name: String,
    is_quiet: bool,
    read: u64,
    looked_at: u64,
    began: Instant,
    last_line: Option<Instant>,
    bar: Option<ProgressBar>,
}

impl Reading {
    pub(super) fn new(file: Pieces, name: &str, is_quiet: bool) -> Self {
        Self {
            file,
            name: on_one_line(name).into_owned(),
            is_quiet,
            read: 0,
            looked_at: 0,
            began: wall_now(),
            last_line: None,
            bar: None,
        }
    }

    /// Removes the progress bar.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn show(&mut self) {
        let now = wall_now();
        if now.duration_since(self.began) < SILENT_FOR {
            return;
        }
        if terminal::is_live(&io::stderr()) {
            let bar = self
                .bar
                .get_or_insert_with(|| progress::bar(self.file.size.unwrap_or(0)));
            bar.set_position(self.read);
            bar.set_message(format!("reading {}", self.name));
            return;
        }
        let is_due = self
            .last_line
            .is_none_or(|last| now.duration_since(last) >= PLAIN_LINE_EVERY);
        if is_due {
            self.last_line = Some(now);
            let mib = self.read / LOOK_EVERY;
            match self.file.size {
                Some(size) => {
                    let percent = self.read * 100 / size.max(1);
                    progress::line(format_args!("reading {}: {percent} %", self.name));
                }
                None => progress::line(format_args!("reading {}: {mib} MiB", self.name)),
            }
        }
    }
}

impl Read for Reading {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(out)?;
        self.read += read as u64;
        if !self.is_quiet && self.read - self.looked_at >= LOOK_EVERY {
            self.looked_at = self.read;
            self.show();
        }
        Ok(read)
    }
}
