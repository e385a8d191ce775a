//! Writes down what buyers see while it happens.

use std::collections::BTreeMap;
use std::time::Duration;

use uuid::Uuid;

use super::{Sample, SeatHistory, Second, SentRequest, StepFigures, Testimony, Ticket, Witness};
use tiketi_api::{Meaning, Place, Push};
use tiketi_buyer::observation::{Failure, Outcome};
use tiketi_buyer::{Answer, Request};
use tiketi_core::units::SimTime;
use tiketi_scenario::operation::Operation;

/// Most seconds that are kept: a day. What happens later is counted in the last one.
const SECONDS_MAX: u64 = 24 * 60 * 60;
/// Most seats whose history is kept; more than any venue has.
const SEATS_MAX: usize = 200_000;
/// Time that a server has to restore a session after a reconnect (assumption: it is sent at once, so this is ample).
const RESTORED_WITHIN: Duration = Duration::from_secs(5);
/// Time within which messages about an admission are one admission, sent more than once (assumption: a queue processor runs once per
/// second).
const ONE_ADMISSION: Duration = Duration::from_secs(1);

/// What is remembered of one buyer.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// The seat that the buyer holds, and the reservation.
    held: Option<(Uuid, Uuid)>,
    /// The last position in the queue.
    position: Option<u32>,
    /// Messages about the buyer's own admission in this wait; those that follow within a second are one.
    entries: u8,
    /// When the last of these arrived.
    entered_at: Option<SimTime>,
    /// Whether a response said that the payment failed or was refused.
    reported_unpaid: bool,
    /// Whether the buyer has waited, and was not turned away since.
    waits: bool,
    /// When the socket was opened again, until its session is restored.
    reconnected_at: Option<SimTime>,
}

/// The end of a request.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    /// When.
    pub at: SimTime,
    /// The request of the journey.
    pub request: Request,
    /// What of it was sent last.
    pub sent: Sent,
    /// Whom the system knows the buyer as.
    pub user: Uuid,
    /// The outcome.
    pub outcome: Outcome,
    /// What the buyer understood.
    pub answer: Answer<'a>,
    /// What the response means; `None` without one, or if no row of the mapping describes it.
    pub meaning: Option<Meaning>,
    /// HTTP status; `None` without a response.
    pub status: Option<u16>,
    /// Position and places, as the response states them.
    pub place: Place,
}

/// What of a request was sent last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The request itself.
    Itself,
    /// An extra step before it, which ended it.
    StepBefore,
    /// Nothing, because a variable has no value.
    Nothing,
}

/// A request and its response, ready to be shown: secrets are masked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// The request.
    pub sent: SentRequest,
    /// The beginning of the response; empty without one.
    pub words: String,
}

/// A request of the mapping, as it is counted.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// The name: that of the operation, or of a step that counts as a part of it.
    pub name: &'a str,
    /// The operation.
    pub operation: Operation,
    /// From the intended time to the end.
    pub response_time: Duration,
}

/// What one worker writes down.
#[derive(Clone, Debug)]
pub struct Notebook {
    /// Whether a seat is sold to one buyer only: not if the show has no seat map, or one of kinds of tickets.
    has_seats: bool,
    witness: Witness,
    seconds: BTreeMap<u64, Second>,
    seats: BTreeMap<Uuid, SeatHistory>,
    tickets: Vec<Ticket>,
}

impl Notebook {
    /// An empty notebook. `has_seats` says whether a seat is sold to one buyer only: not if the show has no seat map, or one of
    /// kinds of tickets.
    pub fn new(has_seats: bool) -> Self {
        Self {
            has_seats,
            witness: Witness::default(),
            seconds: BTreeMap::new(),
            seats: BTreeMap::new(),
            tickets: Vec::new(),
        }
    }

    /// Writes down the end of a request. `shown` describes it, if a sample is needed.
    pub fn handle_reply(
        &mut self,
        trace: &mut Trace,
        reply: &Reply<'_>,
        step: &Step<'_>,
        shown: impl FnOnce() -> Shown,
    ) {
        let is_answered = reply.status.is_some();
        let has_failed = matches!(reply.outcome, Outcome::Failed(_));
        if reply.sent != Sent::Nothing {
            self.handle_step(reply.at, step, is_answered, has_failed);
        }
        match reply.request {
            _ if reply.sent != Sent::Itself => {}
            Request::QueueCheck | Request::QueueStatus => self.handle_queue(trace, reply),
            Request::SeatReserve { seat } => self.handle_hold(trace, seat, reply),
            Request::PaymentProcess { .. } => self.handle_payment(trace, reply),
            Request::LogIn
            | Request::LogInAgain
            | Request::PageLoad
            | Request::ShowList
            | Request::ShowDetail
            | Request::QueueLeave
            | Request::SeatList => {}
        }
        if reply.outcome != Outcome::Ok {
            let Shown { sent, words } = shown();
            self.witness.add(Sample {
                operation: step.operation,
                step: step.name.to_owned(),
                outcome: reply.outcome,
                status: reply.status,
                // No mapping describes the page.
                is_understood: !is_answered
                    || reply.meaning.is_some()
                    || reply.request == Request::PageLoad,
                count: 1,
                first_at: reply.at,
                last_at: reply.at,
                words,
                sent,
            });
        }
    }

    /// Writes down the end of one request, which another one may follow.
    pub fn handle_step(
        &mut self,
        at: SimTime,
        step: &Step<'_>,
        is_answered: bool,
        has_failed: bool,
    ) {
        if is_answered {
            self.witness.last_response = self.witness.last_response.max(Some(at));
        }
        let second = self.second(at);
        second.answered += u32::from(is_answered);
        second.unanswered += u32::from(!is_answered);
        if step.name == step.operation.name() {
            return;
        }
        let one = StepFigures {
            operation: step.operation,
            calls: 1,
            failed: u64::from(has_failed),
            total: step.response_time,
            longest: step.response_time,
        };
        match self.witness.steps.get_mut(step.name) {
            Some(sum) => sum.add(&one),
            None => drop(self.witness.steps.insert(step.name.to_owned(), one)),
        }
    }

    /// Writes down that a channel of this kind could not be opened, or has not worked as it should; `None` stands for the socket of a
    /// TIKETI deployment.
    pub fn handle_socket_failure(
        &mut self,
        at: SimTime,
        push: Option<Push>,
        failure: Failure,
        shown: Shown,
    ) {
        self.handle_channel(at, push, failure, shown, true);
    }

    /// Writes down a message that no row of the mapping describes.
    pub fn handle_unknown_message(&mut self, at: SimTime, push: Option<Push>, shown: Shown) {
        self.handle_channel(at, push, Failure::BadAnswer, shown, false);
    }

    fn handle_channel(
        &mut self,
        at: SimTime,
        push: Option<Push>,
        failure: Failure,
        shown: Shown,
        is_understood: bool,
    ) {
        self.witness.add(Sample {
            operation: Operation::SocketConnect,
            step: match push {
                None => Operation::SocketConnect.name().to_owned(),
                Some(push) => format!("push ({})", push.name()),
            },
            outcome: Outcome::Failed(failure),
            status: match failure {
                Failure::Status(status) => Some(status),
                _ => None,
            },
            is_understood,
            count: 1,
            first_at: at,
            last_at: at,
            words: shown.words,
            sent: shown.sent,
        });
    }

    /// Writes down that a waiting buyer was admitted.
    pub fn handle_admission(&mut self, at: SimTime) {
        self.second(at).admitted += 1;
    }

    /// Writes down that the system did not know a buyer any more who had been in the queue for so long.
    pub fn handle_logged_out(&mut self, at: SimTime, waited: Duration) {
        self.witness.logged_out.note(at, waited);
    }

    /// Writes down a message about an admission, which was for its receiver or for somebody else.
    pub fn handle_entry(&mut self, trace: &mut Trace, at: SimTime, is_own: bool) {
        let entries = &mut self.witness.entries;
        if !is_own {
            entries.others += 1;
            return;
        }
        entries.own += 1;
        let is_same = |before| at.saturating_since(before) < ONE_ADMISSION;
        if trace.entered_at.is_some_and(is_same) {
            return;
        }
        trace.entered_at = Some(at);
        trace.entries = trace.entries.saturating_add(1);
        if trace.entries == 2 {
            entries.twice += 1;
            let first = entries.twice_at.unwrap_or(at);
            entries.twice_at = Some(first.min(at));
        }
    }

    /// Writes down that a buyer's socket is open again after it was lost.
    pub fn handle_reconnected(&mut self, trace: &mut Trace, at: SimTime) {
        trace.reconnected_at = Some(at);
    }

    /// Writes down that the server has restored the buyer's session.
    pub fn handle_session_restored(&mut self, trace: &mut Trace) {
        self.witness.sessions.messages += 1;
        if trace.reconnected_at.take().is_some() {
            self.witness.sessions.due += 1;
            self.witness.sessions.restored += 1;
        }
    }

    /// Writes down that a socket is closed, or that the visit ends.
    pub fn handle_disconnected(&mut self, trace: &mut Trace, at: SimTime) {
        let Some(since) = trace.reconnected_at.take() else {
            return;
        };
        self.witness.sessions.due += u64::from(at.saturating_since(since) >= RESTORED_WITHIN);
    }

    /// Writes down that the run ended before the response to a request. A hold may have succeeded; a payment that was not answered
    /// yet is no defect.
    pub fn handle_cut(&mut self, request: Request) {
        if let Request::SeatReserve { seat } = request {
            self.note(seat, SeatHistory::UNKNOWN);
        }
    }

    /// Returns everything that was written down.
    pub fn finish(self) -> Testimony {
        let mut witness = self.witness;
        witness.seconds = self.seconds.into_iter().collect();
        Testimony {
            witness,
            seats: self.seats.into_iter().collect(),
            tickets: self.tickets,
        }
    }

    fn second(&mut self, at: SimTime) -> &mut Second {
        self.seconds
            .entry(at.as_secs().min(SECONDS_MAX))
            .or_default()
    }

    fn handle_queue(&mut self, trace: &mut Trace, reply: &Reply<'_>) {
        if !matches!(
            reply.answer,
            Answer::Queued | Answer::QueuedPollAfter { .. }
        ) {
            return;
        }
        if reply.request == Request::QueueCheck {
            // A wait of its own: also that of a buyer who has to join again.
            trace.entries = 0;
            trace.entered_at = None;
            trace.position = None;
        }
        trace.waits = true;
        let is_free = reply.place.taken_of.is_some_and(|(taken, of)| taken < of);
        self.witness.occupancies += u64::from(reply.place.taken_of.is_some());
        let second = self.second(reply.at);
        second.queued += 1;
        second.free += u32::from(is_free);
        let Some(position) = reply.place.position.filter(|position| *position > 0) else {
            return;
        };
        if let Some(before) = trace.position.replace(position) {
            let positions = &mut self.witness.positions;
            positions.compared += 1;
            if position > before {
                positions.backward += 1;
                let example = (reply.at, before, position);
                let first = positions.example.unwrap_or(example);
                positions.example = Some(first.min(example));
            }
        }
    }

    fn handle_hold(&mut self, trace: &mut Trace, seat: Uuid, reply: &Reply<'_>) {
        if let Answer::Held { reservation } = reply.answer {
            // A system that does not name reservations has one per buyer.
            let is_named = !reservation.is_nil();
            let reservation = if is_named { reservation } else { reply.user };
            trace.held = Some((seat, reservation));
            trace.reported_unpaid = false;
            trace.waits = false;
            return self.note(seat, SeatHistory::HELD);
        }
        let is_said = match (own_status(reply.status), reply.meaning) {
            (None, _) | (_, Some(Meaning::AcceptedPollLater)) => false,
            // A success that no row describes may mean that the seat is held.
            (Some(200..=299), None) => false,
            (Some(_), _) => true,
        };
        if !is_said {
            return self.note(seat, SeatHistory::UNKNOWN);
        }
        let is_turned_away =
            reply.meaning == Some(Meaning::Dropped) && trace.waits && trace.entries == 0;
        self.witness.turned_away += u64::from(is_turned_away);
        // Any other answer shows that the buyer was let in to ask.
        trace.waits = false;
        self.note(seat, SeatHistory::REFUSED);
    }

    fn handle_payment(&mut self, trace: &mut Trace, reply: &Reply<'_>) {
        let Some((seat, reservation)) = trace.held else {
            return;
        };
        match (reply.answer, own_status(reply.status)) {
            (Answer::Paid, _) => {
                self.witness.paid_after_failure += u64::from(trace.reported_unpaid);
                if self.has_seats {
                    self.tickets.push(Ticket {
                        seat,
                        reservation,
                        at: reply.at,
                    });
                }
            }
            // A success that no row describes says neither.
            (_, Some(200..=299)) if reply.meaning.is_none() => {}
            (_, Some(_)) => {
                trace.reported_unpaid = true;
                self.note(seat, SeatHistory::REPORTED_UNPAID);
            }
            (_, None) => self.note(seat, SeatHistory::PAYMENT_UNANSWERED),
        }
    }

    fn note(&mut self, seat: Uuid, history: SeatHistory) {
        if !self.has_seats {
            return;
        }
        if self.seats.len() < SEATS_MAX || self.seats.contains_key(&seat) {
            self.seats.entry(seat).or_default().add(history);
        }
    }
}

/// The status, if it is the system's word: a proxy that got no answer in time (502, 504) cannot say what has happened.
const fn own_status(status: Option<u16>) -> Option<u16> {
    match status {
        Some(502 | 504) => None,
        status => status,
    }
}
