//! Reloads, bots, and what the page does about its socket.

use super::*;
use tiketi_scenario::plan::{Expired, PollStep};

fn everybody() -> Share {
    Share::try_from(1.0).expect("a share")
}

fn impatient() -> Temperament {
    Temperament {
        reload: Reload {
            share: everybody(),
            every: constant(12.0),
        },
        ..temperament()
    }
}

/// Takes the actions of a buyer who waits, and answers the polls, until the page is loaded again.
fn wait_for_reload(visit: &mut Visit) -> Vec<Action> {
    let mut actions = Vec::new();
    loop {
        let action = visit.next();
        actions.push(action);
        match action {
            Action::Connect { .. } => visit.journey.handle_socket_open(visit.now),
            Action::Call {
                request: Request::PageLoad,
                ..
            } => return actions,
            Action::Call { request, .. } => {
                let operation = request.operation();
                visit
                    .journey
                    .handle_answer(visit.now, operation, Answer::Queued);
            }
            Action::Close | Action::Emit(_) => {}
            Action::Leave(reason) => panic!("left: {reason:?}"),
        }
    }
}

#[test]
fn an_impatient_buyer_reloads_the_page_and_keeps_the_place() {
    let mut visit = Visit::with(impatient());
    visit.queue_up();
    let queued_at = visit.now;
    for reload in 1..=2_u32 {
        let actions = wait_for_reload(&mut visit);
        assert!(
            actions.contains(&Action::Close),
            "the old page takes its socket along"
        );
        visit
            .journey
            .handle_answer(visit.now, Operation::PageLoad, Answer::Done);
        // The page opens in the queue: the list of shows is not needed again, and nobody reads.
        visit.answer(Operation::ShowDetail, Answer::Done);
        visit.answer(Operation::QueueCheck, Answer::Queued);
        let reloads = visit
            .seen
            .iter()
            .filter(|seen| matches!(seen, Observation::Reloaded { .. }));
        assert_eq!(reloads.count(), reload as usize);
    }
    visit
        .journey
        .handle_message(visit.now, Message::EntryAllowed { user: ME });
    visit.next();
    let waited = visit.seen.iter().find_map(|seen| match seen {
        Observation::Admitted { waited, .. } => Some(*waited),
        _ => None,
    });
    assert_eq!(
        waited,
        Some(visit.now.saturating_since(queued_at)),
        "the time before the reloads counts"
    );
}

#[test]
fn patience_goes_on_through_reloads() {
    let mut visit = Visit::with(Temperament {
        patience: constant(30.0),
        ..impatient()
    });
    visit.queue_up();
    let queued_at = visit.now;
    for _ in 0..2 {
        wait_for_reload(&mut visit);
        visit
            .journey
            .handle_answer(visit.now, Operation::PageLoad, Answer::Done);
        visit.answer(Operation::ShowDetail, Answer::Done);
        visit.answer(Operation::QueueCheck, Answer::Queued);
    }
    while !visit.journey.is_over() {
        match visit.next() {
            Action::Call { request, .. } => {
                let operation = request.operation();
                visit
                    .journey
                    .handle_answer(visit.now, operation, Answer::Queued);
            }
            Action::Connect { .. } => visit.journey.handle_socket_open(visit.now),
            Action::Close | Action::Emit(_) | Action::Leave(_) => {}
        }
    }
    assert_eq!(visit.now, queued_at + Duration::from_secs(30));
}

#[test]
fn a_bot_takes_no_time_and_polls_at_its_own_rate() {
    let bots = Bots {
        share: everybody(),
        poll: Duration::from_millis(500),
    };
    let mut visit = Visit::with(Temperament {
        bots,
        ..impatient()
    });
    let began = visit.now;
    visit.queue_up();
    let answers = Duration::from_millis(100) * 4;
    assert_eq!(visit.now, began + answers, "only the system took time");
    let queued_at = visit.now;
    visit.connect();
    assert_eq!(visit.next(), Action::Emit(Emission::JoinQueue));
    visit.answer(Operation::QueueStatus, Answer::Queued);
    assert_eq!(
        visit.now,
        queued_at + bots.poll + Duration::from_millis(100)
    );
    let is_bot = |seen: &Observation| matches!(seen, Observation::Stage { is_bot: true, .. });
    let stages = visit
        .seen
        .iter()
        .filter(|seen| matches!(seen, Observation::Stage { .. }));
    assert!(stages.clone().count() > 0 && stages.clone().all(is_bot));
}

#[test]
fn without_bots_or_reloads_nothing_of_them_is_seen() {
    let mut visit = Visit::with(temperament());
    visit.queue_up();
    for _ in 0..20 {
        match visit.next() {
            Action::Call { request, .. } => {
                assert_eq!(request, Request::QueueStatus);
                visit
                    .journey
                    .handle_answer(visit.now, Operation::QueueStatus, Answer::Queued);
            }
            Action::Connect { .. } => visit.journey.handle_socket_open(visit.now),
            other => assert!(matches!(other, Action::Emit(_)), "{other:?}"),
        }
    }
    let strange = |seen: &&Observation| {
        matches!(
            seen,
            Observation::Reloaded { .. } | Observation::Stage { is_bot: true, .. }
        )
    };
    assert_eq!(visit.seen.iter().find(strange), None);
}

/// Takes the actions of a buyer who waits and answers the polls, for a time; counts attempts to open the socket, which fail.
fn attempts(visit: &mut Visit, lasts: Duration) -> u32 {
    let until = visit.now + lasts;
    let mut attempts = 0;
    while visit.now < until {
        match visit.next() {
            Action::Connect { .. } => {
                attempts += 1;
                visit.journey.handle_socket_lost(visit.now);
            }
            Action::Call { request, .. } => {
                let operation = request.operation();
                visit
                    .journey
                    .handle_answer(visit.now, operation, Answer::Queued);
            }
            other => panic!("{other:?}"),
        }
    }
    attempts
}

#[test]
fn a_page_does_without_a_first_socket_after_as_many_tries_as_it_is_worth() {
    let minute = Duration::from_secs(60);
    let mut visit = Visit::with(Temperament {
        connect_tries_max: Some(2),
        ..temperament()
    });
    visit.queue_up();
    assert_eq!(attempts(&mut visit, minute), 2);
    // Once it was open, the page fights for it as `reconnect` says.
    let mut visit = Visit::with(Temperament {
        connect_tries_max: Some(2),
        ..temperament()
    });
    visit.queue_up();
    visit.connect();
    assert_eq!(visit.next(), Action::Emit(Emission::JoinQueue));
    visit.journey.handle_socket_lost(visit.now);
    assert!(attempts(&mut visit, minute) > 2);
}

#[test]
fn a_page_may_stay_away_after_the_server_has_disconnected_it() {
    for (returns, expected) in [(true, true), (false, false)] {
        let mut visit = Visit::with(Temperament {
            returns_after_disconnect: returns,
            ..temperament()
        });
        visit.queue_up();
        visit.connect();
        assert_eq!(visit.next(), Action::Emit(Emission::JoinQueue));
        visit.journey.handle_disconnected(visit.now);
        let lost = |seen: &Observation| {
            let change = SocketChange::Lost;
            matches!(seen, Observation::Socket { change: what, .. } if *what == change)
        };
        let tried = attempts(&mut visit, Duration::from_secs(60)) > 0;
        assert_eq!(tried, expected);
        assert!(visit.seen.iter().any(lost));
    }
}

/// A buyer without a socket whose page polls by position.
fn far_back() -> Visit {
    let step = |beyond, seconds| PollStep {
        beyond,
        every: Duration::from_secs(seconds),
    };
    let mut visit = Visit::with(Temperament {
        poll_by_position: vec![step(100, 20), step(1_000, 60)],
        connect_tries_max: Some(0),
        ..temperament()
    });
    visit.queue_up();
    visit.journey.handle_socket_lost(visit.now);
    visit
}

/// Answers the next poll with a position; returns how long after it the following one is due.
fn next_poll(visit: &mut Visit, position: Option<u32>) -> Duration {
    visit.expect_call(Operation::QueueStatus);
    let polled_at = visit.now;
    if let Some(position) = position {
        visit.journey.handle_position(position);
    }
    let poll = Operation::QueueStatus;
    visit.journey.handle_answer(visit.now, poll, Answer::Queued);
    let next = visit.journey.poll_timeout().expect("there is a next poll");
    next.saturating_since(polled_at)
}

#[test]
fn a_buyer_far_back_polls_at_another_interval() {
    let mut visit = far_back();
    let seconds = |position, visit: &mut Visit| next_poll(visit, Some(position)).as_secs();
    let found = [5_000, 1_001, 1_000, 101, 100, 1].map(|position| seconds(position, &mut visit));
    assert_eq!(found, [60, 60, 20, 20, 5, 5]);
}

#[test]
fn a_buyer_whose_position_is_not_stated_polls_as_usual() {
    let mut visit = far_back();
    assert_eq!(next_poll(&mut visit, None).as_secs(), 5);
    assert_eq!(next_poll(&mut visit, Some(500)).as_secs(), 20);
    assert_eq!(next_poll(&mut visit, None).as_secs(), 20, "the last one");
}

#[test]
fn a_buyer_who_logs_in_early_comes_to_the_page_when_planned() {
    let mut visit = Visit::with(temperament());
    let page_at = visit.now + Duration::from_secs(90);
    visit.journey.log_in_before(page_at);
    assert_eq!(visit.expect_call(Operation::ShowList), Request::LogIn);
    visit
        .journey
        .handle_answer(visit.now, Operation::ShowList, Answer::Done);
    assert_eq!(visit.expect_call(Operation::PageLoad), Request::PageLoad);
    assert_eq!(visit.now, page_at);
    let page = Operation::PageLoad;
    visit.journey.handle_answer(visit.now, page, Answer::Done);
    assert_eq!(visit.expect_call(Operation::ShowList), Request::ShowList);
}

#[test]
fn a_login_that_takes_longer_than_planned_delays_the_page() {
    let mut visit = Visit::with(temperament());
    let page_at = visit.now + Duration::from_millis(500);
    visit.journey.log_in_before(page_at);
    visit.expect_call(Operation::ShowList);
    let failed = Answer::Failed {
        failure: Failure::Status(503),
        retry_after: None,
    };
    let list = Operation::ShowList;
    visit.journey.handle_answer(visit.now, list, failed);
    assert_eq!(visit.expect_call(list), Request::LogIn, "it is tried again");
    visit.journey.handle_answer(visit.now, list, Answer::Done);
    visit.expect_call(Operation::PageLoad);
    assert_eq!(visit.now, page_at + Duration::from_millis(500));
}

const UNKNOWN: Answer<'static> = Answer::Failed {
    failure: Failure::Status(401),
    retry_after: None,
};

fn with_login(expired: Expired) -> Visit {
    let mut visit = Visit::with(Temperament {
        login: Login {
            expired,
            ..Login::default()
        },
        ..temperament()
    });
    visit.queue_up();
    visit.connect();
    assert!(matches!(visit.next(), Action::Emit(Emission::JoinQueue)));
    visit
}

/// The waits after which a session ended.
fn logged_out(visit: &Visit) -> Vec<u64> {
    let found = visit.seen.iter().filter_map(|seen| match seen {
        Observation::LoggedOut { waited, .. } => Some(waited.as_secs()),
        _ => None,
    });
    found.collect()
}

#[test]
fn a_buyer_whose_session_ends_while_waiting_logs_in_again_and_asks_for_the_place() {
    let mut visit = with_login(Expired::LogsIn);
    visit.answer(Operation::QueueStatus, Answer::Queued);
    visit.answer(Operation::QueueStatus, UNKNOWN);
    assert_eq!(visit.expect_call(Operation::ShowList), Request::LogInAgain);
    assert_eq!(logged_out(&visit), [60]);
    let list = Operation::ShowList;
    visit.journey.handle_answer(visit.now, list, Answer::Done);
    visit.answer(Operation::QueueCheck, Answer::Queued);
    assert!(matches!(visit.next(), Action::Emit(Emission::JoinQueue)));
    visit.answer(Operation::QueueStatus, UNKNOWN);
    visit.expect_call(Operation::ShowList);
    assert_eq!(
        logged_out(&visit).len(),
        2,
        "the new session has ended, too"
    );
}

#[test]
fn a_buyer_who_is_not_known_after_each_login_gives_up() {
    let mut visit = with_login(Expired::LogsIn);
    for _ in 0..3 {
        let request = visit.next();
        let Action::Call { request, .. } = request else {
            panic!("{request:?}");
        };
        let operation = request.operation();
        visit.journey.handle_answer(visit.now, operation, UNKNOWN);
        assert_eq!(visit.expect_call(Operation::ShowList), Request::LogInAgain);
        let list = Operation::ShowList;
        visit.journey.handle_answer(visit.now, list, Answer::Done);
    }
    visit.expect_call(Operation::QueueCheck);
    let check = Operation::QueueCheck;
    visit.journey.handle_answer(visit.now, check, UNKNOWN);
    assert_eq!(visit.next(), Action::Close);
    let left = Action::Leave(LeaveReason::TooManyErrors);
    assert_eq!(visit.next(), left);
    assert_eq!(logged_out(&visit).len(), 1, "it never was known again");
}

#[test]
fn a_buyer_may_leave_when_the_session_ends() {
    let mut visit = with_login(Expired::Leaves);
    visit.answer(Operation::QueueStatus, UNKNOWN);
    assert_eq!(visit.next(), Action::Close);
    let left = Action::Leave(LeaveReason::TooManyErrors);
    assert_eq!(visit.next(), left);
}

#[test]
fn by_default_the_page_polls_on_and_the_end_of_the_session_is_noted_once() {
    let mut visit = with_login(Expired::Retries);
    for _ in 0..3 {
        visit.answer(Operation::QueueStatus, UNKNOWN);
    }
    visit.expect_call(Operation::QueueStatus);
    assert_eq!(logged_out(&visit), [30]);
}

#[test]
fn an_admission_during_the_login_is_not_lost() {
    let mut visit = with_login(Expired::LogsIn);
    visit.answer(Operation::QueueStatus, UNKNOWN);
    visit.expect_call(Operation::ShowList);
    let entry = Message::EntryAllowed { user: ME };
    visit.journey.handle_message(visit.now, entry);
    let list = Operation::ShowList;
    visit.journey.handle_answer(visit.now, list, Answer::Done);
    visit.answer(Operation::QueueCheck, Answer::Admitted);
    assert!(matches!(visit.next(), Action::Emit(_)));
    visit.expect_call(Operation::SeatList);
}

#[test]
fn a_waiting_buyer_may_open_the_show_elsewhere_once() {
    let opens = |tab: f64, device: f64| {
        let mut visit = Visit::with(Temperament {
            second_tab: Share::try_from(tab).unwrap(),
            second_device: Share::try_from(device).unwrap(),
            ..temperament()
        });
        visit.queue_up();
        let opened = visit.journey.poll_elsewhere();
        assert_eq!(visit.journey.poll_elsewhere(), None, "once");
        opened
    };
    assert_eq!(opens(0.0, 0.0), None);
    assert_eq!(opens(1.0, 1.0), Some(Elsewhere::Tab));
    assert_eq!(opens(0.0, 1.0), Some(Elsewhere::Device));
}

#[test]
fn the_second_page_waits_too_and_is_closed_when_its_turn_comes() {
    let mut visit = Visit::with(Temperament {
        second_tab: everybody(),
        reload: Reload {
            share: everybody(),
            every: constant(12.0),
        },
        ..temperament()
    });
    visit.journey = visit.journey.on_second_page();
    visit.answer(Operation::PageLoad, Answer::Done);
    visit.answer(Operation::ShowDetail, Answer::Done);
    visit.answer(Operation::QueueCheck, Answer::Queued);
    assert_eq!(visit.journey.poll_elsewhere(), None, "not a third one");
    visit.connect();
    assert!(matches!(visit.next(), Action::Emit(Emission::JoinQueue)));
    visit.answer(Operation::QueueStatus, Answer::Queued);
    let entry = Message::EntryAllowed { user: ME };
    visit.journey.handle_message(visit.now, entry);
    assert_eq!(visit.next(), Action::Close);
    assert!(matches!(visit.next(), Action::Leave(_)));
    assert!(visit.journey.is_over());
}

#[test]
fn the_second_page_never_gives_up_the_place_of_the_first() {
    let mut visit = Visit::with(Temperament {
        patience: constant(4.0),
        ..temperament()
    });
    visit.journey = visit.journey.on_second_page();
    visit.answer(Operation::PageLoad, Answer::Done);
    visit.answer(Operation::ShowDetail, Answer::Done);
    visit.answer(Operation::QueueCheck, Answer::Queued);
    visit.connect();
    visit.next();
    assert_eq!(visit.next(), Action::Close, "out of patience");
    assert!(
        matches!(visit.next(), Action::Leave(_)),
        "without a request"
    );
}

#[test]
fn a_page_that_does_not_look_goes_in_with_the_admission_of_another_buyer() {
    for checks_admission in [true, false] {
        let mut visit = Visit::with(Temperament {
            checks_admission,
            ..temperament()
        });
        visit.queue_up();
        visit.connect();
        visit.next();
        let entry = Message::EntryAllowed { user: OTHER };
        visit.journey.handle_message(visit.now, entry);
        if checks_admission {
            visit.expect_call(Operation::QueueStatus);
        } else {
            assert!(matches!(
                visit.next(),
                Action::Emit(Emission::JoinSeatSelection)
            ));
            visit.expect_call(Operation::SeatList);
        }
    }
}

#[test]
fn a_page_may_join_the_room_of_the_show_with_each_socket() {
    let mut visit = Visit::with(Temperament {
        joins_event_room: true,
        ..temperament()
    });
    visit.queue_up();
    for _ in 0..2 {
        visit.connect();
        assert_eq!(visit.next(), Action::Emit(Emission::JoinEvent));
        assert_eq!(visit.next(), Action::Emit(Emission::JoinQueue));
        visit.journey.handle_socket_lost(visit.now);
    }
}

#[test]
fn a_buyer_leaves_when_a_response_says_sold_out() {
    for in_queue in [true, false] {
        let mut visit = Visit::with(temperament());
        visit.browse();
        if in_queue {
            visit.answer(Operation::QueueCheck, Answer::SoldOut);
        } else {
            visit.answer(Operation::QueueCheck, Answer::Admitted);
            visit.connect();
            assert_eq!(visit.next(), Action::Emit(Emission::JoinSeatSelection));
            visit.show_seats(3, 0);
            visit.answer(Operation::SeatReserve, Answer::SoldOut);
            assert_eq!(visit.next(), Action::Close);
        }
        visit.answer(Operation::QueueLeave, Answer::Done);
        assert_eq!(visit.next(), Action::Leave(LeaveReason::SoldOut));
    }
}
