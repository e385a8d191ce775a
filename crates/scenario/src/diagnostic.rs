//! Problems of a scenario: all of them at once, each with its line and column.

use std::fmt;
use std::ops::Range;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};

use tiketi_core::shown::{in_place, on_lines, on_one_line};
use tiketi_server_url::masked;

/// One problem of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong, with the invalid value.
    pub message: String,
    /// The bytes of the file it is about; empty at the start of the file if it is about no particular place.
    pub span: Range<usize>,
    /// The expected values in words; `None` if they cannot be listed.
    pub expected: Option<String>,
    /// How to fix it; `None` if there is no hint.
    pub help: Option<String>,
}

impl Problem {
    /// A problem with a message only.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            span: 0..0,
            expected: None,
            help: None,
        }
    }

    /// The same problem at these bytes of the file.
    #[must_use]
    pub fn at(mut self, span: Range<usize>) -> Self {
        self.span = span;
        self
    }

    /// The same problem with the expected values.
    #[must_use]
    pub fn expected(mut self, expected: impl fmt::Display) -> Self {
        self.expected = Some(expected.to_string());
        self
    }

    /// The same problem with a hint.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same problem with the `known` word that is most similar to `written` as a hint, if one is similar enough.
    #[must_use]
    pub fn did_you_mean<'k>(
        mut self,
        written: &str,
        known: impl IntoIterator<Item = &'k str>,
    ) -> Self {
        if let Some(word) = nearest(written, known) {
            self.help = Some(format!("did you mean `{word}`?"));
        }
        self
    }

    /// Message and expected values as one sentence.
    fn headline(&self) -> String {
        match &self.expected {
            Some(expected) => format!("{} (expected {expected})", self.message),
            None => self.message.clone(),
        }
    }
}

/// The known word that is most similar to `written`; `None` if none is similar enough.
pub(crate) fn nearest<'k>(
    written: &str,
    known: impl IntoIterator<Item = &'k str>,
) -> Option<&'k str> {
    /// Less similar suggestions confuse more than they help.
    const SIMILARITY_MIN: f64 = 0.75;
    known
        .into_iter()
        .map(|word| (strsim::jaro_winkler(&written.to_lowercase(), word), word))
        .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, word)| word)
}

/// How [`Diagnostics::render`] shows problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rendering {
    /// Excerpts of the file with the problems underlined, in color.
    Color,
    /// The same without color.
    Monochrome,
    /// One line per problem, for logs and editors: `file:line:column: message`.
    Lines,
}

/// All problems of one file, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostics {
    source_name: String,
    text: String,
    problems: Vec<Problem>,
}

impl Diagnostics {
    /// Collects the problems of the file called `source_name` with this text.
    pub fn new(source_name: &str, text: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| (problem.span.start, problem.span.end));
        // Names and values of the file are quoted, and may contain escape sequences.
        for problem in &mut problems {
            problem.message = on_lines(&problem.message).into_owned();
            for quoted in [&mut problem.expected, &mut problem.help]
                .into_iter()
                .flatten()
            {
                *quoted = on_lines(quoted).into_owned();
            }
        }
        Self {
            source_name: on_one_line(source_name).into_owned(),
            // Excerpts of the file are shown, and must not contain passwords of URLs.
            text: in_place(&masked(text)).into_owned(),
            problems,
        }
    }

    /// The problems, in the order of the file.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Line and column where a problem starts, both from 1; columns count characters, not bytes.
    pub fn position(&self, problem: &Problem) -> (usize, usize) {
        let before = self.text.get(..problem.span.start).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        (line, before[line_start..].chars().count() + 1)
    }

    /// Shows all problems; ends with a newline.
    pub fn render(&self, rendering: Rendering) -> String {
        match rendering {
            Rendering::Color => self.excerpts(GraphicalTheme::unicode()),
            Rendering::Monochrome => self.excerpts(GraphicalTheme::unicode_nocolor()),
            Rendering::Lines => format!("{self}\n"),
        }
    }

    /// Shows all problems with excerpts of the file.
    fn excerpts(&self, theme: GraphicalTheme) -> String {
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_width(100)
            .with_context_lines(1);
        let source = NamedSource::new(&self.source_name, self.text.clone());
        let mut shown = String::new();
        for problem in &self.problems {
            let excerpt = Excerpt {
                problem,
                source: &source,
            };
            handler
                .render_report(&mut shown, &excerpt)
                .expect("writing to a string cannot fail");
        }
        shown
    }
}

/// Prints one line per problem: `file:line:column: message (expected …); help: …`.
impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            let (line, column) = self.position(problem);
            let (name, headline) = (&self.source_name, problem.headline());
            write!(f, "{name}:{line}:{column}: {headline}")?;
            if let Some(help) = &problem.help {
                write!(f, "; help: {help}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

/// One problem as miette shows it.
#[derive(Debug)]
struct Excerpt<'d> {
    problem: &'d Problem,
    source: &'d NamedSource<String>,
}

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem.message)
    }
}

impl std::error::Error for Excerpt<'_> {}

impl miette::Diagnostic for Excerpt<'_> {
    fn severity(&self) -> Option<miette::Severity> {
        Some(miette::Severity::Error)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let expected = self.problem.expected.as_ref();
        let long = expected.filter(|expected| !fits(expected));
        let long = long.map(|expected| format!("expected {expected}"));
        let lines: Vec<_> = self.problem.help.iter().chain(&long).collect();
        if lines.is_empty() {
            return None;
        }
        let lines: Vec<&str> = lines.into_iter().map(String::as_str).collect();
        Some(Box::new(lines.join("\n")))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let expected = self.problem.expected.as_ref();
        let label = expected
            .filter(|expected| fits(expected))
            .map(|expected| format!("expected {expected}"));
        let label = label.unwrap_or_else(|| "here".to_owned());
        let span = self.problem.span.clone();
        Some(Box::new(std::iter::once(LabeledSpan::at(span, label))))
    }
}

/// Whether the expected values fit beside the underlined place; longer ones go below, where they wrap.
fn fits(expected: &str) -> bool {
    expected.len() <= 60
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let text = "# 질문\nname = \"표\" # x\nseed = -1\n";
        let at = |needle: &str| {
            let start = text.find(needle).expect("the needle is in the text");
            Problem::new("x").at(start..start + 1)
        };
        let diagnostics = Diagnostics::new("f", text, Vec::new());
        assert_eq!(diagnostics.position(&at("#")), (1, 1));
        assert_eq!(diagnostics.position(&at("# x")), (2, 12));
        assert_eq!(diagnostics.position(&at("-1")), (3, 8));
    }

    #[test]
    fn escape_sequences_of_a_file_are_shown_and_not_obeyed() {
        let text = "\"x\u{1b}[31m\" = 1 # \u{9b}2J\n";
        let problem = Problem::new("unknown key `x\u{1b}[31m`")
            .at(1..7)
            .expected("\u{202e}y")
            .help("\u{7}z");
        let diagnostics = Diagnostics::new("\u{1b}f.toml", text, vec![problem]);
        for rendering in [Rendering::Monochrome, Rendering::Lines] {
            let shown = diagnostics.render(rendering);
            assert!(
                !shown.contains(['\u{1b}', '\u{9b}', '\u{202e}', '\u{7}']),
                "{shown}"
            );
            assert!(shown.contains("unknown key `x␛[31m`"), "{shown}");
            assert!(shown.contains(":1:2"), "{shown}");
        }
    }

    #[test]
    fn only_similar_words_are_suggested() {
        let known = ["duration", "warmup", "speed"];
        assert_eq!(nearest("durration", known), Some("duration"));
        assert_eq!(nearest("Speed", known), Some("speed"));
        assert_eq!(nearest("zebra", known), None);
    }
}
