//! Gates: each objective of the scenario held against what was measured.

use std::time::Duration;

use serde::Serialize;

use super::audit;
use super::figure::{self, Figure};
use super::recovery::{Outcome, Recovery};
use tiketi_buyer::observation::{LeaveReason, Stage};
use tiketi_cloud::notice::{DataTierPart, What};
use tiketi_measure::Measurements;
use tiketi_measure::ending::{FailoverFigures, LagFigures, Loss};
use tiketi_measure::histogram::Histogram;
use tiketi_scenario::objective::{Gate, GateMetric, Statistic};

/// What came of one gate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GateVerdict {
    /// The metric as written: `response_time{operation:queue_check}`.
    pub metric: String,
    /// The condition as written: `p(99) < 500ms`.
    pub condition: String,
    /// The statistic alone: `p(99)`.
    pub statistic: String,
    /// What was measured; `None` without samples.
    pub measured: Option<Figure>,
    /// Whether the gate held. Nothing measured is never good.
    #[serde(rename = "ok")]
    pub passed: bool,
    /// Why nothing was measured.
    pub reason: Option<String>,
}

/// Holds all gates of the plan against the run.
pub(super) fn judge(run: &Measurements, recoveries: &[Recovery]) -> Vec<GateVerdict> {
    let judge = |gate| judge_gate(gate, run, recoveries);
    run.plan.gates.iter().map(judge).collect()
}

fn judge_gate(gate: &Gate, run: &Measurements, recoveries: &[Recovery]) -> GateVerdict {
    let measured = measure(gate, run, recoveries);
    let holds = |figure: &Figure| gate.relation.holds(figure.comparable(), gate.bound);
    GateVerdict {
        metric: gate.selector(),
        condition: gate.text.clone(),
        statistic: statistic_name(gate.statistic),
        passed: measured.as_ref().is_ok_and(|figure| {
            // What never ended is beyond every bound, also for a gate that asks for more than some length.
            *figure != Figure::Never && holds(figure)
        }),
        reason: measured.as_ref().err().cloned(),
        measured: measured.ok(),
    }
}

/// The statistic of the metric, or why there is none.
fn measure(gate: &Gate, run: &Measurements, recoveries: &[Recovery]) -> Result<Figure, String> {
    let tally = &run.tally;
    let trend = |histogram: &Histogram| {
        statistic_of(histogram, gate.statistic)
            .map(Figure::Length)
            .ok_or_else(|| "no samples".to_owned())
    };
    match gate.metric {
        GateMetric::ResponseTime => trend(&tally.operation(gate.operation).response_time),
        GateMetric::ServiceTime => trend(&tally.operation(gate.operation).service_time),
        GateMetric::SendLag => trend(&tally.send_lag),
        GateMetric::WaitingTime => trend(&tally.waiting_time),
        GateMetric::FanOutDelay => trend(&tally.fan_out_delay),
        GateMetric::RecoveryTime => recovery_time(recoveries, gate.statistic),
        GateMetric::Errors => {
            let operation = tally.operation(gate.operation);
            part_of(operation.failures(), operation.calls())
        }
        GateMetric::Abandoned => part_of(
            tally.left_for(LeaveReason::OutOfPatience),
            tally.reached(Stage::Queued),
        ),
        GateMetric::Calls => counted(tally.operation(gate.operation).calls(), None),
        GateMetric::TicketsSold => {
            counted(tally.reached(Stage::Paid), Some(tally.arrivals.started))
        }
        GateMetric::Shed => counted(tally.arrivals.shed, Some(tally.arrivals.due)),
        GateMetric::OversoldSeats => audit::oversold_seats(run).map(Figure::Count),
        GateMetric::DoubleSales => audit::double_sales(run).map(Figure::Count),
        GateMetric::LostOrders => audit::lost_orders(run).map(Figure::Count),
        GateMetric::RedisLag => {
            let figures = run.data_tier().and_then(|figures| figures.redis_lag);
            lag(figures, gate.statistic)
        }
        GateMetric::DatabaseLag => {
            let figures = run.data_tier().and_then(|figures| figures.database_lag);
            lag(figures, gate.statistic)
        }
        GateMetric::LostPlaces => lost_by_redis(run, |loss| loss.places).map(Figure::Count),
        GateMetric::LostSessions => lost_by_redis(run, |loss| loss.sessions).map(Figure::Count),
        GateMetric::LostAdmissions => audit::lost_admissions(run).map(Figure::Count),
    }
}

/// How far a replica was behind; nothing if nobody looked.
fn lag(figures: Option<LagFigures>, statistic: Statistic) -> Result<Figure, String> {
    let figures = figures.filter(|figures| figures.samples > 0);
    let figures = figures.ok_or("no replica's lag was measured")?;
    let length = match statistic {
        Statistic::Percentile(percent) if percent < 99.0 => figures.p50,
        Statistic::Percentile(_) => figures.p99,
        Statistic::Median => figures.p50,
        Statistic::Max => figures.max,
        // The scenario refuses these.
        Statistic::Mean | Statistic::Min | Statistic::Rate | Statistic::Count => {
            return Err("no samples".to_owned());
        }
    };
    Ok(Figure::Length(length))
}

/// What all failovers of Redis lost together, which is only known if each of them was looked at.
fn lost_by_redis(run: &Measurements, of: fn(&Loss) -> u64) -> Result<u64, String> {
    let figures = run
        .data_tier()
        .ok_or("nobody measured what failovers lose")?;
    let part = DataTierPart::Redis;
    // Before there is a primary again nobody can compare.
    let is_told =
        |failover: &&FailoverFigures| failover.part == part && failover.promoted_at.is_some();
    let measured = figures.failovers.iter().filter(is_told);
    let is_loss = |what: &What| matches!(what, What::PrimaryLost { tier, .. } if *tier == part);
    let losses = run.timeline.iter().filter(|notice| is_loss(&notice.what));
    if measured.clone().count() < losses.count() {
        return Err("nobody measured what the failover of Redis lost".to_owned());
    }
    Ok(measured.map(|failover| of(&failover.loss)).sum())
}

fn part_of(part: u64, whole: u64) -> Result<Figure, String> {
    figure::share(part, whole)
        .map(Figure::Share)
        .ok_or_else(|| "no samples".to_owned())
}

/// A count, which is only known if there was something to count among (`None`: among the things themselves).
fn counted(count: u64, among: Option<u64>) -> Result<Figure, String> {
    match among.unwrap_or(count) {
        0 => Err("no samples".to_owned()),
        _ => Ok(Figure::Count(count)),
    }
}

fn statistic_of(histogram: &Histogram, statistic: Statistic) -> Option<Duration> {
    match statistic {
        Statistic::Percentile(percent) => histogram.percentile(percent),
        Statistic::Median => histogram.percentile(50.0),
        Statistic::Mean => histogram.mean(),
        Statistic::Min => histogram.min(),
        Statistic::Max => histogram.max(),
        // The scenario refuses these for lengths of time; here they are lengths without samples.
        Statistic::Rate | Statistic::Count => None,
    }
}

/// The statistic over all faults; one that was never overcome makes every statistic endless.
fn recovery_time(recoveries: &[Recovery], statistic: Statistic) -> Result<Figure, String> {
    let mut lengths = Histogram::default();
    for recovery in recoveries {
        match &recovery.outcome {
            Outcome::Recovered { after } => lengths.record(*after),
            Outcome::NotRecovered => return Ok(Figure::Never),
            Outcome::CouldNotTell { reason } => return Err(reason.clone()),
        }
    }
    statistic_of(&lengths, statistic)
        .map(Figure::Length)
        .ok_or_else(|| "no fault struck".to_owned())
}

fn statistic_name(statistic: Statistic) -> String {
    match statistic {
        Statistic::Percentile(percent) => format!("p({percent})"),
        Statistic::Mean => "avg".to_owned(),
        Statistic::Min => "min".to_owned(),
        Statistic::Median => "med".to_owned(),
        Statistic::Max => "max".to_owned(),
        Statistic::Rate => "rate".to_owned(),
        Statistic::Count => "count".to_owned(),
    }
}
