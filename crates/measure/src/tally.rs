//! Counts and histograms of a run or of a part of it. Parts add up exactly.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::admissions::Admissions;
use super::histogram::Histogram;
use super::pairs;
use tiketi_buyer::observation::{AfterDrop, Call, Failure, LeaveReason, Outcome, Polls, Stage};
use tiketi_cost::Sales;
use tiketi_scenario::operation::Operation;

/// What buyers and load generator did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Requests by operation, in the order of [`Operation::ALL`]; only those due after the warm-up.
    pub operations: Vec<OperationTally>,
    /// Page loads that the edge answered and that were due after the warm-up. They are no requests to the system: neither the
    /// time series nor the sums over all operations contain them.
    #[serde(default)]
    pub page_loads: OperationTally,
    /// Requests due within the warm-up: they are in the time series but are not judged.
    pub calls_in_warmup: u64,
    /// Time in the queue, of buyers admitted after the warm-up.
    pub waiting_time: Histogram,
    /// Admissions of the whole run, by how the buyers learned of them.
    #[serde(default)]
    pub admissions: Admissions,
    /// Time in the queue, of buyers who gave up waiting after the warm-up.
    pub waited_at_abandonment: Histogram,
    /// Scheduling delay of the generator: sent minus intended, of arrivals and requests due after the warm-up. Empty in a
    /// simulated run, which has no generator.
    pub send_lag: Histogram,
    /// Broadcast latency: from the publication of a message to its receipt, after the warm-up.
    pub fan_out_delay: Histogram,
    /// Arrivals of the whole run.
    pub arrivals: Arrivals,
    /// Polls of waiting buyers who have left or whose run has ended, in the whole run.
    #[serde(default)]
    pub polls: Polls,
    /// Buyers who reached each stage in the whole run, in the order of [`Stage::ALL`].
    pub stages: [u64; Stage::ALL.len()],
    /// The part of `stages` that is of programs.
    #[serde(default)]
    pub bot_stages: [u64; Stage::ALL.len()],
    /// How often waiting buyers reloaded the page in the whole run.
    #[serde(default)]
    pub reloads: u64,
    /// Buyers whom the waiting room dropped in the whole run.
    #[serde(default)]
    pub dropped: Dropped,
    /// Buyers whose visit ended in the whole run, in the order of [`LeaveReason::ALL`].
    pub left: [u64; LeaveReason::ALL.len()],
    /// Sockets of the whole run.
    pub sockets: Sockets,
    /// Messages that reached buyers in the whole run.
    pub messages: u64,
    /// Bytes that buyers received in response bodies in the whole run.
    pub bytes: u64,
}

/// The requests of one operation, by outcome.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OperationTally {
    /// Answered minus intended, whatever the outcome: leaving out requests that timed out would flatter the system.
    pub response_time: Histogram,
    /// The part of `response_time` that is of rejected and failed requests. Most operations have none, and an empty histogram
    /// takes no memory; the successful ones follow by subtraction.
    pub unsuccessful: Histogram,
    /// Answered minus sent, whatever the outcome.
    pub service_time: Histogram,
    /// Requests that succeeded.
    pub ok: u64,
    /// Requests that were rejected for a business reason.
    pub refused: u64,
    /// Requests that failed, by cause.
    #[serde(with = "pairs")]
    pub failed: BTreeMap<Failure, u64>,
}

/// Arrivals of buyers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrivals {
    /// Arrivals that were due so far.
    pub due: u64,
    /// Arrivals that were started.
    pub started: u64,
    /// Arrivals that were not started because the generator had reached a limit.
    pub shed: u64,
    /// Not started, because no credential could be created for the buyer.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub without_credential: u64,
}

/// Runs that have none leave the field out.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Buyers whose place in the queue was gone without an admission, as the buyers noticed it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Went on to the seats without an admission: they bypassed the waiting room.
    pub entered: u64,
    /// Joined the queue again.
    pub rejoined: u64,
    /// Went on to the seats although no message about an admission came: dropped, or admitted in the moment before their socket was
    /// open.
    #[serde(default)]
    pub unannounced: u64,
}

impl Dropped {
    /// Counts one buyer.
    pub(super) const fn count(&mut self, then: AfterDrop) {
        match then {
            AfterDrop::Entered => self.entered += 1,
            AfterDrop::Rejoined => self.rejoined += 1,
            AfterDrop::EnteredUnannounced => self.unannounced += 1,
        }
    }

    /// Returns those who were certainly dropped.
    pub const fn certain(self) -> u64 {
        self.entered + self.rejoined
    }
}

/// Sockets by what happened to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sockets {
    /// Connected for the first time.
    pub connected: u64,
    /// Connected again after a loss.
    pub reconnected: u64,
    /// Closed by the buyer.
    pub closed: u64,
    /// Lost: closed without the buyer's doing.
    pub lost: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            operations: vec![OperationTally::default(); Operation::ALL.len()],
            page_loads: OperationTally::default(),
            calls_in_warmup: 0,
            waiting_time: Histogram::default(),
            admissions: Admissions::default(),
            waited_at_abandonment: Histogram::default(),
            send_lag: Histogram::default(),
            fan_out_delay: Histogram::default(),
            arrivals: Arrivals::default(),
            polls: Polls::default(),
            stages: Default::default(),
            bot_stages: Default::default(),
            reloads: 0,
            dropped: Dropped::default(),
            left: Default::default(),
            sockets: Sockets::default(),
            messages: 0,
            bytes: 0,
        }
    }
}

impl Tally {
    /// Adds what `other` counted.
    pub fn merge(&mut self, other: &Self) {
        // Every tally has all operations, so none is dropped here.
        for (mine, theirs) in self.operations.iter_mut().zip(&other.operations) {
            mine.merge(theirs);
        }
        self.page_loads.merge(&other.page_loads);
        self.calls_in_warmup += other.calls_in_warmup;
        self.waiting_time.merge(&other.waiting_time);
        self.admissions.add(&other.admissions);
        self.waited_at_abandonment
            .merge(&other.waited_at_abandonment);
        self.send_lag.merge(&other.send_lag);
        self.fan_out_delay.merge(&other.fan_out_delay);
        self.arrivals.due += other.arrivals.due;
        self.arrivals.started += other.arrivals.started;
        self.arrivals.shed += other.arrivals.shed;
        self.arrivals.without_credential += other.arrivals.without_credential;
        self.polls.add(other.polls);
        add_each(&mut self.stages, &other.stages);
        add_each(&mut self.bot_stages, &other.bot_stages);
        self.reloads += other.reloads;
        self.dropped.entered += other.dropped.entered;
        self.dropped.rejoined += other.dropped.rejoined;
        self.dropped.unannounced += other.dropped.unannounced;
        add_each(&mut self.left, &other.left);
        self.sockets.connected += other.sockets.connected;
        self.sockets.reconnected += other.sockets.reconnected;
        self.sockets.closed += other.sockets.closed;
        self.sockets.lost += other.sockets.lost;
        self.messages += other.messages;
        self.bytes += other.bytes;
    }

    /// Returns the requests of `operation`, page loads at the edge included; `None` stands for all requests to the system
    /// together.
    pub fn operation(&self, operation: Option<Operation>) -> OperationTally {
        let Some(operation) = operation else {
            let mut all = OperationTally::default();
            for one in &self.operations {
                all.merge(one);
            }
            return all;
        };
        let mut one = self.operations[operation.index()].clone();
        if operation == Operation::PageLoad {
            one.merge(&self.page_loads);
        }
        one
    }

    /// Returns the judged requests of all operations, and how many of them failed.
    pub fn calls(&self) -> (u64, u64) {
        let add =
            |(calls, failed), one: &OperationTally| (calls + one.calls(), failed + one.failures());
        self.operations.iter().fold((0, 0), add)
    }

    /// Returns what was sold, for the statement.
    pub const fn sales(&self) -> Sales {
        Sales {
            buyers: self.reached(Stage::Arrived),
            tickets: self.reached(Stage::Paid),
        }
    }

    /// Returns the number of buyers who reached `stage`.
    pub const fn reached(&self, stage: Stage) -> u64 {
        self.stages[stage as usize]
    }

    /// Returns the number of programs among the buyers who reached `stage`.
    pub const fn bots_at(&self, stage: Stage) -> u64 {
        self.bot_stages[stage as usize]
    }

    /// Returns the number of buyers whose visit ended for `reason`.
    pub const fn left_for(&self, reason: LeaveReason) -> u64 {
        self.left[reason as usize]
    }
}

impl OperationTally {
    /// Counts one request.
    pub(super) fn record(&mut self, call: &Call) {
        match call.outcome {
            Outcome::Ok => self.ok += 1,
            Outcome::Refused => self.refused += 1,
            Outcome::Failed(failure) => {
                *self.failed.entry(failure).or_default() += 1;
            }
        }
        let response_time = call.answered.saturating_since(call.intended);
        self.response_time.record(response_time);
        if call.outcome != Outcome::Ok {
            self.unsuccessful.record(response_time);
        }
        self.service_time
            .record(call.answered.saturating_since(call.sent));
    }

    /// Adds what `other` counted.
    pub fn merge(&mut self, other: &Self) {
        self.response_time.merge(&other.response_time);
        self.unsuccessful.merge(&other.unsuccessful);
        self.service_time.merge(&other.service_time);
        self.ok += other.ok;
        self.refused += other.refused;
        for (&failure, &count) in &other.failed {
            *self.failed.entry(failure).or_default() += count;
        }
    }

    /// Returns the response times of the requests that succeeded.
    pub fn successful(&self) -> Histogram {
        self.response_time.without(&self.unsuccessful)
    }

    /// Returns the requests that failed, for any cause.
    pub fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    /// Returns the requests that ended, whatever the outcome.
    pub fn calls(&self) -> u64 {
        self.ok + self.refused + self.failures()
    }
}

fn add_each(mine: &mut [u64], theirs: &[u64]) {
    for (mine, theirs) in mine.iter_mut().zip(theirs) {
        *mine += theirs;
    }
}
