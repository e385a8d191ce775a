//! Progress of a simulation: nothing for two seconds, then a progress bar, or plain lines in a pipe.

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

/// Real time before anything is shown; most simulations end sooner.
const QUIET: Duration = Duration::from_secs(2);
/// Real time between two plain lines.
const PLAIN_LINE_EVERY: Duration = Duration::from_secs(10);
/// Real time between two updates of the progress bar.
const DRAW_EVERY: Duration = Duration::from_millis(200);

/// Shows the progress of a simulation, and stops it when the user interrupts.
#[derive(Debug)]
pub(super) struct ModelDisplay {
    quiet: bool,
    duration_secs: u64,
    interrupt: watch::Receiver<bool>,
    due: Instant,
    /// Events simulated when the progress was last shown.
    events: u64,
    shown_at: Instant,
    bar: Option<ProgressBar>,
}

impl ModelDisplay {
    /// Starts watching now.
    pub(super) fn new(quiet: bool, plan: &Plan, interrupt: watch::Receiver<bool>) -> Self {
        let started = wall_now();
        Self {
            quiet,
            duration_secs: plan.ends_at().as_secs(),
            interrupt,
            due: started + QUIET,
            events: 0,
            shown_at: started,
            bar: None,
        }
    }

    /// Removes the progress bar.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn update(&mut self, progress: &Progress, now: Instant) {
        let status = status(progress.waiting, self.events_per_second(progress, now));
        (self.events, self.shown_at) = (progress.entries, now);
        if !terminal::is_live(&std::io::stderr()) {
            self.due = now + PLAIN_LINE_EVERY;
            line(format_args!("{}  {status}", progress.now));
            return;
        }
        self.due = now + DRAW_EVERY;
        let bar = self.bar.get_or_insert_with(|| bar(self.duration_secs));
        bar.set_position(progress.now.as_secs());
        bar.set_message(format!("{}  {status}", progress.now));
    }

    #[expect(clippy::cast_precision_loss, reason = "it is shown with two digits")]
    fn events_per_second(&self, progress: &Progress, now: Instant) -> f64 {
        let events = progress.entries.saturating_sub(self.events) as f64;
        events / now.duration_since(self.shown_at).as_secs_f64().max(1e-3)
    }
}

impl Watcher for ModelDisplay {
    fn show(&mut self, progress: &Progress) -> Wish {
        let now = wall_now();
        if !self.quiet && now >= self.due {
            self.update(progress, now);
        }
        if *self.interrupt.borrow() {
            Wish::Stop
        } else {
            Wish::GoOn
        }
    }
}

fn status(waiting: u64, events_per_second: f64) -> String {
    let millions = events_per_second / 1e6;
    format!(
        "queue {} · simulating {millions:.1} M events/s",
        grouped(waiting)
    )
}
