use tiketi_data_tier::Eviction;

use super::*;

const SHOW: Uuid = Uuid::from_u128(1);
const SECOND: Duration = Duration::from_secs(1);

fn at(seconds: u64) -> SimTime {
    SimTime::from_secs(seconds)
}

fn user(number: u128) -> Uuid {
    Uuid::from_u128(100 + number)
}

/// A room for two, and a replica that is a second behind.
fn store_with(people: u128) -> RedisStore {
    let mut store = RedisStore::new(RedisSettings {
        lost_window: SECOND,
        command: Duration::ZERO,
        timeout: 2 * SECOND,
        memory_max: u64::MAX,
        memory_other: 0,
        eviction: Eviction::AllKeysLru,
        active_max: 2,
        idle_timeout: 300 * SECOND,
        admit_every: SECOND,
        session_ttl: 3_600 * SECOND,
        counts_requests: true,
        tells_places: true,
        seed: 1,
    });
    for number in 0..people {
        store.enter(at(0), SHOW, user(number)).unwrap();
    }
    store
}

fn assert_conserved(store: &RedisStore, now: SimTime) {
    let ledger = store.ledger();
    assert_eq!((ledger.admitted_twice, store.astray()), (0, Some(0)));
    let waiting = store.waiting(now).unwrap();
    assert_eq!(
        ledger.joined + ledger.resurrected_waiting,
        ledger.admitted + ledger.left_waiting + ledger.cleared + ledger.lost_waiting + waiting,
        "{ledger:?}, waiting {waiting}"
    );
}

#[test]
fn users_get_places_and_the_head_of_the_line_is_admitted() {
    let mut store = store_with(4);
    assert_eq!(store.status(at(0), SHOW, user(1)).unwrap().position, None);
    let again = store.enter(at(1), SHOW, user(3)).unwrap();
    assert!(matches!(again, Place::Waiting(status) if status.position == Some(2)));
    store.leave(at(1), SHOW, user(0)).unwrap();
    let newcomer = store.enter(at(1), SHOW, user(9)).unwrap();
    assert!(matches!(newcomer, Place::Waiting(status) if status.position == Some(3)));
    assert_eq!(store.admit(at(2), SHOW, 2).unwrap().admitted, [user(2)]);
    store.leave(at(2), SHOW, user(1)).unwrap();
    let again = store.admit(at(2), SHOW, 2).unwrap();
    assert_eq!(again, Admission::default(), "once per slot");
    assert_conserved(&store, at(2));
}

#[test]
fn a_stranger_and_an_unknown_show_leave_no_trace() {
    let mut store = store_with(3);
    let status = store.status(at(1), SHOW, Uuid::nil()).unwrap();
    assert_eq!(
        (status.position, status.queue_size, status.active),
        (None, 1, 2)
    );
    let elsewhere = store.status(at(1), user(7), user(0)).unwrap();
    assert_eq!((elsewhere.queue_size, elsewhere.active), (0, 0));
    assert!((elsewhere.rate - 50.0).abs() < 1e-9);
}

#[test]
fn the_ledger_accounts_for_places_that_a_failover_loses() {
    let mut store = store_with(4);
    store.enter(at(10), SHOW, user(7)).unwrap();
    store.leave(at(10), SHOW, user(2)).unwrap();
    store.machine.handle_lost(at(10));
    let lost = store.status(at(10), SHOW, user(3));
    assert_eq!(lost, Err(Unavailable::Redis));
    assert_eq!(store.waiting(at(10)), None);
    let loss = store.promote();
    assert_eq!((loss.places, loss.places_put_back), (1, 1));
    let ledger = store.ledger();
    assert_eq!((ledger.lost_waiting, ledger.resurrected_waiting), (1, 1));
    assert_conserved(&store, at(11));
}

#[test]
fn a_failover_brings_old_sessions_and_bodies_back() {
    let mut store = store_with(0);
    let page = SessionChange::Page(Some(SHOW));
    store
        .change_session(at(1), (user(1), page), 60 * SECOND)
        .unwrap();
    let body = |text: &'static [u8]| CachedBody {
        bytes: Bytes::from_static(text),
        stock: None,
    };
    let entry = ("event:1".to_owned(), 60 * SECOND);
    store
        .set_cached(at(1), entry.clone(), body(b"old"))
        .unwrap();
    let left = SessionChange::Page(None);
    store
        .change_session(at(10), (user(1), left), 60 * SECOND)
        .unwrap();
    store.set_cached(at(10), entry, body(b"new")).unwrap();
    store.drop_cached(at(10), "event:1").unwrap();
    store.machine.handle_lost(at(10));
    store.promote();
    let session = store.session(at(11), user(1)).unwrap().unwrap();
    assert_eq!(session.event_id, Some(SHOW));
    assert_eq!(store.cached(at(11), "event:1"), Ok(Some(body(b"old"))));
    store.sweep(at(100)).unwrap();
    assert_eq!(store.cached(at(100), "event:1"), Ok(None));
    assert_eq!(store.session(at(100), user(1)), Ok(None));
}

#[test]
fn requests_are_counted_per_user() {
    let mut store = store_with(0);
    for _ in 0..100 {
        assert_eq!(store.count_request(at(5), user(1), 100), Ok(None));
    }
    let wait = store.count_request(at(15), user(1), 100);
    assert_eq!(wait, Ok(Some(50 * SECOND)));
    assert_eq!(store.count_request(at(15), user(2), 100), Ok(None));
}
