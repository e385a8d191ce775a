//! Drives the watch for stalls in a process or a thread, and keeps its signs of life.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::sleep_until;

use super::clock::{unix_now_ns, wall_now};
use super::lock;
use tiketi_measure::stall::{Book, Lapse, Noticed, REPORTED_MIN, StallKind, ToolPart, Watch};

/// Real time between two signs of life.
const ALIVE_EVERY: Duration = Duration::from_millis(500);

/// What a watch tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// The thread runs.
    Alive,
    /// It ran later than it should have.
    Late(Lapse),
}

/// Watches the thread that polls it, for ever, and tells what it notices.
pub async fn watch(mut tell: impl FnMut(Sign)) -> Infallible {
    let origin = wall_now();
    let mut watch = Watch::new(Duration::ZERO);
    let mut alive_due = Duration::ZERO;
    loop {
        sleep_until(origin + watch.poll_timeout()).await;
        let now = wall_now().saturating_duration_since(origin);
        if let Some(late) = watch.handle_wakeup(now) {
            let late_ns = u64::try_from(late.as_nanos()).unwrap_or(u64::MAX);
            tell(Sign::Late(Lapse {
                from_unix_ns: unix_now_ns().saturating_sub(late_ns),
                lasted: late,
            }));
        }
        if now >= alive_due {
            alive_due = now + ALIVE_EVERY;
            tell(Sign::Alive);
        }
    }
}

/// When the last sign of life arrived. A process that is stopped until the end of a run cannot report it itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heartbeat(Arc<AtomicU64>);

impl Heartbeat {
    /// Notes a sign of life.
    pub(crate) fn handle_sign(&self, at_unix_ns: u64) {
        self.0.store(at_unix_ns, Ordering::Relaxed);
    }

    /// Returns how long signs of life have been overdue; `None` if they are not, or if there has never been one.
    pub(crate) fn overdue(&self, at_unix_ns: u64) -> Option<Lapse> {
        let last = self.0.load(Ordering::Relaxed);
        let due = Lapse {
            from_unix_ns: last,
            lasted: ALIVE_EVERY,
        };
        let lapse = Lapse::between(due.until_unix_ns(), at_unix_ns);
        (last > 0 && lapse.lasted >= REPORTED_MIN).then_some(lapse)
    }
}

/// What a thread of the supervisor with a runtime of its own notices about itself.
#[derive(Debug)]
pub(crate) struct ThreadPulse {
    part: ToolPart,
    heartbeat: Heartbeat,
    stalls: Mutex<Book>,
}

impl ThreadPulse {
    /// The pulse of the thread that does the work of this part.
    pub(crate) fn new(part: ToolPart) -> Self {
        Self {
            part,
            heartbeat: Heartbeat::default(),
            stalls: Mutex::default(),
        }
    }

    /// Watches the thread that polls it, for ever.
    pub(crate) async fn watch(&self) -> Infallible {
        watch(|sign| self.handle(sign)).await
    }

    /// Returns what was noticed of stalls, and forgets it.
    pub(crate) fn take_stalls(&self, now_unix_ns: u64) -> Book {
        let mut book = std::mem::take(&mut *lock(&self.stalls));
        if let Some(lapse) = self.heartbeat.overdue(now_unix_ns) {
            self.note(&mut book, lapse);
        }
        book
    }

    fn handle(&self, sign: Sign) {
        self.heartbeat.handle_sign(unix_now_ns());
        match sign {
            Sign::Alive => {}
            Sign::Late(lapse) => self.note(&mut lock(&self.stalls), lapse),
        }
    }

    fn note(&self, book: &mut Book, lapse: Lapse) {
        book.handle_lapse(self.part, StallKind::Stopped, Noticed::InSupervisor, lapse);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn signs_of_life_are_overdue_only_after_the_next_one_was_due() {
        let heartbeat = Heartbeat::default();
        assert_eq!(heartbeat.overdue(9_000 * MS), None, "nothing has started");
        heartbeat.handle_sign(1_000 * MS);
        assert_eq!(heartbeat.overdue(1_590 * MS), None);
        assert_eq!(
            heartbeat.overdue(3_500 * MS),
            Some(Lapse::between(1_500 * MS, 3_500 * MS))
        );
    }

    #[tokio::test]
    async fn a_blocked_thread_is_noticed_when_it_runs_again() {
        let (signs_tx, mut signs) = tokio::sync::mpsc::unbounded_channel();
        let watching = tokio::spawn(watch(move |sign| {
            let _ = signs_tx.send(sign);
        }));
        assert_eq!(signs.recv().await, Some(Sign::Alive));
        let blocked_at = unix_now_ns();
        #[expect(
            clippy::disallowed_methods,
            reason = "the test blocks the thread on purpose"
        )]
        std::thread::sleep(Duration::from_millis(600));
        let lapse = loop {
            match signs.recv().await {
                Some(Sign::Late(lapse)) if lapse.until_unix_ns() > blocked_at + 500 * MS => {
                    break lapse;
                }
                Some(Sign::Alive | Sign::Late(_)) => {}
                None => panic!("it watches for ever"),
            }
        };
        watching.abort();
        assert!(lapse.lasted >= Duration::from_millis(500), "{lapse:?}");
    }
}
