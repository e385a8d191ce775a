//! The network between buyers and the system: the load worker waits as long as packets take on it.
//!
//! Loopback takes no time. So a buyer's request leaves the worker late, and the buyer gets the response late; a new connection and
//! the handshake of a socket take their round trips. A worker has this once, and a buyer only while messages are on their way.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::clock::{Clock, wall_now};
use super::http::Received;
use super::socket_io::{self, Connection, Heard};
use tiketi_buyer::observation::Failure;
use tiketi_core::rng::{Stream, Streams};
use tiketi_core::units::SimTime;
use tiketi_scenario::Plan;
use tiketi_scenario::access::{Access, Needs};
use tiketi_scenario::distribution::Distribution;
use tiketi_scenario::edge::StaticFile;
use tiketi_scenario::operation::Operation;

/// Resolution of the runtime's timer: it fires up to this much later than it is set for.
const TIMER_STEP: Duration = Duration::from_millis(1);
/// Bytes of the head of a response (assumption).
const HEAD_BYTES: u64 = 250;

/// The network of a worker's buyers.
pub(super) struct AccessNetwork {
    access: Access,
    clock: Clock,
    /// In real time.
    call_timeout: Duration,
    draws: RefCell<Stream>,
}

impl AccessNetwork {
    /// The network of a plan, for one of the workers; `None` if nothing is delayed.
    pub(super) fn new(plan: &Plan, worker: u32, clock: Clock) -> Option<Rc<Self>> {
        let access = plan.buyers.network;
        access.is_applied().then(|| {
            Rc::new(Self {
                access,
                clock,
                call_timeout: clock.wall(plan.buyers.call_timeout),
                draws: RefCell::new(Streams::new(plan.seed).numbered("access", worker.into())),
            })
        })
    }

    /// Draws a delay, in real time, as the timer has to be set for it: it fires half a step later on average. A fast clock makes
    /// delays shorter than that; then some are a step long and the others nothing. `None` for no wait.
    fn draw(&self, delay: impl FnOnce(&Access, &mut Stream) -> Duration) -> Option<Duration> {
        let mut draws = self.draws.borrow_mut();
        let late = self.clock.wall(delay(&self.access, &mut draws));
        let half = TIMER_STEP / 2;
        if late >= half {
            return Some(late - half);
        }
        let part_of_step = Distribution::Uniform {
            from: 0.0,
            to: TIMER_STEP.as_secs_f64(),
        };
        (part_of_step.sample(&mut draws) < late).then_some(half)
    }

    async fn wait(&self, delay: impl FnOnce(&Access, &mut Stream) -> Duration) {
        let late = self.draw(delay);
        if let Some(late) = late {
            sleep(late).await;
        }
    }

    /// Sends a request over the network, and returns its response or why there is none, within the buyer's timeout.
    pub(super) async fn around(
        &self,
        operation: Operation,
        call: impl Future<Output = (SimTime, Result<Received, Failure>)>,
    ) -> (SimTime, Result<Received, Failure>) {
        let sent = self.clock.now();
        let needs = match operation {
            Operation::PageLoad => Needs::Connection,
            _ => Needs::Nothing,
        };
        let exchange = async {
            self.wait(|access, draws| access.way_in(needs, draws)).await;
            let (_, result) = call.await;
            let bytes = match &result {
                Ok(received) => received.body.len() as u64 + HEAD_BYTES,
                // What the buyer notices by a timeout needs no packet.
                Err(Failure::Timeout | Failure::ConnectTimeout | Failure::Dns) => return result,
                Err(_) => 0,
            };
            self.wait(|access, draws| access.way_back(bytes, draws))
                .await;
            result
        };
        let result = timeout(self.call_timeout, exchange).await;
        (sent, result.unwrap_or(Err(Failure::Timeout)))
    }

    /// Waits as long as the packets of a page load take.
    pub(super) async fn page(&self, files: &[StaticFile]) {
        self.wait(|access, draws| access.page(files, draws)).await;
    }

    /// Waits until the first request of a new socket has arrived.
    pub(super) async fn socket_request(&self) {
        self.wait(|access, draws| access.way_in(Needs::Connection, draws))
            .await;
    }

    /// Waits until the response has arrived, and the packet that answers it.
    pub(super) async fn socket_round_trip(&self) {
        self.wait(|access, draws| access.way_back(HEAD_BYTES, draws) + access.message(draws))
            .await;
    }

    /// Waits until a message has arrived.
    pub(super) async fn message(&self) {
        self.wait(Access::message).await;
    }
}

/// An open socket, and what is on its way over the network of the buyer.
pub(super) struct Line {
    connection: Connection,
    /// `None` without such a network.
    transit: Option<Box<Transit>>,
}

/// Messages on their way, in order, with the real time at which each arrives.
struct Transit {
    network: Rc<AccessNetwork>,
    inbound: VecDeque<(Instant, socket_io::Received)>,
    outbound: VecDeque<(Instant, Utf8Bytes)>,
    /// How the socket has ended; what is on its way still arrives before that.
    end: Option<Heard>,
}

impl Line {
    pub(super) fn new(connection: Connection, network: Option<&Rc<AccessNetwork>>) -> Self {
        let transit = network.map(|network| {
            Box::new(Transit {
                network: Rc::clone(network),
                inbound: VecDeque::new(),
                outbound: VecDeque::new(),
                end: None,
            })
        });
        Self {
            connection,
            transit,
        }
    }

    /// Sends a text frame; it leaves with the next poll.
    pub(super) fn emit(&mut self, text: Utf8Bytes) {
        match &mut self.transit {
            None => self.connection.emit(text),
            Some(transit) => {
                let due = transit.network.arrival(transit.outbound.back());
                transit.outbound.push_back((due, text));
            }
        }
    }

    /// Polls for the next event, and answers pings.
    pub(super) fn poll_heard(&mut self, cx: &mut Context<'_>) -> Poll<Heard> {
        match &mut self.transit {
            None => self.connection.poll_heard(cx),
            Some(transit) => transit.poll_heard(&mut self.connection, cx),
        }
    }

    /// Returns when to poll again if nothing happens before, in real time; `None` if not at all.
    pub(super) fn timeout(&self) -> Option<Instant> {
        let Some(transit) = &self.transit else {
            return Some(self.connection.silent_until());
        };
        let silence = match transit.end {
            None => Some(self.connection.silent_until()),
            Some(_) => None,
        };
        let inbound = transit.inbound.front().map(|(due, _)| *due);
        let outbound = transit.outbound.front().map(|(due, _)| *due);
        [silence, inbound, outbound].into_iter().flatten().min()
    }
}

impl AccessNetwork {
    /// Draws when a message arrives that leaves now: not before the one that left last.
    fn arrival<T>(&self, last: Option<&(Instant, T)>) -> Instant {
        let late = self.draw(Access::message);
        let due = wall_now() + late.unwrap_or_default();
        last.map_or(due, |(last, _)| due.max(*last))
    }
}

impl Transit {
    fn poll_heard(&mut self, connection: &mut Connection, cx: &mut Context<'_>) -> Poll<Heard> {
        let now = wall_now();
        while let Some((_, text)) = self.outbound.pop_front_if(|(due, _)| *due <= now) {
            connection.emit(text);
        }
        while self.end.is_none() {
            match connection.poll_heard(cx) {
                Poll::Ready(Heard::Message(received)) => {
                    let due = self.network.arrival(self.inbound.back());
                    self.inbound.push_back((due, received));
                }
                Poll::Ready(end @ (Heard::Lost | Heard::Disconnected)) => self.end = Some(end),
                Poll::Pending => break,
            }
        }
        if let Some((_, received)) = self.inbound.pop_front_if(|(due, _)| *due <= now) {
            return Poll::Ready(Heard::Message(received));
        }
        if self.inbound.is_empty() {
            // Thousands of buyers wait: what was on its way takes no memory afterwards.
            self.inbound = VecDeque::new();
            if let Some(end) = self.end.take() {
                return Poll::Ready(end);
            }
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_scenario::{Overrides, load};

    fn network(network: &str) -> Option<Rc<AccessNetwork>> {
        network_at(network, 1.0)
    }

    fn network_at(network: &str, speed: f64) -> Option<Rc<AccessNetwork>> {
        let text = format!("buyers = {{ call_timeout = \"300ms\", network = {{ {network} }} }}");
        let plan = load("x.toml", &text, &Overrides::default());
        let plan = plan.unwrap_or_else(|problems| panic!("{problems}"));
        AccessNetwork::new(&plan, 0, Clock::starting_at(0, speed))
    }

    async fn answered() -> (SimTime, Result<Received, Failure>) {
        (SimTime::ZERO, Err(Failure::Reset))
    }

    async fn taken(operation: Operation, profile: &str) -> Duration {
        let network = network(profile).expect("it delays");
        let begun = wall_now();
        let (_, _) = network.around(operation, answered()).await;
        begun.elapsed()
    }

    #[test]
    fn without_a_network_there_is_nothing_to_wait_for() {
        assert!(network("profile = \"none\"").is_none());
        assert!(network("profile = \"auto\"").is_none(), "on the testbed");
    }

    #[tokio::test]
    async fn a_request_takes_a_round_trip_and_a_new_connection_another_one() {
        let still = "profile = \"lte\", jitter = \"0s\"";
        // A busy machine wakes it later, but never earlier.
        let near = |taken: Duration, ms: u64| {
            let least = Duration::from_millis(ms - 2);
            assert!(taken >= least, "{taken:?} instead of {ms} ms");
            assert!(taken < least * 2, "{taken:?} instead of {ms} ms");
        };
        near(taken(Operation::QueueStatus, still).await, 70);
        near(taken(Operation::PageLoad, still).await, 140);
    }

    #[test]
    fn delays_shorter_than_the_timer_can_wait_are_right_on_average() {
        for (speed, mean_ms) in [(1.0, 2.0), (5.0, 0.4), (40.0, 0.05)] {
            let network = network_at("profile = \"fiber\"", speed).expect("it delays");
            let waits = (0..20_000).filter_map(|_| network.draw(Access::message));
            // Half a step passes until the timer fires.
            let waited: Duration = waits.map(|wait| wait + TIMER_STEP / 2).sum();
            let mean = waited.as_secs_f64() * 1e3 / 20_000.0;
            assert!((mean - mean_ms).abs() < 0.03, "at {speed}: {mean} ms");
        }
    }

    #[tokio::test]
    async fn a_buyer_gives_up_a_response_that_takes_too_long_on_the_way() {
        let network = network("profile = \"fiber\", loss = 1").expect("it delays");
        let begun = wall_now();
        let (_, result) = network.around(Operation::QueueStatus, answered()).await;
        assert_eq!(result.unwrap_err(), Failure::Timeout);
        assert!(begun.elapsed() >= Duration::from_millis(300));
    }

    #[tokio::test]
    async fn messages_arrive_late_and_in_order() {
        let network = network("profile = \"3g\", jitter = \"100ms\"").expect("it delays");
        let begun = wall_now();
        let mut last: Option<(Instant, ())> = None;
        for _ in 0..200 {
            let due = network.arrival(last.as_ref());
            assert!(last.is_none_or(|(last, ())| last <= due));
            assert!(
                due - begun >= Duration::from_millis(49),
                "{:?}",
                due - begun
            );
            last = Some((due, ()));
        }
    }
}
