//! Progress of a search: a progress bar on a terminal, plain lines elsewhere.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

use super::terminal;
use tiketi_capacity::SearchState;
use tiketi_core::shown::on_one_line;
use tiketi_live::clock::wall_now;

/// Real time between two plain lines.
const PLAIN_LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows the progress of a search; can be used from any thread.
#[derive(Debug)]
pub(super) struct SearchProgress {
    form: Form,
    began: Instant,
    counts: Mutex<Counts>,
}

/// How progress is shown.
#[derive(Debug)]
enum Form {
    /// Not at all (`--quiet`).
    Silent,
    /// As a progress bar.
    Bar(ProgressBar),
    /// As plain lines at intervals.
    Plain,
}

/// Runs of the search so far, and what is known about the rest.
#[derive(Debug, Default)]
struct Counts {
    /// Runs simulated now.
    simulated: usize,
    /// Runs taken from the journal.
    reused: usize,
    /// Total number of runs at most, as far as the search can tell.
    expected: usize,
    best: Option<String>,
    last_line: Option<Instant>,
}

impl SearchProgress {
    /// Picks the form: a progress bar on a terminal, plain lines in a pipe or with `CI` set.
    pub(super) fn new(quiet: bool) -> Self {
        Self {
            form: Form::new(quiet),
            began: wall_now(),
            counts: Mutex::default(),
        }
    }

    /// Takes over the state of the search between two batches.
    pub(super) fn hear(&self, state: &SearchState) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.expected = counts.done() + state.runs_next + state.runs_later;
        counts.best.clone_from(&state.best);
        self.show(&mut counts);
    }

    /// Counts a run that was simulated.
    pub(super) fn finished(&self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.simulated += 1;
        self.show(&mut counts);
    }

    /// Counts a run taken from the journal.
    pub(super) fn reused(&self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.reused += 1;
    }

    /// Returns the number of runs simulated so far.
    pub(super) fn runs_finished(&self) -> usize {
        self.counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .simulated
    }

    /// Removes the progress bar.
    pub(super) fn finish(&self) {
        if let Form::Bar(bar) = &self.form {
            bar.finish_and_clear();
        }
    }

    fn show(&self, counts: &mut Counts) {
        let now = wall_now();
        let status = counts.status(now.duration_since(self.began));
        match &self.form {
            Form::Silent => {}
            Form::Bar(bar) => {
                bar.set_length(counts.expected as u64);
                bar.set_position(counts.done() as u64);
                bar.set_message(on_one_line(&status).into_owned());
            }
            Form::Plain => {
                let is_due = counts
                    .last_line
                    .is_none_or(|last| now.duration_since(last) >= PLAIN_LINE_EVERY);
                if is_due {
                    counts.last_line = Some(now);
                    line(&status);
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
                .expect("the template is a valid constant"),
        );
        Self::Bar(bar)
    }
}

impl Counts {
    const fn done(&self) -> usize {
        self.simulated + self.reused
    }

    /// One line; `elapsed` is real time since the search began.
    fn status(&self, elapsed: Duration) -> String {
        let mut parts = vec![format!("{} of at most {} runs", self.done(), self.expected)];
        if self.reused > 0 {
            parts.push(format!("{} from the journal", self.reused));
        }
        parts.extend(
            self.best
                .as_ref()
                .map(|best| format!("best so far: {best}")),
        );
        parts.extend(
            self.left(elapsed)
                .map(|left| format!("up to {} left", rounded(left))),
        );
        parts.join(" · ")
    }

    /// Real time left if every remaining run is needed and takes as long as the average so far; `None` before the first
    /// run has finished.
    fn left(&self, elapsed: Duration) -> Option<Duration> {
        let simulated = u32::try_from(self.simulated)
            .ok()
            .filter(|simulated| *simulated > 0)?;
        let ahead = u32::try_from(self.expected.saturating_sub(self.done())).ok()?;
        (elapsed / simulated).checked_mul(ahead)
    }
}

/// An estimate in seconds or minutes: more digits would claim more than is known.
fn rounded(left: Duration) -> String {
    match left.as_secs_f64().ceil() {
        seconds if seconds < 90.0 => format!("{seconds:.0} s"),
        seconds if seconds < 5_400.0 => format!("{:.0} min", (seconds / 60.0).ceil()),
        seconds => format!("{:.0} h", (seconds / 3_600.0).ceil()),
    }
}

fn line(text: &str) {
    // A closed stderr must not end a search.
    let _closed = writeln!(std::io::stderr().lock(), "{}", on_one_line(text));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_shows_runs_best_result_and_time_left() {
        let counts = Counts {
            simulated: 10,
            reused: 2,
            expected: 32,
            best: Some("3,000 buyers".to_owned()),
            last_line: None,
        };
        assert_eq!(
            counts.status(Duration::from_secs(5)),
            "12 of at most 32 runs · 2 from the journal · best so far: 3,000 buyers · up to 10 s left"
        );
    }

    #[test]
    fn status_shows_no_time_left_before_the_first_run() {
        assert_eq!(
            Counts::default().status(Duration::ZERO),
            "0 of at most 0 runs"
        );
    }

    #[test]
    fn time_left_is_rounded_up_to_one_unit() {
        let rounded = |millis| rounded(Duration::from_millis(millis));
        assert_eq!(rounded(654), "1 s");
        assert_eq!(rounded(90_500), "2 min");
        assert_eq!(rounded(2 * 3_600_000), "2 h");
    }
}
