//! The report of a run as data. Serialized, it is `summary.json`.

use std::time::Duration;

use serde::Serialize;

use super::access;
use super::admissions::{self, AdmissionsReport};
use super::commands::{self, CommandRow};
use super::data_tier::{self, DataTierReport};
use super::edge::{self, EdgeReport};
use super::headline;
use super::highlights::{Highlight, highlights};
use super::observed::{self, ObservedRow};
use super::outbound::{self, OutboundReport};
use super::steps::{self, StepRow};
use tiketi_buyer::observation::{Failure, LeaveReason, Stage};
use tiketi_cloud::notice::{Notice, What};
use tiketi_cost::Statement;
use tiketi_measure::ending::WorkerFigures;
use tiketi_measure::histogram::Histogram;
use tiketi_measure::tally::{Arrivals, Dropped, OperationTally, Sockets};
use tiketi_measure::{Engine, Measurements};
use tiketi_scenario::operation::Operation;
use tiketi_verdict::Verdicts;
use tiketi_verdict::figure::share;

/// Version of the layout; raised when readers of the previous one would misread it.
const VERSION: u32 = 1;

/// The report of one run.
#[derive(Clone, Debug, Serialize)]
pub struct Document {
    /// Version of this layout.
    pub version: u32,
    /// Version of the program.
    pub program: String,
    /// What was run, and when.
    pub run: RunHeader,
    /// Whether the run passed: every gate and audit, the measurement is valid, and nothing is left unmeasured.
    pub ok: bool,
    /// The exit code of the run.
    pub exit_code: u8,
    /// The answer to the scenario's question, the worst consequence first.
    pub answer: String,
    /// Gates, audits, validity, architecture claims, recovery, scaling.
    #[serde(flatten)]
    pub verdicts: Verdicts,
    /// Arrivals during the whole run.
    pub arrivals: Arrivals,
    /// Buyers who reached each stage of a purchase.
    pub funnel: Vec<FunnelStep>,
    /// Admissions by how the buyers learned of them; `None` if nobody was admitted after a wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admissions: Option<AdmissionsReport>,
    /// Buyers whom the waiting room dropped: their place in the queue was gone without an admission.
    pub dropped: Dropped,
    /// Programs among the buyers; `None` if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bots: Option<Bots>,
    /// How often waiting buyers reloaded the page.
    #[serde(skip_serializing_if = "is_zero")]
    pub reloads: u64,
    /// How visits ended.
    pub left: Vec<LeftFor>,
    /// Requests by operation; the last entry is all operations together.
    pub calls: Vec<CallRow>,
    /// Requests of the API mapping that count as a part of an operation; none on the testbed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepRow>,
    /// Statistics of other durations, in seconds.
    pub metrics: Vec<NamedStatistics>,
    /// Failed requests by operation and kind.
    pub errors: Vec<ErrorRow>,
    /// Socket connections during the whole run, and the peak.
    pub sockets: SocketFigures,
    /// Requests per second after the warm-up.
    pub calls_per_second: f64,
    /// Successful requests per second after the warm-up.
    pub useful_calls_per_second: f64,
    /// Replicas, failovers, memory and connections; `None` if they were not measured.
    pub data_tier: Option<DataTierReport>,
    /// What the edge served and passed on, and how names were resolved; `None` if nothing was requested there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edge: Option<EdgeReport>,
    /// Calls to the payment provider and S3; `None` if there were none or they were not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outbound: Option<OutboundReport>,
    /// The commands of the user that carried out faults.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<CommandRow>,
    /// What a metrics server was asked about a target.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub observed: Vec<ObservedRow>,
    /// What it cost; `None` for a system other than the testbed.
    pub cost: Option<Statement>,
    /// The load workers.
    pub generator: Vec<LoadWorker>,
    /// What happened, for people.
    pub highlights: Vec<Highlight>,
    /// All control-plane events, for programs.
    pub timeline: Vec<TimelineEntry>,
}

/// One load worker: a process that generates traffic.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LoadWorker {
    /// CPU time used.
    pub cpu_seconds: f64,
    /// Resident memory in bytes when the most sockets were connected.
    pub resident_connected_bytes: u64,
    /// Peak resident memory in bytes.
    pub resident_peak_bytes: u64,
    /// Sockets connected at the peak.
    pub connected_peak: u64,
    /// Resident bytes per socket when the most were connected; `None` without sockets.
    pub bytes_per_connected: Option<f64>,
    /// Open files at the peak.
    pub files_peak: u64,
    /// Limit of open files.
    pub files_limit: u64,
}

/// One entry of the timeline.
#[derive(Clone, Debug, Serialize)]
pub struct TimelineEntry {
    /// When, in seconds since the start of the run.
    pub at_seconds: f64,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What was run, and when.
#[derive(Clone, Debug, Serialize)]
pub struct RunHeader {
    /// Name of the scenario.
    pub scenario: String,
    /// Its question.
    pub question: String,
    /// The engine that ran it.
    pub engine: Engine,
    /// The target and its show; `None` for the testbed and for a simulated run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetHeader>,
    /// The data tier: `embedded`, `servers`, `external`, or `model`; `None` for a system other than the testbed.
    pub data_tier: Option<&'static str>,
    /// The network that buyers were given, as its profile and figures; `None` if they had none but that of the machine, or of a
    /// target elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// Seed of every random stream.
    pub seed: u64,
    /// When the run began (RFC 3339, UTC); empty for a simulated run.
    pub began: String,
    /// Planned length in scenario time.
    pub planned_seconds: f64,
    /// Length in scenario time.
    pub scenario_seconds: f64,
    /// Length in real time.
    pub wall_seconds: f64,
    /// Scenario seconds per second of real time: planned for a live run, achieved for a simulated one.
    pub speed: f64,
    /// Scenario time at the start that gates do not cover.
    pub warmup_seconds: f64,
    /// The command that reproduces the run.
    pub run_again: String,
}

/// What programs among the buyers did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bots {
    /// How many arrived.
    pub arrived: u64,
    /// The same as a share of all buyers; `None` if nobody arrived.
    pub share_of_buyers: Option<f64>,
    /// Tickets that they bought.
    pub tickets: u64,
    /// The same as a share of all tickets sold; `None` if none was.
    pub share_of_tickets: Option<f64>,
}

/// An existing system that was tested.
#[derive(Clone, Debug, Serialize)]
pub struct TargetHeader {
    /// Its URL.
    pub url: String,
    /// The id of the show.
    pub show: String,
    /// The title of the show; `None` if the target gives it none.
    pub title: Option<String>,
    /// The name and version of the API mapping.
    pub mapping: String,
    /// Whether buyers spoke HTTP/2 with it, each over a connection of its own.
    #[serde(skip_serializing_if = "is_false")]
    pub http2: bool,
    /// Whether any certificate was accepted, so that nothing shows which system it was.
    #[serde(skip_serializing_if = "is_false")]
    pub certificates_unchecked: bool,
}

/// Buyers who reached one stage.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct FunnelStep {
    /// The stage.
    pub stage: Stage,
    /// Buyers who reached it.
    pub buyers: u64,
    /// Share of those who arrived; `None` if nobody did.
    pub share: Option<f64>,
}

/// Buyers whose visit ended for one reason.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LeftFor {
    /// The reason.
    pub reason: LeaveReason,
    /// How many.
    pub buyers: u64,
}

/// Requests of one operation.
#[derive(Clone, Debug, Serialize)]
pub struct CallRow {
    /// The operation; `all` for all together.
    pub operation: String,
    /// Requests that ended after the warm-up.
    pub calls: u64,
    /// Successful.
    pub ok: u64,
    /// Rejected by a business rule, such as a seat that is taken; not a failure.
    pub refused: u64,
    /// Failed.
    pub failed: u64,
    /// From the scheduled start of a request to its response: what the buyer experienced.
    pub response_time: Statistics,
    /// From the actual start of a request to its response: what the system took.
    pub service_time: Statistics,
}

/// Statistics of one duration.
#[derive(Clone, Debug, Serialize)]
pub struct NamedStatistics {
    /// The name, as gates use it.
    pub name: String,
    /// Its statistics.
    #[serde(flatten)]
    pub statistics: Statistics,
}

/// Statistics of a duration, in seconds of scenario time; all `None` without samples.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Statistics {
    /// Samples.
    pub count: u64,
    /// Shortest.
    pub min: Option<f64>,
    /// Mean.
    pub mean: Option<f64>,
    /// 50th percentile.
    pub p50: Option<f64>,
    /// 90th percentile.
    pub p90: Option<f64>,
    /// 95th percentile.
    pub p95: Option<f64>,
    /// 99th percentile.
    pub p99: Option<f64>,
    /// 99.9th percentile.
    pub p99_9: Option<f64>,
    /// Longest.
    pub max: Option<f64>,
}

/// Failed requests of one operation and kind.
#[derive(Clone, Debug, Serialize)]
pub struct ErrorRow {
    /// The operation.
    pub operation: Operation,
    /// The kind of failure.
    pub kind: String,
    /// How many.
    pub calls: u64,
}

/// Socket connections during the whole run.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct SocketFigures {
    /// Most connections at the end of any tick.
    pub peak: u64,
    /// Connections made, dropped and made again.
    #[serde(flatten)]
    pub counts: Sockets,
}

/// Makes the report of a run; `run_again` is the command that reproduces it.
pub fn document(run: &Measurements, verdicts: Verdicts, run_again: &str) -> Document {
    let tally = &run.tally;
    let all = tally.operation(None);
    let judged = run.judged().as_secs_f64().max(1e-9);
    Document {
        version: VERSION,
        program: concat!("tiketi-sim ", env!("CARGO_PKG_VERSION")).to_owned(),
        run: header(run, run_again),
        ok: verdicts.exit_code() == 0,
        exit_code: verdicts.exit_code(),
        answer: headline::headline(run, &verdicts).sentences(),
        verdicts,
        arrivals: tally.arrivals,
        funnel: funnel(run),
        admissions: admissions::report(run),
        dropped: tally.dropped,
        bots: bots(run),
        reloads: tally.reloads,
        left: left(run),
        calls: call_rows(run, &all),
        metrics: metrics(run),
        errors: errors(run),
        steps: steps::steps(run),
        sockets: SocketFigures {
            peak: run.series.sockets().into_iter().max().unwrap_or(0),
            counts: tally.sockets,
        },
        calls_per_second: per_second(all.calls(), judged),
        useful_calls_per_second: per_second(all.ok + all.refused, judged),
        data_tier: data_tier::report(run),
        edge: edge::report(run),
        outbound: outbound::report(run),
        commands: commands::rows(run),
        observed: observed::rows(run),
        cost: run.ending.statement.clone(),
        generator: run
            .ending
            .generator
            .workers
            .iter()
            .map(load_worker)
            .collect(),
        highlights: highlights(run),
        timeline: run.timeline.iter().map(entry).collect(),
    }
}

fn load_worker(worker: &WorkerFigures) -> LoadWorker {
    LoadWorker {
        cpu_seconds: worker.cpu.as_secs_f64(),
        resident_connected_bytes: worker.resident_connected_bytes,
        resident_peak_bytes: worker.resident_peak_bytes,
        connected_peak: worker.connected_peak,
        bytes_per_connected: share(worker.resident_connected_bytes, worker.connected_peak),
        files_peak: worker.files_peak,
        files_limit: worker.files_limit,
    }
}

fn entry(notice: &Notice) -> TimelineEntry {
    TimelineEntry {
        at_seconds: notice.at.as_secs_f64(),
        what: notice.what.clone(),
    }
}

fn header(run: &Measurements, run_again: &str) -> RunHeader {
    let clock = &run.plan.clock;
    let wall = run.ending.wall.as_secs_f64();
    let speed = match run.ending.engine {
        Engine::Live => clock.speed,
        Engine::Model => run.ending.ended_at.as_secs_f64() / wall.max(1e-9),
    };
    RunHeader {
        scenario: run.plan.name.clone(),
        question: run.plan.question.clone(),
        engine: run.ending.engine,
        target: run.ending.target.as_ref().map(|target| TargetHeader {
            certificates_unchecked: target.certificates_unchecked,
            http2: target.http2,
            url: target.url.clone(),
            show: target.show.clone(),
            title: target.title.clone(),
            mapping: target.mapping.clone(),
        }),
        data_tier: run.data_tier_name(),
        network: access::network(run),
        seed: run.plan.seed,
        began: run.ending.began.clone(),
        planned_seconds: run.plan.ends_at().as_secs_f64(),
        scenario_seconds: run.ending.ended_at.as_secs_f64(),
        wall_seconds: wall,
        speed,
        warmup_seconds: clock.warmup.as_secs_f64(),
        run_again: run_again.to_owned(),
    }
}

fn funnel(run: &Measurements) -> Vec<FunnelStep> {
    let arrived = run.tally.reached(Stage::Arrived);
    let step = |stage| {
        let buyers = run.tally.reached(stage);
        FunnelStep {
            stage,
            buyers,
            share: share(buyers, arrived),
        }
    };
    Stage::ALL.into_iter().map(step).collect()
}

fn bots(run: &Measurements) -> Option<Bots> {
    let arrived = run.tally.bots_at(Stage::Arrived);
    let tickets = run.tally.bots_at(Stage::Paid);
    (arrived > 0).then(|| Bots {
        arrived,
        share_of_buyers: share(arrived, run.tally.reached(Stage::Arrived)),
        tickets,
        share_of_tickets: share(tickets, run.tally.reached(Stage::Paid)),
    })
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
const fn is_false(is: &bool) -> bool {
    !*is
}

fn left(run: &Measurements) -> Vec<LeftFor> {
    let left = LeaveReason::ALL.into_iter().map(|reason| LeftFor {
        reason,
        buyers: run.tally.left_for(reason),
    });
    left.filter(|left| left.buyers > 0).collect()
}

fn call_rows(run: &Measurements, all: &OperationTally) -> Vec<CallRow> {
    let row = |name: &str, tally: &OperationTally| CallRow {
        operation: name.to_owned(),
        calls: tally.calls(),
        ok: tally.ok,
        refused: tally.refused,
        failed: tally.failures(),
        response_time: statistics(&tally.response_time),
        service_time: statistics(&tally.service_time),
    };
    let each = Operation::ALL.into_iter().map(|operation| {
        let tally = &run.tally.operations[operation.index()];
        row(operation.name(), tally)
    });
    let used = each.filter(|row| row.calls > 0);
    used.chain([row("all", all)]).collect()
}

fn metrics(run: &Measurements) -> Vec<NamedStatistics> {
    let tally = &run.tally;
    let metric = |name: &str, histogram: &Histogram| NamedStatistics {
        name: name.to_owned(),
        statistics: statistics(histogram),
    };
    let mut metrics = vec![
        metric("waiting_time", &tally.waiting_time),
        metric("waited_at_abandonment", &tally.waited_at_abandonment),
        metric("fan_out_delay", &tally.fan_out_delay),
    ];
    match run.ending.engine {
        Engine::Live => metrics.push(metric("send_lag", &tally.send_lag)),
        // A simulation has no load generator that could be late.
        Engine::Model => {}
    }
    metrics
}

fn statistics(histogram: &Histogram) -> Statistics {
    let seconds = |length: Option<Duration>| length.map(|length| length.as_secs_f64());
    let percentile = |percent| seconds(histogram.percentile(percent));
    Statistics {
        count: histogram.count(),
        min: seconds(histogram.min()),
        mean: seconds(histogram.mean()),
        p50: percentile(50.0),
        p90: percentile(90.0),
        p95: percentile(95.0),
        p99: percentile(99.0),
        p99_9: percentile(99.9),
        max: seconds(histogram.max()),
    }
}

fn errors(run: &Measurements) -> Vec<ErrorRow> {
    let of = |operation: Operation| {
        let failed = &run.tally.operations[operation.index()].failed;
        failed.iter().map(move |(&failure, &calls)| ErrorRow {
            operation,
            kind: kind(failure),
            calls,
        })
    };
    Operation::ALL.into_iter().flat_map(of).collect()
}

fn kind(failure: Failure) -> String {
    match failure {
        Failure::Dns => "DNS lookup failed".to_owned(),
        Failure::ConnectRefused => "connection refused".to_owned(),
        Failure::ConnectTimeout => "connection timed out".to_owned(),
        Failure::Reset => "connection reset".to_owned(),
        Failure::Timeout => "request timed out".to_owned(),
        Failure::Handshake => "socket handshake rejected".to_owned(),
        Failure::Status(status) => format!("HTTP {status}"),
        Failure::BadAnswer => "invalid response".to_owned(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn per_second(count: u64, seconds: f64) -> f64 {
    count as f64 / seconds
}
