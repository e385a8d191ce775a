//! Push channels: what they are about, how admissions are learned of, and when they are opened again.

use super::*;

/// How the admission was learned of; `None` without one.
fn learned(visit: &Visit) -> Option<Learned> {
    visit.seen.iter().find_map(|seen| match seen {
        Observation::Admitted { learned, .. } => Some(*learned),
        Observation::AdmittedAtOnce { .. } => Some(Learned::OnEntry),
        _ => None,
    })
}

/// A buyer in the queue of a system whose channel is about the queue only.
fn waiting() -> Visit {
    let mut visit = Visit::with(temperament());
    visit.journey = visit.journey.listening_to(Channel {
        queue: true,
        ..Channel::NONE
    });
    visit.queue_up();
    visit
}

const ADMITTED: Answer<'static> = Answer::NotQueued {
    admitted: Some(true),
};

#[test]
fn each_way_of_learning_of_an_admission_is_told_apart() {
    let mut visit = waiting();
    visit.connect();
    let entry = Message::EntryAllowed { user: ME };
    visit.journey.handle_message(visit.now, entry);
    visit.next();
    assert_eq!(learned(&visit), Some(Learned::Message));

    let mut visit = waiting();
    visit.connect();
    assert!(matches!(visit.next(), Action::Emit(_)));
    visit.answer(Operation::QueueStatus, ADMITTED);
    visit.next();
    assert_eq!(learned(&visit), Some(Learned::PollBeforeMessage));

    let mut visit = waiting();
    assert!(matches!(visit.next(), Action::Connect { .. }));
    visit.answer(Operation::QueueStatus, ADMITTED);
    visit.next();
    assert_eq!(learned(&visit), Some(Learned::Poll));

    let mut visit = Visit::with(temperament());
    visit.browse();
    visit.answer(Operation::QueueCheck, Answer::Admitted);
    visit.next();
    assert_eq!(learned(&visit), Some(Learned::OnEntry));
}

#[test]
fn a_message_for_somebody_else_admits_nobody() {
    let mut visit = waiting();
    visit.connect();
    let entry = Message::EntryAllowed { user: OTHER };
    visit.journey.handle_message(visit.now, entry);
    visit
        .journey
        .handle_message(visit.now, Message::StillQueued);
    assert!(matches!(visit.next(), Action::Emit(_)));
    visit.expect_call(Operation::QueueStatus);
    assert_eq!(learned(&visit), None);
}

#[test]
fn a_channel_about_the_queue_is_closed_after_the_admission() {
    let mut visit = waiting();
    visit.connect();
    visit
        .journey
        .handle_message(visit.now, Message::EntryAllowed { user: ME });
    assert_eq!(visit.next(), Action::Close);
    visit.expect_call(Operation::SeatList);
}

#[test]
fn a_channel_about_seats_is_opened_after_the_admission() {
    let mut visit = Visit::with(temperament());
    visit.journey = visit.journey.listening_to(Channel {
        seats: true,
        ..Channel::NONE
    });
    visit.queue_up();
    visit.answer(Operation::QueueStatus, ADMITTED);
    visit.connect();

    let mut visit = Visit::with(temperament());
    visit.journey = visit.journey.listening_to(Channel::NONE);
    visit.queue_up();
    visit.answer(Operation::QueueStatus, ADMITTED);
    visit.expect_call(Operation::SeatList);
    let connects = |(_, action): &&(SimTime, Action)| matches!(action, Action::Connect { .. });
    assert_eq!(visit.actions.iter().filter(connects).count(), 0);
}

#[test]
fn a_buyer_who_may_yet_get_the_message_keeps_the_channel() {
    let mut visit = waiting();
    visit.connect();
    assert!(matches!(visit.next(), Action::Emit(_)));
    visit.answer(Operation::QueueStatus, Answer::NotQueued { admitted: None });
    visit.expect_call(Operation::SeatList);
    visit
        .journey
        .handle_message(visit.now, Message::EntryAllowed { user: ME });
    while let Some(observation) = visit.journey.poll_observation() {
        visit.seen.push(observation);
    }
    assert_eq!(learned(&visit), Some(Learned::PollBeforeMessage));
}

#[test]
fn a_channel_is_opened_again_no_earlier_than_the_server_asks() {
    let mut visit = waiting();
    visit.connect();
    assert!(matches!(visit.next(), Action::Emit(_)));
    let lost_at = visit.now;
    visit
        .journey
        .handle_socket_lost_for(visit.now, Duration::from_secs(17));
    loop {
        match visit.next() {
            Action::Connect { intended } => {
                assert_eq!(intended, lost_at + Duration::from_secs(17));
                break;
            }
            Action::Call { request, .. } => {
                let operation = request.operation();
                assert_eq!(operation, Operation::QueueStatus, "buyers poll meanwhile");
                visit
                    .journey
                    .handle_answer(visit.now, operation, Answer::Queued);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_message_that_all_is_sold_ends_the_wait_and_one_that_the_place_is_gone_renews_it() {
    let mut visit = waiting();
    visit.connect();
    assert!(matches!(visit.next(), Action::Emit(_)));
    visit
        .journey
        .handle_message(visit.now, Message::QueueCleared);
    visit.answer(Operation::QueueCheck, Answer::Queued);
    visit.journey.handle_message(visit.now, Message::SoldOut);
    visit.next();
    let left = visit.seen.iter().find_map(|seen| match seen {
        Observation::Left { reason, .. } => Some(*reason),
        _ => None,
    });
    assert_eq!(left, Some(LeaveReason::SoldOut));
}

/// A buyer whose page opens the channel before the queue, and who is about to enter the queue.
fn early() -> Visit {
    let mut visit = Visit::with(temperament());
    visit.journey = visit.journey.listening_to(Channel {
        queue: true,
        early: true,
        ..Channel::NONE
    });
    visit
}

#[test]
fn a_page_may_open_the_channel_before_the_buyer_enters_the_queue() {
    let mut visit = early();
    visit.browse();
    visit.connect();
    visit.answer(Operation::QueueCheck, Answer::Queued);
    assert_eq!(visit.next(), Action::Emit(Emission::JoinQueue));
    let entry = Message::EntryAllowed { user: ME };
    visit.journey.handle_message(visit.now, entry);
    visit.next();
    assert_eq!(learned(&visit), Some(Learned::Message));
}

#[test]
fn an_admission_that_comes_before_the_response_of_the_queue_counts_with_it() {
    let entered = |user, answer| {
        let mut visit = early();
        visit.browse();
        visit.connect();
        // Nobody asks for an admission before the request.
        let entry = Message::EntryAllowed { user: ME };
        visit.journey.handle_message(visit.now, entry);
        visit.expect_call(Operation::QueueCheck);
        let entry = Message::EntryAllowed { user };
        visit.journey.handle_message(visit.now, entry);
        visit.now += Duration::from_millis(100);
        let operation = Operation::QueueCheck;
        visit.journey.handle_answer(visit.now, operation, answer);
        visit
    };
    let pause = Duration::from_secs(9);
    for answer in [Answer::Queued, Answer::QueuedPollAfter { pause }] {
        let mut visit = entered(ME, answer);
        assert_eq!(visit.next(), Action::Close);
        visit.expect_call(Operation::SeatList);
        assert_eq!(learned(&visit), Some(Learned::Message));
    }
    let mut visit = entered(OTHER, Answer::Queued);
    assert_eq!(visit.next(), Action::Emit(Emission::JoinQueue));
    visit.expect_call(Operation::QueueStatus);
    assert_eq!(learned(&visit), None);
}
