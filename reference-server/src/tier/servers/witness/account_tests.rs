use super::*;

const SHOW: Uuid = Uuid::from_u128(1);

fn user(number: u128) -> Uuid {
    Uuid::from_u128(100 + number)
}

fn id(number: u64) -> NoteId {
    format!("{number}-0").parse().unwrap()
}

/// Notes of a small sale: two users enter, three wait, one leaves, one is admitted, and a session is created.
fn notes() -> Vec<(NoteId, String)> {
    let texts = [
        format!("entered {SHOW} {}", user(0)),
        format!("entered {SHOW} {}", user(1)),
        format!("joined {SHOW} {}", user(2)),
        format!("joined {SHOW} {}", user(3)),
        format!("session {} 9999", user(2)),
        format!("joined {SHOW} {}", user(4)),
        format!("left-active {SHOW} {}", user(0)),
        format!("admitted {SHOW} {}", user(2)),
        format!("cleared {SHOW} 2"),
    ];
    (1..).map(|at| id(at * 10)).zip(texts).collect()
}

fn account_of(notes: &[(NoteId, String)]) -> Account {
    let mut account = Account::default();
    for (id, text) in notes {
        account.handle_note(*id, text);
    }
    account
}

fn assert_conserved(account: &Account) {
    let ledger = account.ledger();
    let people = account.doors.people().values();
    let waiting = people.filter(|at| **at == Whereabouts::Waiting).count() as u64;
    let gone = ledger.admitted + ledger.left_waiting + ledger.cleared + ledger.lost_waiting;
    let came = ledger.joined + ledger.resurrected_waiting;
    assert_eq!(came, gone + waiting, "{ledger:?}");
    assert_eq!(ledger.admitted_twice, 0);
}

#[test]
fn notes_that_a_replica_lacks_are_undone() {
    let all = notes();
    for kept in 0..=all.len() {
        let mut account = account_of(&all);
        account.handle_lost(95);
        let (first, is_whole) = (account.oldest_recent(), true);
        assert_eq!(first, id(10));
        account.handle_catch_up(is_whole, &all[..kept]).unwrap();
        let expected = account_of(&all[..kept]);
        assert_eq!(account.doors.people(), expected.doors.people(), "{kept}");
        assert_eq!(account.sessions, expected.sessions, "{kept}");
        assert_conserved(&account);
        let losses = account.take_losses();
        let oldest = all.get(kept).map_or(0, |(lost, _)| 95 - lost.at_ms);
        assert_eq!(losses.reaches_back_ms, oldest, "{kept}");
        assert_eq!(losses.sessions, u64::from(kept < 5), "{kept}");
        assert_eq!(account.take_losses(), Losses::default());
        // The new primary continues.
        account.handle_note(id(200), &format!("joined {SHOW} {}", user(9)));
        assert_eq!(account.newest(), id(200));
        assert_conserved(&account);
    }
}

#[test]
fn losses_are_counted_by_kind() {
    let all = notes();
    let mut account = account_of(&all);
    account.handle_catch_up(true, &all[..5]).unwrap();
    let losses = account.take_losses();
    // Received and lost: 4 joined, 0 left, 2 was admitted, 3 and 4 were cleared.
    assert_eq!((losses.places, losses.places_put_back), (0, 2));
    assert_eq!(losses.active_places, 1, "user 2, who is waiting again");
    let mut account = account_of(&all[..8]);
    account.handle_catch_up(true, &all[..5]).unwrap();
    let losses = account.take_losses();
    assert_eq!((losses.places, losses.places_put_back), (1, 1));
    assert_eq!((losses.active_places, losses.sessions), (1, 0));
}

#[test]
fn missed_notes_are_read_from_the_stream() {
    let all = notes();
    let mut account = account_of(&all[..4]);
    account.handle_catch_up(false, &all).unwrap();
    assert_eq!(account.take_losses(), Losses::default());
    assert!(account.is_complete());
    assert_eq!(account.ledger(), account_of(&all).ledger());
    // Received again on a subscription that started earlier.
    for (id, text) in &all {
        account.handle_note(*id, text);
    }
    assert_eq!(account.ledger(), account_of(&all).ledger());
}

#[test]
fn writes_to_a_new_primary_before_the_subscription_are_counted() {
    let all = notes();
    let mut account = account_of(&all[..4]);
    let mut there = all[..2].to_vec();
    there.push((id(300), format!("joined {SHOW} {}", user(7))));
    account.handle_catch_up(true, &there).unwrap();
    assert_eq!(account.ledger().lost_waiting, 2);
    assert_eq!(account.ledger().joined, 5);
    assert_conserved(&account);
}

#[test]
fn missing_notes_are_a_gap_that_makes_the_ledger_incomplete() {
    let all = notes();
    let mut account = account_of(&all[..4]);
    let later = [(id(300), format!("joined {SHOW} {}", user(7)))];
    assert_eq!(account.handle_catch_up(false, &later), Err(Gap));
    let people = People::from([((SHOW, user(7)), Whereabouts::Waiting)]);
    account.handle_gap(id(300), people);
    assert!(!account.is_complete());
    let garbled = &mut account_of(&all);
    assert!(garbled.is_complete());
    garbled.handle_note(id(500), "joined nobody");
    assert!(!garbled.is_complete());
}

#[test]
fn an_empty_redis_is_a_loss_but_not_a_gap() {
    let mut account = account_of(&notes()[..5]);
    account.handle_gap(NoteId::default(), People::new());
    let losses = account.take_losses();
    assert_eq!((losses.places, losses.active_places), (2, 2));
    assert_eq!(losses.sessions, 1);
    assert!(account.is_complete());
    assert_conserved(&account);
}

#[test]
fn an_expired_session_is_not_lost() {
    let mut account = account_of(&notes());
    account.handle_lost(10_000);
    account.handle_gap(NoteId::default(), People::new());
    assert_eq!(account.take_losses().sessions, 0);
}
