//! Prints the summary of a report: data, so it goes to stdout.

use std::io::Write;
use std::path::Path;

use tiketi_report::page::Page;
use tiketi_report::text::{self, Color};

use super::terminal;

/// Prints the summary; the last line says how to run it again. `folder` is where the report is, if it was written.
pub(super) fn print(page: &Page, folder: Option<&Path>) {
    let mut stdout = std::io::stdout().lock();
    let color = if terminal::shows_color(&stdout) {
        Color::Ansi
    } else {
        Color::Plain
    };
    let folder = folder.map(|folder| folder.display().to_string());
    let text = text::render(page, color, folder.as_deref());
    // A reader that closes the pipe early has seen enough.
    let _closed = stdout.write_all(text.as_bytes());
}
