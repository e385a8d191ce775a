//! What the user sees while a search goes on: one live line on a terminal, a line a batch of runs elsewhere.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

use super::terminal;
use tiketi_capacity::State;
use tiketi_live::clock::wall_now;
use tiketi_verdict::figure::in_words;

/// Wall time between two plain lines.
const PLAIN_LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows how a search goes, from any thread.
#[derive(Debug)]
pub(super) struct SearchProgress {
    form: Form,
    began: Instant,
    counts: Mutex<Counts>,
}

/// Where progress is shown.
#[derive(Debug)]
enum Form {
    /// Nowhere (`--quiet`).
    Silent,
    /// A bar that is drawn anew on the terminal.
    Bar(ProgressBar),
    /// A line now and then.
    Plain,
}

/// How far the search is.
#[derive(Debug, Default)]
struct Counts {
    played: usize,
    found: usize,
    /// Runs when the current batch and everything after it is done, as far as the search can tell.
    expected: usize,
    best: Option<String>,
    last_line: Option<Instant>,
}

impl SearchProgress {
    /// Picks the form: a bar on a terminal, plain lines in a pipe or with `CI` set.
    pub(super) fn new(quiet: bool) -> Self {
        Self {
            form: Form::new(quiet),
            began: wall_now(),
            counts: Mutex::default(),
        }
    }

    /// Notes what the search says between two batches.
    pub(super) fn hear(&self, state: &State) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.expected = counts.done() + state.runs_next + state.runs_later;
        counts.best.clone_from(&state.best);
        self.show(&mut counts);
    }

    /// Notes a run that was played.
    pub(super) fn played(&self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.played += 1;
        self.show(&mut counts);
    }

    /// Notes a run that the journal had.
    pub(super) fn found(&self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.found += 1;
    }

    /// Runs that were played.
    pub(super) fn runs_played(&self) -> usize {
        self.counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .played
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        if let Form::Bar(bar) = &self.form {
            bar.finish_and_clear();
        }
    }

    /// Says something that matters beyond the moment.
    pub(super) fn tell(&self, text: &str) {
        match &self.form {
            Form::Silent => {}
            Form::Bar(bar) => bar.println(text),
            Form::Plain => line(text),
        }
    }

    fn show(&self, counts: &mut Counts) {
        let now = wall_now();
        let told = counts.told(now.duration_since(self.began));
        match &self.form {
            Form::Silent => {}
            Form::Bar(bar) => {
                bar.set_length(counts.expected as u64);
                bar.set_position(counts.done() as u64);
                bar.set_message(told);
            }
            Form::Plain => {
                let is_due = counts
                    .last_line
                    .is_none_or(|last| now.duration_since(last) >= PLAIN_LINE_EVERY);
                if is_due {
                    counts.last_line = Some(now);
                    line(&told);
                }
            }
        }
    }
}

impl Form {
    fn new(quiet: bool) -> Self {
        if quiet {
            return Self::Silent;
        }
        if !terminal::is_live(&std::io::stderr()) {
            return Self::Plain;
        }
        let bar = ProgressBar::new(0);
        bar.set_style(
            ProgressStyle::with_template("{bar:24} {percent:>3}% {msg}")
                .expect("the template is a constant that is known to parse"),
        );
        Self::Bar(bar)
    }
}

impl Counts {
    const fn done(&self) -> usize {
        self.played + self.found
    }

    /// One line; `elapsed` is wall time since the search began.
    fn told(&self, elapsed: Duration) -> String {
        let mut parts = vec![format!("{} runs of at most {}", self.done(), self.expected)];
        if self.found > 0 {
            parts.push(format!("{} from the journal", self.found));
        }
        parts.extend(
            self.best
                .as_ref()
                .map(|best| format!("best so far: {best}")),
        );
        parts.extend(
            self.left(elapsed)
                .map(|left| format!("at most {} left", in_words(left))),
        );
        parts.join(" · ")
    }

    /// Wall time that is left at most, if runs to come take as long as those that were played.
    fn left(&self, elapsed: Duration) -> Option<Duration> {
        let played = u32::try_from(self.played)
            .ok()
            .filter(|played| *played > 0)?;
        let ahead = u32::try_from(self.expected.saturating_sub(self.done())).ok()?;
        (elapsed / played).checked_mul(ahead)
    }
}

fn line(text: &str) {
    // A closed stderr is no reason to end a search.
    let _closed = writeln!(std::io::stderr().lock(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_what_is_done_what_is_best_and_what_is_left() {
        let counts = Counts {
            played: 10,
            found: 2,
            expected: 32,
            best: Some("3,000 buyers hold".to_owned()),
            last_line: None,
        };
        assert_eq!(
            counts.told(Duration::from_secs(5)),
            "12 runs of at most 32 · 2 from the journal · best so far: 3,000 buyers hold · at most 10.00s left"
        );
    }

    #[test]
    fn nothing_played_tells_no_time() {
        assert_eq!(
            Counts::default().told(Duration::ZERO),
            "0 runs of at most 0"
        );
    }
}
