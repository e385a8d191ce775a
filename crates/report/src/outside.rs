//! Text from outside on a page: names from scenarios, messages from servers, paths.
//!
//! Each renderer passes a whole page through [`map_text`] before it renders anything, so that no block can be forgotten: none
//! of what it writes is then a control character, and what its format would take for markup is escaped.

use crate::chart::{BarChart, Chart, ChartGroup};
use crate::page::{
    Block, Cell, Column, Content, Details, Headline, KeyMetric, List, Page, Prose, Section, Table,
};

/// Returns the page with `map` applied to every text on it. The command that reproduces the report is `command`'s, because it
/// must stay what it is.
pub(crate) fn map_text(
    page: &Page,
    map: &dyn Fn(&str) -> String,
    command: &dyn Fn(&str) -> String,
) -> Page {
    let Page {
        title,
        context,
        headline,
        sections,
        closing,
        run_again,
        exit_code,
    } = page;
    Page {
        title: map(title),
        context: map(context),
        headline: Headline {
            status: headline.status,
            answer: map(&headline.answer),
            details: each(&headline.details, map),
        },
        sections: sections.iter().map(|one| section(one, map)).collect(),
        closing: each(closing, map),
        run_again: command(run_again),
        exit_code: *exit_code,
    }
}

fn each(texts: &[String], map: &dyn Fn(&str) -> String) -> Vec<String> {
    texts.iter().map(|text| map(text)).collect()
}

fn section(section: &Section, map: &dyn Fn(&str) -> String) -> Section {
    Section {
        title: map(&section.title),
        blocks: blocks(&section.blocks, map),
    }
}

fn blocks(blocks: &[Block], map: &dyn Fn(&str) -> String) -> Vec<Block> {
    blocks.iter().map(|one| block(one, map)).collect()
}

fn block(block: &Block, map: &dyn Fn(&str) -> String) -> Block {
    match block {
        Block::Prose(prose) => Block::Prose(Prose {
            text: map(&prose.text),
            tone: prose.tone,
        }),
        Block::Metrics(metrics) => {
            Block::Metrics(metrics.iter().map(|one| metric(one, map)).collect())
        }
        Block::Table(one) => Block::Table(table(one, map)),
        Block::Charts(group) => Block::Charts(ChartGroup {
            note: map(&group.note),
            layout: group.layout,
            charts: group.charts.iter().map(|one| chart(one, map)).collect(),
        }),
        Block::Bars(chart) => Block::Bars(bars(chart, map)),
        Block::List(list) => Block::List(List {
            title: map(&list.title),
            items: each(&list.items, map),
        }),
        Block::Details(details) => Block::Details(Details {
            summary: map(&details.summary),
            is_open: details.is_open,
            blocks: blocks(&details.blocks, map),
        }),
    }
}

fn metric(metric: &KeyMetric, map: &dyn Fn(&str) -> String) -> KeyMetric {
    KeyMetric {
        name: map(&metric.name),
        value: metric.value,
        note: map(&metric.note),
    }
}

fn table(table: &Table, map: &dyn Fn(&str) -> String) -> Table {
    let column = |column: &Column| Column {
        title: map(&column.title),
        kind: column.kind,
    };
    let cell = |cell: &Cell| Cell {
        content: match &cell.content {
            Content::Text(text) => Content::Text(map(text)),
            Content::Empty | Content::Missing | Content::Number(_) | Content::Status(_) => {
                cell.content.clone()
            }
        },
        note: map(&cell.note),
        status: cell.status,
    };
    let rows = table.rows.iter();
    Table {
        title: map(&table.title),
        columns: table.columns.iter().map(column).collect(),
        rows: rows.map(|row| row.iter().map(cell).collect()).collect(),
    }
}

fn chart(chart: &Chart, map: &dyn Fn(&str) -> String) -> Chart {
    let mut mapped = chart.clone();
    mapped.title = map(&chart.title);
    for series in &mut mapped.series {
        series.name = map(&series.name);
    }
    for mark in &mut mapped.marks {
        mark.label = map(&mark.label);
    }
    mapped
}

fn bars(chart: &BarChart, map: &dyn Fn(&str) -> String) -> BarChart {
    let mut mapped = chart.clone();
    mapped.title = map(&chart.title);
    for bar in &mut mapped.bars {
        bar.name = map(&bar.name);
        bar.note = map(&bar.note);
    }
    mapped
}

#[cfg(test)]
mod tests {
    use tiketi_measure::example;
    use tiketi_verdict::judge;

    use crate::text::Color;
    use crate::{csv, html, json, markdown, run, text};

    /// A color, a cursor movement in its 8-bit form, a reversal of direction, and a line that would begin a heading.
    const HOSTILE: &str = "x\u{1b}[31m\u{9b}2J\u{202e}\n# owned <b>|*_[a](b)";

    /// Every place from which a name or message of the outside gets into a report of the example.
    fn hostile() -> tiketi_measure::Measurements {
        let mut run = example::run();
        run.plan.name = HOSTILE.to_owned();
        run.plan.question = HOSTILE.to_owned();
        for zone in &mut run.plan.topology.zones {
            zone.name = HOSTILE.to_owned();
        }
        for notice in &mut run.timeline {
            if let tiketi_cloud::notice::What::Scaled { policy, .. } = &mut notice.what {
                *policy = HOSTILE.to_owned();
            }
        }
        run.ending.failure = Some(HOSTILE.to_owned());
        let statement = run.ending.statement.as_mut().unwrap();
        statement.price_book = HOSTILE.to_owned();
        for line in &mut statement.run.lines {
            line.title = HOSTILE.to_owned();
            line.source = HOSTILE.to_owned();
        }
        run
    }

    fn assert_harmless(shown: &str) {
        for control in ['\u{1b}', '\u{9b}', '\u{202e}'] {
            assert!(!shown.contains(control), "{control:?} is in\n{shown}");
        }
    }

    #[test]
    fn no_format_passes_control_characters_on() {
        let run = hostile();
        let document = run::document(&run, judge(&run), HOSTILE);
        let page = run::page(&document, &run);
        let markdown = markdown::render(&page);
        let text = text::render(&page, Color::Plain, Some(HOSTILE));
        for shown in [
            &markdown,
            &text,
            &html::render(&page),
            &json(&document),
            &run::timeseries(&run),
        ] {
            assert_harmless(shown);
        }
        assert!(!markdown.contains("\n# owned"), "{markdown}");
        assert!(!text.contains("\n# owned"), "{text}");
        assert_eq!(csv::quoted("a\rb"), "\"a\rb\"");
    }

    #[test]
    fn markdown_escapes_what_it_would_take_for_markup() {
        let run = hostile();
        let document = run::document(&run, judge(&run), "a `b` | c");
        let shown = markdown::render(&run::page(&document, &run));
        assert!(shown.contains("\\# owned \\<b\\>"), "{shown}");
        assert!(shown.contains("\\*\\_\\[a\\](b)"), "{shown}");
        assert!(!shown.contains("<b>"), "{shown}");
        assert!(shown.contains("Run again: `` a `b` | c ``"), "{shown}");
        // Every row of a table has as many cells as its heading.
        for table in shown.split("\n\n").filter(|block| block.starts_with("| ")) {
            let cells = |line: &str| line.replace("\\|", "").matches('|').count();
            let mut lines = table.lines().map(cells);
            let heading = lines.next().unwrap();
            assert!(lines.all(|count| count == heading), "{table}");
        }
    }
}
