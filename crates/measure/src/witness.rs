//! What the buyers of a target know: samples of responses that were not a success, and what each buyer can prove about the queue,
//! the holds, the payments and the session.
//!
//! Memory is bounded. A buyer takes a [`Trace`] (80 bytes), a second of the run a [`Second`] (20 bytes and its key), a kind of
//! response one [`Sample`] (at most about 1 KiB), and a seat that somebody asked for one byte and its id. All parts but the samples
//! add up exactly in any order; samples do up to [`SAMPLES_MAX`].

mod notebook;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use notebook::{Notebook, Reply, Sent, Shown, Step, Trace};
pub use tiketi_api::Place;
use tiketi_buyer::observation::Outcome;
use tiketi_core::units::SimTime;
use tiketi_scenario::operation::Operation;

/// Most samples: several for each of ten operations.
pub const SAMPLES_MAX: usize = 64;
/// Most samples of one operation and outcome that differ in their words.
const WORDINGS_MAX: usize = 4;

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
    /// Buyers whose session ended while they were in the queue.
    pub logged_out: LoggedOut,
    /// Payments that were refused or failed with a response, and of which a later response said that they are paid.
    pub paid_after_failure: u64,
    /// Buyers who waited, got no message about an admission, and were turned away when they wanted to hold a seat.
    pub turned_away: u64,
    /// Requests of the mapping that have no operation of their own, by their names.
    pub steps: BTreeMap<String, StepFigures>,
}

/// A request of the mapping that counts as a part of an operation, such as a confirmation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepFigures {
    /// The operation.
    pub operation: Operation,
    /// How many there were.
    pub calls: u64,
    /// Of these, the ones that failed.
    pub failed: u64,
    /// The sum of their response times.
    pub total: Duration,
    /// The longest response time.
    pub longest: Duration,
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
    /// The request: the operation's name, or that of a step of the mapping that counts as a part of it.
    pub step: String,
    /// How it ended.
    pub outcome: Outcome,
    /// HTTP status; `None` without a response, and for sockets.
    pub status: Option<u16>,
    /// Whether a row of the mapping describes the response; `true` without one.
    pub is_understood: bool,
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
    /// Origin of the host that was asked, such as `http://127.0.0.1:9000`; empty for the target itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub origin: String,
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
    /// Buyers who got messages about more than one admission of their own for one wait.
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

/// Sessions that ended while their buyers were in the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoggedOut {
    /// How many.
    pub count: u64,
    /// When the first and the last ended, and the shortest and the longest time that the buyer had been in the queue; `None` if
    /// none did.
    pub between: Option<[(SimTime, Duration); 2]>,
}

impl LoggedOut {
    /// Notes one.
    pub fn note(&mut self, at: SimTime, waited: Duration) {
        let one = Self {
            count: 1,
            between: Some([(at, waited), (at, waited)]),
        };
        self.merge(one);
    }

    /// Adds others.
    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.between = match (self.between, other.between) {
            (Some([mine, my_last]), Some([theirs, their_last])) => Some([
                (mine.0.min(theirs.0), mine.1.min(theirs.1)),
                (my_last.0.max(their_last.0), my_last.1.max(their_last.1)),
            ]),
            (mine, theirs) => mine.or(theirs),
        };
    }
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
    pub const REPORTED_UNPAID: Self = Self(8);
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
    /// When the response arrived.
    pub at: SimTime,
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
        self.samples.sort_by(|one, other| {
            let (theirs, mine) = ((&other.step, &other.words), (&one.step, &one.words));
            (key(one), mine).cmp(&(key(other), theirs))
        });
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
        self.logged_out.merge(other.logged_out);
        self.paid_after_failure += other.paid_after_failure;
        self.turned_away += other.turned_away;
        for (name, theirs) in other.steps {
            self.steps
                .entry(name)
                .and_modify(|mine| mine.add(&theirs))
                .or_insert(theirs);
        }
    }

    /// Adds a sample to the one that is alike; the words are those of the earlier one.
    fn add(&mut self, sample: Sample) {
        let is_alike = |kept: &&Sample| {
            (
                kept.operation,
                kept.outcome,
                kept.status,
                kept.is_understood,
            ) == (
                sample.operation,
                sample.outcome,
                sample.status,
                sample.is_understood,
            ) && kept.step == sample.step
        };
        let wordings = self.samples.iter().filter(is_alike).count();
        let is_same =
            |kept: &Sample| wordings >= WORDINGS_MAX || is_same_wording(&kept.words, &sample.words);
        let same = self
            .samples
            .iter()
            .position(|kept| is_alike(&kept) && is_same(kept));
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

impl StepFigures {
    fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.failed += other.failed;
        self.total += other.total;
        self.longest = self.longest.max(other.longest);
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
