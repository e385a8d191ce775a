//! The summary of a search for a terminal: the answer first, the way to search again last.

use super::PlanDocument;

/// Renders the summary; `folder` is where the report is, if it is anywhere.
pub fn render(document: &PlanDocument, folder: Option<&str>) -> String {
    let mut lines = vec![document.answer.clone(), String::new()];
    lines.extend(document.facts.iter().map(|fact| format!("  {fact}")));
    lines.push(String::new());
    let assumptions = document.assumptions.iter();
    lines.extend(assumptions.map(|assumption| format!("  assumption: {assumption}")));
    lines.push(String::new());
    lines.extend(folder.map(|folder| format!("  report: {folder}")));
    lines.push(format!("run again: {}\n", document.run_again));
    lines.join("\n")
}
