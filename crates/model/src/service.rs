//! Service times: the CPU time of each operation, and the latency of its response.

use std::time::Duration;

use rand_distr::{Distribution as _, StandardNormal};
use tiketi_station::{Profile, ServiceTimes, Work};

use tiketi_core::rng::{Stream, Streams};
use tiketi_scenario::operation::Operation;

/// Bytes of a small JSON response with its headers (assumption).
const ANSWER_BYTES: u32 = 400;
/// Bytes per seat in a seat list, as the reference server writes it.
const SEAT_BYTES: u32 = 190;

/// A profile, with its lookups by name done once and not per request.
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
    /// Prepares a profile.
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
                let latency = profile.latency.get(latency_of(operation))?;
                (latency.median_ms > 0.0).then_some(Latency {
                    median: latency.median_ms / 1e3,
                    sigma: latency.sigma,
                })
            }),
            draws: streams.named("service"),
        }
    }

    /// Draws the CPU time of one request.
    pub(super) fn time(&mut self, operation: Operation) -> Duration {
        let mean = match operation {
            Operation::SeatList => self.times.seat_list(self.seats_total),
            _ => self.times.work(work_of(operation)),
        };
        let sigma = self.sigma[operation.index()];
        if sigma > 0.0 {
            let normal: f64 = StandardNormal.sample(&mut self.draws);
            // The mean of a lognormal factor is exp(sigma² / 2), so that is taken off: a spread must not change the mean,
            // which the profile states.
            return mean.mul_f64((sigma * normal - sigma * sigma / 2.0).exp());
        }
        mean
    }

    /// Draws the latency of a response: what it takes beyond CPU and data tier.
    pub(super) fn latency(&mut self, operation: Operation) -> Duration {
        let Some(Latency { median, sigma }) = self.latency[operation.index()] else {
            return Duration::ZERO;
        };
        if sigma > 0.0 {
            let normal: f64 = StandardNormal.sample(&mut self.draws);
            // Unlike CPU time, latency is stated by its median, so there is no correction of the mean. The cap keeps a
            // draw with a wide spread within the range of a `Duration`.
            return Duration::from_secs_f64((median * (sigma * normal).exp()).min(3_600.0));
        }
        Duration::from_secs_f64(median)
    }

    /// Returns the CPU time of a health check.
    pub(super) fn check(&self) -> Duration {
        self.times.work(Work::Health)
    }

    /// Returns the CPU time of one message from a buyer.
    pub(super) fn message(&self) -> Duration {
        self.times.work(Work::SocketMessage)
    }

    /// Returns the CPU time of sending one message to `receivers` sockets.
    pub(super) fn fan_out(&self, receivers: u32) -> Duration {
        self.times.fan_out(receivers)
    }

    /// Returns the bytes of a response.
    pub(super) const fn answer_bytes(&self, operation: Operation) -> u32 {
        match operation {
            Operation::SeatList => ANSWER_BYTES + SEAT_BYTES * self.seats_total,
            _ => ANSWER_BYTES,
        }
    }
}

/// Returns the name of an operation in the `latency` of a profile.
pub const fn latency_of(operation: Operation) -> &'static str {
    match operation {
        Operation::PageLoad => Profile::PAGE_LOAD,
        Operation::ShowList
        | Operation::ShowDetail
        | Operation::QueueCheck
        | Operation::QueueStatus
        | Operation::QueueLeave
        | Operation::SocketConnect
        | Operation::SeatList
        | Operation::SeatReserve
        | Operation::PaymentProcess => work_of(operation).name(),
    }
}

/// Returns the kind of work that an operation causes on an instance.
pub const fn work_of(operation: Operation) -> Work {
    match operation {
        // Page loads are served by the edge and never reach an instance.
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
