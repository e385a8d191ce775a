//! What the user sees while the model plays: nothing for two seconds, then one live line, or plain lines in a pipe.

use std::time::Duration;

use indicatif::ProgressBar;
use tokio::sync::watch;
use tokio::time::Instant;

use super::progress::{bar, line};
use super::terminal;
use tiketi_live::clock::wall_now;
use tiketi_model::{Progress, Watcher, Wish};
use tiketi_scenario::Plan;
use tiketi_verdict::figure::grouped;

/// Wall time before anything is shown: most runs are over by then.
const QUIET: Duration = Duration::from_secs(2);
/// Wall time between two plain lines.
const PLAIN_LINE_EVERY: Duration = Duration::from_secs(10);
/// Wall time between two drawings of the bar.
const DRAW_EVERY: Duration = Duration::from_millis(200);

/// Shows how a model run goes, and ends it when the user wants that.
#[derive(Debug)]
pub(super) struct ModelDisplay {
    quiet: bool,
    duration_secs: u64,
    interrupt: watch::Receiver<bool>,
    due: Instant,
    /// Calendar entries when it was shown last.
    entries: u64,
    shown_at: Instant,
    bar: Option<ProgressBar>,
}

impl ModelDisplay {
    /// Begins to look on now.
    pub(super) fn new(quiet: bool, plan: &Plan, interrupt: watch::Receiver<bool>) -> Self {
        let started = wall_now();
        Self {
            quiet,
            duration_secs: plan.clock.duration.as_secs(),
            interrupt,
            due: started + QUIET,
            entries: 0,
            shown_at: started,
            bar: None,
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn tell(&mut self, progress: &Progress, now: Instant) {
        let told = told(progress, self.entries_per_second(progress, now));
        (self.entries, self.shown_at) = (progress.entries, now);
        if !terminal::is_live(&std::io::stderr()) {
            self.due = now + PLAIN_LINE_EVERY;
            line(format_args!("{}  {told}", progress.now));
            return;
        }
        self.due = now + DRAW_EVERY;
        let bar = self.bar.get_or_insert_with(|| bar(self.duration_secs));
        bar.set_position(progress.now.as_secs());
        bar.set_message(format!("{}  {told}", progress.now));
    }

    #[expect(clippy::cast_precision_loss, reason = "a figure for the eye")]
    fn entries_per_second(&self, progress: &Progress, now: Instant) -> f64 {
        let entries = progress.entries.saturating_sub(self.entries) as f64;
        entries / now.duration_since(self.shown_at).as_secs_f64().max(1e-3)
    }
}

impl Watcher for ModelDisplay {
    fn show(&mut self, progress: &Progress) -> Wish {
        let now = wall_now();
        if !self.quiet && now >= self.due {
            self.tell(progress, now);
        }
        if *self.interrupt.borrow() {
            Wish::Stop
        } else {
            Wish::GoOn
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "entries a second are not negative and far below 2^64"
)]
fn told(progress: &Progress, entries_per_second: f64) -> String {
    format!(
        "{} waiting, {} entries a second",
        grouped(progress.waiting),
        grouped(entries_per_second.round() as u64)
    )
}
