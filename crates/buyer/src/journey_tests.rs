#[path = "journey_channel_tests.rs"]
mod channels;
#[path = "journey_habit_tests.rs"]
mod habits;

use std::time::Duration;

use super::*;
use crate::action::{Message, SeatOffer};
use crate::observation::{Failure, Polls};
use tiketi_core::units::Share;
use tiketi_scenario::access::Access;
use tiketi_scenario::distribution::Distribution;
use tiketi_scenario::plan::{Bots, Login, Poll, Reload, Retry};
use tiketi_scenario::topology::RoomPlace;

const ME: Uuid = Uuid::from_u128(77);
const OTHER: Uuid = Uuid::from_u128(78);
const HOLD: Uuid = Uuid::from_u128(500);

const fn constant(value: f64) -> Distribution {
    Distribution::Constant { value }
}

fn temperament() -> Temperament {
    let retry = Retry {
        first: Duration::from_secs(1),
        max: Duration::from_secs(5),
        jitter: Share::NONE,
        tries_max: Some(4),
    };
    Temperament {
        browse: constant(2.0),
        patience: constant(600.0),
        seat_pick: constant(8.0),
        seat_repick: constant(3.0),
        conflicts_max: 3,
        payment: constant(60.0),
        pays: Share::try_from(1.0).unwrap(),
        poll: Poll {
            connected: Duration::from_secs(30),
            disconnected: Duration::from_secs(5),
            on_update: false,
        },
        poll_by_position: Vec::new(),
        retry,
        reconnect: Retry {
            tries_max: None,
            ..retry
        },
        call_timeout: Duration::from_secs(10),
        connect_timeout: Duration::from_secs(5),
        connect_tries_max: None,
        returns_after_disconnect: true,
        login: Login::default(),
        reload: Reload::default(),
        second_tab: Share::NONE,
        second_device: Share::NONE,
        checks_admission: true,
        joins_event_room: false,
        bots: Bots::default(),
        network: Access::default(),
    }
}

/// A driver in virtual time that records all actions and observations.
struct Visit {
    now: SimTime,
    journey: Journey,
    seen: Vec<Observation>,
    actions: Vec<(SimTime, Action)>,
}

impl Visit {
    fn with(temperament: Temperament) -> Self {
        let now = SimTime::from_secs(100);
        let streams = Streams::new(7);
        Self {
            now,
            journey: Journey::new(Arc::new(temperament), streams, BuyerId(1), ME, now),
            seen: Vec::new(),
            actions: Vec::new(),
        }
    }

    fn with_room_at_edge(temperament: Temperament) -> Self {
        let mut visit = Self::with(temperament);
        visit.journey = visit.journey.waiting_at(RoomPlace::Edge);
        visit
    }

    /// Advances time to the next action.
    fn next(&mut self) -> Action {
        loop {
            let action = self.journey.poll_action(self.now);
            while let Some(observation) = self.journey.poll_observation() {
                self.seen.push(observation);
            }
            if let Some(action) = action {
                self.actions.push((self.now, action));
                return action;
            }
            let next = self.journey.poll_timeout().expect("the journey goes on");
            assert!(next > self.now, "time does not advance at {next}");
            self.now = next;
        }
    }

    fn expect_call(&mut self, operation: Operation) -> Request {
        match self.next() {
            Action::Call { request, .. } if request.operation() == operation => request,
            other => panic!("expected {operation}, got {other:?}"),
        }
    }

    /// Responds to the next request, which must be of `operation`.
    fn answer(&mut self, operation: Operation, answer: Answer<'_>) {
        self.expect_call(operation);
        self.now += Duration::from_millis(100);
        self.journey.handle_answer(self.now, operation, answer);
    }

    fn browse(&mut self) {
        for operation in [
            Operation::PageLoad,
            Operation::ShowList,
            Operation::ShowDetail,
        ] {
            self.answer(operation, Answer::Done);
        }
    }

    fn queue_up(&mut self) {
        self.browse();
        self.answer(Operation::QueueCheck, Answer::Queued);
    }

    fn connect(&mut self) {
        assert!(matches!(self.next(), Action::Connect { .. }));
        self.journey.handle_socket_open(self.now);
    }

    fn enter_at_once(&mut self) {
        self.browse();
        self.answer(Operation::QueueCheck, Answer::Admitted);
        self.connect();
        assert_eq!(self.next(), Action::Emit(Emission::JoinSeatSelection));
    }

    fn show_seats(&mut self, count: u128, locked: u32) {
        let available: Vec<_> = (0..count)
            .map(|number| SeatOffer {
                seat: Uuid::from_u128(1_000 + number),
            })
            .collect();
        let available = &available;
        self.answer(Operation::SeatList, Answer::Seats { available, locked });
    }

    fn leaves_for(&mut self, reason: LeaveReason, notifies: bool) {
        if notifies {
            while !matches!(
                self.next(),
                Action::Call {
                    request: Request::QueueLeave,
                    ..
                }
            ) {}
            self.journey
                .handle_answer(self.now, Operation::QueueLeave, Answer::Done);
        }
        loop {
            match self.next() {
                Action::Close => {}
                Action::Leave(why) => break assert_eq!(why, reason),
                other => panic!("expected to leave, got {other:?}"),
            }
        }
        assert!(self.journey.is_over());
        let left = self
            .seen
            .iter()
            .filter(|seen| matches!(seen, Observation::Left { reason: why, .. } if *why == reason));
        assert_eq!(left.count(), 1);
    }

    fn stages(&self) -> Vec<Stage> {
        let stages = self.seen.iter().filter_map(|seen| match seen {
            Observation::Stage { stage, .. } => Some(*stage),
            _ => None,
        });
        stages.collect()
    }
}

#[test]
fn a_buyer_gets_from_page_to_ticket() {
    let mut visit = Visit::with(temperament());
    visit.queue_up();
    visit.connect();
    assert_eq!(visit.next(), Action::Emit(Emission::JoinQueue));
    visit.answer(Operation::QueueStatus, Answer::Queued);
    let allowed = Message::EntryAllowed { user: ME };
    visit.journey.handle_message(visit.now, allowed);
    assert_eq!(visit.next(), Action::Emit(Emission::JoinSeatSelection));
    visit.show_seats(100, 0);
    visit.answer(Operation::SeatReserve, Answer::Held { reservation: HOLD });
    let pay = visit.expect_call(Operation::PaymentProcess);
    assert_eq!(pay, Request::PaymentProcess { reservation: HOLD });
    visit
        .journey
        .handle_answer(visit.now, Operation::PaymentProcess, Answer::Paid);
    visit.leaves_for(LeaveReason::Paid, false);
    assert_eq!(visit.stages(), Stage::ALL);
    let waited = visit.seen.iter().find_map(|seen| match seen {
        Observation::Admitted { waited, .. } => Some(*waited),
        _ => None,
    });
    assert_eq!(waited, Some(Duration::from_millis(30_100)));
}

#[test]
fn poll_interval_depends_on_the_socket() {
    let mut visit = Visit::with(temperament());
    visit.queue_up();
    let queued_at = visit.now;
    assert!(matches!(visit.next(), Action::Connect { .. }));
    for poll in 1..=3 {
        visit.answer(Operation::QueueStatus, Answer::Queued);
        let (at, _) = visit.actions[visit.actions.len() - 1];
        assert_eq!(at, queued_at + Duration::from_secs(5 * poll));
    }
    visit.journey.handle_socket_open(visit.now);
    let open_at = visit.now;
    assert_eq!(visit.next(), Action::Emit(Emission::JoinQueue));
    visit.expect_call(Operation::QueueStatus);
    assert_eq!(visit.now, open_at + Duration::from_secs(30));
}

#[test]
fn admission_of_another_buyer_is_ignored() {
    let mut visit = Visit::with(temperament());
    visit.queue_up();
    visit.connect();
    visit
        .journey
        .handle_message(visit.now, Message::EntryAllowed { user: OTHER });
    assert_eq!(visit.next(), Action::Emit(Emission::JoinQueue));
    visit.expect_call(Operation::QueueStatus);
}

#[test]
fn poll_response_after_admission_is_ignored() {
    let mut visit = Visit::with(temperament());
    visit.queue_up();
    visit.connect();
    visit.next();
    visit.expect_call(Operation::QueueStatus);
    let allowed = Message::EntryAllowed { user: ME };
    visit.journey.handle_message(visit.now, allowed);
    assert_eq!(visit.next(), Action::Emit(Emission::JoinSeatSelection));
    visit.now += Duration::from_millis(50);
    visit
        .journey
        .handle_answer(visit.now, Operation::QueueStatus, Answer::Queued);
    match visit.next() {
        Action::Call { request, intended } => {
            assert_eq!(request, Request::SeatList);
            assert_eq!(
                intended, visit.now,
                "not sent at the earliest possible time"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_taken_seat_leads_to_the_next_and_then_to_a_new_map() {
    let mut visit = Visit::with(temperament());
    visit.enter_at_once();
    visit.show_seats(1, 0);
    visit.answer(Operation::SeatReserve, Answer::Refused);
    visit.show_seats(1, 0);
    let before = visit.now;
    visit.answer(Operation::SeatReserve, Answer::Refused);
    assert_eq!(
        visit.now - before,
        Duration::from_millis(3_100),
        "not a re-pick"
    );
    visit.show_seats(100, 0);
    visit.answer(Operation::SeatReserve, Answer::Refused);
    visit.leaves_for(LeaveReason::TooManyConflicts, true);
}

#[test]
fn a_locked_seat_is_not_requested() {
    let mut visit = Visit::with(temperament());
    visit.enter_at_once();
    visit.show_seats(100, 0);
    let favorite = visit.journey.choice.favorite().unwrap();
    let locked = Message::SeatLocked {
        seat: favorite,
        user: Some(OTHER),
    };
    visit.journey.handle_message(visit.now, locked);
    let asked = visit.expect_call(Operation::SeatReserve);
    assert_ne!(asked, Request::SeatReserve { seat: favorite });
}

#[test]
fn the_own_hold_does_not_drop_the_seat() {
    let mut visit = Visit::with(temperament());
    visit.enter_at_once();
    visit.show_seats(100, 0);
    let asked = visit.expect_call(Operation::SeatReserve);
    let seat = visit.journey.choice.favorite().unwrap();
    for user in [Some(ME), None] {
        visit
            .journey
            .handle_message(visit.now, Message::SeatLocked { seat, user });
    }
    let lost = Answer::Failed {
        failure: Failure::Reset,
        retry_after: None,
    };
    visit
        .journey
        .handle_answer(visit.now, Operation::SeatReserve, lost);
    assert_eq!(visit.expect_call(Operation::SeatReserve), asked);
}

#[test]
fn sold_out_show_is_left_and_the_slot_returned() {
    let mut visit = Visit::with(temperament());
    visit.enter_at_once();
    visit.show_seats(0, 0);
    visit.leaves_for(LeaveReason::SoldOut, true);
    assert!(visit.seen.iter().any(|seen| matches!(
        seen,
        Observation::Socket {
            change: SocketChange::Closed,
            ..
        }
    )));
}

#[test]
fn a_watching_buyer_takes_a_released_seat() {
    let mut visit = Visit::with(temperament());
    visit.enter_at_once();
    visit.show_seats(0, 5);
    let seat = Uuid::from_u128(9);
    visit
        .journey
        .handle_message(visit.now, Message::SeatReleased { seat });
    assert_eq!(
        visit.expect_call(Operation::SeatReserve),
        Request::SeatReserve { seat }
    );
}

#[test]
fn watching_ends_after_a_few_looks() {
    let mut visit = Visit::with(temperament());
    visit.enter_at_once();
    for _ in 0..4 {
        visit.show_seats(0, 5);
    }
    visit.leaves_for(LeaveReason::SoldOut, true);
}

#[test]
fn patience_ends_the_waiting() {
    let mut visit = Visit::with(Temperament {
        patience: constant(12.0),
        ..temperament()
    });
    visit.queue_up();
    let queued_at = visit.now;
    visit.next();
    visit.answer(Operation::QueueStatus, Answer::Queued);
    visit.answer(Operation::QueueStatus, Answer::Queued);
    visit.leaves_for(LeaveReason::OutOfPatience, true);
    assert_eq!(visit.now, queued_at + Duration::from_secs(12));
    let waited = visit.seen.iter().find_map(|seen| match seen {
        Observation::Left { waited, .. } => *waited,
        _ => None,
    });
    assert_eq!(waited, Some(Duration::from_secs(12)));
}

#[test]
fn a_lost_socket_reconnects_and_rejoins_its_rooms() {
    let mut visit = Visit::with(temperament());
    visit.queue_up();
    visit.connect();
    assert_eq!(visit.next(), Action::Emit(Emission::JoinQueue));
    let lost_at = visit.now;
    visit.journey.handle_socket_lost(visit.now);
    let mut polls = 0;
    let mut tries = 0;
    while tries < 3 {
        match visit.next() {
            Action::Connect { .. } => {
                tries += 1;
                if tries < 3 {
                    visit.journey.handle_socket_lost(visit.now);
                }
            }
            Action::Call { request, .. } => {
                polls += 1;
                let operation = request.operation();
                visit
                    .journey
                    .handle_answer(visit.now, operation, Answer::Queued);
            }
            other => panic!("{other:?}"),
        }
    }
    // Pauses of 1, 2 and 4 s; polls every 5 s in between.
    assert_eq!(visit.now, lost_at + Duration::from_secs(7));
    assert!((1..=2).contains(&polls), "{polls} polls in 7 s");
    visit.journey.handle_socket_open(visit.now);
    assert_eq!(visit.next(), Action::Emit(Emission::JoinQueue));
    let changes: Vec<_> = visit
        .seen
        .iter()
        .filter_map(|seen| match seen {
            Observation::Socket { change, .. } => Some(*change),
            _ => None,
        })
        .collect();
    let expected = [
        SocketChange::Connected,
        SocketChange::Lost,
        SocketChange::Reconnected,
    ];
    assert_eq!(changes, expected);
}

#[test]
fn retries_are_limited_with_growing_pauses() {
    let mut visit = Visit::with(temperament());
    let failed = Answer::Failed {
        failure: Failure::Status(503),
        retry_after: None,
    };
    let mut sent = Vec::new();
    for _ in 0..4 {
        visit.expect_call(Operation::PageLoad);
        sent.push(visit.now);
        visit
            .journey
            .handle_answer(visit.now, Operation::PageLoad, failed);
    }
    let pauses: Vec<_> = sent
        .windows(2)
        .map(|two| (two[1] - two[0]).as_secs())
        .collect();
    assert_eq!(pauses, [1, 2, 4]);
    visit.leaves_for(LeaveReason::TooManyErrors, false);
}

#[test]
fn failed_polls_do_not_end_the_waiting() {
    let mut visit = Visit::with(temperament());
    visit.queue_up();
    visit.next();
    for _ in 0..20 {
        let failed = Answer::Failed {
            failure: Failure::Timeout,
            retry_after: None,
        };
        visit.answer(Operation::QueueStatus, failed);
    }
    visit.answer(Operation::QueueStatus, Answer::Admitted);
    visit.expect_call(Operation::SeatList);
}

#[test]
fn retry_after_is_respected() {
    let mut visit = Visit::with(temperament());
    visit.browse();
    let limited = Answer::Failed {
        failure: Failure::Status(429),
        retry_after: Some(Duration::from_secs(20)),
    };
    visit.answer(Operation::QueueCheck, limited);
    let limited_at = visit.now;
    visit.expect_call(Operation::QueueCheck);
    assert_eq!(visit.now, limited_at + Duration::from_secs(20));
}

#[test]
fn a_payment_without_response_is_retried_for_the_same_hold() {
    let mut visit = Visit::with(temperament());
    visit.enter_at_once();
    visit.show_seats(10, 0);
    visit.answer(Operation::SeatReserve, Answer::Held { reservation: HOLD });
    let lost = Answer::Failed {
        failure: Failure::Timeout,
        retry_after: None,
    };
    visit.answer(Operation::PaymentProcess, lost);
    assert_eq!(
        visit.expect_call(Operation::PaymentProcess),
        Request::PaymentProcess { reservation: HOLD }
    );
    visit
        .journey
        .handle_answer(visit.now, Operation::PaymentProcess, Answer::Refused);
    visit.leaves_for(LeaveReason::HoldExpired, true);
}

#[test]
fn a_buyer_who_does_not_pay_walks_away() {
    let mut visit = Visit::with(Temperament {
        pays: Share::NONE,
        ..temperament()
    });
    visit.enter_at_once();
    visit.show_seats(10, 0);
    visit.answer(Operation::SeatReserve, Answer::Held { reservation: HOLD });
    visit.leaves_for(LeaveReason::WalkedAway, true);
}

#[test]
fn a_cleared_queue_is_joined_again_with_the_remaining_patience() {
    let mut visit = Visit::with(temperament());
    visit.queue_up();
    visit.connect();
    visit.next();
    visit
        .journey
        .handle_message(visit.now, Message::QueueCleared);
    visit.answer(Operation::QueueCheck, Answer::Queued);
    assert_eq!(visit.next(), Action::Emit(Emission::JoinQueue));
    let queued = visit
        .stages()
        .into_iter()
        .filter(|&stage| stage == Stage::Queued);
    assert_eq!(queued.count(), 1);
}

#[test]
fn the_end_of_the_run_leaves_a_journey_unfinished() {
    let mut visit = Visit::with(temperament());
    visit.queue_up();
    visit.journey.handle_end(visit.now);
    visit.leaves_for(LeaveReason::Unfinished, false);
}

/// The polls of a visit that has ended.
fn polls(visit: &Visit) -> Polls {
    let polls = visit.seen.iter().filter_map(|seen| match seen {
        Observation::Polls(polls) => Some(*polls),
        _ => None,
    });
    let polls: Vec<_> = polls.collect();
    assert_eq!(polls.len(), 1, "they are reported once");
    assert!(polls[0].add_up(), "{polls:?}");
    polls[0]
}

#[test]
fn every_poll_is_sent_or_cancelled_if_the_driver_is_on_time() {
    let mut visit = Visit::with(temperament());
    visit.queue_up();
    assert!(matches!(visit.next(), Action::Connect { .. }));
    for _ in 0..3 {
        visit.answer(Operation::QueueStatus, Answer::Queued);
    }
    // The open socket takes the place of the next poll, and the admission of the one after it.
    visit.journey.handle_socket_open(visit.now);
    let allowed = Message::EntryAllowed { user: ME };
    visit.journey.handle_message(visit.now, allowed);
    assert_eq!(visit.next(), Action::Emit(Emission::JoinSeatSelection));
    visit.show_seats(0, 0);
    visit.leaves_for(LeaveReason::SoldOut, true);
    let expected = Polls {
        due: 5,
        sent: 3,
        cancelled: 2,
        missed: 0,
    };
    assert_eq!(polls(&visit), expected);
}

#[test]
fn polls_that_a_late_driver_did_not_send_are_missed() {
    let mut visit = Visit::with(temperament());
    visit.queue_up();
    assert!(matches!(visit.next(), Action::Connect { .. }));
    visit.answer(Operation::QueueStatus, Answer::Queued);
    // The driver wakes up 12 s after the poll was due. The page polls every 5 s.
    let due = visit.journey.poll_timeout().unwrap();
    visit.now = due + Duration::from_secs(12);
    visit.answer(Operation::QueueStatus, Answer::Queued);
    // And again 5 s too late, but then the poll is not needed any more.
    let due = visit.journey.poll_timeout().unwrap();
    visit.now = due + Duration::from_secs(5);
    visit.journey.handle_end(visit.now);
    visit.leaves_for(LeaveReason::Unfinished, false);
    let expected = Polls {
        due: 6,
        sent: 2,
        cancelled: 1,
        missed: 3,
    };
    assert_eq!(polls(&visit), expected);
}

#[test]
fn a_slow_response_is_not_the_fault_of_the_driver() {
    let mut visit = Visit::with(temperament());
    visit.queue_up();
    assert!(matches!(visit.next(), Action::Connect { .. }));
    visit.expect_call(Operation::QueueStatus);
    visit.now += Duration::from_secs(42);
    visit
        .journey
        .handle_answer(visit.now, Operation::QueueStatus, Answer::Queued);
    visit.journey.handle_end(visit.now);
    visit.leaves_for(LeaveReason::Unfinished, false);
    assert_eq!(polls(&visit).missed, 0);
}

#[test]
fn the_same_seed_gives_the_same_journey() {
    let actions = || {
        let mut visit = Visit::with(Temperament {
            browse: Distribution::Exponential { mean: 2.0 },
            seat_pick: Distribution::Lognormal {
                median: 8.0,
                sigma: 0.7,
            },
            ..temperament()
        });
        visit.enter_at_once();
        visit.show_seats(500, 0);
        visit.answer(Operation::SeatReserve, Answer::Refused);
        visit.expect_call(Operation::SeatReserve);
        visit.actions
    };
    assert_eq!(actions(), actions());
}

/// Returns the buyers' drops, and whether the buyer counts as admitted.
fn passage(visit: &Visit) -> (Vec<AfterDrop>, bool) {
    let drops = visit.seen.iter().filter_map(|seen| match seen {
        Observation::Dropped { then, .. } => Some(*then),
        _ => None,
    });
    let admitted = |seen: &Observation| {
        matches!(
            seen,
            Observation::Stage {
                stage: Stage::Admitted,
                ..
            } | Observation::Admitted { .. }
        )
    };
    (drops.collect(), visit.seen.iter().any(admitted))
}

/// Waits with a socket until a poll says that the buyer no longer waits.
fn visit_until_not_queued(admitted: Option<bool>) -> Visit {
    let mut visit = Visit::with(temperament());
    visit.queue_up();
    visit.connect();
    assert_eq!(visit.next(), Action::Emit(Emission::JoinQueue));
    visit.answer(Operation::QueueStatus, Answer::Queued);
    visit.answer(Operation::QueueStatus, Answer::NotQueued { admitted });
    visit
}

fn end(mut visit: Visit) -> Visit {
    visit.journey.handle_end(visit.now);
    while let Some(observation) = visit.journey.poll_observation() {
        visit.seen.push(observation);
    }
    visit
}

#[test]
fn a_buyer_whom_the_system_has_not_admitted_bypasses_the_waiting_room() {
    let visit = end(visit_until_not_queued(Some(false)));
    assert_eq!(passage(&visit), (vec![AfterDrop::Entered], false));
    let visit = end(visit_until_not_queued(Some(true)));
    assert_eq!(passage(&visit), (vec![], true));
}

#[test]
fn without_a_word_of_the_system_the_missing_message_shows_the_bypass() {
    let visit = end(visit_until_not_queued(None));
    assert_eq!(passage(&visit), (vec![AfterDrop::Entered], false));
    // The message was only slower than the poll.
    let mut visit = visit_until_not_queued(None);
    visit
        .journey
        .handle_message(visit.now, Message::EntryAllowed { user: ME });
    assert_eq!(passage(&end(visit)), (vec![], true));
}

#[test]
fn a_buyer_who_could_not_hear_the_message_counts_as_admitted() {
    let mut visit = Visit::with(temperament());
    visit.queue_up();
    visit.connect();
    assert_eq!(visit.next(), Action::Emit(Emission::JoinQueue));
    visit.answer(Operation::QueueStatus, Answer::Queued);
    visit.journey.handle_socket_lost(visit.now);
    while !matches!(visit.next(), Action::Call { .. }) {}
    let not_queued = Answer::NotQueued { admitted: None };
    visit
        .journey
        .handle_answer(visit.now, Operation::QueueStatus, not_queued);
    assert_eq!(passage(&end(visit)), (vec![], true));
}

#[test]
fn a_buyer_whose_socket_opened_after_the_join_may_have_missed_the_message() {
    let mut visit = Visit::with(temperament());
    visit.queue_up();
    visit.connect();
    assert_eq!(visit.next(), Action::Emit(Emission::JoinQueue));
    let not_queued = Answer::NotQueued { admitted: None };
    visit.answer(Operation::QueueStatus, not_queued);
    let expected = (vec![AfterDrop::EnteredUnannounced], false);
    assert_eq!(passage(&end(visit)), expected);
}

#[test]
fn a_cleared_queue_drops_its_buyers() {
    let mut visit = Visit::with(temperament());
    visit.queue_up();
    visit
        .journey
        .handle_message(visit.now, Message::QueueCleared);
    assert_eq!(passage(&end(visit)), (vec![AfterDrop::Rejoined], false));
}

#[test]
fn a_waiting_buyer_asks_again_when_the_response_says() {
    let mut visit = Visit::with(temperament());
    visit.browse();
    let soon = Answer::QueuedPollAfter {
        pause: Duration::from_millis(700),
    };
    visit.answer(Operation::QueueCheck, soon);
    let asked = visit.now;
    // The back end has no socket: nobody reports whether it opened.
    assert!(matches!(visit.next(), Action::Connect { .. }));
    visit.expect_call(Operation::QueueStatus);
    assert_eq!(visit.now, asked + Duration::from_millis(700));
    let later = Answer::QueuedPollAfter {
        pause: Duration::from_secs(20),
    };
    let operation = Operation::QueueStatus;
    visit.journey.handle_answer(visit.now, operation, later);
    let asked = visit.now;
    visit.expect_call(Operation::QueueStatus);
    assert_eq!(visit.now, asked + Duration::from_secs(20));
}

#[test]
fn a_buyer_waits_at_the_edge_with_polls_and_without_a_socket() {
    let mut visit = Visit::with_room_at_edge(temperament());
    visit.queue_up();
    let joined = visit.now;
    for poll in 1..=3 {
        visit.expect_call(Operation::QueueStatus);
        assert_eq!(visit.now, joined + poll * Duration::from_secs(5));
        visit
            .journey
            .handle_answer(visit.now, Operation::QueueStatus, Answer::Queued);
    }
    let admitted = Some(true);
    visit.answer(Operation::QueueStatus, Answer::NotQueued { admitted });
    // The socket is for the seats.
    visit.connect();
    assert_eq!(visit.next(), Action::Emit(Emission::JoinSeatSelection));
    visit.expect_call(Operation::SeatList);
}
