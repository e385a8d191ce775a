use super::*;

const SHOW: Uuid = Uuid::from_u128(1);
const SECOND: Duration = Duration::from_secs(1);
const LIMITS: AdmissionLimits = AdmissionLimits {
    active_max: 2,
    admit_every: SECOND,
    idle_timeout: Duration::from_secs(300),
};

fn user(number: u128) -> Uuid {
    Uuid::from_u128(100 + number)
}

fn store_with(people: u128) -> RedisStore {
    let mut store = RedisStore::new(SECOND);
    for number in 0..people {
        store
            .enter(Duration::ZERO, (SHOW, user(number)), LIMITS.active_max)
            .unwrap();
    }
    store
}

fn assert_conserved(store: &RedisStore) {
    let ledger = store.census().ledger;
    assert_eq!((ledger.admitted_twice, store.astray()), (0, Some(0)));
    let waiting = store
        .data()
        .and_then(|data| data.room(&SHOW))
        .map_or(0, |room| room.queue.len() as u64);
    assert_eq!(
        ledger.joined + ledger.resurrected_waiting,
        ledger.admitted + ledger.left_waiting + ledger.cleared + ledger.lost_waiting + waiting,
        "{ledger:?}, waiting {waiting}"
    );
}

#[test]
fn the_first_enter_at_once_and_the_rest_wait_in_order() {
    let mut store = store_with(4);
    assert_eq!(store.status(SHOW, user(1)).unwrap().position, None);
    assert_eq!(store.status(SHOW, user(3)).unwrap().position, Some(2));
    let again = store.enter(SECOND, (SHOW, user(3)), 2).unwrap();
    assert!(matches!(again, Place::Waiting(status) if status.position == Some(2)));
    assert_conserved(&store);
}

#[test]
fn a_free_place_goes_to_the_head_of_the_queue_and_not_to_a_newcomer() {
    let mut store = store_with(4);
    store.leave(SECOND, SHOW, user(0)).unwrap();
    let newcomer = store.enter(SECOND, (SHOW, user(9)), 2).unwrap();
    assert!(matches!(newcomer, Place::Waiting(status) if status.position == Some(3)));
    let admission = store.admit(2 * SECOND, (SHOW, 2), LIMITS).unwrap();
    assert_eq!(admission.admitted, vec![user(2)]);
    assert_conserved(&store);
}

#[test]
fn a_slot_admits_once_however_many_instances_try() {
    let mut store = store_with(4);
    store.leave(SECOND, SHOW, user(0)).unwrap();
    assert_eq!(
        store
            .admit(SECOND, (SHOW, 1), LIMITS)
            .unwrap()
            .admitted
            .len(),
        1
    );
    store.leave(SECOND, SHOW, user(1)).unwrap();
    assert_eq!(
        store.admit(SECOND, (SHOW, 1), LIMITS).unwrap(),
        Admission::default()
    );
}

#[test]
fn idle_places_are_taken_back_one_user_at_a_time() {
    let mut store = store_with(3);
    store.touch(200 * SECOND, SHOW, user(1)).unwrap();
    let admission = store.admit(300 * SECOND, (SHOW, 300), LIMITS).unwrap();
    assert_eq!(admission.admitted, vec![user(2)]);
    assert_eq!(store.census().ledger.expired, 1);
    let touched_again = store.enter(301 * SECOND, (SHOW, user(1)), 2).unwrap();
    assert_eq!(touched_again, Place::Active { active: 2 });
    assert_conserved(&store);
}

#[test]
fn the_ledger_accounts_for_places_that_a_failover_loses() {
    let mut store = store_with(4);
    store.enter(10 * SECOND, (SHOW, user(7)), 2).unwrap();
    store.leave(10 * SECOND, SHOW, user(2)).unwrap();
    store.lose(10 * SECOND);
    assert_eq!(store.status(SHOW, user(3)), Err(Unavailable::Redis));
    store.promote();
    assert_eq!(
        store.census().ledger.lost_waiting,
        1,
        "user 7 came too late"
    );
    assert_eq!(
        store.census().ledger.resurrected_waiting,
        1,
        "user 2 is back"
    );
    assert_conserved(&store);
}

/// Four people of whom two wait; then Redis puts one who has been admitted back into the line, behind the doors' back.
fn store_with_a_planted_second_place() -> RedisStore {
    let mut store = store_with(4);
    store.leave(SECOND, SHOW, user(0)).unwrap();
    let admitted = store.admit(SECOND, (SHOW, 1), LIMITS).unwrap().admitted;
    assert_eq!(admitted, [user(2)]);
    let planted = Write::Enqueue {
        show: SHOW,
        user: user(2),
    };
    store.replicated.write(SECOND, planted);
    store
}

#[test]
fn somebody_who_is_taken_from_the_queue_twice_for_one_join_is_counted() {
    let mut store = store_with_a_planted_second_place();
    for (slot, leaver) in [(2, 1), (3, 3)] {
        store.leave(2 * SECOND, SHOW, user(leaver)).unwrap();
        store.admit(2 * SECOND, (SHOW, slot), LIMITS).unwrap();
    }
    let ledger = store.census().ledger;
    assert_eq!((ledger.joined, ledger.admitted), (4, 5));
    assert_eq!(ledger.admitted_twice, 1, "user 2 has a place already");
}

#[test]
fn somebody_admitted_without_ever_having_joined_is_counted() {
    let mut store = store_with(2);
    let planted = Write::Enqueue {
        show: SHOW,
        user: user(9),
    };
    store.replicated.write(SECOND, planted);
    store.leave(SECOND, SHOW, user(0)).unwrap();
    store.admit(SECOND, (SHOW, 1), LIMITS).unwrap();
    assert_eq!(store.census().ledger.admitted_twice, 1);
}

#[test]
fn one_person_too_many_in_the_line_and_one_too_few_do_not_cancel_out() {
    let mut store = store_with_a_planted_second_place();
    assert_eq!(store.astray(), Some(1));
    let dropped = Write::Dequeue {
        show: SHOW,
        user: user(3),
    };
    store.replicated.write(SECOND, dropped);
    let ledger = store.census().ledger;
    let waiting = store.data().unwrap().waiting();
    assert_eq!(ledger.joined, ledger.admitted + waiting, "the sum is right");
    assert_eq!(store.astray(), Some(2), "the people are not");
}

#[test]
fn the_request_over_the_limit_waits_for_its_window() {
    let mut store = RedisStore::new(SECOND);
    for _ in 0..100 {
        assert_eq!(store.count_request(5 * SECOND, user(1), 100), Ok(None));
    }
    assert_eq!(
        store.count_request(15 * SECOND, user(1), 100),
        Ok(Some(50 * SECOND))
    );
    assert_eq!(store.count_request(15 * SECOND, user(2), 100), Ok(None));
    assert_eq!(store.count_request(65 * SECOND, user(1), 100), Ok(None));
}

#[test]
fn cached_bodies_and_sessions_end_with_their_time() {
    let mut store = RedisStore::new(SECOND);
    let body = Bytes::from_static(b"{}");
    store
        .set_cached(SECOND, ("event:1".to_owned(), body.clone()), 10 * SECOND)
        .unwrap();
    assert_eq!(store.cached(10 * SECOND, "event:1").unwrap(), Some(body));
    assert_eq!(store.cached(11 * SECOND, "event:1").unwrap(), None);
    assert_eq!((store.hits, store.misses), (1, 1));
    store
        .change_session(SECOND, (user(1), SessionChange::Connected), 60 * SECOND)
        .unwrap();
    assert!(store.session(60 * SECOND, user(1)).unwrap().is_some());
    assert!(store.session(61 * SECOND, user(1)).unwrap().is_none());
}

#[test]
fn waiting_time_is_estimated_from_measured_admissions() {
    let mut store = store_with(200);
    assert!((store.status(SHOW, user(50)).unwrap().rate - 50.0).abs() < 1e-9);
    for slot in 1..60 {
        store.admit(SECOND, (SHOW, slot), LIMITS).unwrap();
    }
    assert!(store.status(SHOW, user(50)).unwrap().rate < 1.0);
}
