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
use super::command::{Commands, Setting};
use super::error::LiveError;
use super::load::{Load, workers_for};
use super::observe::{Observer, Source};
use super::progress::{Progress, Watcher};
use super::self_check::raise_files_limit;
use super::site::Site;
use super::sut::Sut;
use super::tool_watch::ToolWatch;
use super::worker::{Assignment, WorkerReport};
use tiketi_core::units::SimTime;
use tiketi_measure::observed::ObservationLog;
use tiketi_measure::{Assembly, Measurements};
use tiketi_scenario::Plan;
use tiketi_scenario::arrival::arrival_times;
use tiketi_scenario::duration::Written;
use tiketi_scenario::observe::Observe;
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

/// Where a run finds its program, and where it leaves files.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    /// This project's binary, from which child processes are started.
    pub executable: &'a Path,
    /// An existing folder for what child processes write to their standard error; `None` for that of this process.
    pub logs: Option<&'a Path>,
    /// The existing folder of the run: commands of faults get it, and what they write is kept there.
    pub folder: &'a Path,
}

/// Runs `plan` against `sut` and returns what was measured.
///
/// Setting `interrupt` to `true` stops the arrivals and ends the run early, with everything measured so far; so does an error
/// during the run, which the measurements then contain. `watcher` displays the progress.
///
/// # Errors
///
/// When nothing was measured: too few file descriptors, a process that does not start, a fleet that does not become healthy,
/// an interrupt before the load started.
pub async fn conduct(
    mut plan: Plan,
    sut: Sut,
    places: Places<'_>,
    mut interrupt: watch::Receiver<bool>,
    watcher: &mut dyn Watcher,
) -> Result<Measurements, LiveError> {
    plan.buyers.network = sut.access(&plan);
    let buyers = arrival_times(&plan).len() as u64;
    watcher.tell(&sut.preparation(&plan));
    let ground = Ground {
        executable: places.executable.to_owned(),
        logs: places.logs.map(Path::to_owned),
        now_unix_ns: unix_now_ns(),
    };
    let site = tokio::select! {
        site = Box::pin(prepare(&plan, sut, &ground)) => site?,
        () = interrupted(&mut interrupt) => return Err(LiveError::Interrupted),
    };
    let probes = site.probe(source(1)).await;
    let start_at_unix_ns = unix_now_ns() + u64::try_from(LEAD.as_nanos()).unwrap_or(u64::MAX);
    let entry = site.entry();
    let files = buyers * entry.files_per_buyer();
    let assignment = Assignment {
        plan: plan.clone(),
        worker: 0,
        workers: workers_for(files, raise_files_limit()),
        entry,
        api: site.api(&plan),
        credentials: site.credentials(),
        show: site.show(),
        is_target: site.is_target(),
        start_at_unix_ns,
        source_addresses: (1..=SOURCES).map(source).collect(),
    };
    let load = Load::start(places.executable, &assignment)
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
    let source = site.source();
    let observed = match source {
        Some(_) => ObservationLog::new(&plan.target.observe),
        None => ObservationLog::new(&Observe::default()),
    };
    let observer = source.and_then(|source| observe(source, clock, watcher));
    let setting = Setting {
        target: assignment.entry.url(),
        // A command may change its folder.
        folder: std::path::absolute(places.folder).unwrap_or_else(|_| places.folder.to_owned()),
        seed: plan.seed,
    };
    let conductor = Conductor {
        closing,
        commands: Commands::new(&plan, setting),
        observed,
        observer,
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

/// Starts to read what a metrics server knows; `None` if that is not possible, which is no reason not to run.
fn observe(source: Source, clock: Clock, watcher: &mut dyn Watcher) -> Option<Observer> {
    match Observer::start(source, clock) {
        Ok(observer) => Some(observer),
        Err(error) => {
            watcher.tell(&format!("Nothing is read of `target.observe`: {error}"));
            None
        }
    }
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
    commands: Commands,
    observed: ObservationLog,
    /// `None` if nothing is read of the target.
    observer: Option<Observer>,
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
                // While the load stops.
                self.commands.end_all(true);
                self.end_load().await;
            }
            Err(error) if self.has_measured_nothing() => {
                self.end_commands(self.now()).await;
                return Err(error);
            }
            Err(error) => {
                self.commands.end_all(false);
                self.closing.handle_failure(&error);
                self.watcher.tell(&format!("Ending the run early: {error}"));
                self.end_load().await;
            }
        }
        let ended_at = self.clock.now().min(self.ends_at);
        let wall = self.clock.wall_passed();
        self.end_commands(ended_at).await;
        self.read(ended_at);
        let tool = self.tool.finish(ended_at, self.site.take_stalls());
        self.load.join().await;
        let testimony = self.closing.take_testimony();
        let tally = self.assembly.tally();
        let closed = Box::pin(self.site.close(ended_at, tally, testimony)).await;
        self.closing.handle_commands(self.commands.finish());
        self.closing.handle_observed(self.observed.finish(ended_at));
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
            .into_iter()
            .chain(self.commands.poll_timeout())
            .fold(self.reading_due, SimTime::min);
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
            news = self.commands.next() => {
                let now = self.now();
                self.commands.handle(now, news);
            }
            () = sleep_until(due) => {
                let now = self.now();
                self.commands.handle_timeout(now);
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

    /// Ends the faults that commands carry out, so that nothing stays broken. An interrupt leaves less time for it.
    async fn end_commands(&mut self, now: SimTime) {
        self.commands.end_all(false);
        if self.commands.is_busy() {
            self.watcher
                .tell("Ending the faults that commands carry out…");
        }
        let is_hurried = tokio::select! {
            () = self.commands.join(now) => false,
            () = interrupted(&mut self.interrupt) => true,
        };
        if is_hurried {
            self.commands.end_all(true);
            self.commands.join(now).await;
        }
        self.show_notices();
    }

    /// Reads the gauges and shows the progress.
    fn read(&mut self, at: SimTime) {
        while let Some(reading) = self.observer.as_mut().and_then(Observer::poll_reading) {
            let (level, value) = (reading.level, reading.value);
            if let Some(observed) = self.observed.handle(reading.at, level, value) {
                self.assembly.handle_observed(reading.at, observed);
            }
        }
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
        for notice in self.commands.take_notices() {
            self.watcher.notice(&notice);
            self.assembly.handle_notice(notice);
        }
        for line in self.commands.take_lines() {
            self.watcher.tell(&line);
        }
    }
}

/// Resolves when the user interrupts the run; never if that is no longer possible.
pub async fn interrupted(interrupt: &mut watch::Receiver<bool>) {
    if interrupt.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}
