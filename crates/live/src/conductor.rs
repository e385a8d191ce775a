//! Conducts a live run: load on one side, the testbed and its control plane on the other, one loop between them.
//!
//! The loop passes what the testbed reports to the control plane and its orders to the testbed, starts faults on schedule,
//! and adds up the workers' frames. All decisions are made by the state machines.

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
use super::tool_watch::ToolWatch;
use super::worker::{Assignment, WorkerReport};
use tiketi_core::units::SimTime;
use tiketi_measure::{Assembly, Measurements};
use tiketi_scenario::Plan;
use tiketi_scenario::arrival::arrival_times;
use tiketi_scenario::duration::Written;
use tiketi_testbed::Ground;

/// Real time from the start of the workers to the start of the run: they read the plan and draw their buyers meanwhile.
const LEAD: Duration = Duration::from_millis(1_500);
/// Real time the fleet has to pass its first health checks before the run starts.
const FLEET_READY_TIMEOUT: Duration = Duration::from_secs(30);
/// Real time the workers have to stop after they were asked to.
const WORKERS_END_TIMEOUT: Duration = Duration::from_secs(15);
/// Scenario time between two readings of the gauges.
const READING_EVERY: Duration = Duration::from_secs(1);
/// Shortest real time between two readings: at high speed, one reading per scenario second would be too much work.
const READING_WALL_MIN: Duration = Duration::from_millis(200);
/// Number of loopback addresses that the load comes from: each has about 28,000 ports.
const SOURCES: u8 = 4;

/// Runs `plan` against `sut` and returns what was measured.
///
/// Child processes are started from `executable`, this project's binary; their standard error goes to files in `logs`, an
/// existing folder, or to the standard error of this process. Setting `interrupt` to `true` stops the arrivals and ends the
/// run early, with everything measured so far; so does an error during the run, which the measurements then contain.
/// `watcher` displays the progress.
///
/// # Errors
///
/// When nothing was measured: too few file descriptors, a process that does not start, a fleet that does not become healthy,
/// an interrupt before the load started.
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
    let probes = site.probe(source(1)).await;
    let start_at_unix_ns = unix_now_ns() + u64::try_from(LEAD.as_nanos()).unwrap_or(u64::MAX);
    let assignment = Assignment {
        plan: plan.clone(),
        worker: 0,
        workers: workers_for(buyers, raise_files_limit()),
        entry: site.entry(),
        api: site.api(&plan),
        credentials: site.credentials(),
        show: site.show(),
        is_target: site.is_target(),
        start_at_unix_ns,
        source_addresses: (1..=SOURCES).map(source).collect(),
    };
    let load = Load::start(executable, &assignment)
        .await
        .map_err(LiveError::Workers)?;
    let clock = Clock::starting_at(start_at_unix_ns, plan.clock.speed);
    let waits_for = plan
        .ends_at()
        .saturating_since(SimTime::ZERO + plan.clock.duration);
    if !waits_for.is_zero() {
        watcher.tell(&format!(
            "The run lasts {} longer than `clock.duration`: it waits for recovery from the last fault.",
            Written(waits_for)
        ));
    }
    let mut closing = Closing::new(start_at_unix_ns);
    closing.handle_probes(probes);
    let conductor = Conductor {
        closing,
        tool: ToolWatch::begin(start_at_unix_ns, plan.clock.speed),
        assembly: Assembly::new(plan.clone()),
        ends_at: plan.ends_at(),
        reading_due: SimTime::ZERO,
        clock,
        site,
        load,
        interrupt,
        watcher,
    };
    Box::pin(conductor.run()).await
}

/// Returns one of the addresses that buyers come from: none of the VPC's.
const fn source(host: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 1, 0, host)
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

/// A run in progress.
struct Conductor<'w> {
    clock: Clock,
    ends_at: SimTime,
    reading_due: SimTime,
    site: Site,
    load: Load,
    assembly: Assembly,
    closing: Closing,
    tool: ToolWatch,
    interrupt: watch::Receiver<bool>,
    watcher: &'w mut dyn Watcher,
}

/// The result of one iteration of the loop.
enum Turn {
    /// Continue.
    On,
    /// All workers have sent their last report.
    WorkersDone,
    /// The user has interrupted the run.
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
                self.watcher.tell("Interrupted: stopping the load…");
                self.end_load().await;
            }
            Err(error) if self.has_measured_nothing() => return Err(error),
            Err(error) => {
                self.closing.handle_failure(&error);
                self.watcher.tell(&format!("Ending the run early: {error}"));
                self.end_load().await;
            }
        }
        let ended_at = self.clock.now().min(self.ends_at);
        let wall = self.clock.wall_passed();
        self.read(ended_at);
        let tool = self.tool.finish(ended_at, self.site.take_stalls());
        self.load.join().await;
        let testimony = self.closing.take_testimony();
        let tally = self.assembly.tally();
        let closed = Box::pin(self.site.close(ended_at, tally, testimony)).await;
        let ending = self
            .closing
            .finish((ended_at, wall), closed, tool, self.assembly.tally());
        Ok(self.assembly.finish(ending))
    }

    /// Waits for the next event and handles it.
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

    /// Returns the current time, at most the planned end: what AWS would do afterwards is not part of the run.
    fn now(&self) -> SimTime {
        self.clock.now().min(self.ends_at)
    }

    fn handle_report(&mut self, worker: u32, report: WorkerReport) -> Result<(), LiveError> {
        self.tool.handle_report(worker, &report);
        match report {
            WorkerReport::Stalled { .. } => {}
            WorkerReport::Ready { buyers } => self.closing.handle_ready(buyers),
            WorkerReport::Frame(frame) => self.assembly.absorb(*frame),
            WorkerReport::Done(done) => self.closing.handle_done(*done),
            WorkerReport::Failed { reason } => return Err(LiveError::Worker { worker, reason }),
        }
        Ok(())
    }

    /// Whether a report of this run would be empty.
    fn has_measured_nothing(&self) -> bool {
        self.assembly.tally().arrivals.due == 0
    }

    /// Stops the load early and reads the workers' last reports, as far as they arrive.
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

    /// Reads the gauges and shows the progress.
    fn read(&mut self, at: SimTime) {
        let wall_min = self.clock.scenario(READING_WALL_MIN);
        self.reading_due = self.clock.now() + READING_EVERY.max(wall_min);
        self.tool.handle_time(at);
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

/// Resolves when the user interrupts the run; never if that is no longer possible.
pub async fn interrupted(interrupt: &mut watch::Receiver<bool>) {
    if interrupt.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}
