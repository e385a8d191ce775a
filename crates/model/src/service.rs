//! What each operation costs: processor time, and what an answer takes beyond it.

use std::time::Duration;

use rand_distr::{Distribution as _, StandardNormal};
use tiketi_station::{Profile, ServiceTimes, Work};

use tiketi_core::rng::{Stream, Streams};
use tiketi_scenario::operation::Operation;

/// Bytes of a small JSON answer with its headers, an assumption.
const ANSWER_BYTES: u32 = 400;
/// Bytes of each seat in a seat list, as the reference server writes it.
const SEAT_BYTES: u32 = 190;

/// A profile, ready for the hot path.
#[derive(Debug)]
pub(super) struct Service {
    times: ServiceTimes,
    seats_total: u32,
    sigma: [f64; Operation::ALL.len()],
    latency: [Option<Latency>; Operation::ALL.len()],
    draws: Stream,
}

#[derive(Clone, Copy, Debug)]
struct Latency {
    median: f64,
    sigma: f64,
}

impl Service {
    /// Reads a profile.
    pub(super) fn new(profile: &Profile, seats_total: u32, streams: Streams) -> Self {
        let of = |operation: Operation| work_of(operation).name();
        Self {
            times: ServiceTimes::of(profile),
            seats_total,
            sigma: Operation::ALL.map(|operation| {
                profile
                    .work_sigma
                    .get(of(operation))
                    .copied()
                    .unwrap_or(0.0)
            }),
            latency: Operation::ALL.map(|operation| {
                let latency = profile.latency.get(of(operation))?;
                (latency.median_ms > 0.0).then_some(Latency {
                    median: latency.median_ms / 1e3,
                    sigma: latency.sigma,
                })
            }),
            draws: streams.named("service"),
        }
    }

    /// Processor time of one call.
    pub(super) fn time(&mut self, operation: Operation) -> Duration {
        let mean = match operation {
            Operation::SeatList => self.times.seat_list(self.seats_total),
            _ => self.times.work(work_of(operation)),
        };
        let sigma = self.sigma[operation.index()];
        if sigma > 0.0 {
            let normal: f64 = StandardNormal.sample(&mut self.draws);
            return mean.mul_f64((sigma * normal - sigma * sigma / 2.0).exp());
        }
        mean
    }

    /// What the answer takes beyond processor and data tier.
    pub(super) fn latency(&mut self, operation: Operation) -> Duration {
        let Some(Latency { median, sigma }) = self.latency[operation.index()] else {
            return Duration::ZERO;
        };
        if sigma > 0.0 {
            let normal: f64 = StandardNormal.sample(&mut self.draws);
            return Duration::from_secs_f64((median * (sigma * normal).exp()).min(3_600.0));
        }
        Duration::from_secs_f64(median)
    }

    /// Processor time of a health check.
    pub(super) fn check(&self) -> Duration {
        self.times.work(Work::Health)
    }

    /// Processor time of one message from a buyer.
    pub(super) fn message(&self) -> Duration {
        self.times.work(Work::SocketMessage)
    }

    /// Processor time of sending one message to `receivers` sockets.
    pub(super) fn fan_out(&self, receivers: u32) -> Duration {
        self.times.fan_out(receivers)
    }

    /// Bytes of an answer.
    pub(super) const fn answer_bytes(&self, operation: Operation) -> u32 {
        match operation {
            Operation::SeatList => ANSWER_BYTES + SEAT_BYTES * self.seats_total,
            _ => ANSWER_BYTES,
        }
    }
}

/// The work an operation is on the instance's processor.
pub const fn work_of(operation: Operation) -> Work {
    match operation {
        // Served by the edge: it never reaches an instance.
        Operation::PageLoad | Operation::ShowList => Work::ShowList,
        Operation::ShowDetail => Work::ShowDetail,
        Operation::QueueCheck => Work::QueueCheck,
        Operation::QueueStatus => Work::QueueStatus,
        Operation::QueueLeave => Work::QueueLeave,
        Operation::SocketConnect => Work::SocketConnect,
        Operation::SeatList => Work::SeatList,
        Operation::SeatReserve => Work::SeatReserve,
        Operation::PaymentProcess => Work::PaymentProcess,
    }
}
