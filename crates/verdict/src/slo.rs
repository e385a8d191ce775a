//! Gates: each objective of the scenario, checked against what was measured.
//!
//! A gate has three results. It is *not measured* where its subject had no chance to occur: no request, no sold ticket, no
//! failover. Such a gate neither passes nor fails, and the run is inconclusive (see [`crate::gap`]).

use std::time::Duration;

use serde::ser::{Serialize, SerializeMap as _, Serializer};

use super::audit::{self, Unchecked};
use super::figure::{self, Figure};
use super::recovery::{Outcome, Recovery};
use tiketi_buyer::observation::{LeaveReason, Stage};
use tiketi_cloud::notice::{DataTierPart, What};
use tiketi_measure::ending::{FailoverFigures, LagFigures, Loss};
use tiketi_measure::histogram::Histogram;
use tiketi_measure::{Engine, Measurements};
use tiketi_scenario::objective::{Gate, GateMetric, Statistic};

/// The result of one gate.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct GateVerdict {
    /// The metric as written: `response_time{operation:queue_check}`.
    pub metric: String,
    /// The condition as written: `p(99) < 500ms`.
    pub condition: String,
    /// The statistic alone: `p(99)`.
    pub statistic: String,
    /// What was measured; `None` if nothing was, see `reason`.
    pub measured: Option<Figure>,
    /// The same in words, with as many digits as it takes to tell it from the bound; `None` if nothing was measured.
    pub shown: Option<String>,
    /// The result.
    #[serde(flatten)]
    pub result: GateResult,
    /// Why nothing was measured; `None` if something was.
    pub reason: Option<String>,
}

/// The result of one gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateResult {
    /// The value meets the condition.
    Passed,
    /// The value does not meet the condition.
    Failed,
    /// There is no value: what the gate is about had no chance to occur, or could not be read.
    NotMeasured,
}

impl GateResult {
    /// Returns the name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::NotMeasured => "not_measured",
        }
    }
}

/// Two fields: `result`, and `ok` for readers that only ask whether the gate passed.
impl Serialize for GateResult {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(2))?;
        map.serialize_entry("ok", &(*self == Self::Passed))?;
        map.serialize_entry("result", self.name())?;
        map.end()
    }
}

/// Why a gate has nothing to compare with its bound.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Unmeasured {
    /// Nothing of the kind happened in the run.
    #[error("no samples")]
    NoSamples,
    /// The gate is about the load generator, and a simulation has none.
    #[error("a simulated run has no load generator")]
    NoGenerator,
    /// There was nothing to recover from.
    #[error("no fault occurred")]
    NoFault,
    /// No replica's lag was read, or there is no replica.
    #[error("replication lag was not measured")]
    NoLag,
    /// No failover of Redis finished, so none could lose anything.
    #[error("no failover of Redis finished")]
    NoFailover,
    /// At least one failover of Redis happened whose loss was not measured.
    #[error("the losses of a Redis failover were not measured")]
    UnknownLoss,
    /// There was too little traffic to tell whether the system recovered.
    #[error("{reason}")]
    UnknownRecovery {
        /// What was missing.
        reason: String,
    },
    /// The gate is about the final state, which could not be read or has nothing of the kind.
    #[error("{0}")]
    Unchecked(#[from] Unchecked),
}

/// Checks all gates of the plan.
pub(super) fn judge(run: &Measurements, recoveries: &[Recovery]) -> Vec<GateVerdict> {
    let judge = |gate| judge_gate(gate, run, recoveries);
    run.plan.gates.iter().map(judge).collect()
}

fn judge_gate(gate: &Gate, run: &Measurements, recoveries: &[Recovery]) -> GateVerdict {
    let measured = measure(gate, run, recoveries);
    let is_met = |figure: &Figure| gate.relation.holds(figure.comparable(), gate.bound);
    GateVerdict {
        metric: gate.selector(),
        condition: gate.text.clone(),
        statistic: statistic_name(gate.statistic),
        result: match &measured {
            // A recovery that never ended fails every gate, even one that asks for at least some length.
            Ok(Figure::Never) => GateResult::Failed,
            Ok(figure) if is_met(figure) => GateResult::Passed,
            Ok(_) => GateResult::Failed,
            Err(_) => GateResult::NotMeasured,
        },
        reason: measured.as_ref().err().map(Unmeasured::to_string),
        shown: measured
            .as_ref()
            .ok()
            .map(|figure| figure.beside(gate.bound)),
        measured: measured.ok(),
    }
}

/// Returns the statistic of the metric that the gate is about.
fn measure(gate: &Gate, run: &Measurements, recoveries: &[Recovery]) -> Result<Figure, Unmeasured> {
    // Requests are judged after the warm-up only; counts of buyers and arrivals cover the whole run.
    let tally = &run.tally;
    let trend = |histogram: &Histogram| {
        statistic_of(histogram, gate.statistic)
            .map(Figure::Length)
            .ok_or(Unmeasured::NoSamples)
    };
    match gate.metric {
        GateMetric::ResponseTime => trend(&tally.operation(gate.operation).response_time),
        GateMetric::ServiceTime => trend(&tally.operation(gate.operation).service_time),
        GateMetric::SendLag => match run.ending.engine {
            Engine::Live => trend(&tally.send_lag),
            Engine::Model => Err(Unmeasured::NoGenerator),
        },
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
        GateMetric::Calls => counted(
            tally.operation(gate.operation).calls(),
            tally.operation(None).calls(),
        ),
        GateMetric::TicketsSold => counted(tally.reached(Stage::Paid), tally.arrivals.started),
        GateMetric::Shed => counted(tally.arrivals.shed, tally.arrivals.due),
        GateMetric::OversoldSeats => Ok(Figure::Count(audit::oversold_seats(run)?)),
        GateMetric::DoubleSales => Ok(Figure::Count(audit::double_sales(run)?)),
        GateMetric::LostOrders => Ok(Figure::Count(audit::lost_orders(run)?)),
        GateMetric::RedisLag => {
            let figures = run.data_tier().and_then(|figures| figures.redis_lag);
            lag(figures, gate.statistic)
        }
        GateMetric::DatabaseLag => {
            let figures = run.data_tier().and_then(|figures| figures.database_lag);
            lag(figures, gate.statistic)
        }
        GateMetric::LostPlaces => Ok(Figure::Count(lost_by_redis(run, |loss| loss.places)?)),
        GateMetric::LostSessions => Ok(Figure::Count(lost_by_redis(run, |loss| loss.sessions)?)),
        GateMetric::LostAdmissions => Ok(Figure::Count(audit::lost_admissions(run)?)),
    }
}

fn lag(figures: Option<LagFigures>, statistic: Statistic) -> Result<Figure, Unmeasured> {
    let figures = figures.filter(|figures| figures.samples > 0);
    let figures = figures.ok_or(Unmeasured::NoLag)?;
    let length = match statistic {
        // A scenario can ask for no other percentiles of a lag than the 50th and the 99th.
        Statistic::Percentile(percent) if percent < 99.0 => figures.p50,
        Statistic::Percentile(_) => figures.p99,
        Statistic::Median => figures.p50,
        Statistic::Max => figures.max,
        // A scenario that asks for one of these is rejected when it is loaded.
        Statistic::Mean | Statistic::Min | Statistic::Rate | Statistic::Count => {
            return Err(Unmeasured::NoSamples);
        }
    };
    Ok(Figure::Length(length))
}

/// Returns what all failovers of Redis lost together.
fn lost_by_redis(run: &Measurements, of: fn(&Loss) -> u64) -> Result<u64, Unmeasured> {
    let figures = run.data_tier().ok_or(Unmeasured::UnknownLoss)?;
    let part = DataTierPart::Redis;
    // What a failover lost is found by comparing the new primary with the log, so without one the loss is unknown.
    let is_known =
        |failover: &&FailoverFigures| failover.part == part && failover.promoted_at.is_some();
    let measured = figures.failovers.iter().filter(is_known);
    let finished = measured.clone().count();
    let is_loss = |what: &What| matches!(what, What::PrimaryLost { tier, .. } if *tier == part);
    let losses = run.timeline.iter().filter(|notice| is_loss(&notice.what));
    // A failover that was not measured may have lost anything: the sum of the others would be too low.
    if finished < losses.count() {
        return Err(Unmeasured::UnknownLoss);
    }
    if finished == 0 {
        return Err(Unmeasured::NoFailover);
    }
    Ok(measured.map(|failover| of(&failover.loss)).sum())
}

fn part_of(part: u64, whole: u64) -> Result<Figure, Unmeasured> {
    figure::share(part, whole)
        .map(Figure::Share)
        .ok_or(Unmeasured::NoSamples)
}

/// Returns a count out of `among`. A count out of nothing is unknown rather than 0: a run in which nobody arrived must not
/// pass `tickets_sold < 1`.
fn counted(count: u64, among: u64) -> Result<Figure, Unmeasured> {
    match among {
        0 => Err(Unmeasured::NoSamples),
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
        // A scenario that asks for one of these of a length of time is rejected when it is loaded.
        Statistic::Rate | Statistic::Count => None,
    }
}

/// Returns the statistic over all faults. If the system did not recover from one of them, every statistic is
/// [`Figure::Never`]: an average that leaves out the worst fault would flatter.
fn recovery_time(recoveries: &[Recovery], statistic: Statistic) -> Result<Figure, Unmeasured> {
    let mut lengths = Histogram::default();
    for recovery in recoveries {
        match &recovery.outcome {
            Outcome::Recovered { after } => lengths.record(*after),
            Outcome::NotRecovered | Outcome::Metastable { .. } => return Ok(Figure::Never),
            Outcome::CouldNotTell { reason } => {
                return Err(Unmeasured::UnknownRecovery {
                    reason: reason.clone(),
                });
            }
        }
    }
    statistic_of(&lengths, statistic)
        .map(Figure::Length)
        .ok_or(Unmeasured::NoFault)
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
