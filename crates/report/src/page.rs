//! What a report consists of: a [`Page`] of [`Section`]s, each made of [`Block`]s.
//!
//! Blocks hold data and plain text, never markup: numbers carry their unit, table cells their status, charts their
//! points. Each renderer ([`html`](crate::html), [`markdown`](crate::markdown), [`text`](crate::text)) decides how a block
//! looks, so a new output format is one more function over these types.
//!
//! Text may contain code between backticks, as in Markdown.

use crate::chart::{BarChart, ChartGroup};
use crate::number::Number;

/// A whole report.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The question that the report answers.
    pub title: String,
    /// What was examined, and how, in a few words.
    pub context: String,
    /// The answer.
    pub headline: Headline,
    /// The body.
    pub sections: Vec<Section>,
    /// Remarks at the end, such as the program's version.
    pub closing: Vec<String>,
    /// The command that reproduces the report.
    pub run_again: String,
    /// The exit code of the command; `None` if it says nothing about the result.
    pub exit_code: Option<u8>,
}

/// The answer at the top of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headline {
    /// Whether it is good news.
    pub status: Status,
    /// One plain sentence, the worst consequence first.
    pub answer: String,
    /// What else a reader needs to know at once, one sentence each.
    pub details: Vec<String>,
}

/// One section with its heading.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// The heading.
    pub title: String,
    /// The content.
    pub blocks: Vec<Block>,
}

/// A building block of a section.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// A paragraph.
    Prose(Prose),
    /// The few numbers that matter most.
    Metrics(Vec<KeyMetric>),
    /// A table.
    Table(Table),
    /// Line charts.
    Charts(ChartGroup),
    /// A bar chart.
    Bars(BarChart),
    /// A bulleted list.
    List(List),
    /// Content for readers who want to know more; formats without collapsible parts may leave it out.
    Details(Details),
}

/// A paragraph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prose {
    /// Its text.
    pub text: String,
    /// How much attention it asks for.
    pub tone: Tone,
}

/// How much attention a text asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Ordinary text.
    Normal,
    /// An explanation that most readers skip.
    Muted,
    /// Something that limits what the numbers mean.
    Warning,
}

/// One key metric.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyMetric {
    /// What it is.
    pub name: String,
    /// Its value; `None` if nothing was measured.
    pub value: Option<Number>,
    /// A second number or a short explanation.
    pub note: String,
}

/// A bulleted list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// What it lists; empty if the section's heading says so.
    pub title: String,
    /// The entries.
    pub items: Vec<String>,
}

/// Blocks that can be collapsed.
#[derive(Clone, Debug, PartialEq)]
pub struct Details {
    /// What is inside.
    pub summary: String,
    /// Whether they start expanded.
    pub is_open: bool,
    /// The content.
    pub blocks: Vec<Block>,
}

/// A table.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// What it shows; empty if the section's heading says so.
    pub title: String,
    /// The columns.
    pub columns: Vec<Column>,
    /// Rows with one cell per column.
    pub rows: Vec<Vec<Cell>>,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its heading; may be empty.
    pub title: String,
    /// What its cells contain.
    pub kind: ColumnKind,
}

/// What the cells of a column contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// A status mark.
    Status,
    /// A name or a few words.
    Label,
    /// Text of any length.
    Prose,
    /// Numbers, aligned to the right.
    Number,
}

/// One cell of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// The value.
    pub content: Content,
    /// A remark below or beside the value; empty if there is none.
    pub note: String,
    /// A status that colors the cell; `None` for most cells.
    pub status: Option<Status>,
}

/// The value of a cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Nothing belongs here.
    Empty,
    /// Nothing was measured, or there is no such value.
    Missing,
    /// Words.
    Text(String),
    /// A number with its unit.
    Number(Number),
    /// A status alone.
    Status(Status),
}

/// How something turned out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// As it should be.
    Pass,
    /// Better than required.
    Better,
    /// As it should be as far as it was measured.
    Partial,
    /// Not as it should be.
    Fail,
    /// Could not be determined.
    Unknown,
    /// Nothing was required.
    Neutral,
}

impl Status {
    /// `Pass` or `Fail`.
    pub const fn of(passed: bool) -> Self {
        if passed { Self::Pass } else { Self::Fail }
    }

    /// The character that stands for it in text.
    pub const fn mark(self) -> &'static str {
        match self {
            Self::Pass => "✓",
            Self::Better => "+",
            Self::Partial => "~",
            Self::Fail => "✗",
            Self::Unknown => "?",
            Self::Neutral => "",
        }
    }

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "passed",
            Self::Better => "better",
            Self::Partial => "partly verified",
            Self::Fail => "failed",
            Self::Unknown => "not checked",
            Self::Neutral => "not judged",
        }
    }
}

impl Block {
    /// Whether there is nothing to show: a table without rows would only have headings.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Prose(prose) => prose.text.is_empty(),
            Self::Metrics(metrics) => metrics.is_empty(),
            Self::Table(table) => table.rows.is_empty(),
            Self::Charts(group) => group.charts.is_empty(),
            Self::Bars(chart) => chart.bars.is_empty(),
            Self::List(list) => list.items.is_empty(),
            Self::Details(details) => details.blocks.iter().all(Self::is_empty),
        }
    }
}

impl Headline {
    /// The answer and its details as one text.
    pub fn sentences(&self) -> String {
        let sentences = [&self.answer].into_iter().chain(&self.details);
        sentences.map(String::as_str).collect::<Vec<_>>().join(" ")
    }
}

impl Section {
    /// A section without content.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            blocks: Vec::new(),
        }
    }

    /// Adds a block, unless it has no content.
    #[must_use]
    pub fn with(self, block: impl Into<Block>) -> Self {
        self.with_all([block])
    }

    /// Adds those of the blocks that have content.
    #[must_use]
    pub fn with_all<B: Into<Block>>(mut self, blocks: impl IntoIterator<Item = B>) -> Self {
        let blocks = blocks.into_iter().map(Into::into);
        self.blocks.extend(blocks.filter(|block| !block.is_empty()));
        self
    }
}

impl Prose {
    /// Ordinary text.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            tone: Tone::Normal,
        }
    }

    /// An explanation.
    pub fn muted(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            tone: Tone::Muted,
        }
    }

    /// A warning.
    pub fn warning(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            tone: Tone::Warning,
        }
    }
}

impl List {
    /// A list below the section's heading.
    pub const fn new(items: Vec<String>) -> Self {
        Self {
            title: String::new(),
            items,
        }
    }

    /// A list with a title of its own.
    pub fn titled(title: impl Into<String>, items: Vec<String>) -> Self {
        Self {
            title: title.into(),
            items,
        }
    }
}

impl Details {
    /// Collapsed blocks.
    pub fn closed(summary: impl Into<String>, blocks: Vec<Block>) -> Self {
        Self {
            summary: summary.into(),
            is_open: false,
            blocks,
        }
    }

    /// Expanded blocks.
    pub fn open(summary: impl Into<String>, blocks: Vec<Block>) -> Self {
        Self {
            summary: summary.into(),
            is_open: true,
            blocks,
        }
    }
}

impl Table {
    /// A table without rows.
    pub const fn new(columns: Vec<Column>) -> Self {
        Self {
            title: String::new(),
            columns,
            rows: Vec::new(),
        }
    }

    /// A table of names and values without headings.
    pub fn pairs(value: ColumnKind) -> Self {
        Self::new(vec![
            Column::new(ColumnKind::Label, ""),
            Column::new(value, ""),
        ])
    }

    /// Sets the title.
    #[must_use]
    pub fn titled(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Adds a row, which has one cell per column.
    pub fn push(&mut self, row: Vec<Cell>) {
        assert_eq!(row.len(), self.columns.len(), "one cell per column");
        self.rows.push(row);
    }

    /// Adds rows.
    #[must_use]
    pub fn with_rows(mut self, rows: impl IntoIterator<Item = Vec<Cell>>) -> Self {
        for row in rows {
            self.push(row);
        }
        self
    }

    /// Whether any column has a heading.
    pub fn has_headings(&self) -> bool {
        self.columns.iter().any(|column| !column.title.is_empty())
    }

    /// The column that names each row: the first that is not a status.
    pub fn naming_column(&self) -> Option<usize> {
        let mut kinds = self.columns.iter().map(|column| column.kind);
        kinds.position(|kind| kind != ColumnKind::Status)
    }
}

impl Column {
    /// A column.
    pub fn new(kind: ColumnKind, title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            kind,
        }
    }

    /// The column of status marks.
    pub fn status() -> Self {
        Self::new(ColumnKind::Status, "")
    }

    /// A column of names.
    pub fn label(title: impl Into<String>) -> Self {
        Self::new(ColumnKind::Label, title)
    }

    /// A column of text.
    pub fn prose(title: impl Into<String>) -> Self {
        Self::new(ColumnKind::Prose, title)
    }

    /// A column of numbers.
    pub fn number(title: impl Into<String>) -> Self {
        Self::new(ColumnKind::Number, title)
    }
}

impl Cell {
    const fn new(content: Content) -> Self {
        Self {
            content,
            note: String::new(),
            status: None,
        }
    }

    /// A cell in which nothing belongs.
    pub const fn empty() -> Self {
        Self::new(Content::Empty)
    }

    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(Content::Text(text.into()))
    }

    /// Code, such as the name of a metric.
    pub fn code(code: &str) -> Self {
        Self::text(format!("`{code}`"))
    }

    /// A number, or a dash if there is none.
    pub fn number(number: impl Into<Option<Number>>) -> Self {
        Self::new(number.into().map_or(Content::Missing, Content::Number))
    }

    /// A count.
    pub fn count(count: u64) -> Self {
        Self::number(Number::count(count))
    }

    /// A status mark.
    pub const fn status(status: Status) -> Self {
        Self::new(Content::Status(status))
    }

    /// Adds a remark.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// Colors the cell.
    #[must_use]
    pub const fn colored(mut self, status: Status) -> Self {
        self.status = Some(status);
        self
    }

    /// The value as text; a dash if it is missing.
    pub fn words(&self) -> String {
        match &self.content {
            Content::Empty => String::new(),
            Content::Missing => "–".to_owned(),
            Content::Text(text) => text.clone(),
            Content::Number(number) => number.to_string(),
            Content::Status(status) => status.mark().to_owned(),
        }
    }
}

impl From<Prose> for Block {
    fn from(prose: Prose) -> Self {
        Self::Prose(prose)
    }
}

impl From<Table> for Block {
    fn from(table: Table) -> Self {
        Self::Table(table)
    }
}

impl From<ChartGroup> for Block {
    fn from(charts: ChartGroup) -> Self {
        Self::Charts(charts)
    }
}

impl From<BarChart> for Block {
    fn from(bars: BarChart) -> Self {
        Self::Bars(bars)
    }
}

impl From<List> for Block {
    fn from(list: List) -> Self {
        Self::List(list)
    }
}

impl From<Details> for Block {
    fn from(details: Details) -> Self {
        Self::Details(details)
    }
}
