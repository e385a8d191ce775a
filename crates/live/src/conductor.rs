//! Conducts a live run: load on one side, the testbed and its control plane on the other, one loop between them.
//!
//! What the testbed sees goes to the control plane, its orders go to the testbed; faults strike on schedule; the workers'
//! frames are added up. The loop decides nothing: the machines do.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, sleep_until, timeout};

use super::clock::{Clock, unix_now_ns};
use super::closing::Closing;
use super::error::LiveError;
use super::load::{Load, workers_for};
use super::progress::{Progress, Watcher};
use super::self_check::raise_files_limit;
use super::site::Site;
use super::sut::Sut;
use super::worker::{Assignment, WorkerReport};
use tiketi_core::units::SimTime;
use tiketi_measure::{Assembly, Measurements};
use tiketi_scenario::Plan;
use tiketi_scenario::arrival::arrival_times;
use tiketi_testbed::Ground;

/// Wall time from the start of the workers to the start of the run: they read the plan and draw their buyers in it.
const LEAD: Duration = Duration::from_millis(1_500);
/// Wall time the fleet has to pass its first health checks before the run starts.
const FLEET_READY_TIMEOUT: Duration = Duration::from_secs(30);
/// Wall time the workers have to end after they were told to.
const WORKERS_END_TIMEOUT: Duration = Duration::from_secs(15);
/// Scenario time between two readings of the levels.
const READING_EVERY: Duration = Duration::from_secs(1);
/// Wall time between two readings at least; at high speed a reading each scenario second would be work for its own sake.
const READING_WALL_MIN: Duration = Duration::from_millis(200);
/// Loopback addresses the load comes from: each has some 28,000 ports of its own, so that they do not run out.
const SOURCES: u8 = 4;

/// Runs `plan` against `sut` and returns what was measured.
///
/// Child processes are started from `executable`, this project's binary; what they say goes to files in `logs`, a folder that
/// is there, or to the standard error. Setting `interrupt` to `true` stops the
/// arrivals and ends the run early, with everything measured so far; so does whatever keeps the run from going on, and
/// the measurements say what it was. `watcher` is shown how it goes.
///
/// # Errors
///
/// When nothing was measured: too few files, a process that does not start, a fleet that does not come up, an interrupt
/// before the load began.
pub async fn conduct(
    plan: Plan,
    sut: Sut,
    executable: &Path,
    logs: Option<&Path>,
    mut interrupt: watch::Receiver<bool>,
    watcher: &mut dyn Watcher,
) -> Result<Measurements, LiveError> {
    let buyers = arrival_times(&plan).len() as u64;
    watcher.tell(&sut.preparation(&plan));
    let ground = Ground {
        executable: executable.to_owned(),
        logs: logs.map(Path::to_owned),
        now_unix_ns: unix_now_ns(),
    };
    let site = tokio::select! {
        site = Box::pin(prepare(&plan, sut, &ground)) => site?,
        () = interrupted(&mut interrupt) => return Err(LiveError::Interrupted),
    };
    let start_at_unix_ns = unix_now_ns() + u64::try_from(LEAD.as_nanos()).unwrap_or(u64::MAX);
    let assignment = Assignment {
        plan: plan.clone(),
        worker: 0,
        workers: workers_for(buyers, raise_files_limit()),
        entry: site.entry(),
        credentials: site.credentials(),
        show: site.show(),
        start_at_unix_ns,
        source_addresses: (1..=SOURCES)
            .map(|host| Ipv4Addr::new(127, 1, 0, host))
            .collect(),
    };
    let load = Load::start(executable, &assignment)
        .await
        .map_err(LiveError::Workers)?;
    let clock = Clock::starting_at(start_at_unix_ns, plan.clock.speed);
    let conductor = Conductor {
        closing: Closing::new(start_at_unix_ns),
        assembly: Assembly::new(plan.clone()),
        ends_at: SimTime::ZERO + plan.clock.duration,
        reading_due: SimTime::ZERO,
        clock,
        site,
        load,
        interrupt,
        watcher,
    };
    Box::pin(conductor.run()).await
}

/// Opens the site and waits until it can take the load.
async fn prepare(plan: &Plan, sut: Sut, ground: &Ground) -> Result<Site, LiveError> {
    let mut site = Site::open(plan, sut, ground).await?;
    timeout(FLEET_READY_TIMEOUT, site.fleet_ready())
        .await
        .map_err(|_| LiveError::FleetNotReady {
            waited: FLEET_READY_TIMEOUT,
        })??;
    Ok(site)
}

/// A run under way.
struct Conductor<'w> {
    clock: Clock,
    ends_at: SimTime,
    reading_due: SimTime,
    site: Site,
    load: Load,
    assembly: Assembly,
    closing: Closing,
    interrupt: watch::Receiver<bool>,
    watcher: &'w mut dyn Watcher,
}

/// What ended a turn of the loop.
enum Turn {
    /// Something happened; there is more to come.
    On,
    /// All workers have said their last.
    WorkersDone,
    /// The user wants an end.
    Interrupted,
}

impl Conductor<'_> {
    async fn run(mut self) -> Result<Measurements, LiveError> {
        self.show_notices();
        let end = loop {
            match self.turn().await {
                Ok(Turn::On) => {}
                end => break end,
            }
        };
        match end {
            Ok(Turn::On | Turn::WorkersDone) => {}
            Ok(Turn::Interrupted) => {
                self.closing.handle_interrupt();
                self.watcher.tell("interrupted: ending the load");
                self.end_load().await;
            }
            Err(error) if self.has_measured_nothing() => return Err(error),
            Err(error) => {
                self.closing.handle_failure(&error);
                self.watcher.tell(&format!("ending the run early: {error}"));
                self.end_load().await;
            }
        }
        let ended_at = self.clock.now().min(self.ends_at);
        let wall = self.clock.wall_passed();
        self.read(ended_at);
        self.load.join().await;
        let closed = self.site.close(ended_at, self.assembly.tally()).await;
        let ending = self
            .closing
            .finish((ended_at, wall), closed, self.assembly.tally());
        Ok(self.assembly.finish(ending))
    }

    /// Waits for the next thing to happen and deals with it.
    async fn turn(&mut self) -> Result<Turn, LiveError> {
        let due = self
            .site
            .poll_timeout()
            .map_or(self.reading_due, |due| due.min(self.reading_due));
        let due = self.clock.wall_instant(due);
        let grace = self.clock.wall_instant(self.ends_at) + WORKERS_END_TIMEOUT;
        tokio::select! {
            input = self.site.next_input() => {
                let now = self.now();
                self.site.handle(now, input)?;
            }
            report = self.load.next() => {
                let Some((worker, report)) = report else {
                    return Ok(Turn::WorkersDone);
                };
                self.handle_report(worker, report)?;
            }
            () = sleep_until(due) => {
                let now = self.now();
                self.site.handle_timeout(now)?;
                if self.clock.now() >= self.reading_due {
                    self.read(now);
                }
            }
            () = interrupted(&mut self.interrupt) => return Ok(Turn::Interrupted),
            () = sleep_until(grace) => return Err(LiveError::WorkersLate),
        }
        self.show_notices();
        Ok(Turn::On)
    }

    /// The present, but never beyond the planned end: what AWS would do afterwards is not part of the run.
    fn now(&self) -> SimTime {
        self.clock.now().min(self.ends_at)
    }

    fn handle_report(&mut self, worker: u32, report: WorkerReport) -> Result<(), LiveError> {
        match report {
            WorkerReport::Ready { buyers } => self.closing.handle_ready(buyers),
            WorkerReport::Frame(frame) => self.assembly.absorb(*frame),
            WorkerReport::Done(done) => self.closing.handle_done(*done),
            WorkerReport::Failed { reason } => return Err(LiveError::Worker { worker, reason }),
        }
        Ok(())
    }

    /// Whether a report of this run would show nothing.
    fn has_measured_nothing(&self) -> bool {
        self.assembly.tally().arrivals.due == 0
    }

    /// Ends the load before its time and takes the workers' last reports, as far as they come.
    async fn end_load(&mut self) {
        self.load.stop().await;
        let deadline = sleep(WORKERS_END_TIMEOUT);
        tokio::pin!(deadline);
        loop {
            let reported = tokio::select! {
                reported = self.load.next() => reported,
                () = &mut deadline => return self.closing.handle_failure(&LiveError::WorkersLate),
            };
            let Some((worker, report)) = reported else {
                return;
            };
            if let Err(error) = self.handle_report(worker, report) {
                self.closing.handle_failure(&error);
            }
        }
    }

    /// Reads the levels and shows how far the run is.
    fn read(&mut self, at: SimTime) {
        let wall_min = self.clock.scenario(READING_WALL_MIN);
        self.reading_due = self.clock.now() + READING_EVERY.max(wall_min);
        let gauges = self.site.gauges(at);
        let progress = Progress::new(at, self.ends_at, gauges.as_ref(), &self.assembly);
        self.watcher.show(&progress);
        if let Some(gauges) = gauges {
            self.assembly.handle_gauges(gauges);
        }
    }

    fn show_notices(&mut self) {
        while let Some(notice) = self.site.poll_notice() {
            self.watcher.notice(&notice);
            self.assembly.handle_notice(notice);
        }
    }
}

/// Resolves when the user interrupts the run; never if nobody can any more.
pub async fn interrupted(interrupt: &mut watch::Receiver<bool>) {
    if interrupt.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}
