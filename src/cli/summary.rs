//! Prints the summary of a run on stdout.

use std::io::Write;
use std::path::Path;

use super::terminal;
use tiketi_report::Document;
use tiketi_report::text::{self, Color};

/// Prints the summary, whose last line is the command that repeats the run. `folder` is the report folder, or `None` if
/// the report could not be written.
pub(super) fn print(document: &Document, folder: Option<&Path>) {
    let mut stdout = std::io::stdout().lock();
    let color = if terminal::shows_color(&stdout) {
        Color::Ansi
    } else {
        Color::Plain
    };
    let text = text::render(document, color);
    let (summary, run_again) = text.trim_end().rsplit_once('\n').unwrap_or((&text, ""));
    let report = folder.map_or_else(String::new, |folder| {
        format!("  report: {}\n", folder.display())
    });
    // A reader may close the pipe early, as `head` does; that is not an error.
    let _closed = write!(stdout, "{summary}\n{report}{run_again}\n");
}
