//! What buyers can prove, written down by two workers and added up.

use super::*;
use tiketi_api::Meaning;
use tiketi_buyer::observation::Failure;
use tiketi_buyer::{Answer, Request};

const SEAT: Uuid = Uuid::from_u128(1);
const RESERVATION: Uuid = Uuid::from_u128(2);
const RESERVE: Request = Request::SeatReserve { seat: SEAT };
const PAY: Request = Request::PaymentProcess {
    reservation: RESERVATION,
};

fn at(seconds: u64) -> SimTime {
    SimTime::from_secs(seconds)
}

/// A reply with a status, or without a response.
fn reply(second: u64, request: Request, answer: Answer<'_>, status: Option<u16>) -> Reply<'_> {
    let outcome = match (answer, status) {
        (Answer::Refused, _) => Outcome::Refused,
        (Answer::Failed { .. }, Some(status)) => Outcome::Failed(Failure::Status(status)),
        (Answer::Failed { failure, .. }, None) => Outcome::Failed(failure),
        _ => Outcome::Ok,
    };
    let meaning = match answer {
        Answer::Held { .. } => Some(Meaning::Held),
        Answer::Paid => Some(Meaning::Paid),
        Answer::Refused if status == Some(403) => Some(Meaning::Dropped),
        Answer::Refused => Some(Meaning::Taken),
        Answer::Queued => Some(Meaning::Queued),
        _ => None,
    };
    Reply {
        at: at(second),
        request,
        sent: Sent::Itself,
        user: Uuid::from_u128(3),
        outcome,
        answer,
        meaning,
        status,
        place: Place::default(),
    }
}

/// The request itself, which counts as its operation.
fn step(request: Request) -> Step<'static> {
    Step {
        name: request.operation().name(),
        operation: request.operation(),
        response_time: Duration::from_millis(50),
    }
}

fn words(words: &str) -> Shown {
    Shown {
        words: words.to_owned(),
        ..Shown::default()
    }
}

const TIMED_OUT: Answer<'static> = Answer::Failed {
    failure: Failure::Timeout,
    retry_after: None,
};
const HELD: Answer<'static> = Answer::Held {
    reservation: RESERVATION,
};

fn queued(second: u64, position: u32, taken_of: (u64, u64)) -> Reply<'static> {
    Reply {
        place: Place {
            position: Some(position),
            taken_of: Some(taken_of),
        },
        ..reply(second, Request::QueueStatus, Answer::Queued, Some(200))
    }
}

/// One buyer and the notebook of the worker.
struct Buyer {
    notebook: Notebook,
    trace: Trace,
}

impl Default for Buyer {
    fn default() -> Self {
        Self {
            notebook: Notebook::new(true),
            trace: Trace::default(),
        }
    }
}

impl Buyer {
    fn hears(&mut self, reply: &Reply<'_>) {
        let step = step(reply.request);
        self.notebook
            .handle_reply(&mut self.trace, reply, &step, Shown::default);
    }

    fn history(self) -> SeatHistory {
        let seats = self.notebook.finish().seats;
        seats.first().expect("a seat was asked for").1
    }
}

#[test]
fn a_trace_is_as_small_as_documented() {
    assert!(size_of::<Trace>() <= 80, "{}", size_of::<Trace>());
    assert_eq!(size_of::<Second>(), 20);
}

#[test]
fn a_hold_is_refused_only_if_the_server_says_so() {
    let cases = [
        (HELD, Some(201), SeatHistory::HELD),
        (Answer::Refused, Some(400), SeatHistory::REFUSED),
        (TIMED_OUT, Some(500), SeatHistory::REFUSED),
        (TIMED_OUT, None, SeatHistory::UNKNOWN),
        (TIMED_OUT, Some(504), SeatHistory::UNKNOWN),
        (TIMED_OUT, Some(200), SeatHistory::UNKNOWN),
    ];
    for (answer, status, expected) in cases {
        let mut buyer = Buyer::default();
        buyer.hears(&reply(1, RESERVE, answer, status));
        assert_eq!(buyer.history(), expected, "{answer:?} {status:?}");
    }
    let mut cut = Buyer::default();
    cut.notebook.handle_cut(PAY);
    cut.notebook.handle_cut(RESERVE);
    assert_eq!(cut.history(), SeatHistory::UNKNOWN);
}

#[test]
fn what_a_mapping_understands_decides_whether_a_hold_is_refused() {
    let hears = |meaning, sent| {
        let mut buyer = Buyer::default();
        buyer.hears(&Reply {
            meaning,
            sent,
            ..reply(1, RESERVE, Answer::Refused, Some(200))
        });
        let seats = buyer.notebook.finish().seats;
        seats.first().map(|(_, history)| *history)
    };
    let refused = Some(SeatHistory::REFUSED);
    assert_eq!(hears(Some(Meaning::Taken), Sent::Itself), refused);
    assert_eq!(hears(None, Sent::Itself), Some(SeatHistory::UNKNOWN));
    let later = Some(Meaning::AcceptedPollLater);
    assert_eq!(hears(later, Sent::Itself), Some(SeatHistory::UNKNOWN));
    // A step before the hold says nothing about the seat.
    for sent in [Sent::StepBefore, Sent::Nothing] {
        assert_eq!(hears(Some(Meaning::Refused), sent), None);
    }
}

#[test]
fn a_reservation_without_a_name_is_that_of_its_buyer() {
    let mut buyer = Buyer::default();
    let unnamed = Answer::Held {
        reservation: Uuid::nil(),
    };
    buyer.hears(&reply(1, RESERVE, unnamed, Some(201)));
    buyer.hears(&reply(2, PAY, Answer::Paid, Some(200)));
    let tickets = buyer.notebook.finish().tickets;
    assert_eq!(tickets[0].reservation, Uuid::from_u128(3));
}

#[test]
fn a_kind_of_tickets_may_be_sold_to_many() {
    let mut buyer = Buyer {
        notebook: Notebook::new(false),
        trace: Trace::default(),
    };
    buyer.hears(&reply(1, RESERVE, HELD, Some(201)));
    buyer.hears(&reply(2, PAY, TIMED_OUT, Some(500)));
    buyer.hears(&reply(3, PAY, Answer::Paid, Some(200)));
    let testimony = buyer.notebook.finish();
    assert!(testimony.tickets.is_empty() && testimony.seats.is_empty());
    assert_eq!(testimony.witness.paid_after_failure, 1);
}

#[test]
fn steps_with_a_name_of_their_own_are_counted_under_it() {
    let mut buyer = Buyer::default();
    let second = Duration::from_secs(1);
    for (response_time, has_failed) in [(second, false), (3 * second, true)] {
        let login = Step {
            name: "login",
            operation: Operation::ShowList,
            response_time,
        };
        buyer.notebook.handle_step(at(1), &login, true, has_failed);
    }
    buyer.hears(&queued(2, 9, (20, 20)));
    let witness = buyer.notebook.finish().witness;
    assert_eq!(witness.steps.len(), 1, "{witness:?}");
    let login = witness.steps["login"];
    assert_eq!((login.calls, login.failed), (2, 1));
    assert_eq!((login.total, login.longest), (4 * second, 3 * second));
    assert_eq!(witness.seconds[0].1.answered, 2);
}

#[test]
fn a_payment_that_failed_and_is_paid_after_all_is_counted() {
    let pay = |first: Answer<'static>, status| {
        let mut buyer = Buyer::default();
        buyer.hears(&reply(1, RESERVE, HELD, Some(201)));
        buyer.hears(&reply(2, PAY, first, status));
        buyer.hears(&reply(3, PAY, Answer::Paid, Some(400)));
        buyer.notebook.finish()
    };
    let told = pay(TIMED_OUT, Some(500));
    assert_eq!(told.witness.paid_after_failure, 1);
    assert!(told.seats[0].1.has(SeatHistory::REPORTED_UNPAID));
    assert_eq!(told.tickets.len(), 1);
    assert_eq!(told.tickets[0].seat, SEAT);
    // A lost response told the buyer nothing.
    for status in [None, Some(502)] {
        let lost = pay(TIMED_OUT, status);
        assert_eq!(lost.witness.paid_after_failure, 0);
        assert!(lost.seats[0].1.has(SeatHistory::PAYMENT_UNANSWERED));
    }
}

#[test]
fn positions_are_compared_within_one_wait() {
    let mut buyer = Buyer::default();
    let join = |second| reply(second, Request::QueueCheck, Answer::Queued, Some(200));
    buyer.hears(&join(1));
    for (second, position) in [(2, 9), (3, 7), (4, 8), (5, 8)] {
        buyer.hears(&queued(second, position, (20, 20)));
    }
    // A new wait begins at the end of the queue.
    buyer.hears(&join(6));
    buyer.hears(&queued(7, 30, (20, 20)));
    let positions = buyer.notebook.finish().witness.positions;
    assert_eq!((positions.compared, positions.backward), (3, 1));
    assert_eq!(positions.example, Some((at(4), 7, 8)));
}

#[test]
fn free_places_are_counted_by_second_beside_those_who_wait() {
    let mut buyer = Buyer::default();
    buyer.hears(&queued(2, 9, (20, 20)));
    buyer.hears(&queued(2, 9, (3, 20)));
    buyer.hears(&reply(2, Request::QueueStatus, TIMED_OUT, None));
    buyer.notebook.handle_admission(at(3));
    let witness = buyer.notebook.finish().witness;
    let second = Second {
        answered: 2,
        unanswered: 1,
        queued: 2,
        free: 1,
        admitted: 0,
    };
    assert_eq!(witness.seconds[0], (2, second));
    assert_eq!(witness.seconds[1].1.admitted, 1);
    assert_eq!(witness.occupancies, 2);
    assert_eq!(witness.last_response, Some(at(2)));
}

#[test]
fn a_second_message_for_one_wait_is_an_admission_too_many() {
    let mut buyer = Buyer::default();
    buyer.notebook.handle_entry(&mut buyer.trace, at(1), false);
    buyer.notebook.handle_entry(&mut buyer.trace, at(1), true);
    buyer.hears(&reply(2, Request::QueueCheck, Answer::Queued, Some(200)));
    buyer.notebook.handle_entry(&mut buyer.trace, at(3), true);
    let before = buyer.notebook.clone().finish().witness;
    assert_eq!(before.entries.twice, 0);
    for second in [4, 5] {
        buyer
            .notebook
            .handle_entry(&mut buyer.trace, at(second), true);
    }
    let entries = buyer.notebook.finish().witness.entries;
    assert_eq!((entries.own, entries.others), (4, 1));
    assert_eq!((entries.twice, entries.twice_at), (1, Some(at(4))));
}

#[test]
fn one_admission_told_in_two_messages_is_one() {
    let told_again_after = |pause_ms| {
        let mut buyer = Buyer::default();
        for pause in [0, pause_ms] {
            let at = at(5) + Duration::from_millis(pause);
            buyer.notebook.handle_entry(&mut buyer.trace, at, true);
        }
        buyer.notebook.finish().witness.entries.twice
    };
    assert_eq!(told_again_after(900), 0);
    assert_eq!(told_again_after(1_000), 1);
}

#[test]
fn a_buyer_is_turned_away_only_without_an_admission_or_a_hold() {
    let turned_away = |before: &dyn Fn(&mut Buyer)| {
        let mut buyer = Buyer::default();
        buyer.hears(&queued(1, 9, (20, 20)));
        before(&mut buyer);
        for second in [5, 6] {
            buyer.hears(&reply(second, RESERVE, Answer::Refused, Some(403)));
        }
        buyer.notebook.finish().witness.turned_away
    };
    assert_eq!(turned_away(&|_| ()), 1);
    assert_eq!(
        turned_away(&|buyer| buyer.notebook.handle_entry(&mut buyer.trace, at(2), true)),
        0
    );
    // The response to a poll let these in.
    assert_eq!(
        turned_away(&|buyer| buyer.hears(&reply(3, RESERVE, HELD, Some(201)))),
        0
    );
    assert_eq!(
        turned_away(&|buyer| buyer.hears(&reply(3, RESERVE, Answer::Refused, Some(400)))),
        0
    );
}

#[test]
fn a_session_is_due_only_if_there_was_time_to_restore_it() {
    let sessions = |is_restored: bool, lost_at| {
        let mut buyer = Buyer::default();
        buyer.notebook.handle_reconnected(&mut buyer.trace, at(10));
        if is_restored {
            buyer.notebook.handle_session_restored(&mut buyer.trace);
        }
        buyer
            .notebook
            .handle_disconnected(&mut buyer.trace, at(lost_at));
        let Sessions {
            messages,
            due,
            restored,
        } = buyer.notebook.finish().witness.sessions;
        assert_eq!(messages, u64::from(is_restored));
        (due, restored)
    };
    assert_eq!(sessions(true, 11), (1, 1));
    assert_eq!(sessions(false, 11), (0, 0));
    assert_eq!(sessions(false, 20), (1, 0));
}

#[test]
fn samples_are_grouped_by_their_words_without_ids() {
    let mut notebook = Notebook::new(true);
    let mut refuse = |second, said: &str| {
        let reply = reply(second, RESERVE, Answer::Refused, Some(400));
        let shown = || Shown {
            sent: SentRequest {
                method: "POST".to_owned(),
                path: format!("/{second}"),
                ..SentRequest::default()
            },
            ..words(said)
        };
        notebook.handle_reply(&mut Trace::default(), &reply, &step(RESERVE), shown);
    };
    for second in 1..50 {
        refuse(second, &format!("seat A-{second} is taken"));
    }
    refuse(50, "Cannot read properties of undefined");
    for word in ["a", "b", "c", "d", "e", "f"] {
        refuse(60, word);
    }
    let samples = notebook.finish().witness.samples;
    assert_eq!(samples.len(), WORDINGS_MAX);
    assert_eq!(samples.iter().map(|one| one.count).sum::<u64>(), 56);
    assert!(samples[0].count >= 49);
    assert_eq!(samples[0].words, "seat A-1 is taken");
    assert_eq!(samples[0].sent.path, "/1");
    assert_eq!(samples[1].words, "Cannot read properties of undefined");
}

#[test]
fn the_number_of_samples_is_bounded_and_none_is_lost_silently() {
    let mut notebook = Notebook::new(true);
    for status in 400..600 {
        let reply = reply(1, RESERVE, TIMED_OUT, Some(status));
        notebook.handle_reply(
            &mut Trace::default(),
            &reply,
            &step(RESERVE),
            Shown::default,
        );
    }
    let witness = notebook.finish().witness;
    assert_eq!(witness.samples.len(), SAMPLES_MAX);
    assert_eq!(witness.samples_left_out, 200 - SAMPLES_MAX as u64);
}

/// What a buyer does, to be split between two workers.
fn visit(buyer: &mut Buyer, number: u64) {
    let refused = reply(number, RESERVE, Answer::Refused, Some(400));
    let seat_is_taken = || words("seat 5 is taken");
    buyer
        .notebook
        .handle_reply(&mut buyer.trace, &refused, &step(RESERVE), seat_is_taken);
    let confirmation = Step {
        name: "confirm",
        ..step(PAY)
    };
    buyer
        .notebook
        .handle_step(at(number), &confirmation, true, number == 7);
    buyer.hears(&reply(number, RESERVE, HELD, Some(201)));
    buyer.hears(&reply(number + 1, PAY, Answer::Paid, Some(200)));
    buyer.hears(&queued(number, 3, (1, 2)));
    buyer.hears(&queued(number, 4, (2, 2)));
    buyer.notebook.handle_admission(at(number));
    for second in [number, number + 1] {
        buyer
            .notebook
            .handle_entry(&mut buyer.trace, at(second), true);
    }
    buyer.notebook.handle_session_restored(&mut buyer.trace);
    buyer.trace = Trace::default();
}

#[test]
fn two_workers_add_up_to_what_one_writes_down() {
    let mut whole = Buyer::default();
    let mut halves = [Buyer::default(), Buyer::default()];
    for number in 0..20 {
        visit(&mut whole, number);
        visit(&mut halves[usize::from(number % 3 == 0)], number);
    }
    let mut alone = Testimony::default();
    alone.merge(whole.notebook.finish());
    for order in [[0, 1], [1, 0]] {
        let mut sum = Testimony::default();
        for half in order {
            let sent = serde_json::to_string(&halves[half].notebook.clone().finish()).unwrap();
            sum.merge(serde_json::from_str(&sent).unwrap());
        }
        assert_eq!(sum, alone, "{order:?}");
    }
}
