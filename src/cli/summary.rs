//! Prints the summary of a report on stdout.

use std::io::Write;
use std::path::Path;

use tiketi_report::page::Page;
use tiketi_report::text::{self, Color};

use super::terminal;

/// Prints the summary, whose last line is the command that repeats it. `folder` is the report folder, or `None` if no
/// report was written.
pub(super) fn print(page: &Page, folder: Option<&Path>) {
    let mut stdout = std::io::stdout().lock();
    let color = if terminal::shows_color(&stdout) {
        Color::Ansi
    } else {
        Color::Plain
    };
    let folder = folder.map(|folder| folder.display().to_string());
    let text = text::render(page, color, folder.as_deref());
    // A reader may close the pipe early, as `head` does; that is not an error.
    let _closed = stdout.write_all(text.as_bytes());
}
