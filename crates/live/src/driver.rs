//! Drives one buyer: carries out the journey's actions, and reports the results to it.
//!
//! A buyer is one future with one timer. Requests and the opening of the socket are short, so they are on the heap only
//! while they last; thousands of waiting buyers each keep only the journey, a token, and an open socket.

mod channel;
mod elsewhere;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::HeaderValue;
use tokio::task::spawn_local;
use tokio::time::{Instant, Sleep, sleep_until};

use super::access::Line;
use super::api::Step;
use super::credential::Credential;
use super::http::Received;
use super::push::Channel;
use super::script;
use super::socket_io::{Connection, Heard, Opening, Unopened};
use super::visitor::Visitor;
use super::witness::{self, Asked, End};
use super::world::World;
use tiketi_api::Variable;
use tiketi_buyer::observation::{Call, Failure, Observation, Outcome};
use tiketi_buyer::{Action, Answer, Journey, Message, Request};
use tiketi_core::units::{BuyerId, SimTime};
use tiketi_measure::witness::Trace;
use tiketi_scenario::operation::Operation;

use channel::Rest;

/// Largest difference between the clocks of two machines at which the latency of a message is still recorded.
const SKEW_MAX: Duration = Duration::from_millis(5);

type CallFuture = Pin<Box<dyn Future<Output = CallEnd>>>;
type OpeningFuture = Pin<Box<dyn Future<Output = OpeningEnd>>>;

/// How a call ended.
pub(super) struct CallEnd {
    /// The step of the script that ended it.
    pub(super) step: Step,
    pub(super) request: Request,
    pub(super) intended: SimTime,
    pub(super) sent: SimTime,
    /// What the buyer has learned on the way.
    pub(super) visitor: Visitor,
    pub(super) result: Result<Loaded, Failure>,
}

/// What a call has led to.
pub(super) enum Loaded {
    /// The response of the system.
    Answer(Box<Received>),
    /// The page, from the edge, with so many bytes.
    Page(u32),
    /// Nothing: a request could not be sent, because this variable has no value.
    Unsent(String),
}

/// How the opening of a socket ended.
struct OpeningEnd {
    intended: SimTime,
    sent: SimTime,
    result: Result<(Opened, Option<HeaderValue>), Unopened>,
}

/// What was opened.
enum Opened {
    Socket(Box<Connection>),
    Channel(Box<Channel>),
}

/// The socket of a buyer.
enum Socket {
    Closed,
    Opening(OpeningFuture),
    Open(Box<Line>),
    /// The push channel of a mapped system.
    Listening(Box<Channel>),
}

/// One buyer in progress. If dropped before the end, it records the journey as unfinished.
pub(super) struct Visit {
    world: Rc<World>,
    journey: Journey,
    visitor: Visitor,
    call: Option<CallFuture>,
    line: Socket,
    /// `None` if there is no channel of a mapped system, or nothing to remember.
    rest: Option<Box<Rest>>,
    alarm: Pin<Box<Sleep>>,
    /// What is remembered for the audits of a target; `None` on the testbed, and for the second page of a buyer.
    trace: Option<Box<Trace>>,
    /// Whether the buyer has the show open elsewhere, and counts there.
    is_second: bool,
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
        let visitor = Visitor::new(buyer, credential, &world.api, world.users.as_ref());
        let journey = Journey::new(
            world.temperament.clone(),
            world.streams,
            buyer,
            visitor.user,
            now,
        );
        let journey = journey.waiting_at(world.room());
        let journey = journey.listening_to(world.api.channel());
        Self {
            journey,
            visitor,
            call: None,
            line: Socket::Closed,
            rest: None,
            alarm: Box::pin(sleep_until(world.clock.wall_instant(now))),
            trace: world.notebook.is_some().then(Box::default),
            is_second: false,
            world: Rc::clone(world),
        }
    }

    /// The same visit of a buyer who logs in at once, and opens the page at `page_at`.
    pub(super) fn logging_in(mut self, page_at: SimTime) -> Self {
        self.journey.log_in_before(page_at);
        self
    }

    /// Carries out the journey's actions. Returns whether there were any.
    fn act(&mut self) -> bool {
        let now = self.world.clock.now();
        let mut acted = false;
        while let Some(action) = self.journey.poll_action(now) {
            acted = true;
            match action {
                Action::Call { request, intended } => self.start_call(now, request, intended),
                Action::Connect { intended } if self.world.api.mapping().stream.is_some() => {
                    self.open_channel(now, intended);
                }
                Action::Connect { intended } => self.open_line(intended),
                Action::Emit(emission) => {
                    if let Socket::Open(line) = &mut self.line {
                        line.emit(self.world.emission(emission));
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
        if request == Request::PageLoad && !self.world.api.has_page() {
            return self.load_page(now, request, intended);
        }
        if let Request::SeatReserve { seat } = request {
            self.visitor.keep_key(Variable::Seat, seat);
        }
        if request == Request::LogInAgain && self.world.api.mapping().keeps(Variable::Token) {
            // A token that has ended would be sent with the login.
            self.visitor.identity.authorization = None;
        }
        let (place, end) = script::pending(&self.world, request, &self.visitor);
        if place == end {
            return self.skip(now, request);
        }
        let (world, visitor) = (Rc::clone(&self.world), self.visitor.clone());
        self.call = Some(Box::pin(script::carry_out(
            world, visitor, request, intended,
        )));
    }

    /// Goes on where this back end has nothing to ask.
    fn skip(&mut self, now: SimTime, request: Request) {
        let world = Rc::clone(&self.world);
        let mut seats = world.seats.borrow_mut();
        let answer = world.api.done(request, &mut seats, &mut self.visitor);
        if let (Request::PaymentProcess { reservation }, Answer::Paid) = (request, answer) {
            world.tally.paid.borrow_mut().push(reservation);
        }
        self.journey.handle_answer(now, request.operation(), answer);
    }

    /// Loads the page from the edge: nothing reaches the system under test. Without an edge there is nothing to load.
    fn load_page(&mut self, now: SimTime, request: Request, intended: SimTime) {
        if self.world.page.is_none() {
            let operation = request.operation();
            return self.journey.handle_answer(now, operation, Answer::Done);
        }
        let (world, visitor) = (Rc::clone(&self.world), self.visitor.clone());
        self.call = Some(Box::pin(async move {
            let page = world.page.as_ref().expect("it was there above");
            let (sent, result) = page.load(visitor.buyer).await;
            CallEnd {
                step: Step::Page,
                visitor,
                request,
                intended,
                sent,
                result: result.map(Loaded::Page),
            }
        }));
    }

    fn open_line(&mut self, intended: SimTime) {
        let world = Rc::clone(&self.world);
        let identity = self.visitor.identity.clone();
        self.line = Socket::Opening(Box::pin(async move {
            let sent = world.clock.now();
            let opening = Opening {
                dialer: world.http.dialer(),
                host: world.http.host(),
                path: &world.socket_path,
                identity,
                stage_timeout: world.stage_timeout,
                access: world.access.as_deref(),
            };
            let result = opening.open().await;
            let opened = |(connection, cookie)| (Opened::Socket(Box::new(connection)), cookie);
            OpeningEnd {
                intended,
                sent,
                result: result.map(opened),
            }
        }));
    }

    fn drop_line(&mut self) {
        match std::mem::replace(&mut self.line, Socket::Closed) {
            Socket::Open(_) | Socket::Listening(_) => self.world.tally.handle_disconnected(),
            Socket::Closed | Socket::Opening(_) => {}
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
        let world = Rc::clone(&self.world);
        let mut seats = world.seats.borrow_mut();
        // The socket may have got a cookie in the meantime, and so may an earlier step.
        let cookie = self.visitor.identity.cookie.take();
        // Any step of the script may have said who the buyer is.
        let user = self.visitor.user;
        self.visitor = end.visitor;
        let is_single = world.api.steps(end.request).len() <= 1;
        if is_single || self.visitor.identity.cookie.is_none() {
            self.visitor.identity.cookie = cookie;
        }
        self.keep_learned();
        let asked = Asked {
            step: end.step,
            request: end.request,
            intended: end.intended,
            ended: now,
        };
        let visitor = &mut self.visitor;
        let trace = &mut self.trace;
        let failed = |failure| {
            let answer = Answer::Failed {
                failure,
                retry_after: None,
            };
            (Outcome::Failed(failure), answer, 0)
        };
        let (outcome, answer, bytes) = match end.result {
            Ok(Loaded::Page(bytes)) => (Outcome::Ok, Answer::Done, bytes as usize),
            Ok(Loaded::Answer(received)) => {
                visitor.take_cookies(&received);
                let understood =
                    world
                        .api
                        .understand(end.step, end.request, &received, &mut seats, visitor);
                let is_setup = end.request != Request::LogInAgain && world.api.is_setup(end.step);
                if is_setup && understood.outcome == Outcome::Ok {
                    visitor.handle_prepared();
                }
                if self.journey.minds_position()
                    && let Some(position) = world.api.position(end.step, end.request, &received)
                {
                    self.journey.handle_position(position);
                }
                let ended = End::Answered(&received, &understood);
                witness::write_down(&world, trace, asked, visitor, &ended);
                (understood.outcome, understood.answer, received.body.len())
            }
            Ok(Loaded::Unsent(variable)) => {
                witness::write_down(&world, trace, asked, visitor, &End::Unsent(&variable));
                failed(Failure::BadAnswer)
            }
            Err(failure) => {
                witness::write_down(&world, trace, asked, visitor, &End::Failed(failure));
                failed(failure)
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
        if self.visitor.user != user {
            self.journey.handle_user(self.visitor.user);
        }
        self.journey
            .handle_answer(now, end.request.operation(), answer);
        if let Some(elsewhere) = self.journey.poll_elsewhere() {
            spawn_local(self.second(now, elsewhere));
        }
    }

    fn poll_line(&mut self, cx: &mut Context<'_>) -> bool {
        self.ask_again();
        match &mut self.line {
            Socket::Closed => false,
            Socket::Opening(opening) => match opening.as_mut().poll(cx) {
                Poll::Ready(end) => {
                    self.finish_opening(end);
                    true
                }
                Poll::Pending => false,
            },
            Socket::Open(line) => match line.poll_heard(cx) {
                Poll::Ready(heard) => {
                    self.hear(&heard);
                    true
                }
                Poll::Pending => false,
            },
            Socket::Listening(channel) => match channel.poll_heard(cx) {
                Poll::Ready(heard) => {
                    self.hear_channel(heard);
                    true
                }
                Poll::Pending => false,
            },
        }
    }

    fn finish_opening(&mut self, end: OpeningEnd) {
        let now = self.world.clock.now();
        let outcome = match end.result {
            Ok((opened, cookie)) => {
                if cookie.is_some() {
                    self.visitor.identity.cookie = cookie;
                }
                self.line = match opened {
                    Opened::Socket(connection) => {
                        let line = Line::new(*connection, self.world.access.as_ref());
                        Socket::Open(Box::new(line))
                    }
                    Opened::Channel(channel) => Socket::Listening(channel),
                };
                self.world.tally.handle_connected();
                self.journey.handle_socket_open(now);
                Outcome::Ok
            }
            Err(unopened) => {
                self.line = Socket::Closed;
                self.world.tally.handle_socket_failure(unopened.stage);
                let Unopened { failure, words, .. } = &unopened;
                witness::write_down_channel(&self.world, now, *failure, words, &self.visitor);
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
                    witness::write_down_message(&self.world, trace, now, received, &self.visitor);
                }
                let message = match received.message {
                    // An id that no map has shown cannot be sent back; the next look at the map shows it.
                    Message::SeatReleased { seat } if !self.world.api.ids.knows(seat) => {
                        Message::Other
                    }
                    message => message,
                };
                self.journey.handle_message(now, message);
            }
            Heard::Lost => {
                self.drop_line();
                self.journey.handle_socket_lost(now);
            }
            Heard::Disconnected => {
                self.drop_line();
                self.journey.handle_disconnected(now);
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
            Socket::Open(line) => line.timeout(),
            Socket::Listening(channel) => Some(channel.silent_until()),
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
            // A buyer counts once; sockets are counted all the same.
            if self.is_second && !matches!(observation, Observation::Socket { .. }) {
                continue;
            }
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
        self.world.forget(self.visitor.buyer);
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
