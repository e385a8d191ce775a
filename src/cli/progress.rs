//! What the user sees while a run goes on: one live line on a terminal, plain lines elsewhere.

use std::io::{IsTerminal, Write};

use indicatif::{ProgressBar, ProgressStyle};

use crate::live::conductor::Progress;
use crate::units::SimTime;

/// Scenario time between two plain lines.
const PLAIN_LINE_EVERY_SECS: u64 = 30;

/// Where progress is shown.
#[derive(Debug)]
pub enum Display {
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
    pub fn new(quiet: bool, duration_secs: u64) -> Self {
        if quiet {
            return Self::Silent;
        }
        if !std::io::stderr().is_terminal() || std::env::var_os("CI").is_some() {
            return Self::Plain { next: SimTime::ZERO };
        }
        let bar = ProgressBar::new(duration_secs);
        bar.set_style(
            ProgressStyle::with_template("{bar:24} {percent:>3}% {msg}")
                .expect("the template is a constant that is known to parse"),
        );
        Self::Bar(bar)
    }

    /// Shows how far the run is.
    pub fn show(&mut self, progress: &Progress) {
        match self {
            Self::Silent => {}
            Self::Bar(bar) => {
                bar.set_position(progress.at.as_secs());
                bar.set_message(progress.to_string());
            }
            Self::Plain { next } => {
                if progress.at >= *next {
                    *next = SimTime::from_secs(
                        (progress.at.as_secs() / PLAIN_LINE_EVERY_SECS + 1) * PLAIN_LINE_EVERY_SECS,
                    );
                    line(format_args!("{progress}"));
                }
            }
        }
    }

    /// Shows something that happened, such as a fault or an alarm.
    pub fn tell(&self, text: &str) {
        match self {
            Self::Silent => {}
            Self::Bar(bar) => bar.println(text),
            Self::Plain { .. } => line(format_args!("{text}")),
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

fn line(text: std::fmt::Arguments<'_>) {
    // A closed stderr is no reason to end a run.
    let _closed = writeln!(std::io::stderr().lock(), "{text}");
}
