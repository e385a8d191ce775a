//! Watches the tool itself during a run: the supervisor, the load workers, and the CPUs of the machine.

use std::collections::BTreeMap;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::AbortHandle;

use super::clock::unix_now_ns;
use super::host::HostWatch;
use super::worker::{FRAME_EVERY, WorkerReport};
use tiketi_core::units::SimTime;
use tiketi_measure::ending::ToolFigures;
use tiketi_measure::stall::{Book, Lapse, Noticed, REPORTED_MIN, Span, StallKind, ToolPart};
use tiketi_testbed::pulse::{self, Sign};

/// What has been noticed so far. It stops watching when dropped.
#[derive(Debug)]
pub(super) struct ToolWatch {
    start_unix_ns: u64,
    speed: f64,
    /// Lapses of the thread that conducts the run.
    lapses: UnboundedReceiver<Lapse>,
    watching: AbortHandle,
    stalls: Book,
    /// When each worker that is not done has last sent a report.
    workers: BTreeMap<u32, u64>,
    host: Option<HostWatch>,
}

impl ToolWatch {
    /// Starts to watch the calling thread, for a run that starts at `start_unix_ns` with `speed` scenario seconds per second.
    pub(super) fn begin(start_unix_ns: u64, speed: f64) -> Self {
        let (lapses_tx, lapses) = unbounded_channel();
        let watched = pulse::watch(move |sign| match sign {
            Sign::Alive => {}
            Sign::Late(lapse) => {
                // Fails only after the run has ended.
                let _ = lapses_tx.send(lapse);
            }
        });
        let watching = tokio::spawn(async { match watched.await {} });
        Self {
            start_unix_ns,
            speed,
            lapses,
            watching: watching.abort_handle(),
            stalls: Book::default(),
            workers: BTreeMap::new(),
            host: None,
        }
    }

    /// Notes that it is `at`: the CPUs are compared from the first call on.
    pub(super) fn handle_time(&mut self, at: SimTime) {
        self.host
            .get_or_insert_with(|| HostWatch::begin(at))
            .handle_time(at);
    }

    /// Notes a report of a worker.
    pub(super) fn handle_report(&mut self, worker: u32, report: &WorkerReport) {
        match report {
            WorkerReport::Stalled { kind, lapse } => {
                let part = ToolPart::Worker(worker);
                self.stalls
                    .handle_lapse(part, *kind, Noticed::BySelf, *lapse);
            }
            WorkerReport::Ready { .. } | WorkerReport::Frame(_) => {
                self.workers.insert(worker, unix_now_ns());
            }
            WorkerReport::Done(_) | WorkerReport::Failed { .. } => {
                self.workers.remove(&worker);
            }
        }
    }

    /// Returns what was noticed until the end of the run; `site` is what its other parts have noticed.
    pub(super) fn finish(mut self, ended_at: SimTime, site: Book) -> ToolFigures {
        while let Ok(lapse) = self.lapses.try_recv() {
            let (part, kind) = (ToolPart::Supervisor, StallKind::Stopped);
            self.stalls.handle_lapse(part, kind, Noticed::BySelf, lapse);
        }
        self.note_silent_workers(unix_now_ns());
        self.stalls.absorb(site);
        let span = Span {
            start_unix_ns: self.start_unix_ns,
            ended_at,
            speed: self.speed,
        };
        let host = self.host.take();
        ToolFigures {
            stalls: self.stalls.settle(span),
            host: host.as_ref().map(HostWatch::figures).unwrap_or_default(),
            cpus_full: host.map(HostWatch::into_full).unwrap_or_default(),
        }
    }

    /// A worker that is stopped until the end cannot report it.
    fn note_silent_workers(&mut self, now_unix_ns: u64) {
        let frame_ns = u64::try_from(FRAME_EVERY.as_nanos()).unwrap_or(u64::MAX);
        for (&worker, &heard) in &self.workers {
            let lapse = Lapse::between(heard.saturating_add(frame_ns), now_unix_ns);
            if lapse.lasted >= REPORTED_MIN {
                let (part, kind) = (ToolPart::Worker(worker), StallKind::Stopped);
                self.stalls
                    .handle_lapse(part, kind, Noticed::InSupervisor, lapse);
            }
        }
    }
}

impl Drop for ToolWatch {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[tokio::test]
    async fn a_worker_that_never_reports_again_is_named() {
        let start = unix_now_ns() - 60 * SECOND;
        let mut watch = ToolWatch::begin(start, 10.0);
        for worker in 0..3 {
            watch.handle_report(worker, &WorkerReport::Ready { buyers: 1 });
        }
        let reason = "it is gone".to_owned();
        watch.handle_report(2, &WorkerReport::Failed { reason });
        *watch.workers.get_mut(&1).unwrap() = start + 20 * SECOND;
        let stalls = watch
            .finish(SimTime::from_secs(500), Book::default())
            .stalls;
        assert_eq!(stalls.len(), 1, "{stalls:?}");
        assert_eq!(stalls[0].part, ToolPart::Worker(1));
        assert_eq!(stalls[0].from, SimTime::from_secs(210));
        assert_eq!(
            stalls[0].wall,
            Duration::from_secs(29),
            "to the end of the run"
        );
    }

    #[tokio::test]
    async fn what_a_worker_reports_of_itself_is_kept() {
        let start = unix_now_ns() - 60 * SECOND;
        let mut watch = ToolWatch::begin(start, 1.0);
        let kind = StallKind::CoreShared;
        let lapse = Lapse::between(start + 5 * SECOND, start + 9 * SECOND);
        watch.handle_report(0, &WorkerReport::Stalled { kind, lapse });
        let stalls = watch.finish(SimTime::from_secs(50), Book::default()).stalls;
        assert_eq!(stalls.len(), 1, "{stalls:?}");
        assert_eq!(
            (stalls[0].kind, stalls[0].part),
            (kind, ToolPart::Worker(0))
        );
        assert_eq!(stalls[0].lasted, Duration::from_secs(4));
    }
}
