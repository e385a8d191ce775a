//! `plan.json`: the findings for machines.

use super::PlanDocument;

/// Renders the report as indented JSON.
pub fn render(document: &PlanDocument) -> String {
    let mut text =
        serde_json::to_string_pretty(document).expect("findings hold no maps with odd keys");
    text.push('\n');
    text
}
