//! Progress of a live run: a progress bar on a terminal, plain lines elsewhere.

use std::io::Write;

use indicatif::{ProgressBar, ProgressStyle};

use super::notice_line::NoticeLines;
use super::terminal;
use tiketi_cloud::notice::Notice;
use tiketi_core::shown::on_one_line;
use tiketi_core::units::SimTime;
use tiketi_live::progress::{Progress, Watcher};
use tiketi_scenario::Plan;

/// Scenario time between two plain lines.
const PLAIN_LINE_EVERY_SECS: u64 = 30;

/// Shows the progress of a live run.
#[derive(Debug)]
pub(super) struct Display {
    notices: NoticeLines,
    form: Form,
}

/// How progress is shown.
#[derive(Debug)]
enum Form {
    /// Not at all (`--quiet`).
    Silent,
    /// As a progress bar.
    Bar(ProgressBar),
    /// As plain lines at intervals.
    Plain {
        /// When the next line is due.
        next: SimTime,
    },
}

impl Display {
    /// Picks the form: a progress bar on a terminal, plain lines in a pipe or with `CI` set.
    pub(super) fn new(quiet: bool, plan: &Plan) -> Self {
        Self {
            notices: NoticeLines::new(plan),
            form: Form::new(quiet, plan.ends_at().as_secs()),
        }
    }

    /// Removes the progress bar.
    pub(super) fn finish(&self) {
        if let Form::Bar(bar) = &self.form {
            bar.finish_and_clear();
        }
    }
}

impl Form {
    fn new(quiet: bool, duration_secs: u64) -> Self {
        if quiet {
            return Self::Silent;
        }
        if !terminal::is_live(&std::io::stderr()) {
            return Self::Plain {
                next: SimTime::ZERO,
            };
        }
        Self::Bar(bar(duration_secs))
    }
}

/// Returns a progress bar over the length of the run, in seconds of scenario time.
pub(super) fn bar(duration_secs: u64) -> ProgressBar {
    let bar = ProgressBar::new(duration_secs);
    bar.set_style(
        ProgressStyle::with_template("{bar:24} {percent:>3}% {msg}")
            .expect("the template is a valid constant"),
    );
    bar
}

impl Watcher for Display {
    fn show(&mut self, progress: &Progress) {
        match &mut self.form {
            Form::Silent => {}
            Form::Bar(bar) => {
                bar.set_position(progress.at.as_secs());
                bar.set_message(progress.to_string());
            }
            Form::Plain { next } => {
                if progress.at >= *next {
                    *next = SimTime::from_secs(
                        (progress.at.as_secs() / PLAIN_LINE_EVERY_SECS + 1) * PLAIN_LINE_EVERY_SECS,
                    );
                    line(format_args!("{progress}"));
                }
            }
        }
    }

    fn notice(&mut self, notice: &Notice) {
        if let Some(line) = self.notices.line(notice) {
            self.tell(&line);
        }
    }

    fn tell(&mut self, text: &str) {
        match &mut self.form {
            Form::Silent => {}
            Form::Bar(bar) => bar.println(on_one_line(text)),
            Form::Plain { .. } => line(format_args!("{text}")),
        }
    }
}

/// Prints a plain line.
pub(super) fn line(text: std::fmt::Arguments<'_>) {
    // A closed stderr must not end a run.
    let text = text.to_string();
    let _closed = writeln!(std::io::stderr().lock(), "{}", on_one_line(&text));
}
