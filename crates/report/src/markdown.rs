//! Markdown, for pull requests and repositories: line charts are left out, bar charts become tables.

use std::fmt::Write as _;

use tiketi_core::shown::on_one_line;

use crate::chart::BarChart;
use crate::outside::map_text;
use crate::page::{
    Block, Cell, Column, ColumnKind, Details, KeyMetric, List, Page, Prose, Section, Table, Tone,
};

/// Renders a page; its first line is the question, its second paragraph the answer.
pub fn render(page: &Page) -> String {
    let page = &map_text(page, &escaped, &|command| on_one_line(command).into_owned());
    let mut blocks = vec![format!("# {}", page.title)];
    blocks.push(format!("**{}**", page.headline.answer));
    blocks.extend(page.headline.details.iter().cloned());
    if !page.context.is_empty() {
        blocks.push(page.context.clone());
    }
    blocks.extend(page.sections.iter().filter_map(section));
    blocks.extend(page.closing.iter().cloned());
    blocks.push(format!("Run again: {}", code(&page.run_again)));
    let mut text = blocks.join("\n\n");
    text.push('\n');
    text
}

/// Returns text in which nothing is markup except code between backticks.
fn escaped(text: &str) -> String {
    let text = on_one_line(text);
    let parts: Vec<_> = text.split('`').collect();
    // Unpaired backticks are text.
    let has_code = parts.len() % 2 == 1;
    let parts = parts.iter().enumerate().map(|(index, part)| {
        if has_code && index % 2 == 1 {
            (*part).to_owned()
        } else {
            escaped_words(part)
        }
    });
    let parts: Vec<_> = parts.collect();
    parts.join(if has_code { "`" } else { "\\`" })
}

/// Escapes the characters that are markup anywhere in a line (CommonMark, section 2.4). Underscores within words and single
/// angle brackets with a space are not, but escaping them does no harm; those that are markup only at the start of a line never
/// start one, except for `#`, `>` and `+`.
fn escaped_words(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(
            character,
            '\\' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '~' | '&'
        ) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// Returns text as code, within more backticks than it has in a row.
fn code(text: &str) -> String {
    let longest = text.split(|character| character != '`').map(str::len).max();
    let fence = "`".repeat(longest.unwrap_or(0) + 1);
    if text.contains('`') {
        format!("{fence} {text} {fence}")
    } else {
        format!("{fence}{text}{fence}")
    }
}

/// A section; `None` if nothing of it can be shown.
fn section(section: &Section) -> Option<String> {
    let body = blocks(&section.blocks)?;
    Some(format!("## {}\n\n{body}", section.title))
}

fn blocks(blocks: &[Block]) -> Option<String> {
    let parts: Vec<_> = blocks.iter().filter_map(block).collect();
    (!parts.is_empty()).then(|| parts.join("\n\n"))
}

fn block(block: &Block) -> Option<String> {
    match block {
        Block::Prose(prose) => Some(paragraph(prose)),
        Block::Metrics(metrics) => Some(key_metrics(metrics)),
        Block::Table(one) => Some(table(one)),
        Block::Charts(_) => None,
        Block::Bars(bars) => Some(bar_chart(bars)),
        Block::List(one) => Some(list(one)),
        Block::Details(one) => details(one),
    }
}

fn paragraph(prose: &Prose) -> String {
    match prose.tone {
        Tone::Normal | Tone::Muted => prose.text.clone(),
        Tone::Warning => format!("> ⚠ {}", prose.text),
    }
}

fn key_metrics(metrics: &[KeyMetric]) -> String {
    let mut table = Table::new(vec![
        Column::label(""),
        Column::number(""),
        Column::prose(""),
    ]);
    for metric in metrics {
        table.push(vec![
            Cell::text(&metric.name),
            Cell::number(metric.value),
            Cell::text(&metric.note),
        ]);
    }
    self::table(&table)
}

fn bar_chart(bars: &BarChart) -> String {
    let mut table = Table::new(vec![Column::label(""), Column::number("")]).titled(&bars.title);
    for bar in &bars.bars {
        table.push(vec![
            Cell::text(&bar.name),
            Cell::number(bar.value).with_note(&bar.note),
        ]);
    }
    self::table(&table)
}

fn list(list: &List) -> String {
    let items: Vec<_> = list.items.iter().map(|item| format!("- {item}")).collect();
    let items = items.join("\n");
    if list.title.is_empty() {
        items
    } else {
        format!("### {}\n\n{items}", list.title)
    }
}

/// GitHub and GitLab fold these; other viewers show them in full.
fn details(details: &Details) -> Option<String> {
    let body = blocks(&details.blocks)?;
    let open = if details.is_open { " open" } else { "" };
    let summary = &details.summary;
    Some(format!(
        "<details{open}><summary>{summary}</summary>\n\n{body}\n\n</details>"
    ))
}

fn table(table: &Table) -> String {
    let mut text = String::new();
    if !table.title.is_empty() {
        write!(text, "### {}\n\n", table.title).expect("writing to a String cannot fail");
    }
    let titles = table.columns.iter().map(|column| column.title.clone());
    let mut lines = vec![row(titles), row(table.columns.iter().map(rule))];
    let rows = table.rows.iter();
    lines.extend(rows.map(|cells| row(cells.iter().map(cell))));
    text.push_str(&lines.join("\n"));
    text
}

fn row(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<_> = cells.map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |", cells.join(" | "))
}

fn rule(column: &Column) -> String {
    match column.kind {
        ColumnKind::Status | ColumnKind::Label | ColumnKind::Prose => "---".to_owned(),
        ColumnKind::Number => "---:".to_owned(),
    }
}

fn cell(cell: &Cell) -> String {
    match (cell.words(), &cell.note) {
        (value, note) if note.is_empty() => value,
        (value, note) if value.is_empty() => note.clone(),
        (value, note) => format!("{value} ({note})"),
    }
}
