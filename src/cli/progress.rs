//! What the user sees while a run goes on: one live line on a terminal, plain lines elsewhere.

use std::io::Write;

use indicatif::{ProgressBar, ProgressStyle};

use super::news;
use super::terminal;
use tiketi_cloud::notice::Notice;
use tiketi_core::units::SimTime;
use tiketi_live::progress::{Progress, Watcher};
use tiketi_scenario::Plan;

/// Scenario time between two plain lines.
const PLAIN_LINE_EVERY_SECS: u64 = 30;

/// Shows how a run goes.
#[derive(Debug)]
pub(super) struct Display {
    zones: Vec<String>,
    form: Form,
}

/// Where progress is shown.
#[derive(Debug)]
enum Form {
    /// Nowhere (`--quiet`).
    Silent,
    /// A bar that is drawn anew on the terminal.
    Bar(ProgressBar),
    /// A line now and then.
    Plain {
        /// When the next line is due.
        next: SimTime,
    },
}

impl Display {
    /// Picks the form: a bar on a terminal, plain lines in a pipe or with `CI` set.
    pub(super) fn new(quiet: bool, plan: &Plan) -> Self {
        Self {
            zones: plan
                .topology
                .zones
                .iter()
                .map(|zone| zone.name.clone())
                .collect(),
            form: Form::new(quiet, plan.clock.duration.as_secs()),
        }
    }

    /// Takes the bar away.
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

/// A bar that is full when the run is over.
pub(super) fn bar(duration_secs: u64) -> ProgressBar {
    let bar = ProgressBar::new(duration_secs);
    bar.set_style(
        ProgressStyle::with_template("{bar:24} {percent:>3}% {msg}")
            .expect("the template is a constant that is known to parse"),
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
        if let Some(line) = news::line(notice, &self.zones) {
            self.tell(&line);
        }
    }

    fn tell(&mut self, text: &str) {
        match &mut self.form {
            Form::Silent => {}
            Form::Bar(bar) => bar.println(text),
            Form::Plain { .. } => line(format_args!("{text}")),
        }
    }
}

/// Prints one plain line.
pub(super) fn line(text: std::fmt::Arguments<'_>) {
    // A closed stderr is no reason to end a run.
    let _closed = writeln!(std::io::stderr().lock(), "{text}");
}
