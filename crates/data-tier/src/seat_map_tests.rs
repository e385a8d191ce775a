use super::*;

const HOLD: u64 = 300;

fn at(seconds: u64) -> SimTime {
    SimTime::from_secs(seconds)
}

/// Three seats, two in one section and one in another, and five standing tickets.
fn seats() -> SeatMap {
    let settings = SeatSettings {
        sections: vec![2, 1],
        areas: vec![5],
    };
    SeatMap::new(&settings, 10)
}

fn offered(map: &SeatMap) -> Vec<u32> {
    let free = map.free();
    let seats = (0..free.count()).map(|place| free.seat(place).unwrap());
    seats.map(|seat| seat.0).collect()
}

fn hold(map: &mut SeatMap, now: u64, buyer: u32, seat: u32) -> Result<ReservationNumber, Refusal> {
    let length = Duration::from_secs(HOLD);
    map.hold(at(now), (BuyerId(buyer), SeatNumber(seat)), length)
}

fn released(map: &mut SeatMap, now: SimTime) -> Vec<SeatNumber> {
    let mut released = Vec::new();
    map.release_expired(now, &mut released);
    let rows = released.iter().map(|number| map.reservation(*number));
    rows.filter_map(|row| row.unwrap().1).collect()
}

#[test]
fn a_seat_goes_to_one_person_and_a_person_gets_one_seat() {
    let mut map = seats();
    hold(&mut map, 1, 1, 0).unwrap();
    assert_eq!(hold(&mut map, 1, 2, 0), Err(Refusal::SeatLocked));
    assert_eq!(hold(&mut map, 1, 1, 1), Err(Refusal::OneSeatEach));
    assert_eq!(hold(&mut map, 1, 2, 3), Err(Refusal::UnknownSeat));
    assert_eq!((offered(&map), map.locked()), (vec![1, 2], 1));
    assert!(map.is_free(SeatNumber(1)) && !map.is_free(SeatNumber(0)));
}

#[test]
fn a_hold_ends_on_time_and_not_before() {
    let mut map = seats();
    let held = hold(&mut map, 1, 1, 1).unwrap();
    assert_eq!(map.next_expiry(), Some(at(1 + HOLD)));
    let moment_before = SimTime::from_nanos(at(1 + HOLD).as_nanos() - 1);
    assert_eq!(released(&mut map, moment_before), []);
    assert_eq!(released(&mut map, at(1 + HOLD)), [SeatNumber(1)]);
    assert_eq!(offered(&map), [0, 1, 2], "back in its place");
    assert_eq!((map.locked(), map.next_expiry()), (0, None));
    let grace = Duration::from_secs(5);
    let late = map.begin_payment(at(400), (BuyerId(1), held), grace);
    assert_eq!(late, Err(Refusal::HoldExpired));
    hold(&mut map, 400, 1, 2).unwrap();
}

#[test]
fn a_hold_that_nobody_has_ended_yet_bars_the_seat_and_not_its_buyer() {
    let mut map = seats();
    hold(&mut map, 1, 1, 1).unwrap();
    assert_eq!(hold(&mut map, 302, 2, 1), Err(Refusal::SeatLocked));
    hold(&mut map, 302, 1, 0).unwrap();
    assert_eq!(map.locked(), 2);
}

#[test]
fn a_payment_made_twice_is_one_payment() {
    let mut map = seats();
    let held = hold(&mut map, 1, 1, 0).unwrap();
    let grace = Duration::from_secs(5);
    let stranger = map.begin_payment(at(2), (BuyerId(2), held), grace);
    assert_eq!(stranger, Err(Refusal::UnknownReservation));
    let begun = map.begin_payment(at(2), (BuyerId(1), held), grace);
    assert_eq!(begun, Ok(Begun::Open));
    map.commit_payment(at(3), BuyerId(1), held).unwrap();
    map.commit_payment(at(4), BuyerId(1), held).unwrap();
    let again = map.begin_payment(at(999), (BuyerId(1), held), grace);
    assert_eq!(again, Ok(Begun::PaidBefore));
    assert_eq!(released(&mut map, at(999)), [], "sold seats stay sold");
    assert_eq!(hold(&mut map, 999, 1, 1), Err(Refusal::OneSeatEach));
    assert_eq!(hold(&mut map, 999, 2, 0), Err(Refusal::SeatReserved));
    let facts = map.facts();
    assert_eq!((facts.orders, facts.captures), (1, 1));
    assert_eq!((facts.free, facts.held, facts.sold), (2, 0, 1));
    assert_eq!(map.orders().collect::<Vec<_>>(), [held]);
}

#[test]
fn a_payment_begun_in_time_keeps_its_seat_while_the_provider_works() {
    let mut map = seats();
    let held = hold(&mut map, 1, 1, 0).unwrap();
    let grace = Duration::from_secs(6);
    map.begin_payment(at(300), (BuyerId(1), held), grace)
        .unwrap();
    assert_eq!(map.next_expiry(), Some(at(306)));
    assert_eq!(released(&mut map, at(302)), []);
    map.commit_payment(at(302), BuyerId(1), held).unwrap();
    assert_eq!((map.next_expiry(), map.sold()), (None, 1));
}

#[test]
fn payments_begun_again_and_again_do_not_keep_a_seat() {
    let mut map = seats();
    let held = hold(&mut map, 1, 1, 0).unwrap();
    let grace = Duration::from_secs(6);
    for second in [290, 295, 300] {
        let begun = map.begin_payment(at(second), (BuyerId(1), held), grace);
        assert_eq!(begun, Ok(Begun::Open), "{second}");
    }
    for second in [301, 303, 305] {
        let begun = map.begin_payment(at(second), (BuyerId(1), held), grace);
        assert_eq!(begun, Err(Refusal::HoldExpired), "{second}");
    }
    assert_eq!(released(&mut map, at(306)), [SeatNumber(0)]);
    assert!(map.is_free(SeatNumber(0)));
}

#[test]
fn a_payment_that_comes_back_too_late_is_refused() {
    let mut map = seats();
    let held = hold(&mut map, 1, 1, 0).unwrap();
    let late = map.commit_payment(at(301), BuyerId(1), held);
    assert_eq!(late, Err(Refusal::HoldExpired));
    assert_eq!(map.facts().captures, 0);
}

#[test]
fn facts_show_a_seat_that_was_sold_twice() {
    let mut map = seats();
    let first = hold(&mut map, 1, 1, 2).unwrap();
    map.commit_payment(at(2), BuyerId(1), first).unwrap();
    // The seat is given out once more, behind the map's back.
    map.seats[2] = SeatState::Available;
    map.stock.give_back(1, 1);
    let second = hold(&mut map, 3, 2, 2).unwrap();
    map.commit_payment(at(4), BuyerId(2), second).unwrap();
    assert_eq!(map.facts().paid_twice, [(SeatNumber(2), 2)]);
}

#[test]
fn canceling_gives_back_seats_tickets_and_money() {
    let mut map = seats();
    let held = hold(&mut map, 1, 1, 0).unwrap();
    map.commit_payment(at(2), BuyerId(1), held).unwrap();
    let stranger = map.cancel(at(3), BuyerId(2), held);
    assert_eq!(stranger, Err(Refusal::UnknownReservation));
    assert_eq!(map.cancel(at(3), BuyerId(1), held), Ok(()));
    assert_eq!(
        map.cancel(at(3), BuyerId(1), held),
        Err(Refusal::NotCancellable)
    );
    let facts = map.facts();
    assert_eq!((facts.free, facts.orders, facts.captures), (3, 0, 0));
    let paid = map.commit_payment(at(4), BuyerId(1), held);
    assert_eq!(paid, Err(Refusal::Cancelled));
    hold(&mut map, 4, 1, 0).unwrap();
    assert_eq!((map.locked(), map.sold()), (1, 0));
}

#[test]
fn standing_tickets_are_sold_as_long_as_there_are_some() {
    let mut map = seats();
    let mut buy = |now, items: &[(usize, u32)]| {
        let length = Duration::from_secs(HOLD);
        map.order(at(now), (BuyerId(1), items.to_vec()), length)
    };
    let first = buy(1, &[(0, 2)]).unwrap();
    assert_eq!(buy(1, &[(0, 4)]), Err(Refusal::ShortStock));
    assert_eq!(buy(1, &[(0, 0)]), Err(Refusal::ShortStock));
    assert_eq!(buy(1, &[(1, 1)]), Err(Refusal::ShortStock), "no such area");
    buy(2, &[(0, 3)]).unwrap();
    assert_eq!(map.take_changed_types(), BTreeSet::from([2]));
    map.commit_payment(at(3), BuyerId(1), first).unwrap();
    assert_eq!(released(&mut map, at(1_000)), [], "no seats");
    assert_eq!(map.tickets_left(2), Some(3), "unpaid tickets go back");
    hold(&mut map, 1_000, 1, 0).unwrap();
    assert_eq!(map.tickets_left(0), Some(1), "of the first section");
}
