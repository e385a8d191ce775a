//! `plan.md`: the findings for a pull request.

use super::PlanDocument;
use super::tables::Table;

/// Renders the report; its first line is the answer.
pub fn render(document: &PlanDocument) -> String {
    let findings = &document.findings;
    let mut blocks = vec![format!("**{}**", document.answer)];
    let asked = if findings.asked.is_empty() {
        findings.name.clone()
    } else {
        findings.asked.clone()
    };
    blocks.push(format!("Asked: {asked} (scenario `{}`)", findings.scenario));
    blocks.push(list(&document.facts));
    blocks.extend(document.tables.iter().map(table));
    blocks.push(format!(
        "### Assumptions\n\n{}",
        list(&document.assumptions)
    ));
    blocks.push(format!("Run again: `{}`", document.run_again));
    let mut text = blocks.join("\n\n");
    text.push('\n');
    text
}

fn list(lines: &[String]) -> String {
    let lines: Vec<_> = lines.iter().map(|line| format!("- {line}")).collect();
    lines.join("\n")
}

fn table(table: &Table) -> String {
    let row = |cells: &[String]| {
        let cells: Vec<_> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        format!("| {} |", cells.join(" | "))
    };
    let rule = vec!["---".to_owned(); table.head.len()];
    let mut lines = vec![
        format!("### {}\n\n{}\n", table.title, table.note),
        row(&table.head),
        row(&rule),
    ];
    lines.extend(table.rows.iter().map(|cells| row(cells)));
    lines.join("\n")
}
