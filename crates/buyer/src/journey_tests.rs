use std::time::Duration;

use super::*;
use crate::action::SeatOffer;
use crate::observation::Failure;
use tiketi_core::units::Share;
use tiketi_scenario::distribution::Distribution;
use tiketi_scenario::plan::{Poll, Retry};

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
        retry,
        reconnect: Retry {
            tries_max: None,
            ..retry
        },
        call_timeout: Duration::from_secs(10),
    }
}

/// A buyer in virtual time, and everything that came out of it.
struct Play {
    now: SimTime,
    journey: Journey,
    seen: Vec<Observation>,
    actions: Vec<(SimTime, Action)>,
}

impl Play {
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

    /// Lets time pass until the next action.
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
            let next = self.journey.poll_timeout().expect("the buyer is stuck");
            assert!(next > self.now, "time stands still at {next}");
            self.now = next;
        }
    }

    fn expect_call(&mut self, operation: Operation) -> Request {
        match self.next() {
            Action::Call { request, .. } if request.operation() == operation => request,
            other => panic!("wanted {operation}, got {other:?}"),
        }
    }

    /// Answers the call of `operation` that comes next.
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

    fn leaves_for(&mut self, reason: LeaveReason, tells: bool) {
        if tells {
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
                other => panic!("wanted to leave, got {other:?}"),
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
fn a_buyer_goes_from_the_page_to_the_ticket() {
    let mut play = Play::with(temperament());
    play.queue_up();
    play.connect();
    assert_eq!(play.next(), Action::Emit(Emission::JoinQueue));
    play.answer(Operation::QueueStatus, Answer::Queued);
    let allowed = Message::EntryAllowed { user: ME };
    play.journey.handle_message(play.now, allowed);
    assert_eq!(play.next(), Action::Emit(Emission::JoinSeatSelection));
    play.show_seats(100, 0);
    play.answer(Operation::SeatReserve, Answer::Held { reservation: HOLD });
    let pay = play.expect_call(Operation::PaymentProcess);
    assert_eq!(pay, Request::PaymentProcess { reservation: HOLD });
    play.journey
        .handle_answer(play.now, Operation::PaymentProcess, Answer::Paid);
    play.leaves_for(LeaveReason::Paid, false);
    assert_eq!(play.stages(), Stage::ALL);
    let waited = play.seen.iter().find_map(|seen| match seen {
        Observation::Admitted { waited, .. } => Some(*waited),
        _ => None,
    });
    assert_eq!(waited, Some(Duration::from_millis(30_100)));
}

#[test]
fn polls_follow_the_socket_and_keep_their_interval() {
    let mut play = Play::with(temperament());
    play.queue_up();
    let queued_at = play.now;
    assert!(matches!(play.next(), Action::Connect { .. }));
    for poll in 1..=3 {
        play.answer(Operation::QueueStatus, Answer::Queued);
        let (at, _) = play.actions[play.actions.len() - 1];
        assert_eq!(at, queued_at + Duration::from_secs(5 * poll));
    }
    play.journey.handle_socket_open(play.now);
    let open_at = play.now;
    assert_eq!(play.next(), Action::Emit(Emission::JoinQueue));
    play.expect_call(Operation::QueueStatus);
    assert_eq!(play.now, open_at + Duration::from_secs(30));
}

#[test]
fn the_admission_of_somebody_else_changes_nothing() {
    let mut play = Play::with(temperament());
    play.queue_up();
    play.connect();
    play.journey
        .handle_message(play.now, Message::EntryAllowed { user: OTHER });
    assert_eq!(play.next(), Action::Emit(Emission::JoinQueue));
    play.expect_call(Operation::QueueStatus);
}

#[test]
fn an_answer_to_a_poll_after_the_admission_is_ignored() {
    let mut play = Play::with(temperament());
    play.queue_up();
    play.connect();
    play.next();
    play.expect_call(Operation::QueueStatus);
    let allowed = Message::EntryAllowed { user: ME };
    play.journey.handle_message(play.now, allowed);
    assert_eq!(play.next(), Action::Emit(Emission::JoinSeatSelection));
    play.now += Duration::from_millis(50);
    play.journey
        .handle_answer(play.now, Operation::QueueStatus, Answer::Queued);
    match play.next() {
        Action::Call { request, intended } => {
            assert_eq!(request, Request::SeatList);
            assert_eq!(intended, play.now, "it could not leave any earlier");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_taken_seat_is_replaced_by_the_next_and_the_map_is_fetched_again() {
    let mut play = Play::with(temperament());
    play.enter_at_once();
    play.show_seats(1, 0);
    play.answer(Operation::SeatReserve, Answer::Refused);
    play.show_seats(1, 0);
    let before = play.now;
    play.answer(Operation::SeatReserve, Answer::Refused);
    assert_eq!(play.now - before, Duration::from_millis(3_100), "a re-pick");
    play.show_seats(100, 0);
    play.answer(Operation::SeatReserve, Answer::Refused);
    play.leaves_for(LeaveReason::TooManyConflicts, true);
}

#[test]
fn a_seat_seen_locked_is_not_asked_for() {
    let mut play = Play::with(temperament());
    play.enter_at_once();
    play.show_seats(100, 0);
    let favorite = play.journey.choice.favorite().unwrap();
    let locked = Message::SeatLocked {
        seat: favorite,
        user: Some(OTHER),
    };
    play.journey.handle_message(play.now, locked);
    let asked = play.expect_call(Operation::SeatReserve);
    assert_ne!(asked, Request::SeatReserve { seat: favorite });
}

#[test]
fn the_own_hold_is_no_reason_to_drop_the_seat() {
    let mut play = Play::with(temperament());
    play.enter_at_once();
    play.show_seats(100, 0);
    let asked = play.expect_call(Operation::SeatReserve);
    let seat = play.journey.choice.favorite().unwrap();
    for user in [Some(ME), None] {
        play.journey
            .handle_message(play.now, Message::SeatLocked { seat, user });
    }
    let lost = Answer::Failed {
        failure: Failure::Reset,
        retry_after: None,
    };
    play.journey
        .handle_answer(play.now, Operation::SeatReserve, lost);
    assert_eq!(play.expect_call(Operation::SeatReserve), asked);
}

#[test]
fn a_sold_out_house_is_left_and_the_place_given_back() {
    let mut play = Play::with(temperament());
    play.enter_at_once();
    play.show_seats(0, 0);
    play.leaves_for(LeaveReason::SoldOut, true);
    assert!(play.seen.iter().any(|seen| matches!(
        seen,
        Observation::Socket {
            change: SocketChange::Closed,
            ..
        }
    )));
}

#[test]
fn while_all_seats_are_only_held_a_buyer_watches_and_takes_one_that_comes_back() {
    let mut play = Play::with(temperament());
    play.enter_at_once();
    play.show_seats(0, 5);
    let seat = Uuid::from_u128(9);
    play.journey
        .handle_message(play.now, Message::SeatReleased { seat });
    assert_eq!(
        play.expect_call(Operation::SeatReserve),
        Request::SeatReserve { seat }
    );
}

#[test]
fn watching_ends_after_a_few_looks() {
    let mut play = Play::with(temperament());
    play.enter_at_once();
    for _ in 0..4 {
        play.show_seats(0, 5);
    }
    play.leaves_for(LeaveReason::SoldOut, true);
}

#[test]
fn patience_ends_the_waiting_whatever_the_polls_say() {
    let mut play = Play::with(Temperament {
        patience: constant(12.0),
        ..temperament()
    });
    play.queue_up();
    let queued_at = play.now;
    play.next();
    play.answer(Operation::QueueStatus, Answer::Queued);
    play.answer(Operation::QueueStatus, Answer::Queued);
    play.leaves_for(LeaveReason::OutOfPatience, true);
    assert_eq!(play.now, queued_at + Duration::from_secs(12));
    let waited = play.seen.iter().find_map(|seen| match seen {
        Observation::Left { waited, .. } => *waited,
        _ => None,
    });
    assert_eq!(waited, Some(Duration::from_secs(12)));
}

#[test]
fn a_lost_socket_is_opened_again_and_its_rooms_joined_again() {
    let mut play = Play::with(temperament());
    play.queue_up();
    play.connect();
    assert_eq!(play.next(), Action::Emit(Emission::JoinQueue));
    let lost_at = play.now;
    play.journey.handle_socket_lost(play.now);
    let mut polls = 0;
    let mut tries = 0;
    while tries < 3 {
        match play.next() {
            Action::Connect { .. } => {
                tries += 1;
                if tries < 3 {
                    play.journey.handle_socket_lost(play.now);
                }
            }
            Action::Call { request, .. } => {
                polls += 1;
                let operation = request.operation();
                play.journey
                    .handle_answer(play.now, operation, Answer::Queued);
            }
            other => panic!("{other:?}"),
        }
    }
    // Pauses of 1, 2 and 4 s, and polls every 5 s meanwhile.
    assert_eq!(play.now, lost_at + Duration::from_secs(7));
    assert!((1..=2).contains(&polls), "{polls} polls in 7 s");
    play.journey.handle_socket_open(play.now);
    assert_eq!(play.next(), Action::Emit(Emission::JoinQueue));
    let changes: Vec<_> = play
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
fn retries_are_bounded_and_grow() {
    let mut play = Play::with(temperament());
    let failed = Answer::Failed {
        failure: Failure::Status(503),
        retry_after: None,
    };
    let mut sent = Vec::new();
    for _ in 0..4 {
        play.expect_call(Operation::PageLoad);
        sent.push(play.now);
        play.journey
            .handle_answer(play.now, Operation::PageLoad, failed);
    }
    let pauses: Vec<_> = sent
        .windows(2)
        .map(|two| (two[1] - two[0]).as_secs())
        .collect();
    assert_eq!(pauses, [1, 2, 4]);
    play.leaves_for(LeaveReason::TooManyErrors, false);
}

#[test]
fn failed_polls_do_not_drive_a_waiting_buyer_away() {
    let mut play = Play::with(temperament());
    play.queue_up();
    play.next();
    for _ in 0..20 {
        let failed = Answer::Failed {
            failure: Failure::Timeout,
            retry_after: None,
        };
        play.answer(Operation::QueueStatus, failed);
    }
    play.answer(Operation::QueueStatus, Answer::Admitted);
    play.expect_call(Operation::SeatList);
}

#[test]
fn the_servers_wish_to_wait_is_respected() {
    let mut play = Play::with(temperament());
    play.browse();
    let limited = Answer::Failed {
        failure: Failure::Status(429),
        retry_after: Some(Duration::from_secs(20)),
    };
    play.answer(Operation::QueueCheck, limited);
    let limited_at = play.now;
    play.expect_call(Operation::QueueCheck);
    assert_eq!(play.now, limited_at + Duration::from_secs(20));
}

#[test]
fn a_payment_whose_answer_is_lost_is_sent_again_for_the_same_hold() {
    let mut play = Play::with(temperament());
    play.enter_at_once();
    play.show_seats(10, 0);
    play.answer(Operation::SeatReserve, Answer::Held { reservation: HOLD });
    let lost = Answer::Failed {
        failure: Failure::Timeout,
        retry_after: None,
    };
    play.answer(Operation::PaymentProcess, lost);
    assert_eq!(
        play.expect_call(Operation::PaymentProcess),
        Request::PaymentProcess { reservation: HOLD }
    );
    play.journey
        .handle_answer(play.now, Operation::PaymentProcess, Answer::Refused);
    play.leaves_for(LeaveReason::HoldExpired, true);
}

#[test]
fn who_does_not_pay_walks_away_and_lets_the_hold_expire() {
    let mut play = Play::with(Temperament {
        pays: Share::NONE,
        ..temperament()
    });
    play.enter_at_once();
    play.show_seats(10, 0);
    play.answer(Operation::SeatReserve, Answer::Held { reservation: HOLD });
    play.leaves_for(LeaveReason::WalkedAway, true);
}

#[test]
fn a_cleared_queue_makes_people_line_up_again_with_the_patience_they_have_left() {
    let mut play = Play::with(temperament());
    play.queue_up();
    play.connect();
    play.next();
    play.journey.handle_message(play.now, Message::QueueCleared);
    play.answer(Operation::QueueCheck, Answer::Queued);
    assert_eq!(play.next(), Action::Emit(Emission::JoinQueue));
    let queued = play
        .stages()
        .into_iter()
        .filter(|&stage| stage == Stage::Queued);
    assert_eq!(queued.count(), 1);
}

#[test]
fn the_end_of_the_run_leaves_a_journey_unfinished_once() {
    let mut play = Play::with(temperament());
    play.queue_up();
    play.journey.handle_end(play.now);
    play.leaves_for(LeaveReason::Unfinished, false);
}

#[test]
fn the_same_seed_gives_the_same_journey() {
    let play = || {
        let mut play = Play::with(Temperament {
            browse: Distribution::Exponential { mean: 2.0 },
            seat_pick: Distribution::Lognormal {
                median: 8.0,
                sigma: 0.7,
            },
            ..temperament()
        });
        play.enter_at_once();
        play.show_seats(500, 0);
        play.answer(Operation::SeatReserve, Answer::Refused);
        play.expect_call(Operation::SeatReserve);
        play.actions
    };
    assert_eq!(play(), play());
}
