//! Prints the summary of a report on stdout.

use std::path::Path;

use tiketi_report::page::Page;
use tiketi_report::text::{self, Color};

use super::exit::Exit;
use super::{output, terminal};

/// Prints the summary, whose last line is the command that repeats it. `folder` is the report folder, or `None` if no
/// report was written.
pub(super) fn print(page: &Page, folder: Option<&Path>) -> Result<(), Exit> {
    let color = if terminal::shows_color(&std::io::stdout()) {
        Color::Ansi
    } else {
        Color::Plain
    };
    let folder = folder.map(|folder| folder.display().to_string());
    output::print(text::render(page, color, folder.as_deref()))
}
