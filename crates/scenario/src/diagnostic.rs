//! Problems of a file: all of them at once, each with its line and column, the expected values and a hint.

use std::fmt;
use std::ops::Range;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};

use tiketi_core::shown::{in_place, on_lines, on_one_line};
use tiketi_server_url::{masked, redacted};

/// One problem of a file. [`Problem::new`] starts one; it is complete when it says what is expected, and how to fix it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong, with the invalid value.
    pub message: String,
    /// The bytes of the file it is about; empty at the start of the file if it is about no particular place.
    pub span: Range<usize>,
    /// The expected values in words.
    pub expected: String,
    /// How to fix it.
    pub help: String,
}

/// What is wrong. It becomes a [`Problem`] with the expected values and a hint, and not without them.
#[derive(Clone, Debug)]
#[must_use = "a problem also needs the expected values and a hint"]
pub struct Wrong {
    message: String,
}

/// What is wrong and what is expected. It becomes a [`Problem`] with a hint.
#[derive(Clone, Debug)]
#[must_use = "a problem also needs a hint"]
pub struct Expecting {
    message: String,
    expected: String,
}

impl Problem {
    /// Starts a problem: what is wrong, with the invalid value.
    #[expect(
        clippy::new_ret_no_self,
        reason = "a problem without expected values or without a hint cannot be built"
    )]
    pub fn new(message: impl Into<String>) -> Wrong {
        Wrong {
            message: message.into(),
        }
    }

    /// The same problem at these bytes of the file.
    #[must_use]
    pub fn at(mut self, span: Range<usize>) -> Self {
        self.span = span;
        self
    }

    /// Message and expected values as one sentence.
    fn headline(&self) -> String {
        format!("{} (expected {})", self.message, self.expected)
    }
}

impl Wrong {
    /// Says what is expected.
    pub fn expected(self, expected: impl fmt::Display) -> Expecting {
        Expecting {
            message: self.message,
            expected: expected.to_string(),
        }
    }
}

impl Expecting {
    /// Completes the problem with a hint.
    pub fn help(self, help: impl Into<String>) -> Problem {
        Problem {
            message: self.message,
            span: 0..0,
            expected: self.expected,
            help: help.into(),
        }
    }

    /// Completes the problem with the `known` word that is most similar to `written` as the hint.
    pub fn did_you_mean<'k>(
        self,
        written: &str,
        known: impl IntoIterator<Item = &'k str>,
    ) -> Problem {
        self.did_you_mean_or(written, known, "write one of these names in quotes")
    }

    /// The same, with another hint if no word is similar enough.
    pub fn did_you_mean_or<'k>(
        self,
        written: &str,
        known: impl IntoIterator<Item = &'k str>,
        otherwise: &str,
    ) -> Problem {
        let help = match nearest(written, known) {
            Some(word) => format!("did you mean `{word}`?"),
            None => otherwise.to_owned(),
        };
        self.help(help)
    }
}

/// The problem of a text that is not TOML.
pub fn syntax_problem(error: &toml::de::Error, text: &str) -> Problem {
    /// Longer lines are cut: the place is shown anyway.
    const CHARACTERS_MAX: usize = 48;
    let span = error.span().unwrap_or(0..0);
    let message = error.message().trim().replace('\n', ", ");
    let (wrong, expected) = match message.split_once("expected ") {
        Some((wrong, expected)) => (wrong.trim_end_matches([',', ' ', ';']), expected),
        None => (message.as_str(), "TOML: lines such as `key = \"value\"`"),
    };
    let start = text.get(..span.start).map_or(0, |before| {
        before.rfind('\n').map_or(0, |newline| newline + 1)
    });
    let line = text
        .get(start..)
        .and_then(|rest| rest.split(['\n', '\r']).next());
    let line = redacted(line.unwrap_or_default().trim());
    let short: String = line.chars().take(CHARACTERS_MAX).collect();
    let wrong = if wrong.is_empty() { "not TOML" } else { wrong };
    let problem = Problem::new(format!("{wrong} in `{short}`"))
        .expected(expected)
        .help("write texts in quotes, lists in brackets, and each key once: https://toml.io");
    problem.at(span)
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

/// Whether the problems of a file make it invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Severity {
    /// They do.
    Error,
    /// They don't: something is probably not meant.
    Warning,
}

/// All problems of one file, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostics {
    source_name: String,
    text: String,
    problems: Vec<Problem>,
    severity: Severity,
}

impl Diagnostics {
    /// Collects the problems of the file called `source_name` with this text.
    pub fn new(source_name: &str, text: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| (problem.span.start, problem.span.end));
        // Names and values of the file are quoted, and may contain escape sequences.
        for problem in &mut problems {
            problem.message = on_lines(&problem.message).into_owned();
            for quoted in [&mut problem.expected, &mut problem.help] {
                *quoted = on_lines(quoted).into_owned();
            }
        }
        Self {
            source_name: on_one_line(source_name).into_owned(),
            // Excerpts of the file are shown, and must not contain passwords of URLs.
            text: in_place(&masked(text)).into_owned(),
            problems,
            severity: Severity::Error,
        }
    }

    /// Collects warnings about the file, which is valid.
    pub fn warnings(source_name: &str, text: &str, warnings: Vec<Problem>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::new(source_name, text, warnings)
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
                severity: self.severity,
            };
            handler
                .render_report(&mut shown, &excerpt)
                .expect("writing to a string cannot fail");
        }
        shown
    }
}

/// Prints one line per problem: `file:line:column: message (expected …); help: …`. The message of a warning starts with
/// `warning: `.
impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            let (line, column) = self.position(problem);
            let (name, headline) = (&self.source_name, problem.headline());
            let kind = match self.severity {
                Severity::Error => "",
                Severity::Warning => "warning: ",
            };
            let help = &problem.help;
            write!(f, "{name}:{line}:{column}: {kind}{headline}; help: {help}")?;
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
    severity: Severity,
}

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem.message)
    }
}

impl std::error::Error for Excerpt<'_> {}

impl miette::Diagnostic for Excerpt<'_> {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let Problem { expected, help, .. } = self.problem;
        Some(if fits(expected) {
            Box::new(help)
        } else {
            Box::new(format!("{help}\nexpected {expected}"))
        })
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let expected = &self.problem.expected;
        let label = if fits(expected) {
            format!("expected {expected}")
        } else {
            "here".to_owned()
        };
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
            let problem = Problem::new("x").expected("y").help("z");
            problem.at(start..start + 1)
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
            .expected("\u{202e}y")
            .help("\u{7}z")
            .at(1..7);
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
