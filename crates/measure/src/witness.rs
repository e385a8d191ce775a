//! What the buyers of a target know: samples of responses that were not a success, and what each buyer can prove about the queue,
//! the holds, the payments and the session.
//!
//! Memory is bounded. A buyer takes a [`Trace`] (80 bytes), a second of the run a [`Second`] (20 bytes and its key), a kind of
//! response one [`Sample`] (at most about 1 KiB), and a seat that somebody asked for one byte and its id. All parts but the samples
//! add up exactly in any order; samples do up to [`SAMPLES_MAX`].

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use tiketi_buyer::observation::{Failure, Outcome};
use tiketi_buyer::{Answer, Request};
use tiketi_core::excerpt;
use tiketi_core::units::SimTime;
use tiketi_scenario::operation::Operation;

/// Most samples: several for each of ten operations.
pub const SAMPLES_MAX: usize = 64;
/// Most samples of one operation and outcome that differ in their words.
const WORDINGS_MAX: usize = 4;
/// Most seconds that are kept: a day. What happens later is counted in the last one.
const SECONDS_MAX: u64 = 24 * 60 * 60;
/// Most seats whose history is kept; more than any venue has.
const SEATS_MAX: usize = 200_000;
/// Time that a server has to restore a session after a reconnect (assumption: it is sent at once, so this is ample).
const RESTORED_WITHIN: Duration = Duration::from_secs(5);
/// Time within which messages about an admission are one admission, sent more than once (assumption: a queue processor runs once per
/// second).
const ONE_ADMISSION: Duration = Duration::from_secs(1);

/// What all buyers of a worker, or of a run, saw.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Witness {
    /// Responses that were not a success, one sample of each kind, in order of time.
    pub samples: Vec<Sample>,
    /// Responses of kinds for which there was no place among the samples.
    pub samples_left_out: u64,
    /// What happened per second of scenario time, in order; seconds in which nothing happened are left out.
    pub seconds: Vec<(u64, Second)>,
    /// When the last response to a request arrived; `None` without any.
    pub last_response: Option<SimTime>,
    /// Answers about the queue that said how many places are taken and how many there are.
    pub occupancies: u64,
    /// Positions in the queue.
    pub positions: Positions,
    /// Messages about admissions.
    pub entries: Entries,
    /// Sessions after a reconnect.
    pub sessions: Sessions,
    /// Payments that were refused or failed with a response, and of which a later response said that they are paid.
    pub paid_after_failure: u64,
    /// Buyers who waited, were never told of an admission, and were turned away (403) when they wanted to hold a seat.
    pub turned_away: u64,
}

/// One second of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Second {
    /// Requests that were answered, whatever the response says.
    pub answered: u32,
    /// Requests that ended without a response.
    pub unanswered: u32,
    /// Answers that a buyer still waits in the queue.
    pub queued: u32,
    /// Of these, the ones that also said that fewer places are taken than there are.
    pub free: u32,
    /// Waiting buyers who were admitted.
    pub admitted: u32,
}

/// A response that was not a success, or a missing one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// The operation.
    pub operation: Operation,
    /// How it ended.
    pub outcome: Outcome,
    /// HTTP status; `None` without a response, and for sockets.
    pub status: Option<u16>,
    /// How many ended like this.
    pub count: u64,
    /// The first time.
    pub first_at: SimTime,
    /// The last time.
    pub last_at: SimTime,
    /// The beginning of the first response, with secrets masked; empty without one.
    pub words: String,
    /// The first request.
    pub sent: SentRequest,
}

/// A request, for repeating it by hand. It has no token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SentRequest {
    /// HTTP method.
    pub method: String,
    /// Path with query.
    pub path: String,
    /// JSON body; empty without one.
    pub body: String,
}

/// Positions in the queue, as responses state them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Positions {
    /// Positions that could be compared with an earlier one of the same wait.
    pub compared: u64,
    /// Of these, the ones that were further back.
    pub backward: u64,
    /// The first of these: when, and from which position to which.
    pub example: Option<(SimTime, u32, u32)>,
}

/// Messages about admissions that reached waiting buyers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Entries {
    /// Messages for the buyer who received them.
    pub own: u64,
    /// Messages for somebody else.
    pub others: u64,
    /// Buyers who were told of their own admission more than once for one wait.
    pub twice: u64,
    /// When the first of these was.
    pub twice_at: Option<SimTime>,
}

/// Sessions after a reconnect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sessions {
    /// Messages that a session was restored, also those to buyers who had not reconnected. Without any, the system may not send them.
    pub messages: u64,
    /// Reconnects that lasted long enough for a session to be restored.
    pub due: u64,
    /// Of these, the ones whose session was restored.
    pub restored: u64,
}

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
    told_unpaid: bool,
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
    /// The request.
    pub request: Request,
    /// The outcome.
    pub outcome: Outcome,
    /// What the buyer understood.
    pub answer: Answer<'a>,
    /// HTTP status; `None` without a response.
    pub status: Option<u16>,
    /// The body of the response.
    pub body: &'a [u8],
    /// Position and places, as the response states them.
    pub place: Place,
}

/// What a response about the queue says beside whether the buyer waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Position, from 1; `None` if the response has none.
    pub position: Option<u32>,
    /// Places that are taken, and how many there are; `None` if the response does not say.
    pub taken_of: Option<(u64, u64)>,
}

/// What happened to a seat that a buyer asked for: a set of flags, added up by union.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatHistory(u8);

impl SeatHistory {
    /// A hold was confirmed.
    pub const HELD: Self = Self(1);
    /// A hold was refused, or failed with a response.
    pub const REFUSED: Self = Self(2);
    /// A hold has no response: the seat may be held.
    pub const UNKNOWN: Self = Self(4);
    /// A response said that the payment failed or was refused.
    pub const TOLD_UNPAID: Self = Self(8);
    /// A payment has no response.
    pub const PAYMENT_UNANSWERED: Self = Self(16);

    /// Returns whether all flags of `other` are set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Sets the flags of `other`.
    pub const fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// A confirmed payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ticket {
    /// The seat.
    pub seat: Uuid,
    /// The reservation that was paid for.
    pub reservation: Uuid,
    /// When the buyer was told.
    pub at: SimTime,
}

/// What one worker writes down.
#[derive(Clone, Debug, Default)]
pub struct Notebook {
    witness: Witness,
    seconds: BTreeMap<u64, Second>,
    seats: BTreeMap<Uuid, SeatHistory>,
    tickets: Vec<Ticket>,
}

/// The content of a notebook, to be added up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Testimony {
    /// What the buyers saw.
    pub witness: Witness,
    /// The history of each seat that was asked for.
    pub seats: Vec<(Uuid, SeatHistory)>,
    /// Confirmed payments.
    pub tickets: Vec<Ticket>,
}

impl Notebook {
    /// Writes down the end of a request. `sent` describes the request, if a sample is needed.
    pub fn handle_reply(
        &mut self,
        trace: &mut Trace,
        reply: &Reply<'_>,
        sent: impl FnOnce() -> SentRequest,
    ) {
        let is_answered = reply.status.is_some();
        if is_answered {
            self.witness.last_response = self.witness.last_response.max(Some(reply.at));
        }
        let second = self.second(reply.at);
        second.answered += u32::from(is_answered);
        second.unanswered += u32::from(!is_answered);
        match reply.request {
            Request::QueueCheck | Request::QueueStatus => self.handle_queue(trace, reply),
            Request::SeatReserve { seat } => self.handle_hold(trace, seat, reply),
            Request::PaymentProcess { .. } => self.handle_payment(trace, reply),
            Request::PageLoad
            | Request::ShowList
            | Request::ShowDetail
            | Request::QueueLeave
            | Request::SeatList => {}
        }
        if reply.outcome != Outcome::Ok {
            let words = excerpt::of_body(reply.body);
            self.witness.add(Sample {
                operation: reply.request.operation(),
                outcome: reply.outcome,
                status: reply.status,
                count: 1,
                first_at: reply.at,
                last_at: reply.at,
                words,
                sent: sent(),
            });
        }
    }

    /// Writes down that a socket could not be opened; `words` is what the server said, empty if nothing.
    pub fn handle_socket_failure(
        &mut self,
        at: SimTime,
        failure: Failure,
        words: &str,
        path: &str,
    ) {
        self.witness.add(Sample {
            operation: Operation::SocketConnect,
            outcome: Outcome::Failed(failure),
            status: match failure {
                Failure::Status(status) => Some(status),
                _ => None,
            },
            count: 1,
            first_at: at,
            last_at: at,
            words: excerpt::of_body(words.as_bytes()),
            sent: SentRequest {
                method: "GET".to_owned(),
                path: path.to_owned(),
                body: String::new(),
            },
        });
    }

    /// Writes down that a waiting buyer was admitted.
    pub fn handle_admission(&mut self, at: SimTime) {
        self.second(at).admitted += 1;
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
        if reply.answer != Answer::Queued {
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
        match (reply.answer, told(reply.status)) {
            (Answer::Held { reservation }, _) => {
                trace.held = Some((seat, reservation));
                trace.told_unpaid = false;
                trace.waits = false;
                self.note(seat, SeatHistory::HELD);
            }
            // The server may have held the seat in both cases.
            (_, None | Some(200..=299)) => self.note(seat, SeatHistory::UNKNOWN),
            (_, Some(status)) => {
                let is_turned_away = status == 403 && trace.waits && trace.entries == 0;
                self.witness.turned_away += u64::from(is_turned_away);
                // Any other answer shows that the buyer was let in to ask.
                trace.waits = false;
                self.note(seat, SeatHistory::REFUSED);
            }
        }
    }

    fn handle_payment(&mut self, trace: &mut Trace, reply: &Reply<'_>) {
        let Some((seat, reservation)) = trace.held else {
            return;
        };
        match (reply.answer, told(reply.status)) {
            (Answer::Paid, _) => {
                self.witness.paid_after_failure += u64::from(trace.told_unpaid);
                self.tickets.push(Ticket {
                    seat,
                    reservation,
                    at: reply.at,
                });
            }
            (_, Some(_)) => {
                trace.told_unpaid = true;
                self.note(seat, SeatHistory::TOLD_UNPAID);
            }
            (_, None) => self.note(seat, SeatHistory::PAYMENT_UNANSWERED),
        }
    }

    fn note(&mut self, seat: Uuid, history: SeatHistory) {
        if self.seats.len() < SEATS_MAX || self.seats.contains_key(&seat) {
            self.seats.entry(seat).or_default().add(history);
        }
    }
}

impl Testimony {
    /// Adds what another worker wrote down.
    pub fn merge(&mut self, other: Self) {
        self.witness.merge(other.witness);
        let mut seats: BTreeMap<_, _> = std::mem::take(&mut self.seats).into_iter().collect();
        for (seat, history) in other.seats {
            seats
                .entry(seat)
                .or_insert_with(SeatHistory::default)
                .add(history);
        }
        self.seats = seats.into_iter().collect();
        self.tickets.extend(other.tickets);
        self.tickets
            .sort_unstable_by_key(|ticket| (ticket.at, ticket.seat, ticket.reservation));
    }
}

impl Witness {
    fn merge(&mut self, other: Self) {
        for sample in other.samples {
            self.add(sample);
        }
        let key = |one: &Sample| (one.first_at, one.operation, one.outcome, one.status);
        self.samples
            .sort_by(|one, other| (key(one), &one.words).cmp(&(key(other), &other.words)));
        self.samples_left_out += other.samples_left_out;
        let mut seconds: BTreeMap<_, _> = std::mem::take(&mut self.seconds).into_iter().collect();
        for (second, theirs) in other.seconds {
            let mine: &mut Second = seconds.entry(second).or_default();
            mine.answered += theirs.answered;
            mine.unanswered += theirs.unanswered;
            mine.queued += theirs.queued;
            mine.free += theirs.free;
            mine.admitted += theirs.admitted;
        }
        self.seconds = seconds.into_iter().collect();
        self.last_response = self.last_response.max(other.last_response);
        self.occupancies += other.occupancies;
        self.positions.compared += other.positions.compared;
        self.positions.backward += other.positions.backward;
        self.positions.example = earlier(self.positions.example, other.positions.example);
        self.entries.own += other.entries.own;
        self.entries.others += other.entries.others;
        self.entries.twice += other.entries.twice;
        self.entries.twice_at = earlier(self.entries.twice_at, other.entries.twice_at);
        self.sessions.messages += other.sessions.messages;
        self.sessions.due += other.sessions.due;
        self.sessions.restored += other.sessions.restored;
        self.paid_after_failure += other.paid_after_failure;
        self.turned_away += other.turned_away;
    }

    /// Adds a sample to the one that is alike; the words are those of the earlier one.
    fn add(&mut self, sample: Sample) {
        let kind = |one: &Sample| (one.operation, one.outcome, one.status);
        let of = kind(&sample);
        let wordings = self.samples.iter().filter(|kept| kind(kept) == of).count();
        let is_same =
            |kept: &Sample| wordings >= WORDINGS_MAX || is_same_wording(&kept.words, &sample.words);
        let same = self
            .samples
            .iter()
            .position(|kept| kind(kept) == of && is_same(kept));
        match same {
            Some(place) => {
                let kept = &mut self.samples[place];
                kept.count += sample.count;
                kept.last_at = kept.last_at.max(sample.last_at);
                if (sample.first_at, &sample.words) < (kept.first_at, &kept.words) {
                    kept.first_at = sample.first_at;
                    kept.words = sample.words;
                    kept.sent = sample.sent;
                }
            }
            None if self.samples.len() < SAMPLES_MAX => self.samples.push(sample),
            None => self.samples_left_out += sample.count,
        }
    }
}

/// The status, if it is the system's word: a proxy that got no answer in time (502, 504) cannot say what has happened.
const fn told(status: Option<u16>) -> Option<u16> {
    match status {
        Some(502 | 504) => None,
        status => status,
    }
}

/// Whether two responses differ in nothing but ids and numbers.
fn is_same_wording(one: &str, other: &str) -> bool {
    let words = |text: &str| {
        let parts = text.split(|c: char| !c.is_alphanumeric());
        let words =
            parts.filter(|part| !part.is_empty() && !part.contains(|c: char| c.is_ascii_digit()));
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    one == other || words(one) == words(other)
}

fn earlier<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
#[path = "witness_tests.rs"]
mod tests;
