//! Prints the summary of a run: data, so it goes to stdout.

use std::io::{IsTerminal, Write};
use std::path::Path;

use crate::report::Document;
use crate::report::text::{self, Color};

/// Prints the summary; the last line says how to run it again.
pub(super) fn print(document: &Document, folder: &Path) {
    let mut stdout = std::io::stdout().lock();
    let color = if stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        Color::Ansi
    } else {
        Color::Plain
    };
    let text = text::render(document, color);
    let (summary, run_again) = text.trim_end().rsplit_once('\n').unwrap_or((&text, ""));
    // A reader that closes the pipe early has seen enough.
    let _closed = writeln!(
        stdout,
        "{summary}\nreport: {}\n{run_again}",
        folder.display()
    );
}
