//! Tests of the database role on both stores.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use super::{
    Credential, Database, Refusal, Released, ReservationRow, ReservationState, StandingOrder,
};
use crate::settings::Settings;
use crate::show::{Section, Show, StandingArea};
use crate::tier::servers::test_server::TestServer;
use crate::tier::{DataTier, EmbeddedTier, ServersTier, prepare_database};

const HOLD: Duration = Duration::from_secs(300);

/// Duration of a hold that expires during a test.
const SHORT: Duration = Duration::from_secs(1);

/// A database with one show: a section of three seats, and five standing tickets.
struct Stage {
    database: Database,
    show: Show,
    _server: Option<Arc<TestServer>>,
}

impl Stage {
    fn embedded() -> Self {
        let (settings, show) = (settings(), show());
        let tier = EmbeddedTier::new(&settings, vec![show.clone()], Duration::ZERO);
        Self::on(&tier.into(), show, None)
    }

    /// `None` on a machine without PostgreSQL.
    async fn servers(schema: &str) -> Option<Self> {
        let server = TestServer::shared().await?;
        let (settings, show) = (settings(), show());
        let config = server.config(schema);
        let shows = vec![show.clone()];
        prepare_database(&config, &shows).await.unwrap();
        let tier = ServersTier::new(config, &settings, shows);
        Some(Self::on(&tier.into(), show, Some(server)))
    }

    fn on(tier: &DataTier, show: Show, server: Option<Arc<TestServer>>) -> Self {
        Self {
            database: tier.database(&settings(), Duration::ZERO),
            show,
            _server: server,
        }
    }

    fn seat(&self, number: u32) -> Uuid {
        self.show.seat_id(&format!("VIP-1-{number}"))
    }

    async fn hold(&self, user: Uuid, seat: u32) -> Result<ReservationRow, Refusal> {
        self.hold_for(user, seat, HOLD).await
    }

    async fn hold_for(
        &self,
        user: Uuid,
        seat: u32,
        hold: Duration,
    ) -> Result<ReservationRow, Refusal> {
        let place = (user, self.show.id, self.seat(seat));
        self.database.hold(place, hold).await.unwrap()
    }

    async fn order(&self, items: &[(Uuid, u32)]) -> Result<ReservationRow, Refusal> {
        let order = StandingOrder {
            user: user(1),
            show: self.show.id,
            items: items.to_vec(),
        };
        self.database.order_standing(&order, HOLD).await.unwrap()
    }

    async fn available(&self) -> Vec<u32> {
        let show = self.database.show(self.show.id).await.unwrap().unwrap();
        show.types.iter().map(|kind| kind.available).collect()
    }

    /// Returns the states of the seats as buyers see them.
    async fn states(&self) -> Vec<String> {
        let list = self.database.seat_list(self.show.id).await.unwrap();
        let list: Vec<Value> = serde_json::from_slice(&list.unwrap()).unwrap();
        let states = list.iter().map(|seat| seat["status"].as_str().unwrap());
        states.map(ToOwned::to_owned).collect()
    }
}

/// Long timeouts for a machine that is busy with other tests.
fn settings() -> Settings {
    Settings {
        pool_connect_timeout: Duration::from_secs(20),
        ..Settings::default()
    }
}

fn show() -> Show {
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
    Show::new("Night \"석\"", vec![section]).with_standing(vec![floor])
}

fn user(number: u128) -> Uuid {
    Uuid::from_u128(100 + number)
}

/// Runs each case on the embedded store and on PostgreSQL.
macro_rules! on_both_stores {
    ($($case:ident),* $(,)?) => {
        mod embedded {
            $(#[tokio::test]
            async fn $case() {
                super::$case(super::Stage::embedded()).await;
            })*
        }

        mod servers {
            $(#[tokio::test]
            async fn $case() {
                if let Some(stage) = super::Stage::servers(stringify!($case)).await {
                    super::$case(stage).await;
                }
            })*
        }
    };
}

on_both_stores! {
    a_user_registers_once,
    a_show_has_its_stock_and_its_seats,
    a_seat_goes_to_one_user_and_a_user_gets_one_seat,
    of_fifty_concurrent_buyers_one_gets_the_seat,
    two_concurrent_requests_of_one_buyer_get_one_seat,
    a_hold_expires_on_time_and_not_earlier,
    a_payment_with_the_same_key_is_one_payment,
    concurrent_requests_with_the_same_key_are_one_payment,
    of_two_concurrent_payments_one_is_captured,
    a_key_pays_for_one_reservation,
    a_payment_started_in_time_keeps_its_seat_until_it_ends,
    cancelling_returns_seats_and_tickets,
    standing_tickets_are_sold_until_none_are_left,
    standing_tickets_are_never_oversold,
    reservations_are_listed_in_order_to_their_owner_only,
    changed_stock_is_reported,
}

async fn a_user_registers_once(stage: Stage) {
    let kim = |name: &str| Credential {
        id: Uuid::nil(),
        email: "kim@example.com".to_owned(),
        name: name.to_owned(),
        phone: Some("010".to_owned()),
        password_hash: "$2b$10$hash".to_owned(),
    };
    let database = &stage.database;
    let registered = database.register(kim("Kim")).await.unwrap().unwrap();
    assert_eq!(registered.id, crate::user_id("kim@example.com"));
    assert!(database.register(kim("Other")).await.unwrap().is_none());
    let found = database.user_by_email("kim@example.com").await.unwrap();
    let found = found.unwrap();
    assert_eq!((found.id, found.name.as_str()), (registered.id, "Kim"));
    assert_eq!(found.phone.as_deref(), Some("010"));
    assert_eq!(found.password_hash, "$2b$10$hash");
    assert!(database.knows_user(found.id).await.unwrap());
    assert!(!database.knows_user(user(1)).await.unwrap());
    assert!(database.user_by_email("lee").await.unwrap().is_none());
}

async fn a_show_has_its_stock_and_its_seats(stage: Stage) {
    let shows = stage.database.shows().await.unwrap();
    assert_eq!(shows.len(), 1);
    let show = &shows[0];
    assert_eq!(
        (show.id, show.title.as_str()),
        (stage.show.id, "Night \"석\"")
    );
    assert_eq!(show.seats, 3);
    let types: Vec<_> = show
        .types
        .iter()
        .map(|kind| (kind.name.as_str(), kind.price, kind.total, kind.available))
        .collect();
    assert_eq!(types, [("VIP", 150_000, 3, 3), ("Floor", 80_000, 5, 5)]);
    assert_eq!(show.types[1].id, stage.show.ticket_type_id("Floor"));
    let list = stage.database.seat_list(stage.show.id).await.unwrap();
    let list: Vec<Value> = serde_json::from_slice(&list.unwrap()).unwrap();
    let second = serde_json::json!({
        "id": stage.seat(2), "section": "VIP", "row_number": 1, "seat_number": 2,
        "seat_label": "VIP-1-2", "price": 150_000, "status": "available",
    });
    assert_eq!((list.len(), &list[1]), (3, &second));
    let unknown = user(1);
    assert!(stage.database.show(unknown).await.unwrap().is_none());
    assert!(stage.database.seat_list(unknown).await.unwrap().is_none());
}

async fn a_seat_goes_to_one_user_and_a_user_gets_one_seat(stage: Stage) {
    let held = stage.hold(user(1), 1).await.unwrap();
    assert_eq!(stage.hold(user(2), 1).await, Err(Refusal::SeatLocked));
    assert_eq!(stage.hold(user(1), 2).await, Err(Refusal::OneSeatEach));
    assert_eq!(stage.hold(user(1), 1).await, Err(Refusal::OneSeatEach));
    assert_eq!(stage.hold(user(2), 9).await, Err(Refusal::UnknownSeat));
    let elsewhere = (user(2), user(2), stage.seat(2));
    let elsewhere = stage.database.hold(elsewhere, HOLD).await.unwrap();
    assert_eq!(elsewhere, Err(Refusal::UnknownShow));
    let payment = (user(1), held.id, "k");
    let paid = stage.database.commit_payment(payment, "naver_pay").await;
    paid.unwrap().unwrap();
    assert_eq!(stage.hold(user(2), 1).await, Err(Refusal::SeatReserved));
    assert_eq!(stage.available().await, [2, 5]);
    assert_eq!(stage.states().await, ["reserved", "available", "available"]);
}

async fn of_fifty_concurrent_buyers_one_gets_the_seat(stage: Stage) {
    let tries = (0..50).map(|number| stage.hold(user(number), 2));
    let answers = futures_util::future::join_all(tries).await;
    let held = answers.iter().filter(|answer| answer.is_ok()).count();
    let locked = answers
        .iter()
        .filter(|answer| **answer == Err(Refusal::SeatLocked));
    assert_eq!((held, locked.count()), (1, 49));
    assert_eq!(stage.states().await, ["available", "locked", "available"]);
}

async fn two_concurrent_requests_of_one_buyer_get_one_seat(stage: Stage) {
    for number in 0..10 {
        let buyer = user(number);
        let (one, two) = tokio::join!(stage.hold(buyer, 1), stage.hold(buyer, 2));
        let (held, refused) = if one.is_ok() { (one, two) } else { (two, one) };
        assert_eq!(refused, Err(Refusal::OneSeatEach));
        let id = held.unwrap().id;
        stage.database.cancel(buyer, id).await.unwrap().unwrap();
    }
}

async fn a_hold_expires_on_time_and_not_earlier(stage: Stage) {
    let database = &stage.database;
    let held = stage.hold_for(user(1), 1, SHORT).await.unwrap();
    assert_eq!(held.expires - held.created, SHORT);
    assert_eq!(database.next_expiry().await.unwrap(), Some(held.expires));
    assert!(database.release_expired().await.unwrap().is_empty());
    tokio::time::sleep(SHORT).await;
    let late = database.begin_payment((user(1), held.id, "k"), HOLD).await;
    assert_eq!(late.unwrap(), Err(Refusal::HoldExpired));
    assert_eq!(stage.hold(user(2), 1).await, Err(Refusal::SeatLocked));
    let released = database.release_expired().await.unwrap();
    let (show, seats) = (stage.show.id, vec![stage.seat(1)]);
    assert_eq!(released, [Released { show, seats }]);
    assert_eq!(database.next_expiry().await.unwrap(), None);
    let late = database.begin_payment((user(1), held.id, "k"), HOLD).await;
    assert_eq!(late.unwrap(), Err(Refusal::HoldExpired));
    let gone = database.cancel(user(1), held.id).await.unwrap();
    assert_eq!(gone, Err(Refusal::NotCancellable));
    stage.hold(user(2), 1).await.unwrap();
    stage.hold(user(1), 2).await.unwrap();
}

async fn a_payment_with_the_same_key_is_one_payment(stage: Stage) {
    let database = &stage.database;
    let held = stage.hold(user(1), 1).await.unwrap();
    let payment = (user(1), held.id, "key");
    let begun = database.begin_payment(payment, HOLD).await.unwrap();
    assert_eq!(begun, Ok(None));
    let first = database.commit_payment(payment, "naver_pay").await.unwrap();
    let first = first.unwrap();
    assert_eq!(first.reservation.state, ReservationState::Paid);
    assert_eq!(
        (first.key.as_str(), first.method.as_str()),
        ("key", "naver_pay")
    );
    assert_eq!(first.reservation.seats, held.seats);
    let again = database.begin_payment(payment, HOLD).await.unwrap();
    assert_eq!(again, Ok(Some(first.clone())));
    let again = database.commit_payment(payment, "kakao_pay").await.unwrap();
    assert_eq!(again, Ok(first));
    let other = database.begin_payment((user(1), held.id, "other"), HOLD);
    assert_eq!(other.await.unwrap(), Err(Refusal::PaidAlready));
    let stranger = database.begin_payment((user(2), held.id, "key"), HOLD);
    assert_eq!(stranger.await.unwrap(), Err(Refusal::UnknownReservation));
    assert_eq!(database.next_expiry().await.unwrap(), None);
}

async fn concurrent_requests_with_the_same_key_are_one_payment(stage: Stage) {
    let held = stage.hold(user(1), 1).await.unwrap();
    let payment = (user(1), held.id, "key");
    let tries = (0..20).map(|_| stage.database.commit_payment(payment, "naver_pay"));
    let answers = futures_util::future::join_all(tries).await;
    let receipts: Vec<_> = answers
        .into_iter()
        .map(|answer| answer.unwrap().unwrap())
        .collect();
    assert!(receipts.iter().all(|receipt| *receipt == receipts[0]));
}

async fn of_two_concurrent_payments_one_is_captured(stage: Stage) {
    let held = stage.hold(user(1), 1).await.unwrap();
    let pay = |key| {
        stage
            .database
            .commit_payment((user(1), held.id, key), "kakao_pay")
    };
    let (one, two) = tokio::join!(pay("one"), pay("two"));
    let (paid, refused) = match (one.unwrap(), two.unwrap()) {
        (Ok(paid), Err(refused)) | (Err(refused), Ok(paid)) => (paid, refused),
        both => panic!("{both:?}"),
    };
    assert_eq!(refused, Refusal::PaidAlready);
    let key = paid.key.clone();
    let again = stage.database.begin_payment((user(1), held.id, &key), HOLD);
    assert_eq!(again.await.unwrap(), Ok(Some(paid)));
}

async fn a_key_pays_for_one_reservation(stage: Stage) {
    let database = &stage.database;
    let one = stage.hold(user(1), 1).await.unwrap().id;
    let two = stage.hold(user(2), 2).await.unwrap().id;
    let (one, two) = ((user(1), one, "key"), (user(2), two, "key"));
    let (first, second) = tokio::join!(
        database.commit_payment(one, "naver_pay"),
        database.commit_payment(two, "naver_pay")
    );
    let (first, second) = (first.unwrap(), second.unwrap());
    let (loser, refused) = if first.is_ok() {
        (two, second)
    } else {
        (one, first)
    };
    assert_eq!(refused, Err(Refusal::KeyUsed));
    let later = database.begin_payment(loser, HOLD).await.unwrap();
    assert_eq!(later, Err(Refusal::KeyUsed));
    let own = database.commit_payment((loser.0, loser.1, "own"), "naver_pay");
    assert!(own.await.unwrap().is_ok());
}

async fn a_payment_started_in_time_keeps_its_seat_until_it_ends(stage: Stage) {
    let database = &stage.database;
    let held = stage.hold_for(user(1), 1, SHORT).await.unwrap();
    let payment = (user(1), held.id, "key");
    database
        .begin_payment(payment, HOLD)
        .await
        .unwrap()
        .unwrap();
    let shorter = database.begin_payment(payment, SHORT).await.unwrap();
    assert_eq!(shorter, Ok(None));
    assert!(database.next_expiry().await.unwrap() > Some(held.expires + SHORT));
    tokio::time::sleep(SHORT).await;
    assert!(database.release_expired().await.unwrap().is_empty());
    // Otherwise payments that are begun and dropped would keep the seat for ever.
    let after_the_hold = database.begin_payment(payment, HOLD).await.unwrap();
    assert_eq!(after_the_hold, Err(Refusal::HoldExpired));
    let paid = database.commit_payment(payment, "naver_pay").await;
    paid.unwrap().unwrap();
    assert_eq!(database.next_expiry().await.unwrap(), None);
}

async fn cancelling_returns_seats_and_tickets(stage: Stage) {
    let database = &stage.database;
    let held = stage.hold(user(1), 1).await.unwrap();
    let payment = (user(1), held.id, "k");
    let paid = database.commit_payment(payment, "naver_pay").await;
    paid.unwrap().unwrap();
    let foreign = database.cancel(user(2), held.id).await.unwrap();
    assert_eq!(foreign, Err(Refusal::UnknownReservation));
    let released = database.cancel(user(1), held.id).await.unwrap().unwrap();
    assert_eq!(released.seats, [stage.seat(1)]);
    let again = database.cancel(user(1), held.id).await.unwrap();
    assert_eq!(again, Err(Refusal::NotCancellable));
    let paid = database.begin_payment(payment, HOLD).await.unwrap();
    assert_eq!(paid, Err(Refusal::Cancelled));
    let floor = stage.show.ticket_type_id("Floor");
    let standing = stage.order(&[(floor, 2)]).await.unwrap();
    assert_eq!(stage.available().await, [3, 3]);
    let released = database.cancel(user(1), standing.id).await.unwrap();
    assert!(released.unwrap().seats.is_empty());
    assert_eq!(stage.available().await, [3, 5]);
    stage.hold(user(2), 1).await.unwrap();
}

async fn standing_tickets_are_sold_until_none_are_left(stage: Stage) {
    let (vip, floor) = (
        stage.show.ticket_type_id("VIP"),
        stage.show.ticket_type_id("Floor"),
    );
    let bought = stage.order(&[(floor, 1), (floor, 1)]).await.unwrap();
    assert_eq!((bought.amount, bought.seats.len()), (160_000, 0));
    let items: Vec<_> = bought
        .items
        .iter()
        .map(|item| (item.name.as_str(), item.quantity))
        .collect();
    assert_eq!(items, [("Floor", 2)]);
    for (items, refusal) in [
        (&[(floor, 2), (floor, 2)][..], Refusal::ShortStock),
        (&[(floor, 0)], Refusal::ShortStock),
        (&[(vip, 1)], Refusal::ChooseASeat),
        (&[(user(1), 1)], Refusal::UnknownTicketType),
        (&[(floor, 9), (user(1), 1)], Refusal::ShortStock),
        (&[(user(1), 1), (floor, 9)], Refusal::UnknownTicketType),
    ] {
        assert_eq!(stage.order(items).await, Err(refusal), "{items:?}");
    }
    assert_eq!(stage.order(&[(floor, 3)]).await.unwrap().amount, 240_000);
    assert_eq!(stage.order(&[(floor, 1)]).await, Err(Refusal::ShortStock));
    assert_eq!(stage.available().await, [3, 0]);
}

async fn standing_tickets_are_never_oversold(stage: Stage) {
    let floor = [(stage.show.ticket_type_id("Floor"), 2)];
    let tries = (0..20).map(|_| stage.order(&floor));
    let answers = futures_util::future::join_all(tries).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 2);
    assert_eq!(stage.available().await, [3, 1]);
}

async fn reservations_are_listed_in_order_to_their_owner_only(stage: Stage) {
    let database = &stage.database;
    let held = stage.hold(user(1), 3).await.unwrap();
    assert_eq!((held.number.as_str(), held.amount), ("TK-0000001", 150_000));
    assert_eq!(held.seats[0].seat_label, "VIP-1-3");
    assert_eq!(held.seats[0].seat_number, 3);
    assert_eq!(held.items[0].id, stage.show.ticket_type_id("VIP"));
    assert_eq!(held.show_title, stage.show.title);
    let floor = stage.show.ticket_type_id("Floor");
    let standing = stage.order(&[(floor, 1)]).await.unwrap();
    assert_eq!(standing.number, "TK-0000002");
    let found = database.reservation(user(1), held.id).await.unwrap();
    assert_eq!(found, Some(held.clone()));
    let all = database.reservations(user(1)).await.unwrap();
    assert_eq!(all, [held.clone(), standing]);
    assert!(
        database
            .reservation(user(2), held.id)
            .await
            .unwrap()
            .is_none()
    );
    assert!(database.reservations(user(2)).await.unwrap().is_empty());
}

async fn changed_stock_is_reported(stage: Stage) {
    stage.hold(user(1), 1).await.unwrap();
    stage.hold(user(2), 2).await.unwrap();
    let told = stage.database.take_changed_types(stage.show.id).await;
    let told = told.unwrap();
    let vip = told.iter().find(|kind| kind.name == "VIP").unwrap();
    assert_eq!((vip.available, vip.total), (1, 3));
}
