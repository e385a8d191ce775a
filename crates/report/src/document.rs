//! The report as data: every renderer prints this and decides nothing. Serialised, it is `summary.json`.

use std::time::Duration;

use serde::Serialize;

use super::answer;
use super::data_tier::{self, DataTierReport};
use super::highlights::{Highlight, highlights};
use tiketi_buyer::observation::{Failure, LeaveReason, Stage};
use tiketi_cloud::notice::{Notice, What};
use tiketi_cost::Statement;
use tiketi_measure::ending::WorkerFigures;
use tiketi_measure::histogram::Histogram;
use tiketi_measure::tally::{Arrivals, OperationTally, Sockets};
use tiketi_measure::{Engine, Measurements};
use tiketi_scenario::operation::Operation;
use tiketi_verdict::Verdicts;
use tiketi_verdict::figure::share;

/// Version of the layout; raised when a reader of an older one would misread.
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
    /// Whether all is well: `true` is good.
    pub ok: bool,
    /// The exit code of the run.
    pub exit_code: u8,
    /// The answer to the scenario's question, in one or two sentences.
    pub answer: String,
    /// Gates, audits, validity, documented targets, recovery, scaling.
    #[serde(flatten)]
    pub verdicts: Verdicts,
    /// Arrivals of the whole run.
    pub arrivals: Arrivals,
    /// How far buyers came.
    pub funnel: Vec<FunnelStep>,
    /// Why journeys ended.
    pub left: Vec<LeftFor>,
    /// Calls by operation, and of all operations together at the end.
    pub calls: Vec<CallRow>,
    /// Named statistics of lengths of time, in seconds.
    pub metrics: Vec<Metric>,
    /// Failed calls by operation and kind.
    pub errors: Vec<ErrorRow>,
    /// Sockets of the whole run, and the most at once.
    pub sockets: SocketFigures,
    /// Calls a second after the warm-up.
    pub calls_per_second: f64,
    /// Calls answered as they should be, a second after the warm-up.
    pub useful_calls_per_second: f64,
    /// Replicas, failovers, memory and connections; `None` if nobody measured them.
    pub data_tier: Option<DataTierReport>,
    /// What it cost; `None` for a system that is not the testbed.
    pub cost: Option<Statement>,
    /// The load processes.
    pub generator: Vec<LoadProcess>,
    /// What happened, for readers.
    pub highlights: Vec<Highlight>,
    /// Everything that the control plane announced, for programs.
    pub timeline: Vec<TimelineEntry>,
}

/// One load process.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LoadProcess {
    /// CPU time used.
    pub cpu_seconds: f64,
    /// Resident bytes when the most sockets were connected.
    pub resident_connected_bytes: u64,
    /// The most resident bytes there were.
    pub resident_peak_bytes: u64,
    /// Sockets connected at the peak.
    pub connected_peak: u64,
    /// Resident bytes for each socket when the most were connected; `None` without sockets.
    pub bytes_per_connected: Option<f64>,
    /// Open files at the peak.
    pub files_peak: u64,
    /// Open files that the process may have.
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
    /// Which engine played it.
    pub engine: Engine,
    /// What kept the data: `embedded`, `servers`, `external`, or `model`; `None` for a system that was there already.
    pub data_tier: Option<&'static str>,
    /// Seed of every random stream.
    pub seed: u64,
    /// When the run began, RFC 3339 in UTC.
    pub began: String,
    /// Planned length in scenario time.
    pub planned_seconds: f64,
    /// Length in scenario time.
    pub scenario_seconds: f64,
    /// Length in wall time.
    pub wall_seconds: f64,
    /// Scenario seconds in a second of wall time: of a live run the planned ones, of the model those it came to.
    pub speed: f64,
    /// Scenario time at the start that is measured and not judged.
    pub warmup_seconds: f64,
    /// The command that runs it again.
    pub run_again: String,
}

/// Buyers who reached one stage.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct FunnelStep {
    /// The stage.
    pub stage: Stage,
    /// Buyers who reached it.
    pub buyers: u64,
    /// Part of those who arrived; `None` if nobody did.
    pub share: Option<f64>,
}

/// Buyers whose journey ended for one reason.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LeftFor {
    /// The reason.
    pub reason: LeaveReason,
    /// How many.
    pub buyers: u64,
}

/// What came of the calls of one operation.
#[derive(Clone, Debug, Serialize)]
pub struct CallRow {
    /// The operation; `all` for all together.
    pub operation: String,
    /// Calls that ended after the warm-up.
    pub calls: u64,
    /// Done.
    pub ok: u64,
    /// Refused for a reason of the business.
    pub refused: u64,
    /// Failed.
    pub failed: u64,
    /// Answered minus intended: what the buyer waited.
    pub response_time: Statistics,
    /// Answered minus sent: what the system is to blame for.
    pub service_time: Statistics,
}

/// One named set of statistics.
#[derive(Clone, Debug, Serialize)]
pub struct Metric {
    /// The name, as gates use it.
    pub name: String,
    /// Its statistics.
    #[serde(flatten)]
    pub statistics: Statistics,
}

/// Statistics of lengths of time, in seconds of scenario time; all `None` without samples.
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

/// Failed calls of one operation and kind.
#[derive(Clone, Debug, Serialize)]
pub struct ErrorRow {
    /// The operation.
    pub operation: Operation,
    /// The kind, in words.
    pub kind: String,
    /// How many.
    pub calls: u64,
}

/// Sockets of the whole run.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct SocketFigures {
    /// Most connected at the end of a tick.
    pub peak: u64,
    /// What became of them.
    #[serde(flatten)]
    pub counts: Sockets,
}

/// Puts the report of a run together; `run_again` is the command that repeats it.
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
        answer: answer::answer(run, &verdicts),
        verdicts,
        arrivals: tally.arrivals,
        funnel: funnel(run),
        left: left(run),
        calls: call_rows(run, &all),
        metrics: metrics(run),
        errors: errors(run),
        sockets: SocketFigures {
            peak: run.series.sockets().into_iter().max().unwrap_or(0),
            counts: tally.sockets,
        },
        calls_per_second: per_second(all.calls(), judged),
        useful_calls_per_second: per_second(all.ok + all.refused, judged),
        data_tier: data_tier::report(run),
        cost: run.ending.statement.clone(),
        generator: run
            .ending
            .generator
            .workers
            .iter()
            .map(load_process)
            .collect(),
        highlights: highlights(run),
        timeline: run.timeline.iter().map(entry).collect(),
    }
}

fn load_process(worker: &WorkerFigures) -> LoadProcess {
    LoadProcess {
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
        data_tier: run.data_tier_name(),
        seed: run.plan.seed,
        began: run.ending.began.clone(),
        planned_seconds: clock.duration.as_secs_f64(),
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

fn metrics(run: &Measurements) -> Vec<Metric> {
    let tally = &run.tally;
    let metric = |name: &str, histogram: &Histogram| Metric {
        name: name.to_owned(),
        statistics: statistics(histogram),
    };
    vec![
        metric("waiting_time", &tally.waiting_time),
        metric("waited_at_abandonment", &tally.waited_at_abandonment),
        metric("fan_out_delay", &tally.fan_out_delay),
        metric("send_lag", &tally.send_lag),
    ]
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
        Failure::Dns => "name not resolved".to_owned(),
        Failure::ConnectRefused => "connection refused".to_owned(),
        Failure::ConnectTimeout => "no connection in time".to_owned(),
        Failure::Reset => "connection lost".to_owned(),
        Failure::Timeout => "no answer in time".to_owned(),
        Failure::Handshake => "handshake refused".to_owned(),
        Failure::Status(status) => format!("status {status}"),
        Failure::BadAnswer => "answer not understood".to_owned(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "calls stay far below 2^53")]
fn per_second(count: u64, seconds: f64) -> f64 {
    count as f64 / seconds
}
