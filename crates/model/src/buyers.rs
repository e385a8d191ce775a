//! Drives the buyers: carries out the actions of their journeys, and passes on the results.

use std::time::Duration;

use tiketi_buyer::observation::{Call as Observed, Failure, Observation, Outcome, Start};
use tiketi_buyer::{Action, Answer, Emission, Journey, Message, Request};
use tiketi_core::units::{BuyerId, SimTime};
use tiketi_scenario::operation::Operation;

use super::calls::{Call, CallRef, Reply, Step};
use super::crowd::LineState;
use super::entry::Entry;
use super::rooms::Closing;
use super::tier::{SHOW, SeatOffers, reservation_id, reservation_of, seat_of};
use super::world::World;
use tiketi_data_tier::{RedisError, ReservationNumber};

/// The number of no seat and no reservation. Requests for it are rejected, as those for an unknown id are.
const UNKNOWN: u32 = u32::MAX;

impl World<'_> {
    pub(super) fn handle_arrival(&mut self, now: SimTime) {
        let buyer = BuyerId(u32::try_from(self.arrived).expect("buyers are numbered in 32 bits"));
        self.arrived += 1;
        if let Some(next) = self.arrivals.get(self.arrived) {
            self.calendar.enter(*next, Entry::Arrival);
        }
        self.recorder.observe(&Observation::Arrival {
            intended: now,
            sent: now,
            start: Start::Started,
        });
        let journey = self.crowd.arrive(buyer, now);
        self.drive(now, buyer, journey);
    }

    pub(super) fn handle_wake(&mut self, now: SimTime, buyer: BuyerId) {
        if self.crowd.use_wake(buyer, now)
            && let Some(journey) = self.crowd.take(buyer)
        {
            self.drive(now, buyer, journey);
        }
    }

    /// Carries out everything that a journey wants to do now, and puts it back, or drops it at its end.
    pub(super) fn drive(&mut self, now: SimTime, buyer: BuyerId, mut journey: Box<Journey>) {
        self.tell_taken_seats(now, buyer, &mut journey);
        while let Some(action) = journey.poll_action(now) {
            match action {
                // The edge serves the page; the request never reaches the system.
                Action::Call {
                    request: Request::PageLoad,
                    intended,
                } => match self.load_page(now, buyer, intended) {
                    Some(answer) => journey.handle_answer(now, Operation::PageLoad, answer),
                    None => self.crowd.browser(buyer).is_calling = true,
                },
                Action::Call { request, intended } => {
                    let (operation, subject) = (request.operation(), subject_of(request));
                    self.crowd.browser(buyer).is_calling = true;
                    self.send(now, buyer, (operation, subject), intended);
                }
                Action::Connect { intended } => {
                    self.crowd.browser(buyer).line = LineState::Opening;
                    self.send(now, buyer, (Operation::SocketConnect, 0), intended);
                }
                Action::Emit(emission) => self.handle_emission(now, buyer, emission),
                Action::Close => self.drop_line(now, buyer, Closing::ByBuyer),
                Action::Leave(_) => {}
            }
        }
        while let Some(observation) = journey.poll_observation() {
            self.recorder.observe(&observation);
        }
        if journey.is_over() {
            self.set_watching(buyer, false);
            return;
        }
        self.set_watching(buyer, journey.is_watching());
        self.schedule(now, buyer, &journey);
        self.crowd.put_back(buyer, journey);
    }

    /// Schedules the journey's next own step.
    ///
    /// While a request is in progress, a step that is due after the request times out needs no entry: the response or the
    /// timeout leads back here. That saves an entry for most requests.
    fn schedule(&mut self, now: SimTime, buyer: BuyerId, journey: &Journey) {
        let Some(at) = journey.poll_timeout() else {
            return;
        };
        let is_calling = self.crowd.browser(buyer).is_calling;
        if is_calling && at > now + self.plan.buyers.call_timeout {
            return;
        }
        let at = at.max(now);
        if self.crowd.wants_wake(buyer, at) {
            self.calendar.enter(at, Entry::Wake(buyer.0));
        }
    }

    /// Passes on what the messages about seats have said so far to a buyer who is choosing.
    ///
    /// They are not delivered one by one: they matter only for the seat that the buyer is about to reserve, so that is looked
    /// up now.
    fn tell_taken_seats(&mut self, now: SimTime, buyer: BuyerId, journey: &mut Journey) {
        let browser = self.crowd.browser(buyer);
        if browser.line != LineState::Open || !browser.hears_seats {
            return;
        }
        // Each time the wanted seat is taken, the journey picks another one.
        while let Some(seat) = journey.wanted_seat() {
            if seat_of(seat).is_some_and(|seat| self.seats.is_free(seat)) {
                return;
            }
            journey.handle_message(now, Message::SeatLocked { seat, user: None });
        }
    }

    /// Sends a response, or a failure, to the buyer. The system has nothing more to do with the request.
    pub(super) fn deliver(&mut self, now: SimTime, call: &Call) {
        // The buyer handled the timeout when it happened.
        if call.is_abandoned {
            return;
        }
        let seen = match call.operation {
            Operation::SocketConnect => *call,
            _ => Call {
                reply: self.seen_by_buyer(call),
                ..*call
            },
        };
        if let Some(seen) = self.go_home(now, seen) {
            self.hand_over(now, &seen);
        }
    }

    /// Hands a response, or a failure, to the buyer. The request is over.
    pub(super) fn hand_over(&mut self, now: SimTime, call: &Call) {
        if call.operation == Operation::SocketConnect {
            return self.deliver_opening(now, call);
        }
        if matches!(call.reply, Reply::Seats | Reply::Held(_)) {
            self.give_pass(now, call.buyer);
        }
        let Some(mut journey) = self.crowd.take(call.buyer) else {
            return;
        };
        self.crowd.browser(call.buyer).is_calling = false;
        self.observe_call(now, call);
        if call.reply == Reply::Queued && journey.minds_position() {
            let position = match &self.room {
                Some(room) => room.position(call.buyer),
                None => self.redis.position(SHOW, call.buyer),
            };
            journey.handle_position(position.unwrap_or(0));
        }
        let (seat_offers, locked) = (SeatOffers(self.seats.free()), self.seats.locked());
        let answer = match call.reply {
            Reply::Done => Answer::Done,
            Reply::Queued => Answer::Queued,
            Reply::Admitted if call.operation == Operation::QueueStatus => Answer::NotQueued {
                admitted: Some(true),
            },
            Reply::Admitted => Answer::Admitted,
            Reply::Dropped => Answer::NotQueued {
                admitted: Some(false),
            },
            Reply::Seats => Answer::Seats {
                available: &seat_offers,
                locked,
            },
            Reply::Held(reservation) => Answer::Held {
                reservation: reservation_id(ReservationNumber(reservation)),
            },
            Reply::Paid => Answer::Paid,
            Reply::Refused => Answer::Refused,
            Reply::Failed(failure) => Answer::Failed {
                failure,
                retry_after: None,
            },
            Reply::TooMany(seconds) => Answer::Failed {
                failure: Failure::Status(429),
                retry_after: Some(Duration::from_secs(u64::from(seconds))),
            },
        };
        // Only what the buyer has been told is a promise: a payment whose response was lost may be lost as well.
        if call.reply == Reply::Paid {
            self.acknowledged.push(ReservationNumber(call.subject));
        }
        journey.handle_answer(now, call.operation, answer);
        self.drive(now, call.buyer, journey);
    }

    /// Delivers the result of opening a socket.
    fn deliver_opening(&mut self, now: SimTime, call: &Call) {
        self.observe_call(now, call);
        let Some(mut journey) = self.crowd.take(call.buyer) else {
            return;
        };
        let browser = self.crowd.browser(call.buyer);
        if browser.line == LineState::Opening {
            if let Reply::Done = call.reply {
                browser.line = LineState::Open;
                browser.line_instance = call.instance;
                browser.line_node = call.node;
                self.fleet.of(call.instance).sockets += 1;
                self.traffic.handle_socket_opened();
                // If Redis still has the session, the server restores its rooms; otherwise only the browser's own messages do.
                let was_known = self.use_session(now, call.buyer) == Ok(true);
                journey.handle_socket_open(now);
                if was_known {
                    self.rejoin_rooms(call.buyer);
                }
            } else {
                browser.line = LineState::Closed;
                journey.handle_socket_lost(now);
            }
        }
        self.drive(now, call.buyer, journey);
    }

    /// Ends a request for the buyer, who has waited as long as one may take. The system does not notice.
    pub(super) fn handle_overdue(&mut self, now: SimTime, call: CallRef) {
        let Some(&mut Call {
            operation, step, ..
        }) = self.calls.find(call)
        else {
            return;
        };
        let (_, failure) = self.patience(operation, step);
        let Some(open) = self.calls.find(call).filter(|open| !open.is_abandoned) else {
            return;
        };
        open.is_abandoned = true;
        let failed = Call {
            reply: Reply::Failed(failure),
            is_abandoned: false,
            ..*open
        };
        if !matches!(step, Step::Access | Step::Home) {
            return self.deliver(now, &failed);
        }
        // The system does not learn of it, and a response that is late was counted when it left.
        self.hand_over(now, &failed);
    }

    /// Closes the socket, or cancels its opening.
    pub(super) fn drop_line(&mut self, now: SimTime, buyer: BuyerId, closing: Closing) {
        let was_open = match self.crowd.browser(buyer).line {
            LineState::Open => {
                self.leave_rooms(now, buyer, closing);
                true
            }
            LineState::Silent => {
                self.forget_silent_line(buyer);
                true
            }
            LineState::Closed | LineState::Opening => false,
        };
        let browser = self.crowd.browser(buyer);
        browser.line = LineState::Closed;
        let instance = browser.line_instance;
        if was_open {
            self.traffic.handle_socket_closed();
            self.set_watching(buyer, false);
            let served = self.fleet.of(instance);
            served.sockets = served.sockets.saturating_sub(1);
            self.handle_connection_gone(now, instance);
        }
    }

    /// Closes the socket from the other end: the buyer notices that it is lost.
    pub(super) fn cut_line(&mut self, now: SimTime, buyer: BuyerId) {
        self.drop_line(now, buyer, Closing::Lost);
        if let Some(mut journey) = self.crowd.take(buyer) {
            journey.handle_socket_lost(now);
            self.drive(now, buyer, journey);
        }
    }

    fn handle_emission(&mut self, now: SimTime, buyer: BuyerId, emission: Emission) {
        let browser = self.crowd.browser(buyer);
        if browser.line != LineState::Open || emission == Emission::JoinEvent {
            return;
        }
        let instance = browser.line_instance;
        let time = self.service.message();
        self.fleet.of(instance).book(now, time);
        if self.redis.book(now, 2).is_some() {
            // Redis may have evicted the session under memory pressure. The socket joins its room all the same, as the
            // instance keeps the rooms.
            let _ = self.use_session(now, buyer);
        }
        self.join_room(buyer, emission);
    }

    /// Reads the buyer's session and writes it anew; whether there was one.
    fn use_session(&mut self, now: SimTime, buyer: BuyerId) -> Result<bool, RedisError> {
        let ttl = self.plan.server.session_ttl;
        self.redis.change_session(now, (buyer, ttl), |_| ())
    }

    fn observe_call(&mut self, now: SimTime, call: &Call) {
        let outcome = match call.reply {
            Reply::Refused => Outcome::Refused,
            Reply::Failed(failure) => Outcome::Failed(failure),
            Reply::TooMany(_) => Outcome::Failed(Failure::Status(429)),
            Reply::Done
            | Reply::Queued
            | Reply::Admitted
            | Reply::Dropped
            | Reply::Seats
            | Reply::Held(_)
            | Reply::Paid => Outcome::Ok,
        };
        let bytes = match outcome {
            Outcome::Ok => self.service.answer_bytes(call.operation),
            Outcome::Refused | Outcome::Failed(_) => 0,
        };
        self.recorder.observe(&Observation::Call(Observed {
            operation: call.operation,
            intended: call.intended,
            sent: call.sent,
            answered: now,
            outcome,
            bytes,
        }));
    }

    /// Notes whether the buyer watches for a seat to become free, which takes an open socket in the room of the seats.
    pub(super) fn set_watching(&mut self, buyer: BuyerId, watches: bool) {
        let browser = self.crowd.browser(buyer);
        let watches = watches && browser.line == LineState::Open && browser.hears_seats;
        if browser.watches == watches {
            return;
        }
        browser.watches = watches;
        let place = (browser.line_instance, buyer.0);
        if watches {
            self.watchers.insert(place);
        } else {
            self.watchers.remove(&place);
        }
    }
}

/// Returns the seat or reservation that a request is about; 0 for other requests.
fn subject_of(request: Request) -> u32 {
    match request {
        Request::SeatReserve { seat } => seat_of(seat).map_or(UNKNOWN, |seat| seat.0),
        Request::PaymentProcess { reservation } => {
            reservation_of(reservation).map_or(UNKNOWN, |reservation| reservation.0)
        }
        Request::LogIn
        | Request::LogInAgain
        | Request::PageLoad
        | Request::ShowList
        | Request::ShowDetail
        | Request::QueueCheck
        | Request::QueueStatus
        | Request::QueueLeave
        | Request::SeatList => 0,
    }
}

/// Returns whether a request is a GET, which changes nothing.
pub(super) const fn is_read(operation: Operation) -> bool {
    match operation {
        Operation::PageLoad
        | Operation::ShowList
        | Operation::ShowDetail
        | Operation::QueueStatus
        | Operation::SeatList
        | Operation::SocketConnect => true,
        Operation::QueueCheck
        | Operation::QueueLeave
        | Operation::SeatReserve
        | Operation::PaymentProcess => false,
    }
}

/// Returns whether a request that is sent twice has the same effect as one that is sent once.
pub(super) const fn is_idempotent(operation: Operation) -> bool {
    !matches!(
        operation,
        Operation::SeatReserve | Operation::PaymentProcess
    )
}
