//! `summary.json`: the report for machines.

use super::document::Document;

/// Renders the report as indented JSON.
pub fn render(document: &Document) -> String {
    let mut text =
        serde_json::to_string_pretty(document).expect("a document holds no maps with odd keys");
    text.push('\n');
    text
}
