use super::*;
use crate::show::{Section, StandingArea};
use crate::tier::SeatState;

const HOLD: Duration = Duration::from_secs(300);

fn at(seconds: u64) -> SimTime {
    SimTime::from_secs(seconds)
}

fn store() -> (PostgresStore, Uuid, Vec<Uuid>) {
    let section = Section {
        name: "VIP".to_owned(),
        rows: 1,
        seats_per_row: 3,
        price: 150_000,
    };
    let floor = StandingArea {
        name: "Floor".to_owned(),
        quantity: 5,
        price: 80_000,
    };
    let show = Show::new("Night", vec![section]).with_standing(vec![floor]);
    let seats = (1..=3)
        .map(|seat| show.seat_id(&format!("VIP-1-{seat}")))
        .collect();
    (PostgresStore::new(vec![show.clone()]), show.id, seats)
}

fn user(number: u128) -> Uuid {
    Uuid::from_u128(100 + number)
}

fn available(store: &PostgresStore, show: &Uuid) -> Vec<u32> {
    let types = store.show(show).unwrap().types;
    types.iter().map(|kind| kind.available).collect()
}

#[test]
fn a_seat_goes_to_one_person_and_a_person_gets_one_seat() {
    let (mut store, show, seats) = store();
    store.hold(at(1), (user(1), show, seats[0]), HOLD).unwrap();
    let taken = store.hold(at(1), (user(2), show, seats[0]), HOLD);
    assert_eq!(taken.unwrap_err(), Refusal::SeatLocked);
    let second = store.hold(at(1), (user(1), show, seats[1]), HOLD);
    assert_eq!(second.unwrap_err(), Refusal::OneSeatEach);
    let unknown = store.hold(at(1), (user(2), show, Uuid::nil()), HOLD);
    assert_eq!(unknown.unwrap_err(), Refusal::UnknownSeat);
    assert_eq!(available(&store, &show), [2, 5]);
}

#[test]
fn a_hold_ends_on_time_and_not_before() {
    let (mut store, show, seats) = store();
    let held = store.hold(at(1), (user(1), show, seats[0]), HOLD).unwrap();
    assert_eq!(store.next_expiry(), Some(at(301)));
    assert!(
        store
            .release_expired(SimTime::from_nanos(at(301).as_nanos() - 1))
            .is_empty()
    );
    let released = store.release_expired(at(301));
    assert_eq!(
        released,
        [Released {
            show,
            seats: vec![seats[0]]
        }]
    );
    assert_eq!((store.held(), store.next_expiry()), (0, None));
    let late = store.begin_payment(at(600), (user(1), held.id, "k"), HOLD);
    assert_eq!(late.unwrap_err(), Refusal::HoldExpired);
    store
        .hold(at(600), (user(1), show, seats[1]), HOLD)
        .unwrap();
}

#[test]
fn a_payment_with_the_same_key_is_one_payment() {
    let (mut store, show, seats) = store();
    let held = store.hold(at(1), (user(1), show, seats[0]), HOLD).unwrap();
    let payment = (user(1), held.id, "key");
    let later = Duration::from_secs(9);
    assert!(
        store
            .begin_payment(at(1), payment, later)
            .unwrap()
            .is_none()
    );
    let first = store.commit_payment(at(2), payment, "naver_pay").unwrap();
    let again = store.begin_payment(at(3), payment, later).unwrap().unwrap();
    assert_eq!(
        (first.paid_at, again.paid_at),
        (at(2).since_start(), at(2).since_start())
    );
    let other = store.begin_payment(at(3), (user(1), held.id, "other"), later);
    assert_eq!(other.unwrap_err(), Refusal::PaidAlready);
    let stranger = store.begin_payment(at(3), (user(2), held.id, "key"), later);
    assert_eq!(stranger.unwrap_err(), Refusal::UnknownReservation);
    assert_eq!((store.orders().len(), store.captures().len()), (1, 1));
    assert_eq!((store.held(), store.sold()), (0, 1));
    assert!(
        store.release_expired(at(600)).is_empty(),
        "sold seats stay sold"
    );
}

#[test]
fn of_two_payments_at_once_one_is_captured() {
    let (mut store, show, seats) = store();
    let held = store.hold(at(1), (user(1), show, seats[0]), HOLD).unwrap();
    let (one, two) = ((user(1), held.id, "one"), (user(1), held.id, "two"));
    store.begin_payment(at(1), one, Duration::ZERO).unwrap();
    store.begin_payment(at(1), two, Duration::ZERO).unwrap();
    store.commit_payment(at(2), two, "kakao_pay").unwrap();
    let loser = store.commit_payment(at(2), one, "kakao_pay");
    assert_eq!(loser.unwrap_err(), Refusal::PaidAlready);
    assert_eq!(store.captures()[0].idempotency_key, "two");
    assert_eq!(store.captures().len(), 1);
}

#[test]
fn a_payment_begun_in_time_keeps_its_seat_while_the_provider_works() {
    let (mut store, show, seats) = store();
    let held = store.hold(at(1), (user(1), show, seats[0]), HOLD).unwrap();
    let payment = (user(1), held.id, "key");
    store
        .begin_payment(at(300), payment, Duration::from_secs(6))
        .unwrap();
    assert!(store.release_expired(at(302)).is_empty());
    store.commit_payment(at(302), payment, "naver_pay").unwrap();
    assert_eq!(store.next_expiry(), None);
}

#[test]
fn cancelling_gives_back_seats_tickets_and_money() {
    let (mut store, show, seats) = store();
    let held = store.hold(at(1), (user(1), show, seats[0]), HOLD).unwrap();
    store
        .commit_payment(at(1), (user(1), held.id, "k"), "naver_pay")
        .unwrap();
    let foreign = store.cancel(at(1), user(2), held.id);
    assert_eq!(foreign.unwrap_err(), Refusal::UnknownReservation);
    let released = store.cancel(at(1), user(1), held.id).unwrap();
    assert_eq!(released.seats, [seats[0]]);
    assert_eq!(
        store.cancel(at(1), user(1), held.id),
        Err(Refusal::NotCancellable)
    );
    assert_eq!(available(&store, &show), [3, 5]);
    assert_eq!((store.held(), store.sold()), (0, 0));
    assert!(store.captures().is_empty() && store.orders().is_empty());
    assert!(
        store
            .final_seats()
            .iter()
            .all(|seat| seat.state == SeatState::Available)
    );
}

#[test]
fn standing_tickets_are_sold_as_long_as_there_are_some() {
    let (mut store, show, _) = store();
    let types = store.show(&show).unwrap().types;
    let order = |items: &[(Uuid, u32)]| StandingOrder {
        user: user(1),
        show,
        items: items.to_vec(),
    };
    let (vip, floor) = (types[0].id, types[1].id);
    let mut buy = |items: &[(Uuid, u32)]| store.order_standing(at(1), &order(items), HOLD);
    assert_eq!(buy(&[(floor, 2)]).unwrap().amount, 160_000);
    assert_eq!(
        buy(&[(floor, 2), (floor, 2)]).unwrap_err(),
        Refusal::ShortStock
    );
    assert_eq!(buy(&[(floor, 0)]).unwrap_err(), Refusal::ShortStock);
    assert_eq!(buy(&[(vip, 1)]).unwrap_err(), Refusal::ChooseASeat);
    assert_eq!(buy(&[(floor, 3)]).unwrap().amount, 240_000);
    store.release_expired(at(600));
    assert_eq!(available(&store, &show), [3, 5], "unpaid tickets go back");
}

#[test]
fn changed_stock_is_told_once() {
    let (mut store, show, seats) = store();
    store.hold(at(1), (user(1), show, seats[0]), HOLD).unwrap();
    store.hold(at(1), (user(2), show, seats[1]), HOLD).unwrap();
    let changed = store.take_changed_types(&show);
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0].available, 1);
    assert!(store.take_changed_types(&show).is_empty());
}
