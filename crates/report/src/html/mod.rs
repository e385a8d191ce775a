//! HTML: one self-contained page that needs no other file, no script and no network; light and dark, and printable.

mod svg;
mod ticks;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use tiketi_core::shown::on_one_line;

use crate::chart::{Bar, BarChart, Chart, ChartGroup, ChartSeries, Layout, SeriesStyle};
use crate::outside::map_text;
use crate::page::{
    Block, Cell, Column, ColumnKind, Content, Details, Headline, KeyMetric, List, Page, Prose,
    Section, Status, Table, Tone,
};

/// Looks of the page.
const STYLE: &str = include_str!("page.css");

/// Renders a page.
pub fn render(page: &Page) -> String {
    // The markup is escaped by its macro; control characters are invalid in HTML.
    let shown = |text: &str| on_one_line(text).into_owned();
    let page = &map_text(page, &shown, &shown);
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (page.title) " · tiketi-sim" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    header {
                        p.muted { (inline(&page.context)) }
                        h1 { (inline(&page.title)) }
                        (headline(&page.headline))
                    }
                    @for part in &page.sections { (section(part)) }
                    (footer(page))
                }
            }
        }
    };
    markup.into_string()
}

fn headline(headline: &Headline) -> Markup {
    html! {
        div.answer.(class(headline.status)) {
            p { strong { (inline(&headline.answer)) } }
            @for detail in &headline.details { p { (inline(detail)) } }
        }
    }
}

fn footer(page: &Page) -> Markup {
    html! {
        footer {
            @for remark in &page.closing { p.muted { (inline(remark)) } }
            p { "Run again: " code { (page.run_again) } }
            @if let Some(code) = page.exit_code { p.muted { "Exit code " (code) } }
        }
    }
}

fn section(section: &Section) -> Markup {
    html! {
        section {
            h2 { (inline(&section.title)) }
            @for part in &section.blocks { (block(part)) }
        }
    }
}

fn block(block: &Block) -> Markup {
    match block {
        Block::Prose(prose) => paragraph(prose),
        Block::Metrics(metrics) => cards(metrics),
        Block::Table(one) => table(one),
        Block::Charts(group) => charts(group),
        Block::Bars(bars) => bar_chart(bars),
        Block::List(one) => list(one),
        Block::Details(one) => details(one),
    }
}

fn paragraph(prose: &Prose) -> Markup {
    let class = match prose.tone {
        Tone::Normal => "",
        Tone::Muted => "muted",
        Tone::Warning => "warning",
    };
    html! { p.(class) { (inline(&prose.text)) } }
}

fn cards(metrics: &[KeyMetric]) -> Markup {
    html! {
        dl.cards {
            @for metric in metrics {
                div {
                    dt { (inline(&metric.name)) }
                    dd.value {
                        @match metric.value {
                            Some(value) => (value),
                            None => "–",
                        }
                    }
                    @if !metric.note.is_empty() { dd.muted { (inline(&metric.note)) } }
                }
            }
        }
    }
}

fn list(list: &List) -> Markup {
    html! {
        @if !list.title.is_empty() { p.title { (inline(&list.title)) } }
        ul { @for item in &list.items { li { (inline(item)) } } }
    }
}

fn details(details: &Details) -> Markup {
    html! {
        details open[details.is_open] {
            summary { (inline(&details.summary)) }
            @for part in &details.blocks { (block(part)) }
        }
    }
}

fn table(table: &Table) -> Markup {
    let naming = table.naming_column();
    html! {
        div.wide {
            table {
                @if !table.title.is_empty() { caption { (inline(&table.title)) } }
                @if table.has_headings() {
                    thead { tr { @for column in &table.columns { (heading(column)) } } }
                }
                tbody {
                    @for row in &table.rows {
                        tr {
                            @for (place, (column, cell)) in table.columns.iter().zip(row).enumerate() {
                                @let class = cell_class(column, cell);
                                @if naming == Some(place) {
                                    th scope="row" class=[class] { (cell_content(cell)) }
                                } @else {
                                    td class=[class] { (cell_content(cell)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The heading of a column; where it is empty there is nothing to announce.
fn heading(column: &Column) -> Markup {
    let class = column_class(column.kind);
    html! {
        @if column.title.is_empty() { td class=[class] {} }
        @else { th scope="col" class=[class] { (inline(&column.title)) } }
    }
}

const fn column_class(kind: ColumnKind) -> Option<&'static str> {
    match kind {
        ColumnKind::Status => Some("status"),
        ColumnKind::Label | ColumnKind::Prose => None,
        ColumnKind::Number => Some("number"),
    }
}

fn cell_class(column: &Column, cell: &Cell) -> Option<String> {
    let color = cell.status.and_then(text_class);
    let classes: Vec<_> = column_class(column.kind).into_iter().chain(color).collect();
    (!classes.is_empty()).then(|| classes.join(" "))
}

fn cell_content(cell: &Cell) -> Markup {
    html! {
        @match &cell.content {
            Content::Status(status) => (mark(*status)),
            Content::Empty => {}
            Content::Missing | Content::Text(_) | Content::Number(_) => (inline(&cell.words())),
        }
        @if !cell.note.is_empty() { span.note { (inline(&cell.note)) } }
    }
}

/// The mark of a status, with a word for screen readers.
fn mark(status: Status) -> Markup {
    html! {
        @if status != Status::Neutral {
            span.mark.(text_class(status).unwrap_or_default()) role="img" aria-label=(status.name()) title=(status.name()) {
                (status.mark())
            }
        }
    }
}

/// The background of a headline.
const fn class(status: Status) -> &'static str {
    match status {
        Status::Pass | Status::Better => "good",
        Status::Fail => "bad",
        Status::Partial | Status::Unknown => "unknown",
        Status::Neutral => "neutral",
    }
}

/// The color of a status in text; `None` for the color of other text.
const fn text_class(status: Status) -> Option<&'static str> {
    match status {
        Status::Pass | Status::Better => Some("good-text"),
        Status::Fail => Some("bad-text"),
        Status::Partial | Status::Unknown => Some("unknown-text"),
        Status::Neutral => None,
    }
}

fn charts(group: &ChartGroup) -> Markup {
    html! {
        @if !group.note.is_empty() { p.muted { (inline(&group.note)) } }
        @match group.layout {
            Layout::Stacked => {
                @for chart in &group.charts { (figure(chart, true)) }
            }
            Layout::Grid => {
                @if let Some(first) = group.charts.first() { div.legend { (legend(first)) } }
                div.grid { @for chart in &group.charts { (figure(chart, false)) } }
            }
        }
    }
}

fn figure(chart: &Chart, has_legend: bool) -> Markup {
    let size = if has_legend { svg::WIDE } else { svg::SMALL };
    html! {
        figure {
            figcaption {
                strong { (inline(&chart.title)) }
                @if has_legend { (legend(chart)) }
            }
            @if chart.is_empty() { p.muted { "No data was recorded." } }
            @else { (PreEscaped(svg::chart(chart, size))) }
        }
    }
}

fn legend(chart: &Chart) -> Markup {
    html! {
        @for (index, series) in chart.series.iter().enumerate() {
            span.key { i.(key_class(index, series)) {} (inline(&series.name)) }
        }
    }
}

fn key_class(index: usize, series: &ChartSeries) -> String {
    match series.style {
        SeriesStyle::Line | SeriesStyle::Points => format!("line-{}", svg::color_number(index)),
        SeriesStyle::Reference => "reference".to_owned(),
    }
}

/// Bars as a table: text that wraps, prints, and can be read aloud.
fn bar_chart(chart: &BarChart) -> Markup {
    let longest = chart.bars.iter().map(|bar| bar.value.value);
    let longest = longest.fold(0.0, f64::max);
    let percent = |bar: &Bar| {
        if longest > 0.0 {
            100.0 * (bar.value.value / longest).clamp(0.0, 1.0)
        } else {
            0.0
        }
    };
    html! {
        table.bars {
            caption { (inline(&chart.title)) }
            tbody {
                @for bar in &chart.bars {
                    tr {
                        th scope="row" { (inline(&bar.name)) }
                        td.bar { div style=(format!("width: {:.1}%", percent(bar))) {} }
                        td.number { (bar.value) @if !bar.note.is_empty() { " " span.muted { (inline(&bar.note)) } } }
                    }
                }
            }
        }
    }
}

/// Text with its code between backticks marked as such.
fn inline(text: &str) -> Markup {
    // Unpaired backticks are text.
    let parts: Vec<_> = text.split('`').collect();
    if parts.len() % 2 == 0 {
        return html! { (text) };
    }
    html! {
        @for (index, part) in parts.into_iter().enumerate() {
            @if index % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

#[cfg(test)]
mod tests;
