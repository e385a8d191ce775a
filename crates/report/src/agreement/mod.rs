//! The report of a comparison: runs in pairs, each figure of both with its error and what is thought of it.

mod charts;
mod document;
mod html;
mod table;

pub use document::{Comparison, Pair, Section, Side, comparison};

use tiketi_measure::Measurements;

/// Renders the table for the terminal.
pub fn text(comparison: &Comparison) -> String {
    table::text(comparison)
}

/// Renders `agreement.md`, for a pull request.
pub fn markdown(comparison: &Comparison) -> String {
    table::markdown(comparison)
}

/// Renders `agreement.html`, with charts of the same pairs that `comparison` was made of.
pub fn html(comparison: &Comparison, runs: &[[&Measurements; 2]]) -> String {
    html::render(comparison, runs)
}

/// Renders `agreement.json`.
pub fn json(comparison: &Comparison) -> String {
    let mut text = serde_json::to_string_pretty(comparison)
        .expect("a comparison holds texts, numbers and lists of them");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests;
