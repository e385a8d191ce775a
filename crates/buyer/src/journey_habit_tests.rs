//! Reloads, bots, and what the page does about its socket.

use super::*;

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
