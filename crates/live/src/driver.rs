//! Drives one buyer: carries out the journey's actions, and reports the results to it.
//!
//! A buyer is one future with one timer. Requests and the opening of the socket are short, so they are on the heap only
//! while they last; thousands of waiting buyers each keep only the journey, a token, and an open socket.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::HeaderValue;
use tokio::time::{Instant, Sleep, sleep_until};

use super::api::understand;
use super::credential::Credential;
use super::http::{Identity, Received};
use super::socket_io::{Connection, Heard, Opening, Unopened};
use super::witness;
use super::world::World;
use tiketi_buyer::observation::{Call, Failure, Observation, Outcome};
use tiketi_buyer::{Action, Answer, Journey, Request};
use tiketi_core::units::{BuyerId, SimTime};
use tiketi_measure::witness::{Place, Reply, Trace};
use tiketi_scenario::operation::Operation;

/// Largest difference between the clocks of two machines at which the latency of a message is still recorded.
const SKEW_MAX: Duration = Duration::from_millis(5);

type CallFuture = Pin<Box<dyn Future<Output = CallEnd>>>;
type OpeningFuture = Pin<Box<dyn Future<Output = OpeningEnd>>>;

/// How a call ended.
struct CallEnd {
    request: Request,
    intended: SimTime,
    sent: SimTime,
    result: Result<Loaded, Failure>,
}

/// What a call has led to.
enum Loaded {
    /// The response of the system.
    Answer(Received),
    /// The page, from the edge, with so many bytes.
    Page(u32),
}

/// How the opening of a socket ended.
struct OpeningEnd {
    intended: SimTime,
    sent: SimTime,
    result: Result<(Connection, Option<HeaderValue>), Unopened>,
}

/// The socket of a buyer.
enum Socket {
    Closed,
    Opening(OpeningFuture),
    Open(Box<Connection>),
}

/// One buyer in progress. If dropped before the end, it records the journey as unfinished.
pub(super) struct Visit {
    world: Rc<World>,
    buyer: BuyerId,
    journey: Journey,
    identity: Identity,
    call: Option<CallFuture>,
    line: Socket,
    alarm: Pin<Box<Sleep>>,
    /// What is remembered for the audits of a target; `None` on the testbed.
    trace: Option<Box<Trace>>,
}

impl Visit {
    /// Starts the visit of `buyer`, who arrives at `now`.
    pub(super) fn new(
        world: &Rc<World>,
        buyer: BuyerId,
        credential: Credential,
        now: SimTime,
    ) -> Self {
        world.tally.buyers.set(world.tally.buyers.get() + 1);
        let journey = Journey::new(
            world.temperament.clone(),
            world.streams,
            buyer,
            credential.user,
            now,
        );
        let journey = journey.waiting_at(world.room());
        Self {
            buyer,
            journey,
            identity: Identity {
                authorization: credential.authorization,
                cookie: None,
                pass: None,
            },
            call: None,
            line: Socket::Closed,
            alarm: Box::pin(sleep_until(world.clock.wall_instant(now))),
            trace: world.notebook.is_some().then(Box::default),
            world: Rc::clone(world),
        }
    }

    /// Carries out the journey's actions. Returns whether there were any.
    fn act(&mut self) -> bool {
        let now = self.world.clock.now();
        let mut acted = false;
        while let Some(action) = self.journey.poll_action(now) {
            acted = true;
            match action {
                Action::Call { request, intended } => self.start_call(now, request, intended),
                Action::Connect { intended } => self.open_line(intended),
                Action::Emit(emission) => {
                    if let Socket::Open(connection) = &mut self.line {
                        connection.emit(self.world.emission(emission));
                    }
                }
                Action::Close => self.drop_line(),
                Action::Leave(_) => {}
            }
        }
        self.record();
        acted
    }

    fn start_call(&mut self, now: SimTime, request: Request, intended: SimTime) {
        let Some(outgoing) = self.world.api.outgoing(request) else {
            return self.load_page(now, request, intended);
        };
        let (world, buyer) = (Rc::clone(&self.world), self.buyer);
        let identity = self.identity.clone();
        self.call = Some(Box::pin(async move {
            let asked = (request.operation(), &outgoing);
            let (sent, result) = world.call(buyer, asked, &identity).await;
            CallEnd {
                request,
                intended,
                sent,
                result: result.map(Loaded::Answer),
            }
        }));
    }

    /// Loads the page from the edge: nothing reaches the system under test. Without an edge there is nothing to load.
    fn load_page(&mut self, now: SimTime, request: Request, intended: SimTime) {
        if self.world.page.is_none() {
            let operation = request.operation();
            return self.journey.handle_answer(now, operation, Answer::Done);
        }
        let (world, buyer) = (Rc::clone(&self.world), self.buyer);
        self.call = Some(Box::pin(async move {
            let page = world.page.as_ref().expect("it was there above");
            let (sent, result) = page.load(buyer).await;
            CallEnd {
                request,
                intended,
                sent,
                result: result.map(Loaded::Page),
            }
        }));
    }

    fn open_line(&mut self, intended: SimTime) {
        let world = Rc::clone(&self.world);
        let identity = self.identity.clone();
        self.line = Socket::Opening(Box::pin(async move {
            let sent = world.clock.now();
            let opening = Opening {
                dialer: world.http.dialer(),
                host: world.http.host(),
                identity,
                stage_timeout: world.stage_timeout,
            };
            let result = opening.open().await;
            OpeningEnd {
                intended,
                sent,
                result,
            }
        }));
    }

    fn drop_line(&mut self) {
        if let Socket::Open(_) = std::mem::replace(&mut self.line, Socket::Closed) {
            self.world.tally.handle_disconnected();
        }
    }

    fn poll_call(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(call) = &mut self.call else {
            return false;
        };
        let Poll::Ready(end) = call.as_mut().poll(cx) else {
            return false;
        };
        self.call = None;
        self.finish_call(end);
        true
    }

    fn finish_call(&mut self, end: CallEnd) {
        let now = self.world.clock.now();
        let is_edge = end.request == Request::PageLoad && self.world.page.is_some();
        let mut seats = self.world.seats.borrow_mut();
        let (outcome, answer, bytes) = match end.result {
            Ok(Loaded::Page(bytes)) => (Outcome::Ok, Answer::Done, bytes as usize),
            Ok(Loaded::Answer(received)) => {
                if received.cookie.is_some() && received.cookie != self.identity.cookie {
                    self.identity.cookie.clone_from(&received.cookie);
                }
                if received.pass.is_some() {
                    self.identity.pass.clone_from(&received.pass);
                }
                let (outcome, answer) = understand(end.request, &received, &mut seats);
                let reply = Reply {
                    at: now,
                    request: end.request,
                    outcome,
                    answer,
                    status: Some(received.status.as_u16()),
                    body: &received.body,
                    place: Place::default(),
                };
                witness::write_down(&self.world, &mut self.trace, reply);
                (outcome, answer, received.body.len())
            }
            Err(failure) => {
                let answer = Answer::Failed {
                    failure,
                    retry_after: None,
                };
                let outcome = Outcome::Failed(failure);
                let reply = Reply {
                    at: now,
                    request: end.request,
                    outcome,
                    answer,
                    status: None,
                    body: &[],
                    place: Place::default(),
                };
                witness::write_down(&self.world, &mut self.trace, reply);
                (outcome, answer, 0)
            }
        };
        if let (Request::PaymentProcess { reservation }, Answer::Paid) = (end.request, answer) {
            self.world.tally.paid.borrow_mut().push(reservation);
        }
        let call = Call {
            operation: end.request.operation(),
            intended: end.intended,
            sent: end.sent,
            answered: now,
            outcome,
            bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
        };
        self.world.observe(&if is_edge {
            Observation::PageLoad(call)
        } else {
            Observation::Call(call)
        });
        self.journey
            .handle_answer(now, end.request.operation(), answer);
    }

    fn poll_line(&mut self, cx: &mut Context<'_>) -> bool {
        match &mut self.line {
            Socket::Closed => false,
            Socket::Opening(opening) => match opening.as_mut().poll(cx) {
                Poll::Ready(end) => {
                    self.finish_opening(end);
                    true
                }
                Poll::Pending => false,
            },
            Socket::Open(connection) => match connection.poll_heard(cx) {
                Poll::Ready(heard) => {
                    self.hear(&heard);
                    true
                }
                Poll::Pending => false,
            },
        }
    }

    fn finish_opening(&mut self, end: OpeningEnd) {
        let now = self.world.clock.now();
        let outcome = match end.result {
            Ok((connection, cookie)) => {
                if cookie.is_some() {
                    self.identity.cookie = cookie;
                }
                self.line = Socket::Open(Box::new(connection));
                self.world.tally.handle_connected();
                self.journey.handle_socket_open(now);
                Outcome::Ok
            }
            Err(unopened) => {
                self.line = Socket::Closed;
                self.world.tally.handle_socket_failure(unopened.stage);
                witness::write_down_unopened(&self.world, now, &unopened);
                self.journey.handle_socket_lost(now);
                Outcome::Failed(unopened.failure)
            }
        };
        self.world.observe(&Observation::Call(Call {
            operation: Operation::SocketConnect,
            intended: end.intended,
            sent: end.sent,
            answered: now,
            outcome,
            bytes: 0,
        }));
    }

    fn hear(&mut self, heard: &Heard) {
        let now = self.world.clock.now();
        match heard {
            Heard::Message(received) => {
                let delay = received
                    .published_unix_ns
                    .and_then(|published| self.world.clock.since_unix(published, SKEW_MAX));
                self.world.observe(&Observation::Message { at: now, delay });
                if let Some(trace) = &mut self.trace {
                    witness::write_down_message(
                        &self.world,
                        trace,
                        now,
                        received,
                        self.journey.user(),
                    );
                }
                self.journey.handle_message(now, received.message);
            }
            Heard::Lost => {
                self.drop_line();
                self.journey.handle_socket_lost(now);
            }
        }
    }

    /// Polls for the next timeout of the journey or the socket.
    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let journey = self
            .journey
            .poll_timeout()
            .map(|at| self.world.clock.wall_instant(at));
        let silence = match &self.line {
            Socket::Open(connection) => Some(connection.silent_until()),
            Socket::Closed | Socket::Opening(_) => None,
        };
        let next: Option<Instant> = [journey, silence].into_iter().flatten().min();
        let Some(next) = next else {
            return Poll::Pending; // A request or an opening wakes it, and those have their own timeouts.
        };
        if self.alarm.deadline() != next {
            self.alarm.as_mut().reset(next);
        }
        self.alarm.as_mut().poll(cx)
    }

    fn record(&mut self) {
        while let Some(observation) = self.journey.poll_observation() {
            self.world.observe(&observation);
            if let Some(trace) = &mut self.trace {
                witness::write_down_observation(&self.world, trace, &observation);
            }
        }
    }
}

impl Future for Visit {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let visit = self.get_mut();
        loop {
            let heard_answer = visit.poll_call(cx);
            let heard_line = visit.poll_line(cx);
            let acted = visit.act();
            if visit.journey.is_over() {
                return Poll::Ready(());
            }
            if !(heard_answer || heard_line || acted) && visit.poll_alarm(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if !self.journey.is_over() {
            if let Some(request) = self.journey.unanswered() {
                witness::write_down_cut(&self.world, request);
            }
            self.journey.handle_end(self.world.clock.now());
            self.record();
        }
        self.drop_line();
        let buyers = &self.world.tally.buyers;
        buyers.set(buyers.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiting_buyer_is_small() {
        let journey = size_of::<Journey>();
        let visit = size_of::<Visit>();
        let connection = size_of::<Connection>();
        assert!(journey <= 400, "a journey takes {journey} bytes");
        assert!(
            visit + connection <= 2_560,
            "a buyer takes {visit} bytes, a connection {connection}"
        );
    }
}
