//! Text for the terminal: sections first, the answer and the way to run again last, next to the prompt.
//!
//! Line charts and details are left out; the HTML page has them.

use tiketi_core::shown::on_one_line;

use crate::chart::BarChart;
use crate::outside::map_text;
use crate::page::{
    Block, Cell, Column, ColumnKind, Content, KeyMetric, List, Page, Prose, Section, Status, Table,
    Tone,
};

/// Whether the terminal shows colors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// ANSI escapes.
    Ansi,
    /// Plain text.
    Plain,
}

/// Longest name that other names in its column are padded to; a longer one only moves its own row.
const LABEL_WIDTH_MAX: usize = 44;
/// Width of the longest bar.
const BAR_WIDTH: usize = 30;

/// Renders a page; `saved_to` is where the full report is, if it is anywhere.
pub fn render(page: &Page, color: Color, saved_to: Option<&str>) -> String {
    let shown = |text: &str| on_one_line(text).into_owned();
    let page = &map_text(page, &shown, &shown);
    let paint = Paint(color);
    let mut lines = Vec::new();
    for section in &page.sections {
        let body = section_lines(section, paint);
        if !body.is_empty() {
            lines.push(paint.bold(&format!("█ {}", section.title)));
            lines.extend(body);
            lines.push(String::new());
        }
    }
    let exit_code = page.exit_code;
    let exit_code = exit_code.map_or_else(String::new, |code| format!(" (exit code {code})"));
    let headline = &page.headline;
    let answer = format!("█ {}{exit_code}", plain(&headline.answer));
    lines.push(paint.status(headline.status, &answer));
    let details = headline.details.iter();
    lines.extend(details.map(|detail| format!("  {}", plain(detail))));
    lines.push(String::new());
    if !page.context.is_empty() {
        lines.push(format!("  {}", plain(&page.context)));
    }
    lines.extend(saved_to.map(|folder| format!("  report: {}", on_one_line(folder))));
    lines.push(format!("  run again: {}", page.run_again));
    let mut text = String::new();
    for line in lines {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Adds colors where the terminal shows them.
#[derive(Clone, Copy)]
struct Paint(Color);

impl Paint {
    fn bold(self, text: &str) -> String {
        self.escape("1", text)
    }

    fn dim(self, text: &str) -> String {
        self.escape("2", text)
    }

    fn status(self, status: Status, text: &str) -> String {
        match status {
            Status::Pass | Status::Better => self.escape("32", text),
            Status::Fail => self.escape("31", text),
            Status::Partial | Status::Unknown => self.escape("33", text),
            Status::Neutral => text.to_owned(),
        }
    }

    fn escape(self, code: &str, text: &str) -> String {
        match self.0 {
            Color::Ansi if !text.trim().is_empty() => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            Color::Ansi | Color::Plain => text.to_owned(),
        }
    }
}

/// The lines of a section; none if only explanations would be left.
fn section_lines(section: &Section, paint: Paint) -> Vec<String> {
    let is_content = |block: &Block| match block {
        Block::Prose(prose) => prose.tone != Tone::Muted,
        Block::Metrics(_) | Block::Table(_) | Block::Bars(_) | Block::List(_) => true,
        Block::Charts(_) | Block::Details(_) => false,
    };
    if !section.blocks.iter().any(is_content) {
        return Vec::new();
    }
    let mut lines = Vec::new();
    for one in &section.blocks {
        let block = block(one, paint);
        // A title within the section stands apart from what is above it.
        if !lines.is_empty() && has_title(one) && !block.is_empty() {
            lines.push(String::new());
        }
        lines.extend(block);
    }
    lines
}

fn has_title(block: &Block) -> bool {
    match block {
        Block::Table(table) => !table.title.is_empty(),
        Block::List(list) => !list.title.is_empty(),
        Block::Bars(_) => true,
        Block::Prose(_) | Block::Metrics(_) | Block::Charts(_) | Block::Details(_) => false,
    }
}

fn block(block: &Block, paint: Paint) -> Vec<String> {
    match block {
        Block::Prose(prose) => paragraph(prose, paint),
        Block::Metrics(metrics) => key_metrics(metrics),
        Block::Table(one) => table(one, paint),
        Block::Bars(bars) => bar_chart(bars, paint),
        Block::List(one) => list(one, paint),
        Block::Charts(_) | Block::Details(_) => Vec::new(),
    }
}

/// Text without the backticks around code.
fn plain(text: &str) -> String {
    text.replace('`', "")
}

fn paragraph(prose: &Prose, paint: Paint) -> Vec<String> {
    let text = match prose.tone {
        Tone::Normal => plain(&prose.text),
        // Explanations are for readers of the full report.
        Tone::Muted => return Vec::new(),
        Tone::Warning => paint.status(Status::Unknown, &format!("⚠ {}", plain(&prose.text))),
    };
    vec![format!("  {text}")]
}

fn key_metrics(metrics: &[KeyMetric]) -> Vec<String> {
    let width = metrics.iter().map(|metric| width(&metric.name)).max();
    let width = width.unwrap_or(0);
    let line = |metric: &KeyMetric| {
        let value = metric.value;
        let value = value.map_or_else(|| "–".to_owned(), |value| value.to_string());
        format!(
            "  {}  {value:>9}  {}",
            padded(&metric.name, width),
            metric.note
        )
    };
    metrics.iter().map(line).collect()
}

fn list(list: &List, paint: Paint) -> Vec<String> {
    let title = title(&list.title, paint);
    let items = list.items.iter().map(|item| format!("  - {}", plain(item)));
    title.into_iter().chain(items).collect()
}

fn title(title: &str, paint: Paint) -> Option<String> {
    (!title.is_empty()).then(|| format!("  {}", paint.bold(&plain(title))))
}

fn bar_chart(chart: &BarChart, paint: Paint) -> Vec<String> {
    let longest = chart.bars.iter().map(|bar| bar.value.value);
    let longest = longest.fold(0.0, f64::max);
    let columns = vec![Column::label(""), Column::label(""), Column::number("")];
    let rows = chart.bars.iter().map(|bar| {
        let part = if longest > 0.0 {
            bar.value.value / longest
        } else {
            0.0
        };
        vec![
            Cell::text(&bar.name),
            Cell::text(blocks_of(part)),
            Cell::number(bar.value).with_note(&bar.note),
        ]
    });
    table(
        &Table::new(columns).titled(&chart.title).with_rows(rows),
        paint,
    )
}

/// A bar of block characters; what is not nothing shows.
fn blocks_of(part: f64) -> String {
    let filled = (0..BAR_WIDTH).filter(|step| {
        let step = u32::try_from(*step).expect("a short bar");
        let width = u32::try_from(BAR_WIDTH).expect("a short bar");
        part > f64::from(step) / f64::from(width)
    });
    "█".repeat(filled.count())
}

/// A table with aligned columns. Long text is not padded, and what follows it goes to a line of its own.
fn table(table: &Table, paint: Paint) -> Vec<String> {
    let widths: Vec<_> = (0..table.columns.len())
        .map(|place| ColumnWidth::of(table, place))
        .collect();
    let mut lines: Vec<_> = title(&table.title, paint).into_iter().collect();
    if table.has_headings() {
        let cells: Vec<_> = table
            .columns
            .iter()
            .map(|column| Cell::text(&column.title))
            .collect();
        let heading = row_lines(table, &widths, &cells, Paint(Color::Plain));
        // Headings of columns that go to lines of their own would only take space.
        lines.extend(heading.into_iter().take(1).map(|line| paint.dim(&line)));
    }
    for row in &table.rows {
        lines.extend(row_lines(table, &widths, row, paint));
    }
    lines
}

/// How wide the cells of a column are.
struct ColumnWidth {
    value: usize,
    /// Width of remarks beside numbers, with the space before them.
    note: usize,
}

impl ColumnWidth {
    fn of(table: &Table, place: usize) -> Self {
        let column = &table.columns[place];
        let cells = || table.rows.iter().map(move |row| &row[place]);
        let values = cells().map(|cell| width(&value(column, cell)));
        let fitting = values.filter(|width| *width <= LABEL_WIDTH_MAX);
        let note = match column.kind {
            ColumnKind::Number => cells().map(|cell| width(&note(cell))).max().unwrap_or(0),
            ColumnKind::Status | ColumnKind::Label | ColumnKind::Prose => 0,
        };
        let title = width(&column.title);
        Self {
            value: fitting.chain([title]).max().unwrap_or(0),
            note,
        }
    }
}

/// The value of a cell; names carry their remark with them.
fn value(column: &Column, cell: &Cell) -> String {
    let value = plain(&cell.words());
    match column.kind {
        ColumnKind::Label => format!("{value}{}", note(cell)),
        ColumnKind::Status | ColumnKind::Prose | ColumnKind::Number => value,
    }
}

/// The remark of a cell as it follows the value: ` (zone b)`.
fn note(cell: &Cell) -> String {
    let note = plain(&cell.note);
    match (note.is_empty(), &cell.content) {
        (true, _) => note,
        (false, Content::Empty) => note,
        (false, _) => format!(" ({note})"),
    }
}

fn row_lines(table: &Table, widths: &[ColumnWidth], cells: &[Cell], paint: Paint) -> Vec<String> {
    let mut lines = vec![" ".to_owned()];
    let mut has_prose = false;
    for ((column, width), cell) in table.columns.iter().zip(widths).zip(cells) {
        let value = value(column, cell);
        let padding = " ".repeat(width.value.saturating_sub(self::width(&value)));
        let status = match cell.content {
            Content::Status(status) => Some(status),
            Content::Empty | Content::Missing | Content::Text(_) | Content::Number(_) => {
                cell.status
            }
        };
        let shown = status.map_or_else(|| value.clone(), |status| paint.status(status, &value));
        match column.kind {
            ColumnKind::Status | ColumnKind::Label => {
                put(&mut lines, &format!(" {shown}{padding} "));
            }
            ColumnKind::Number => {
                let note = padded(&note(cell), width.note);
                put(&mut lines, &format!(" {padding}{shown}{note} "));
            }
            ColumnKind::Prose => {
                if has_prose && !value.is_empty() {
                    lines.push(" ".repeat(6));
                }
                put(&mut lines, &format!(" {shown} "));
                if !cell.note.is_empty() {
                    lines.push(format!("{} {}", " ".repeat(6), plain(&cell.note)));
                }
                has_prose = true;
            }
        }
    }
    lines
}

/// Adds to the last line.
fn put(lines: &mut [String], text: &str) {
    lines.last_mut().expect("there is a line").push_str(text);
}

fn padded(text: &str, to: usize) -> String {
    format!("{text}{}", " ".repeat(to.saturating_sub(width(text))))
}

/// Columns of the terminal that a text takes; Korean characters take two.
fn width(text: &str) -> usize {
    let wide = |character: char| match character {
        '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' => 2,
        '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ff60}' => 2,
        _ => 1,
    };
    text.chars().map(wide).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_numbers_keep_their_columns_apart() {
        let columns = ["Requests", "Failed", "max"].map(Column::number);
        let mut wide = Table::new([vec![Column::label("Operation")], columns.to_vec()].concat());
        for (name, count) in [("all", 1_270_507), ("page", 7), ("most", u64::MAX)] {
            wide.push(vec![
                Cell::text(name),
                Cell::count(count),
                Cell::count(count / 2).with_note("of all"),
                Cell::count(count / 3),
            ]);
        }
        let lines = table(&wide, Paint(Color::Plain));
        let ends = |line: &str| width(line.trim_end());
        for line in &lines[1..] {
            let cells = line.split("  ").filter(|cell| !cell.trim().is_empty());
            assert_eq!(cells.count(), 4, "{line}");
            assert_eq!(ends(line), ends(&lines[1]), "{line}");
        }
        assert!(lines[1].contains("  1,270,507  "), "{}", lines[1]);
    }

    #[test]
    fn blocks_without_content_are_not_printed() {
        let empty = Table::new(vec![Column::number("Time"), Column::label("Event")]);
        let section = Section::new("Timeline")
            .with(empty.clone())
            .with(List::titled("Notes", Vec::new()));
        assert!(section.blocks.is_empty());
        assert!(section_lines(&section, Paint(Color::Plain)).is_empty());
        let open =
            Section::new("Timeline").with(crate::page::Details::closed("All", vec![empty.into()]));
        assert!(open.blocks.is_empty());
    }
}
